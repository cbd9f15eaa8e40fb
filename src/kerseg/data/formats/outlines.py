"""From a label to the outlines of its areas; the way back is `kerseg.data.formats.shapes`.

The borders between classes run along the edges of pixels. An outline goes through the middles of these edges, which
makes a straight line of the stairs of a slanting border, and leaves out every point that a straight line passes
nearer than the tolerance. Below half a pixel no centre of a pixel changes sides, so that `shapes.polygon` gives the
label back. Where three areas meet, the corner stays, and a border is simplified once for both of its sides:
neighbours leave no gap and claim no pixel twice.

An area is 4-connected: pixels that touch at a corner alone are two areas.
"""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kerseg.data.formats.shapes import Points

TOLERANCE = 0.45
"""Distance of a simplified border from the edges' middles, in pixels; below 0.5 no pixel changes sides."""

Indices = NDArray[np.int64]

_OUTSIDE = -1
"""Beyond the image."""


@dataclass(frozen=True)
class Outline:
    """The outline of one connected area of a class."""

    value: int
    """Class index."""
    points: Points
    """Corners ``(n, 2)``: x and y in pixels, (0, 0) the upper left corner of the image; clockwise on the screen."""
    holes: tuple[Points, ...]
    """Outlines of what lies inside and is not of it; anticlockwise."""
    inside: tuple[float, float]
    """x and y of a pixel's centre that is of the area."""
    depth: int = 0
    """Number of areas that it lies in."""

    @property
    def filled_area(self) -> float:
        """Area within the outline, holes included, in pixels."""
        return area(self.points)

    @property
    def area(self) -> float:
        """Area without the holes, in pixels."""
        return self.filled_area + sum(area(hole) for hole in self.holes)


def area(points: Points) -> float:
    """Return the area within an outline, in pixels; negative if it goes anticlockwise on the screen.

    Example:
        >>> area(np.array([[0, 0], [2, 0], [2, 3], [0, 3]]))
        6.0
    """
    x, y = points.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def outlines(
    label: NDArray[np.integer], *, omit: Collection[int] = (), tolerance: float = TOLERANCE
) -> list[Outline]:
    """Return the connected areas of a label, largest first: drawn in this order, each filled, they are the label.

    Args:
        label: Class indices (height, width), 0 or more.
        omit: Values that are left out, such as a background; but for areas that lie inside an area that is not,
            which would be drawn over them.
        tolerance: How far a border may be simplified, pixels; 0 leaves out no more than points on a straight line.

    Example:
        >>> [(found.value, found.area) for found in outlines(np.pad([[2]], 1, constant_values=1))]
        [(1, 8.5), (2, 0.5)]
    """
    rings = _rings(np.asarray(label, np.int64), tolerance)
    areas = np.array([area(ring.points) for ring in rings])
    outer = [rings[i] for i in np.argsort(-areas, kind="stable") if areas[i] > 0]
    nesting = _Nesting(outer)
    holes: list[list[Points]] = [[] for _ in outer]
    for i in np.flatnonzero(areas < 0):
        # The pixels along a hole are of the area that it is a hole of.
        if (owner := nesting.around(rings[i].seed, {rings[i].value}, len(outer))) is not None:
            holes[owner].append(rings[i].points)
    kept = {*(ring.value for ring in rings)} - {*omit}
    found, depths = [], list[int]()
    for place, ring in enumerate(outer):
        parent = nesting.around(ring.seed, kept, place)
        depths.append(0 if parent is None else depths[parent] + 1)
        if ring.value in kept or parent is not None:
            found.append(Outline(ring.value, ring.points, tuple(holes[place]), ring.seed, depths[-1]))
    return found


class _Nesting:
    """Finds the rings that a pixel lies in; the rings come largest first."""

    def __init__(self, rings: "list[_Ring]"):
        self._rings = rings
        self._low = np.array([ring.points.min(axis=0) for ring in rings]).reshape(-1, 2)
        self._high = np.array([ring.points.max(axis=0) for ring in rings]).reshape(-1, 2)

    def around(self, seed: tuple[float, float], values: Collection[int], before: int) -> int | None:
        """Return the smallest of the first rings, and of these values, that holds a pixel's centre."""
        near = ((self._low[:before] < seed) & (self._high[:before] > seed)).all(axis=1)
        for place in np.flatnonzero(near)[::-1].tolist():
            if self._rings[place].value in values and _holds(self._rings[place].points, seed):
                return int(place)
        return None


