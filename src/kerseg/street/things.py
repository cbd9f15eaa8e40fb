"""What stands on a street: buildings, trees, cars, persons, lamp posts, and the shadows they throw."""

import numpy as np
from numpy.random import Generator

from kerseg.street.canvas import Array, Canvas, Thing, on_side, rectangle

WALLS = np.array(
    [
        (150, 84, 66), (122, 62, 50), (196, 178, 146), (128, 128, 126), (96, 98, 102), (222, 216, 202),
        (206, 160, 96), (178, 190, 176), (170, 150, 160), (88, 78, 70), (160, 170, 182), (214, 190, 170),
    ],
    np.float64,
)  # fmt: skip
"""Brick, sandstone, concrete (as grey as the road), plaster in several colours."""
ROOFS = np.array([(120, 66, 52), (84, 84, 90), (62, 60, 64), (130, 110, 92)], np.float64)
PAINTS = np.array(
    [
        (232, 232, 230), (28, 28, 32), (172, 174, 178), (112, 114, 120), (168, 30, 34), (32, 62, 134),
        (40, 84, 62), (206, 168, 44), (186, 172, 146), (96, 50, 44), (78, 128, 170),
    ],
    np.float64,
)  # fmt: skip
"""Colours of cars: most are the greys of road and buildings, some the green of trees."""
LEAVES = np.array([(58, 92, 40), (84, 112, 48), (44, 72, 44), (112, 122, 56), (150, 106, 44)], np.float64)
CLOTHES = np.array(
    [
        (34, 36, 44), (62, 74, 104), (150, 40, 44), (196, 190, 178), (110, 112, 116), (58, 94, 66),
        (214, 170, 60), (120, 84, 60), (176, 110, 140), (228, 228, 226),
    ],
    np.float64,
)  # fmt: skip
SKIN = np.array([(226, 182, 150), (190, 138, 102), (124, 82, 58), (84, 56, 42)], np.float64)
UP = np.array([0.0, 1.0, 0.0])


def pick(rng: Generator, colours: Array, spread: float = 12) -> Array:
    """Return one of ``colours``, a little changed."""
    return np.asarray((rng.choice(colours) + rng.normal(0, spread, 3) + rng.normal(0, spread)).clip(8, 250))


def building(
    canvas: Canvas, rng: Generator, x: tuple[float, float], z: tuple[float, float], height: float
) -> None:
    """Paint a house on the ground between ``x`` and between ``z``, ``height`` metres high."""
    centre, size = ((x[0] + x[1]) / 2, (z[0] + z[1]) / 2), (x[1] - x[0], z[1] - z[0])
    wall, roof = pick(rng, WALLS), pick(rng, ROOFS)
    top = rectangle(centre, size, height)
    sides = canvas.box(rectangle(centre, size, 0.0), top, wall, Thing.BUILDING, roof)
    if rng.random() < 0.4:  # a pitched roof, its ridge along the street
        upper = rectangle(centre, (0.2, size[1]), height + rng.uniform(1.5, 3.0))
        canvas.box(rectangle(centre, (size[0] + 0.5, size[1] + 0.3), height), upper, roof, Thing.BUILDING)
    style = _Windows(rng, wall, canvas.weather.dusk)
    for side in sides:
        if np.linalg.norm(side.mean(axis=0) - canvas.camera.position) < 70:
            style.paint(canvas, rng, side, height)


