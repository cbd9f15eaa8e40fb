"""What a street is made of and where: its cross section, its ground, its houses and all that stands on it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.random import Generator

from kerseg.street import things
from kerseg.street.canvas import OVERSAMPLING, Array, Camera, Canvas, Thing, Weather, rectangle

ASPHALT = np.array([(92, 92, 94), (112, 110, 106), (70, 70, 74), (104, 100, 98)], np.float64)
PAVING = np.array([(1.45, 1.45, 1.4), (1.65, 1.5, 1.35), (1.5, 1.2, 1.1), (1.8, 1.8, 1.85)], np.float64)
"""Factors on the asphalt of the same image: one street's paving is another street's road."""

Painter = Callable[[Canvas, Generator], None]


@dataclass(frozen=True)
class Street:
    """Cross section of a street, metres from its middle."""

    kerb: float
    """Where the road ends."""
    front: float
    """Where the pavements end and the houses begin."""
    two_ways: bool

    @classmethod
    def random(cls, rng: Generator) -> "Street":
        """Draw a street 12 to 25 m wide."""
        kerb = rng.uniform(3.2, 6.5)
        return cls(kerb, kerb + rng.uniform(3.0, 6.0), bool(kerb > 4.2))


@dataclass(frozen=True)
class Standing:
    """Something to paint, and the shadow it throws."""

    layer: int
    """0 is behind the pavements, 1 between them and so always in front of layer 0."""
    at: tuple[float, float]
    """Its middle, x and z, metres."""
    size: tuple[float, float]
    """Extent along x and z, metres."""
    height: float
    """Metres; 0 throws no shadow."""
    paint: Painter

    @property
    def reach(self) -> float:
        """Distance from its middle beyond which nothing of it is, metres; crowns reach 0.4 heights."""
        return float(np.hypot(*self.size)) / 2 + 0.4 * self.height + 1

    @property
    def footprint(self) -> Array:
        """Corners on the ground, ``(4, 3)``."""
        return rectangle(self.at, self.size, 0.0)


def weather(rng: Generator) -> Weather:
    """Draw the light: sun, a covered sky, or dusk."""
    kind = str(rng.choice(["sun", "grey", "dusk"], p=[0.5, 0.3, 0.2]))
    turn, climb = rng.uniform(0, 2 * np.pi), rng.uniform(0.35, 1.2) if kind == "sun" else 0.3
    zenith, haze, ambient, tint, exposure = {
        "sun": ((84, 134, 204), (196, 214, 232), rng.uniform(0.55, 0.75), (1.03, 1.0, 0.96), 1.0),
        "grey": ((158, 164, 172), (198, 202, 206), 1.0, (0.97, 1.0, 1.03), 0.92),
        "dusk": ((66, 78, 128), (226, 160, 120), rng.uniform(0.7, 0.95), (1.08, 0.97, 0.9), 0.8),
    }[kind]
    return Weather(
        zenith=np.array(zenith) * rng.uniform(0.85, 1.1),
        haze=(np.array(haze) + rng.normal(0, 8, 3)).clip(0, 255),
        visibility=float(np.exp(rng.uniform(np.log(90), np.log(500)))),
        sun=np.array([np.cos(climb) * np.cos(turn), np.sin(climb), np.cos(climb) * np.sin(turn)]),
        ambient=ambient,
        clouds=1.0 if kind == "grey" else rng.uniform(0.0, 0.8),
        exposure=exposure * rng.uniform(0.85, 1.15),
        tint=np.array(tint) * rng.normal(1, 0.025, 3),
        dusk=kind == "dusk",
    )


def camera(rng: Generator, street: Street, size: tuple[int, int]) -> Camera:
    """Draw a place to take an image of ``size`` (height, width in pixels) from."""
    height, width = size[0] * OVERSAMPLING, size[1] * OVERSAMPLING
    across = rng.random() < 0.15  # a look across the street, at the houses
    side = rng.choice([-1.0, 1.0])
    # Who looks across stands on the other side, or there would be nothing but wall in the image.
    place = -side * rng.uniform(0.3, 0.9) if across else rng.uniform(-0.75, 0.75)
    tall = rng.uniform(1.4, 2.6)
    return Camera(
        position=np.array([place * street.front, tall, 0.0]),
        yaw=side * (rng.uniform(0.4, 1.1) if across else rng.uniform(0.0, 0.25)),
        roll=rng.normal(0, 0.015),
        focal=width * rng.uniform(0.75, 1.15),
        centre=(width / 2, height * rng.uniform(0.36, 0.6)),
    )


def ground(canvas: Canvas, rng: Generator, street: Street) -> None:
    """Paint pavement, road and what is painted on the road."""
    asphalt = things.pick(rng, ASPHALT, 6)
    paving = asphalt * rng.choice(PAVING)
    kerb = street.kerb
    _strip(canvas, (-80, 80), (-60, 900), paving, Thing.PAVEMENT)
    _strip(canvas, (-kerb, kerb), (-60, 900), asphalt, Thing.ROAD)
    if rng.random() < 0.35:  # a side street
        z = rng.uniform(8, 30)
        _strip(canvas, (-80, 80), (z, z + rng.uniform(4, 8)), asphalt, Thing.ROAD)
    for edge in (-kerb, kerb):
        _strip(canvas, (edge - 0.1, edge + 0.1), (-60, 900), paving * 1.2, None)
    for _ in range(6):  # patches of newer and older asphalt
        x, z = rng.uniform(-kerb, kerb - 1), rng.uniform(1, 40)
        patch = (x, min(x + rng.uniform(0.5, 2), kerb)), (z, z + rng.uniform(0.5, 5))
        _strip(canvas, *patch, asphalt * rng.uniform(0.8, 1.12), None)
    mark = rng.uniform(170, 235) * np.ones(3)
    if rng.random() < 0.8:
        whole = rng.random() < 0.25
        for z in [-30.0] if whole else np.arange(-30, 90, 6.6):
            _strip(canvas, (-0.08, 0.08), (z, z + (300.0 if whole else 3.0)), mark, None)
    if rng.random() < 0.35:  # a crossing
        z = rng.uniform(4, 22)
        for x in np.arange(-kerb + 0.3, kerb - 0.6, 1.0):
            _strip(canvas, (x, x + 0.5), (z, z + 3.2), mark, None)


def houses(rng: Generator, street: Street) -> list[Standing]:
    """Lay out two rows of houses with gaps and trees in them, and what closes the street far away."""
    found: list[Standing] = []
    tall, gaps = rng.uniform(5, 17), rng.uniform(0.05, 0.4)
    for side in (-1, 1):
        z = rng.uniform(-50, -40)
        while z < 130:
            length = rng.uniform(7, 20)
            if rng.random() < gaps:
                found += _gap(rng, street, side, z, length)
            else:
                near = side * (street.front + (rng.uniform(0, 4) if rng.random() < 0.5 else 0.0))
                left, right = sorted((near, near + side * rng.uniform(8, 14)))
                found.append(_house((left, right), (z, z + length), max(3.2, rng.normal(tall, 3))))
            z += length + (rng.uniform(0, 3) if rng.random() < 0.5 else 0.0)
    for _ in range(int(rng.integers(3, 9))):
        x, z, height = rng.uniform(-40, 40), rng.uniform(150, 260), rng.uniform(4, 24)
        found.append(
            _house((x, x + 18), (z, z + 10), height) if rng.random() < 0.5 else _tree(0, x, z, height)
        )
    return found


def furniture(rng: Generator, street: Street, camera: Camera) -> list[Standing]:
    """Lay out cars, trees, lamp posts and persons, none of them on the camera's toes."""
    found: list[Standing] = []
    for side in (-1, 1):
        found += _cars(rng, street, side)
        if rng.random() < 0.6:  # an avenue
            x, tall, step = side * (street.kerb + 0.7), rng.uniform(3.5, 9), rng.uniform(6, 14)
            for z in np.arange(-15, 55, step) + rng.uniform(0, 5):
                found.append(_tree(1, x, z, tall * rng.uniform(0.8, 1.2)))
        if rng.random() < 0.6:
            x = side * (street.kerb + 0.4)
            for z in np.arange(-10, 55, rng.uniform(14, 25)) + rng.uniform(0, 10):
                paint = partial(things.lamp_post, x=x, z=z)
                found.append(Standing(1, (x, z), (0.15, 0.15), 5.5, paint))
    found += _persons(rng, street, camera)
    away = [camera.view((thing.at[0], 0.0, thing.at[1])) for thing in found]
    return [
        thing
        for thing, view in zip(found, away, strict=True)
        if np.hypot(view[0], view[2]) > 2 + max(thing.size) / 2
    ]