@dataclass(frozen=True)
class _Ring:
    value: int
    points: Points
    seed: tuple[float, float]
    """Centre of a pixel of the area, at the ring."""


@dataclass(frozen=True)
class _Edges:
    """Edges of pixels with another class on their left, directed, in the order of the rings that they form."""

    starts: Points
    """x and y of the corner that each leaves."""
    ends: Points
    seeds: Points
    """Centre of the pixel on its right."""
    values: Indices
    """Class of the pixel on its right."""
    numbers: Indices
    """Of the undirected edge: the same from both sides."""
    fixed: NDArray[np.bool_]
    """Whether the corner that it leaves is one that stays: three areas meet there, or it is the image's corner."""
    bounds: list[int]
    """Where each ring begins, and the end."""


def _edges(label: Indices) -> _Edges:
    around = np.pad(label, 1, constant_values=_OUTSIDE)
    width = label.shape[1] + 1
    # The pixels around each corner of a pixel, clockwise: north-west, north-east, south-east, south-west.
    pixels = np.stack([around[:-1, :-1], around[:-1, 1:], around[1:, 1:], around[1:, :-1]]).reshape(4, -1)
    count = pixels.shape[1]
    # Eastwards, southwards, westwards, northwards from a corner: the pixel on the right, the one on the left.
    steps, right, left = (1, width, -1, -width), (2, 3, 0, 1), (1, 2, 3, 0)
    there = np.stack(
        [(pixels[r] != pixels[s]) & (pixels[r] != _OUTSIDE) for r, s in zip(right, left, strict=True)]
    )
    degree = sum((pixels[i] != pixels[i - 1]).astype(np.int8) for i in range(4))
    fixed = (degree >= 3) | (np.sum(pixels == _OUTSIDE, axis=0) == 3)
    directions, corners = np.nonzero(there)
    places = np.full((4, count), -1, np.int64)
    places[directions, corners] = np.arange(len(corners))
    ends = corners + np.take(steps, directions)
    # At its end, the pixel behind on the right, ahead on the right, ahead on the left.
    behind, ahead, across = (pixels[(np.take(right, directions) + turn) % 4, ends] for turn in (1, 0, 3))
    turns = np.where(ahead != behind, 1, np.where(across != behind, 0, 3))
    following = places[(directions + turns) % 4, ends].tolist()
    order, bounds = _cycles(following)
    directions, corners, ends = directions[order], corners[order], ends[order]
    seed = np.array([[0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]])[directions]
    lower = np.minimum(corners, ends)
    at = np.stack([corners % width, corners // width], axis=1).astype(np.float64)
    return _Edges(
        starts=at,
        ends=np.stack([ends % width, ends // width], axis=1).astype(np.float64),
        seeds=at + seed,
        values=pixels[np.take(right, directions), corners],
        numbers=lower * 2 + directions % 2,
        fixed=fixed[corners],
        bounds=bounds,
    )


def _cycles(following: list[int]) -> tuple[Indices, list[int]]:
    """Return the elements of a permutation cycle by cycle, and where each cycle begins, and the end."""
    seen, order, bounds = bytearray(len(following)), list[int](), [0]
    for first in range(len(following)):
        if seen[first]:
            continue
        here = first
        while not seen[here]:
            seen[here] = 1
            order.append(here)
            here = following[here]
        bounds.append(len(order))
    return np.array(order, np.int64), bounds


def _rings(label: Indices, tolerance: float) -> list[_Ring]:
    edges = _edges(label)
    middles = (edges.starts + edges.ends) / 2
    flat = edges.starts[:, 1] == edges.ends[:, 1]
    arcs, found, parts = list[Points](), dict[tuple[int, int], int](), list[list[tuple[int, int]]]()
    levels, closed = list[NDArray[np.bool_]](), list[bool]()
    for first, last in pairwise(edges.bounds):
        ring = np.arange(first, last)
        cuts = np.flatnonzero(edges.fixed[first:last])
        # A ring that meets no third area begins at its lowest edge, from both sides.
        begin = cuts[0] if len(cuts) else int(edges.numbers[first:last].argmin())
        ring = np.roll(ring, -begin)
        stops = [*(cuts - begin).tolist(), len(ring)] if len(cuts) else [0, len(ring)]
        pieces = []
        for start, stop in pairwise(stops):
            piece = ring[start:stop]
            ends = int(edges.numbers[piece[0]]), int(edges.numbers[piece[-1]])
            key = (min(ends), max(ends)) if len(cuts) else (ends[0], -1)
            if key in found:  # the other side has been here
                pieces.append((found[key], -1))
                continue
            found[key] = len(arcs)
            pieces.append((len(arcs), 1))
            low, high = (
                (edges.starts[piece[0]], edges.ends[piece[-1]]) if len(cuts) else middles[piece[[0, 0]]]
            )
            inner = piece if len(cuts) else piece[1:]
            arcs.append(np.concatenate([[low], middles[inner], [high]]))
            levels.append(np.concatenate([[False], flat[inner], [False]]))
            closed.append(not len(cuts))
        parts.append(pieces)
    simple = _simplified(arcs, levels, closed, tolerance)
    rings = []
    for first, pieces in zip(edges.bounds[:-1], parts, strict=True):
        points = np.concatenate([simple[i][::way][:-1] for i, way in pieces])
        if len(points) >= 3:
            x, y = edges.seeds[first].tolist()
            rings.append(_Ring(int(edges.values[first]), points, (x, y)))
    return rings


def _simplified(
    arcs: list[Points], levels: list[NDArray[np.bool_]], closed: list[bool], tolerance: float
) -> list[Points]:
    """Leave out points, all arcs at once: split at the farthest point until none is farther than the tolerance.

    Source: D. Douglas, T. Peucker, "Algorithms for the reduction of the number of points required to represent a
    digitized line or its caricature", Cartographica 10(2), 1973; but the distance of a line from the middle of an
    edge is measured across the edge, towards the two pixels that it must keep apart.

    Args:
        arcs: Points of each.
        levels: Whether each point is the middle of a level edge.
        closed: Whether an arc ends where it begins; it is cut in two.
        tolerance: In pixels.
    """
    if not arcs:
        return []
    points, level = np.concatenate(arcs), np.concatenate(levels)
    bounds = np.cumsum([0, *map(len, arcs)])
    keep = np.zeros(len(points), np.bool_)
    keep[bounds[:-1]] = keep[bounds[1:] - 1] = True
    keep[
        [low + (high - low) // 2 for low, high, ring in zip(bounds, bounds[1:], closed, strict=False) if ring]
    ] = True
    open_points = np.flatnonzero(~keep)
    while len(open_points):
        kept = np.flatnonzero(keep)
        segments = np.cumsum(keep)[open_points] - 1
        start, end, here = points[kept[segments]], points[kept[segments + 1]], points[open_points]
        along = np.where(level[open_points], 0, 1)  # the axis of the edge
        rows = np.arange(len(here))
        run = end[rows, along] - start[rows, along]
        share = (here[rows, along] - start[rows, along]) / np.where(run == 0, np.nan, run)
        passes = start[rows, 1 - along] + share * (end[rows, 1 - along] - start[rows, 1 - along])
        distance = np.nan_to_num(np.abs(passes - here[rows, 1 - along]), nan=np.inf)
        firsts = np.flatnonzero(np.diff(segments, prepend=-1))
        farthest = np.repeat(np.maximum.reduceat(distance, firsts), np.diff([*firsts, len(rows)]))
        too_far = farthest > tolerance + 1e-9
        at_most = np.flatnonzero(too_far & (distance == farthest))
        split = at_most[np.flatnonzero(np.diff(segments[at_most], prepend=-1))]
        keep[open_points[split]] = True
        open_points = open_points[too_far]
        open_points = open_points[~keep[open_points]]
    return [
        points[low:high][keep[low:high]]
        for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    ]


def _holds(points: Points, seed: tuple[float, float]) -> bool:
    """Return whether a point is inside an outline: a ray to its right crosses it an odd number of times."""
    (x, y), (x0, y0) = points.T, np.roll(points, 1, axis=0).T
    crosses = (y0 > seed[1]) != (y > seed[1])
    at = x0[crosses] + (seed[1] - y0[crosses]) * (x[crosses] - x0[crosses]) / (y[crosses] - y0[crosses])
    return bool(np.count_nonzero(at > seed[0]) % 2)
