"""A camera and a canvas: shapes given in metres become an image, its labels and its light.

Coordinates are x to the right, y up and z along the street, in metres; the camera stands at z = 0. A canvas
is ``OVERSAMPLING`` times as large as the image made from it, which smooths edges and shows which pixels two
classes share.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from kerseg.core.info import IGNORE_LABEL

OVERSAMPLING = 3
NEAR = 0.4
"""Nothing nearer to the camera than this is drawn, metres."""

Array = NDArray[np.float64]


class Thing(IntEnum):
    """The classes of a street, by label."""

    SKY = 0
    BUILDING = 1
    ROAD = 2
    PAVEMENT = 3
    TREE = 4
    CAR = 5
    PERSON = 6
    NONE = IGNORE_LABEL


@dataclass(frozen=True)
class Weather:
    """The light of one image. Colours are RGB, 0 to 255."""

    zenith: Array
    """Colour of the sky straight up."""
    haze: Array
    """Colour of the sky at the horizon, which far things fade to."""
    visibility: float
    """Distance at which a thing has faded to 37 %, metres."""
    sun: Array
    """Direction to the sun, (x, y, z) of length 1."""
    ambient: float
    """Light in the shade, as a share of the light in the sun: 1 under a covered sky."""
    clouds: float
    """Cover of the sky, 0 to 1."""
    exposure: float
    """Factor on the whole image."""
    tint: Array
    """Factors on red, green and blue."""
    dusk: bool
    """Whether windows and lamps are lit."""


@dataclass(frozen=True)
class Camera:
    """Where the image is taken from. Pixels are those of the canvas."""

    position: Array
    """(x, y, z), metres."""
    yaw: float
    """Turn to the right, radians."""
    roll: float
    """Tilt of the horizon, radians."""
    focal: float
    """Pixels that one metre takes at a distance of one metre."""
    centre: tuple[float, float]
    """Pixel (x, y) of the middle of the horizon."""

    def view(self, points: ArrayLike) -> Array:
        """Turn world points ``(..., 3)`` into (right, up, depth) as the camera sees them."""
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        turn = np.array([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])
        return np.asarray((np.asarray(points, np.float64) - self.position) @ turn)

    def pixels(self, view: Array) -> Array:
        """Turn (right, up, depth), all depths above 0, into canvas pixels ``(..., 2)``."""
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        turn = self.focal * np.array([[cos, sin], [sin, -cos]])
        return np.asarray(view[..., :2] / view[..., 2:] @ turn + self.centre)

    def sees(self, at: tuple[float, float], radius: float) -> bool:
        """Return whether anything within ``radius`` metres of ``at`` (x, z) can be in the image."""
        right, _, depth = self.view((at[0], 0.0, at[1]))
        across = self.centre[0] / self.focal  # half the image's width at a distance of 1 m
        return bool(depth > NEAR - radius and abs(right) - across * depth < radius * np.hypot(1, across))

    def ground(self, width: int, height: int) -> tuple[Array, Array, Array]:
        """Return x, z and depth in metres of the ground under each of ``height`` x ``width`` pixels.

        Pixels above the horizon get a depth of infinity.
        """
        scale = OVERSAMPLING
        across, down = np.meshgrid(
            (np.arange(width) + 0.5) * scale - self.centre[0],
            (np.arange(height) + 0.5) * scale - self.centre[1],
        )
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        across, down = cos * across + sin * down, cos * down - sin * across
        depth = np.where(down > 0, self.focal * self.position[1] / np.maximum(down, 1e-6), np.inf)
        right = np.where(down > 0, across / self.focal * depth, 0.0)
        finite = np.where(np.isfinite(depth), depth, 0.0)
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        return cos * right + sin * finite + self.position[0], cos * finite - sin * right, depth


class Canvas:
    """Image, labels and light of one scene, painted from far to near.

    Args:
        size: Height and width of the final image, pixels.
        camera: Where it is taken from.
        weather: Its light.
    """

    def __init__(self, size: tuple[int, int], camera: Camera, weather: Weather):
        large = (size[1] * OVERSAMPLING, size[0] * OVERSAMPLING)
        self.camera, self.weather = camera, weather
        self.image = Image.new("RGB", large)
        self.labels = Image.new("L", large, int(Thing.SKY))
        self.light = Image.new("L", large, 255)
        self._brushes = [ImageDraw.Draw(image) for image in (self.image, self.labels, self.light)]

    def polygon(
        self,
        points: ArrayLike,
        colour: ArrayLike | None,
        thing: Thing | None,
        light: float | None = 1.0,
        fade: bool = True,
    ) -> None:
        """Paint a flat shape.

        Args:
            points: Corners ``(n, 3)``, metres.
            colour: RGB, 0 to 255; None leaves the image as it is.
            thing: Class; None leaves the labels as they are.
            light: Share of the full light, 0 to 1; None leaves it as it is.
            fade: Whether its colour fades with the distance of its middle.
        """
        view = _in_front(self.camera.view(points))
        if len(view) >= 3:
            depth = float(view[:, 2].mean()) if fade else 0.0
            tone = None if colour is None else tuple(self._faded(colour, depth).tolist())
            self._fill(self.camera.pixels(view), tone, thing, light)

    def discs(
        self, centres: Array, radii: Array, colours: ArrayLike, thing: Thing, light: float = 0.92
    ) -> None:
        """Paint upright ellipses that face the camera, in the order given.

        Args:
            centres: World points ``(n, 3)``, metres.
            radii: Extent across and up ``(n, 2)``, metres.
            colours: RGB ``(n, 3)``, or one for all.
            thing: Class.
            light: Share of the full light, 0 to 1.
        """
        view = self.camera.view(centres)
        seen = view[:, 2] > NEAR
        if seen.any():
            depth = view[seen][:, 2:]
            colours = np.broadcast_to(np.asarray(colours, np.float64), (len(centres), 3))[seen]
            size = radii[seen] * self.camera.focal / depth
            middle = self.camera.pixels(view[seen])
            corners = middle[:, None] + _CIRCLE * size[:, None]
            for outline, colour in zip(corners, self._faded(colours, depth), strict=True):
                self._fill(outline, tuple(colour.tolist()), thing, light)

    def panels(self, quads: Array, colours: ArrayLike) -> None:
        """Paint small shapes ``(n, corners, 3)`` on something painted before: only the image changes."""
        view = self.camera.view(quads)
        colours = np.broadcast_to(np.asarray(colours, np.float64), (len(quads), 3))
        seen = (view[..., 2] > NEAR).all(axis=1)
        if seen.any():
            faded = self._faded(colours[seen], view[seen][..., 2].mean(axis=1)[:, None])
            for corners, colour in zip(self.camera.pixels(view[seen]), faded, strict=True):
                self._brushes[0].polygon(corners.ravel().tolist(), fill=tuple(colour.tolist()))

    def box(
        self, bottom: Array, top: Array, colour: Array, thing: Thing, roof: Array | None = None
    ) -> list[Array]:
        """Paint the visible sides of a box, each as bright as the sun makes it.

        Args:
            bottom: Its four lower corners ``(4, 3)``, counter-clockwise as seen from above.
            top: Its four upper corners, in the same order.
            colour: RGB of the sides.
            thing: Class.
            roof: RGB of the top; as the sides unless given.

        Returns:
            The visible upright sides, each ``(4, 3)``: lower left and right, upper right and left, as seen
            from outside.
        """
        sides = [np.stack([bottom[i], bottom[j], top[j], top[i]]) for i, j in _EDGES]
        eye = self.camera.position
        seen = [side for side in sides if np.dot(eye - side[0], _normal(side)) > 0]
        for side in sorted(seen, key=lambda side: -float(np.linalg.norm(side.mean(axis=0) - eye))):
            self.polygon(side, colour, thing, self.lit(_normal(side)))
        if eye[1] > top[:, 1].max():
            self.polygon(top, colour if roof is None else roof, thing, self.lit(np.array([0.0, 1.0, 0.0])))
        return seen

    def lit(self, normal: Array) -> float:
        """Return the light on a surface, 0 to 1."""
        facing = max(0.0, float(normal @ self.weather.sun))
        return self.weather.ambient + (1 - self.weather.ambient) * min(1.0, 1.4 * facing)

    def _faded(self, colour: ArrayLike, depth: ArrayLike) -> NDArray[np.int64]:
        share = np.exp(-np.asarray(depth) / self.weather.visibility)
        faded = share * np.asarray(colour, np.float64) + (1 - share) * self.weather.haze
        return np.minimum(np.maximum(faded, 0), 255).astype(np.int64)

    def _fill(
        self, corners: Array, colour: tuple[int, ...] | None, thing: Thing | None, light: float | None
    ) -> None:
        flat = corners.ravel().tolist()
        inks = colour, None if thing is None else int(thing), None if light is None else int(255 * light)
        for brush, ink in zip(self._brushes, inks, strict=True):
            if ink is not None:
                brush.polygon(flat, fill=ink)


_EDGES: Sequence[tuple[int, int]] = ((0, 1), (1, 2), (2, 3), (3, 0))
_CIRCLE: Array = np.stack(
    [f(np.linspace(0, 2 * np.pi, 14, endpoint=False)) for f in (np.cos, np.sin)], axis=-1
)


def rectangle(
    centre: tuple[float, float], size: tuple[float, float], height: float, turn: float = 0
) -> Array:
    """Return the corners ``(4, 3)`` of a level rectangle, counter-clockwise as seen from above.

    Args:
        centre: x and z, metres.
        size: Extent along x and along z before turning, metres.
        height: y of all corners, metres.
        turn: Angle about the vertical, radians.
    """
    x, z = np.array([-0.5, 0.5, 0.5, -0.5]) * size[0], np.array([-0.5, -0.5, 0.5, 0.5]) * size[1]
    cos, sin = np.cos(turn), np.sin(turn)
    return np.stack(
        [centre[0] + cos * x - sin * z, np.full(4, height), centre[1] + sin * x + cos * z], axis=-1
    )


def on_side(side: Array, u: ArrayLike, v: ArrayLike) -> Array:
    """Return points on a side ``(4, 3)``: ``u`` runs from left to right, ``v`` from bottom to top, 0 to 1."""
    u, v = np.asarray(u, np.float64)[..., None], np.asarray(v, np.float64)[..., None]
    lower = (1 - u) * side[0] + u * side[1]
    upper = (1 - u) * side[3] + u * side[2]
    return np.asarray((1 - v) * lower + v * upper)


def _normal(side: Array) -> Array:
    along = side[1] - side[0]
    normal = np.array([along[2], 0.0, -along[0]])
    return normal / max(float(np.linalg.norm(normal)), 1e-9)


def _in_front(view: Array) -> Array:
    """Cut off the part of a polygon ``(n, 3)`` that lies behind the plane at depth ``NEAR``."""
    if (view[:, 2] > NEAR).all():
        return view
    kept = []
    for one, two in zip(view, np.roll(view, -1, axis=0), strict=True):
        if one[2] > NEAR:
            kept.append(one)
        if (one[2] > NEAR) != (two[2] > NEAR):
            kept.append(one + (two - one) * (NEAR - one[2]) / (two[2] - one[2]))
    return np.array(kept).reshape(-1, 3)