def _strip(
    canvas: Canvas, x: tuple[float, float], z: tuple[float, float], colour: Array, thing: Thing | None
) -> None:
    corners = [(x[0], 0, z[0]), (x[1], 0, z[0]), (x[1], 0, z[1]), (x[0], 0, z[1])]
    # Ground fades pixel by pixel, in `develop`: the distance of the middle of so long a shape says nothing.
    canvas.polygon(corners, colour, thing, None, fade=False)


def _gap(rng: Generator, street: Street, side: int, z: float, length: float) -> list[Standing]:
    found = [
        _tree(0, side * (street.front + rng.uniform(2, 14)), z + rng.uniform(0, length), rng.uniform(4, 11))
        for _ in range(int(rng.integers(0, 5)))
    ]
    if rng.random() < 0.6:
        x = side * (street.front + 0.5)
        paint = partial(things.hedge, x=x, z=(z, z + length))
        found.append(Standing(0, (x, z + length / 2), (0.8, length), 1.2, paint))
    return found


def _cars(rng: Generator, street: Street, side: int) -> list[Standing]:
    """One side's parked cars and those that drive."""
    found = []
    if rng.random() < 0.7:
        busy = rng.uniform(0.2, 0.7)
        for z in np.arange(-20, 28, 5.4) + rng.uniform(0, 5):
            if rng.random() < busy:
                turn = rng.normal(0, 0.03) + np.pi * (rng.random() < 0.5)
                found.append(_car(side * (street.kerb - 1.0), z, turn))
    if street.two_ways or side > 0:
        for z in np.cumsum(rng.uniform(10, 18, 3)) - 10:
            found.append(_car(side * street.kerb * 0.36, z, np.pi * (side < 0)))
    return found