class _Windows:
    """The look of one house's sides: floors, windows, a base or shops at street level."""

    def __init__(self, rng: Generator, wall: Array, dusk: bool):
        self.floor = rng.uniform(2.8, 3.8)
        self.pitch = rng.uniform(1.8, 3.6)
        self.width, self.height = rng.uniform(0.35, 0.8), rng.uniform(0.4, 0.75)
        self.glass = pick(rng, np.array([(40, 46, 56), (70, 84, 100), (110, 130, 150)], np.float64))
        self.frame = (
            pick(rng, np.array([(230, 228, 220), (70, 60, 54)], np.float64)) if rng.random() < 0.6 else None
        )
        self.lamp = np.array([250.0, 214, 140])
        self.lit = rng.uniform(0.2, 0.6) if dusk else 0.0
        self.shop = rng.random() < 0.5
        self.band = wall * rng.uniform(0.7, 1.25)
        self.base = pick(rng, WALLS)

    def paint(self, canvas: Canvas, rng: Generator, side: Array, height: float) -> None:
        """Paint the windows of one side."""
        length = float(np.linalg.norm(side[1] - side[0]))
        floors, columns = max(1, int(height / self.floor)), max(1, int(length / self.pitch))
        rise = 1 / floors
        canvas.panels(on_side(side, [[0, 1, 1, 0]], [[0, 0, 0.9 * rise, 0.9 * rise]]), self.base)
        ledges = np.arange(1, floors + 1)[:, None] * rise - rise * np.array([[0.06, 0.06, 0.0, 0.0]])
        canvas.panels(on_side(side, np.broadcast_to([0, 1, 1, 0], ledges.shape), ledges), self.band)
        u, v = np.meshgrid((np.arange(columns) + 0.5) / columns, (np.arange(1, floors) + 0.45) * rise)
        u, v = u.ravel(), v.ravel()
        half_u, half_v = self.width / 2 / columns, self.height / 2 * rise
        if self.frame is not None:
            canvas.panels(_cells(side, u, v, half_u * 1.25, half_v * 1.2), self.frame)
        glass = self.glass * rng.uniform(0.7, 1.3, (len(u), 1))
        lit = rng.random(len(u)) < self.lit
        canvas.panels(_cells(side, u, v, half_u, half_v), np.where(lit[:, None], self.lamp, glass))
        self._street_level(canvas, rng, side, rise, length)

    def _street_level(self, canvas: Canvas, rng: Generator, side: Array, rise: float, length: float) -> None:
        count = max(1, int(length / (4.0 if self.shop else 3.0)))
        u = (np.arange(count) + 0.5) / count
        width = (0.4 if self.shop else 0.14) / count
        shines = self.shop and self.lit > 0
        canvas.panels(
            _cells(side, u, np.full(count, 0.36 * rise), width, 0.34 * rise),
            self.lamp if shines else self.glass,
        )
        if self.shop:
            signs = rng.uniform(40, 230, (count, 3))
            canvas.panels(_cells(side, u, np.full(count, 0.8 * rise), 0.46 / count, 0.09 * rise), signs)


def tree(canvas: Canvas, rng: Generator, x: float, z: float, height: float) -> None:
    """Paint a tree that stands at ``(x, z)``."""
    leaf, base = pick(rng, LEAVES), np.array([x, 0.0, z])
    crown, middle = height * rng.uniform(0.24, 0.36), height * 0.66
    bark = pick(rng, np.array([(84, 66, 50), (70, 66, 62)], np.float64))
    _billboard(canvas, base, [(-0.16, 0), (0.16, 0), (0.1, middle), (-0.1, middle)], bark, Thing.TREE)
    clumps = 70 if np.hypot(*(base - canvas.camera.position)[[0, 2]]) < 40 else 24
    angle, far = rng.uniform(0, 2 * np.pi, clumps), np.sqrt(rng.uniform(0, 1, clumps))
    up = np.sort(1.15 * far * np.sin(angle))
    across = np.sqrt(np.maximum(1 - (up / 1.15) ** 2, 0)) * rng.uniform(-1, 1, clumps)
    size = crown * rng.uniform(0.12, 0.32, clumps)
    # The sun comes from above: the upper clumps are brighter, the lower ones lie in the crown's own shade.
    colours = leaf * ((0.8 + 0.35 * up) * rng.uniform(0.72, 1.22, clumps))[:, None]
    centres = base + crown * across[:, None] * _right(canvas) + (middle + crown * up)[:, None] * UP
    canvas.discs(centres, size[:, None] * np.array([1, 0.8]), colours, Thing.TREE)


