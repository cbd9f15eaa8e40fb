"""Whether a label fits its prediction better somewhere else: masks that slipped out of place.

A mask that was shifted, by a tool that counts pixels from 1 or by a resampling that rounds, is wrong along every
border and nowhere by much: no region of it stands out, and its borders are what a ranking by regions leaves out.
What gives it away is that one move puts all of it right. So the label is tried at offsets of up to `REACH` rows and
columns, and the one at which its classes have the highest probability is taken: the maximum of a cross-correlation,
as in image registration.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

REACH = 16
"""Rows and columns that a label is moved at most."""
_STEPS = (4, 2, 1)
"""Offsets are tried this far apart: everywhere first, then around the best."""
_PIXELS = 10_000
"""Of an image, about, evenly spaced."""


class Offset(NamedTuple):
    """Where a label fits best."""

    rows: int
    """Down, pixels."""
    columns: int
    """To the right, pixels."""
    gain: float
    """Rise of the probability of the annotated class, mean over the labelled pixels: 0 to 1."""


class _Sample(NamedTuple):
    """Labelled pixels, evenly spaced: their places, classes and probabilities of these classes."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    classes: NDArray[np.intp]
    own: NDArray[np.float32]


def best_offset(label: NDArray[Any], chances: NDArray[np.float32], ignore_label: int) -> Offset:
    """Return the offset at which a label fits the probabilities best; 0, 0 where none is better.

    Args:
        label: Class indices (height, width).
        chances: Probabilities of the classes (height, width, C).
        ignore_label: Label value whose pixels do not count.

    Example:
        >>> truth = np.zeros((40, 60), int)
        >>> truth[10:30, 20:45] = 1
        >>> best_offset(np.roll(truth, 8, axis=1), np.eye(2, dtype="f4")[truth], 255)[:2]
        (0, -8)
    """
    sample = _sample(label, chances, ignore_label)
    best = Offset(0, 0, 0.0)
    if not sample.classes.size:
        return best
    reach = [min(REACH, (size - 1) // 2) for size in label.shape]
    for step in _STEPS:
        around = best
        # The first step goes everywhere, the others as far as its neighbours.
        spans = [
            [at for at in _around(start, step, end if step == _STEPS[0] else step) if abs(at) <= end]
            for start, end in zip(around[:2], reach, strict=True)
        ]
        for rows in spans[0]:
            for columns in spans[1]:
                found = Offset(rows, columns, _gain(sample, chances, rows, columns))
                best = max(best, found, key=lambda one: one.gain)
    return best


def _around(start: int, step: int, reach: int) -> Iterable[int]:
    return range(start - reach // step * step, start + reach + 1, step)


def _sample(label: NDArray[Any], chances: NDArray[np.float32], ignore_label: int) -> _Sample:
    apart = max(1, round((label.size / _PIXELS) ** 0.5))
    # From the middle of the first cell on, so that both ends are as near.
    rows, columns = np.meshgrid(*(np.arange(apart // 2, size, apart) for size in label.shape), indexing="ij")
    counted = label[rows, columns] != ignore_label
    rows, columns = rows[counted], columns[counted]
    classes = label[rows, columns].astype(np.intp)
    return _Sample(rows, columns, classes, chances[rows, columns, classes])


def _gain(sample: _Sample, chances: NDArray[np.float32], rows: int, columns: int) -> float:
    """Return how much the probability of the classes rises by a move; what leaves the image counts 0."""
    y, x = sample.rows + rows, sample.columns + columns
    height, width = chances.shape[:2]
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    there = chances[y[inside], x[inside], sample.classes[inside]]
    return float((there - sample.own[inside]).sum(dtype=np.float64)) / sample.classes.size