def _persons(rng: Generator, street: Street, camera: Camera) -> list[Standing]:
    """Persons between the houses, near enough to be more than a few pixels."""
    found = []
    for _ in range(int(rng.integers(1, 5))):
        depth, across = rng.uniform(2.8, 8.0), rng.uniform(-1, 1) * camera.centre[0] / camera.focal
        turn = camera.yaw + np.arctan(across)
        x, z = camera.position[0] + depth * np.sin(turn), depth * np.cos(turn)
        if abs(x) < street.front - 0.3:
            found.append(Standing(1, (x, z), (0.45, 0.45), 1.7, partial(things.person, x=x, z=z)))
    return found


def _house(x: tuple[float, float], z: tuple[float, float], height: float) -> Standing:
    size = (x[1] - x[0], z[1] - z[0])
    paint = partial(things.building, x=x, z=z, height=height)
    return Standing(0, ((x[0] + x[1]) / 2, (z[0] + z[1]) / 2), size, height, paint)


def _tree(layer: int, x: float, z: float, height: float) -> Standing:
    return Standing(layer, (x, z), (2.5, 2.5), height * 0.8, partial(things.tree, x=x, z=z, height=height))


def _car(x: float, z: float, turn: float) -> Standing:
    return Standing(1, (x, z), (1.9, 4.3), 1.4, partial(things.car, x=x, z=z, turn=turn))
