"""Lengths of contours and areas of surfaces on a grid, from the 2x2 or 2x2x2 pixels around each grid corner.

A contour runs between pixels that are in and out, through the middles of the edges of the cell that the centres
of 2x2 pixels span: marching squares, and, for 2x2x2 pixels of a volume, marching cubes (Lorensen and Cline,
1987). Its length, or area, within a cell depends on which corners are in, so a table with an entry for each of
the 16 or 256 cases does for all.
"""

import itertools
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, ...]
Point = tuple[float, ...]


@lru_cache(maxsize=16)
def measures(spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the length of contour, or the area of surface, in a cell for each case of its corners.

    Args:
        spacing: Size of a pixel along each of 2 or 3 axes.

    Returns:
        float64 (16,) or (256,). The bits of an index are the corners that are in, in the order of `corners`.

    Example:
        >>> measures((1.0, 1.0))[[0b0000, 0b0001, 0b0011, 0b0110]].round(3).tolist()
        [0.0, 0.707, 1.0, 1.414]
    """
    if len(spacing) == 2:
        # A segment from (a, b) to (c, d) as its differences along both axes.
        return np.array(
            [sum(float(np.hypot(*np.multiply(v, spacing))) for v in case) for case in _segments()]
        )
    rows, columns, slices = spacing[1] * spacing[2], spacing[0] * spacing[2], spacing[0] * spacing[1]
    scale = np.array([rows, columns, slices])
    return np.array([sum(float(np.linalg.norm(v * scale)) for v in case) for case in _normals()])


def corners(dimensions: int) -> list[Corner]:
    """Return the corners of a cell in the order of the bits, the lowest first: the last axis runs fastest."""
    return list(itertools.product((0, 1), repeat=dimensions))


def _cases(dimensions: int) -> list[set[Corner]]:
    """Return the corners that are in, case by case; where most are, those that are out: the border is the same."""
    all_of = corners(dimensions)
    cases = []
    for code in range(2 ** len(all_of)):
        inside = {corner for bit, corner in enumerate(all_of) if code >> bit & 1}
        cases.append(inside if 2 * len(inside) <= len(all_of) else set(all_of) - inside)
    return cases


@lru_cache
def _segments() -> list[list[Point]]:
    """Return the segments of each of the 16 cases of a square."""
    ring = [(0, 0), (0, 1), (1, 1), (1, 0)]
    return [[_difference(a, b) for a, b in _around(ring, inside)] for inside in _cases(2)]


@lru_cache
def _normals() -> list[list[NDArray[np.float64]]]:
    """Return the triangles of each of the 256 cases of a cube, as normals as long as the areas."""
    return [
        [normal for polygon in _polygons(inside) for normal in _triangles(polygon)] for inside in _cases(3)
    ]


def _around(ring: Sequence[Corner], inside: set[Corner]) -> list[tuple[Point, Point]]:
    """Return the segments between the corners of a square, given in a circle, that are in and those that are out.

    Two opposite corners that are in are parted from each other too.
    """
    edges = [(ring[i], ring[(i + 1) % 4]) for i in range(4)]
    crossed = [_middle(a, b) for a, b in edges if (a in inside) != (b in inside)]
    if len(crossed) == 4 and ring[0] in inside:
        crossed = [*crossed[-1:], *crossed[:-1]]
    return list(zip(crossed[::2], crossed[1::2], strict=True))


def _polygons(inside: set[Corner]) -> list[list[Point]]:
    """Join the segments on the six faces of a cube to closed lines."""
    neighbours: dict[Point, list[Point]] = {}
    for axis, side in itertools.product(range(3), (0, 1)):
        ring = [(0, 0), (0, 1), (1, 1), (1, 0)]
        face = [(*corner[:axis], side, *corner[axis:]) for corner in ring]
        for a, b in _around(face, inside):
            neighbours.setdefault(a, []).append(b)
            neighbours.setdefault(b, []).append(a)
    polygons = []
    while neighbours:
        line = [next(iter(neighbours))]
        while ahead := [point for point in neighbours.pop(line[-1]) if point in neighbours]:
            line.append(ahead[0])
        polygons.append(line)
    return polygons


def _triangles(polygon: Sequence[Point]) -> list[NDArray[np.float64]]:
    """Cut a polygon into triangles from one of its corners; of the ways to do so, the one of the largest area.

    Only polygons that are not flat have several areas. That choice is DeepMind's ``surface-distance``'s as well.
    """
    points = np.array(polygon)
    fans = []
    for start in range(len(points)):
        rays = np.roll(points, -start, axis=0)[1:] - points[start]
        fans.append(list(np.cross(rays[:-1], rays[1:]) / 2))
    return max(fans, key=lambda fan: round(sum(float(np.linalg.norm(normal)) for normal in fan), 9))


def _middle(a: Corner, b: Corner) -> Point:
    return tuple((x + y) / 2 for x, y in zip(a, b, strict=True))


def _difference(a: Point, b: Point) -> Point:
    return tuple(y - x for x, y in zip(a, b, strict=True))
