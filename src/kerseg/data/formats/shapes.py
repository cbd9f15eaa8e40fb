"""Shapes that people draw, as pixels: polygons, boxes, ellipses and run lengths.

One rule for all outlines: **a pixel belongs to a shape if its centre lies inside.** Coordinates are those of
annotation tools, x to the right and y down, and (0, 0) is the upper left corner of the upper left pixel, whose
centre is thus (0.5, 0.5). A centre that lies exactly on an outline belongs to the shape on its right, or below
it: shapes that share an edge leave no gap between them and claim no pixel twice, and a box from (2, 1) to
(5, 3) has 3 x 2 pixels. Where an outline crosses itself, what is enclosed twice is outside (even-odd).

Drawing libraries answer another question: Pillow's and OpenCV's polygons include every pixel their border
touches, so that shapes grow by half a pixel on each side, and neighbours overlap.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1.0
"""How far a point may lie outside its image, in pixels: tools round, and put the border at 639 or at 640."""

Points = NDArray[np.float64]
"""``(n, 2)``: x and y, in pixels."""


@dataclass(frozen=True)
class Region:
    """The pixels of one shape within its image."""

    mask: NDArray[np.bool_]
    """``(height, width)`` of the window that holds them all."""
    top: int = 0
    """Row of the window's first row in the image."""
    left: int = 0
    """Column of the window's first column in the image."""

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.mask))


def polygon(points: Points, height: int, width: int) -> Region:
    """Return the pixels whose centres lie inside a polygon; what is outside the image is cut off.

    Args:
        points: Its corners, in order; the last is joined to the first.
        height: Of the image, pixels.
        width: Of the image, pixels.

    Example:
        >>> polygon(np.array([[0, 0], [2, 0], [0, 2]]), 2, 2).mask
        array([[ True],
               [False]])
    """
    start, end = points, np.roll(points, -1, axis=0)
    # Downwards, all of them: an edge that two polygons share must give both the same crossings, to the last bit.
    upwards = start[:, 1] > end[:, 1]
    start, end = np.where(upwards[:, None], end, start), np.where(upwards[:, None], start, end)
    first, last = _first_centre(start[:, 1], height), _first_centre(end[:, 1], height)
    if not (last > first).any():
        return Region(np.zeros((0, 0), np.bool_))
    top, bottom = int(first[last > first].min()), int(last.max())
    # One entry for each row that an edge crosses: 0 0 0 2 2 are the edges, 4 5 6 1 2 the rows.
    edges = np.repeat(np.arange(len(points)), last - first)
    rows = np.arange(len(edges)) - np.repeat(np.cumsum(last - first) - last, last - first)
    (x0, y0), (x1, y1) = start[edges].T, end[edges].T
    columns = _first_centre(x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0)), width)
    left, right = int(columns.min()), int(columns.max())
    # Each crossing turns the pixels to its right from outside to inside or back.
    size = bottom - top, right - left + 1
    turns = np.bincount((rows - top) * size[1] + columns - left, minlength=size[0] * size[1]).reshape(size)
    return Region((np.cumsum(turns, axis=1) & 1).astype(np.bool_)[:, :-1], top, left)