def hedge(canvas: Canvas, rng: Generator, x: float, z: tuple[float, float]) -> None:
    """Paint a hedge along the street."""
    leaf, height = pick(rng, LEAVES), rng.uniform(0.8, 1.8)
    centre, size = (x, (z[0] + z[1]) / 2), (0.8, z[1] - z[0])
    sides = canvas.box(rectangle(centre, size, 0.0), rectangle(centre, size, height), leaf, Thing.TREE)
    for side in sides:
        spots = 60
        u, v = rng.uniform(0.02, 0.98, spots), rng.uniform(0.06, 0.94, spots)
        canvas.panels(_cells(side, u, v, 0.03, 0.07), leaf * rng.uniform(0.6, 1.3, (spots, 1)))


def car(canvas: Canvas, rng: Generator, x: float, z: float, turn: float) -> None:
    """Paint a car or a van whose middle is at ``(x, z)``, turned by ``turn`` radians from the street."""
    paint, van = pick(rng, PAINTS, 6), rng.random() < 0.2
    length, width = rng.uniform(3.8, 4.7), rng.uniform(1.65, 1.85)
    waist, height = (1.1, rng.uniform(1.9, 2.4)) if van else (0.85, rng.uniform(1.38, 1.6))
    length += 0.6 * van
    canvas.polygon(rectangle((x, z), (width + 0.25, length + 0.2), 0.0, turn), None, None, 0.3)
    body = rectangle((x, z), (width, length), 0.28, turn)
    shoulder = rectangle((x, z), (width * 0.97, length * 0.98), waist, turn)
    middle = (x + 0.3 * np.sin(turn), z - 0.3 * np.cos(turn) * (not van))
    cabin = rectangle(middle, (width * 0.94, length * (0.95 if van else 0.66)), waist, turn)
    roof = rectangle(middle, (width * 0.76, length * (0.86 if van else 0.42)), height, turn)
    lower = canvas.box(body, shoulder, paint, Thing.CAR)
    upper = canvas.box(cabin, roof, paint * 0.95, Thing.CAR)
    for side in lower:
        if np.linalg.norm(side[1] - side[0]) > 3:
            _wheels(canvas, side)
        else:
            _lights(canvas, rng, side)
    glass = pick(rng, np.array([(30, 34, 40), (66, 78, 90)], np.float64), 6)
    for side in upper:
        long = np.linalg.norm(side[1] - side[0]) > 2.2
        panes = [(0.06, 0.48), (0.53, 0.94)] if long else [(0.07, 0.93)]
        for left, right in panes:
            canvas.panels(
                on_side(side, [[left, right, right, left]], [[0.3 * van + 0.1, 0.3 * van + 0.1, 0.88, 0.88]]),
                glass,
            )


def _wheels(canvas: Canvas, side: Array) -> None:
    circle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    length, height = np.linalg.norm(side[1] - side[0]), np.linalg.norm(side[3] - side[0])
    for u in (0.19, 0.81):
        for radius, colour in ((0.33, (22, 22, 24)), (0.19, (130, 130, 134))):
            tyre = on_side(
                side, u + radius / length * np.cos(circle), 0.06 + radius / height * np.sin(circle)
            )
            canvas.polygon(tyre, colour, Thing.CAR, 0.9)


def _lights(canvas: Canvas, rng: Generator, side: Array) -> None:
    rear = rng.random() < 0.5
    lamp = np.array([200.0, 24, 20]) if rear else np.array([240.0, 240, 220])
    canvas.panels(_cells(side, np.array([0.13, 0.87]), np.array([0.68, 0.68]), 0.08, 0.1), lamp)
    canvas.panels(_cells(side, np.array([0.5]), np.array([0.3]), 0.14, 0.09), (225, 225, 215))
    canvas.panels(_cells(side, np.array([0.5]), np.array([0.05]), 0.5, 0.07), (36, 36, 38))