def box(left: float, top: float, right: float, bottom: float) -> Points:
    """Return the corners of an upright rectangle."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def rotated(points: Points, centre: Points, degrees: float) -> Points:
    """Return ``points`` turned clockwise, as one sees it on the screen, about ``centre``."""
    sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    turn = np.array([[cosine, sine], [-sine, cosine]])
    return np.asarray((points - centre) @ turn + centre)


def ellipse(
    centre: Points, radii: tuple[float, float], height: int, width: int, *, degrees: float = 0
) -> Region:
    """Return the pixels whose centres lie inside an ellipse.

    Args:
        centre: ``(2,)``: x and y.
        radii: Half the width and half the height before it is turned, pixels.
        height: Of the image, pixels.
        width: Of the image, pixels.
        degrees: Clockwise turn.

    Example:
        >>> bool(ellipse(np.array([1.0, 1.0]), (1, 1), 2, 2).mask.all())
        True
    """
    reach = max(radii)
    (left, top), (right, bottom) = (
        (int(_first_centre(corner[:1], width)[0]), int(_first_centre(corner[1:], height)[0]))
        for corner in (centre - reach, centre + reach)
    )
    rows, columns = np.mgrid[top:bottom, left:right] + 0.5
    centres = np.stack([columns, rows], axis=-1)
    along = (rotated(centres, centre, -degrees) - centre) / np.maximum(radii, np.finfo(np.float64).tiny)
    return Region(np.asarray((along**2).sum(axis=-1) < 1), top, left)


def runs(counts: Sequence[int], height: int, width: int, *, order: Literal["rows", "columns"]) -> Region:
    """Return the pixels that run lengths stand for: outside, inside, outside and so on.

    Args:
        counts: Lengths of the runs; the first is outside and may be 0.
        height: Of the mask, pixels.
        width: Of the mask, pixels.
        order: Whether the runs go along the rows (CVAT) or down the columns (COCO).

    Raises:
        ValueError: A length is negative, or together they are not height x width.

    Example:
        >>> runs([1, 2, 1], 2, 2, order="columns").mask
        array([[False,  True],
               [ True, False]])
    """
    lengths = np.asarray(counts, np.int64)
    if (lengths < 0).any():
        raise ValueError(f"a run has the length {lengths.min()}")
    if lengths.sum() != height * width:
        raise ValueError(f"runs of {lengths.sum()} pixels together for {width} x {height} (width x height)")
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return Region(flat.reshape(height, width) if order == "rows" else flat.reshape(width, height).T)


def union(regions: Sequence[Region]) -> Region:
    """Return the pixels that are in any of ``regions``: the parts of one object."""
    filled = [region for region in regions if region.mask.size]
    if len(filled) < 2:
        return filled[0] if filled else Region(np.zeros((0, 0), np.bool_))
    top, left = min(region.top for region in filled), min(region.left for region in filled)
    bottom = max(region.top + region.mask.shape[0] for region in filled)
    right = max(region.left + region.mask.shape[1] for region in filled)
    moved = [(Region(region.mask, region.top - top, region.left - left), 1) for region in filled]
    return Region(paint(bottom - top, right - left, moved, outside=0).astype(np.bool_), top, left)


def paint(
    height: int, width: int, layers: Iterable[tuple[Region, int]], *, outside: int
) -> NDArray[np.uint8]:
    """Return a label ``(height, width)`` with each region's value drawn over the earlier ones'.

    Args:
        height: Of the image, pixels.
        width: Of the image, pixels.
        layers: Regions within the image and their values, the lowest first.
        outside: Value of the pixels that are in none.
    """
    label = np.full((height, width), outside, np.uint8)
    for region, value in layers:
        rows, columns = region.mask.shape
        window = label[region.top : region.top + rows, region.left : region.left + columns]
        window[region.mask] = value
    return label


def largest_first(layers: Iterable[tuple[Region, int]]) -> list[tuple[Region, int]]:
    """Return ``layers`` by size, so that small things are drawn upon large ones; equal ones as they come."""
    return sorted(layers, key=lambda layer: -layer[0].pixels)


def outside(points: Points, height: int, width: int) -> str:
    """Return in words how far ``points`` lie outside their image; ``""`` if they do not.

    Example:
        >>> outside(np.array([[0, 0], [12.5, 3]]), 4, 10)
        'x 0 to 12.5, y 0 to 3; the image is 10 x 4 (width x height)'
    """
    low, high = points.min(axis=0), points.max(axis=0)
    if (low >= -TOLERANCE).all() and (high <= np.array([width, height]) + TOLERANCE).all():
        return ""
    reach = ", ".join(f"{axis} {low[i]:g} to {high[i]:g}" for i, axis in enumerate("xy"))
    return f"{reach}; the image is {width} x {height} (width x height)"


def _first_centre(values: Points, size: int) -> NDArray[np.int64]:
    """Return the index of the first pixel whose centre is at ``values`` or beyond, 0 to ``size``."""
    return np.asarray(np.ceil(values - 0.5).clip(0, size), np.int64)