def person(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    """Paint a person who stands or walks at ``(x, z)``."""
    base, tall = np.array([x, 0.0, z]), rng.uniform(1.5, 1.92)
    coat, trousers, skin = pick(rng, CLOTHES), pick(rng, CLOTHES), pick(rng, SKIN, 6)
    shoulder, hip, stride = 0.15 * tall, 0.1 * tall, rng.uniform(0.0, 0.17) * tall
    legs = [(-1, trousers), (1, trousers * 0.85)]
    for sign, colour in legs:
        foot = sign * max(stride, 0.05)
        leg = [(foot - 0.07, 0), (foot + 0.09, 0), (hip * 0.9 if sign > 0 else 0.03, 0.5 * tall)]
        leg.append((-0.03 if sign > 0 else -hip * 0.9, 0.5 * tall))
        _billboard(canvas, base, leg, colour, Thing.PERSON)
    skirt = 0.32 if rng.random() < 0.35 else 0.46  # a long coat or a short one, as a share of the height
    swing = rng.uniform(-0.1, 0.1)
    for sign in (-1, 1):
        arm = [
            (sign * shoulder, 0.8),
            (sign * (shoulder + 0.09), 0.78),
            (sign * (shoulder + 0.1) + swing, 0.45),
        ]
        arm.append((sign * (shoulder + 0.01) + swing, 0.45))
        _billboard(canvas, base, [(a, u * tall) for a, u in arm], coat * 0.8, Thing.PERSON)
    torso = [
        (-hip * 1.2, skirt),
        (hip * 1.2, skirt),
        (shoulder, 0.8),
        (0.05, 0.85),
        (-0.05, 0.85),
        (-shoulder, 0.8),
    ]
    _billboard(canvas, base, [(a, u * tall) for a, u in torso], coat, Thing.PERSON)
    hair = pick(rng, np.array([(40, 30, 24), (110, 80, 50), (150, 150, 150)], np.float64), 6)
    head = base + tall * np.array([[0.915], [0.955]]) * UP
    canvas.discs(head, tall * np.array([(0.07, 0.085), (0.072, 0.05)]), np.array([skin, hair]), Thing.PERSON)


def lamp_post(canvas: Canvas, rng: Generator, x: float, z: float) -> None:
    """Paint a lamp post: of no class, as every real data set has things that nobody labelled."""
    base, height, metal = np.array([x, 0.0, z]), rng.uniform(4.5, 7.0), rng.uniform(40, 120) * np.ones(3)
    _billboard(canvas, base, [(-0.08, 0), (0.08, 0), (0.05, height), (-0.05, height)], metal, Thing.NONE)
    glow = np.array([255.0, 236, 190]) if canvas.weather.dusk else metal * 1.3
    canvas.discs((base + UP * height)[None], np.array([(0.28, 0.16)]), glow, Thing.NONE)


def cast(canvas: Canvas, footprint: Array, height: float) -> None:
    """Throw the shadow of something ``height`` metres high on the ground, unless the sky is covered."""
    sun = canvas.weather.sun
    if canvas.weather.ambient > 0.9:
        return
    away = -height / max(float(sun[1]), 0.25) * np.array([sun[0], 0.0, sun[2]])
    shade = canvas.weather.ambient
    for i in range(4):
        j = (i + 1) % 4
        quad = np.stack([footprint[i], footprint[j], footprint[j] + away, footprint[i] + away])
        canvas.polygon(quad, None, None, shade)
    canvas.polygon(footprint + away, None, None, shade)


def _cells(side: Array, u: Array, v: Array, half_u: float, half_v: float) -> Array:
    """Return rectangles ``(n, 4, 3)`` on a side around the points ``(u, v)``."""
    across = u[:, None] + half_u * np.array([-1, 1, 1, -1])
    return on_side(side, across, v[:, None] + half_v * np.array([-1, -1, 1, 1]))


def _right(canvas: Canvas) -> Array:
    """Return the direction, in the world, that is to the right in the image."""
    return np.array([np.cos(canvas.camera.yaw), 0.0, -np.sin(canvas.camera.yaw)])


def _billboard(
    canvas: Canvas, base: Array, outline: list[tuple[float, float]], colour: Array, thing: Thing
) -> None:
    """Paint an upright shape that faces the camera; ``outline`` is (across, up) from ``base``, metres."""
    right = _right(canvas)
    canvas.polygon(np.array([base + right * a + UP * u for a, u in outline]), colour, thing, 0.92)
