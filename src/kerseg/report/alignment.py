"""Whether a label fits its prediction better somewhere else: masks that slipped out of place.

A mask that was shifted, by a tool that counts pixels from 1 or by a resampling that rounds, is wrong along every
border and nowhere by much: no region of it stands out, and its borders are what a ranking by regions leaves out.
What gives it away is that one move puts all of it right. So the label is tried at offsets of up to `REACH` rows and
columns: how much more probable are its classes there? That is a cross-correlation, as in image registration. What
an offset brings is compared with what it brings the other images (`kerseg.report.suspects`): they lose by it, and
what a network displaces by a pixel or two, as strides do, it displaces in all of them.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

REACH = 12
"""Rows and columns that a label is moved at most."""
STEP = 2
"""Rows and columns between two offsets that are tried."""
LEAST = 1e-3
"""Probabilities below count as this: a few pixels that a model is sure of do not decide."""
_PIXELS = 10_000
"""Of an image, about, evenly spaced."""

OFFSETS = tuple(
    sorted(
        (
            (rows, columns)
            for rows in range(-REACH, REACH + 1, STEP)
            for columns in range(-REACH, REACH + 1, STEP)
        ),
        key=lambda offset: (offset[0] ** 2 + offset[1] ** 2, offset),
    )
)
"""Rows down and columns to the right, the shortest move first: none."""


class Offset(NamedTuple):
    """Where a label fits better."""

    rows: int
    """Down, pixels."""
    columns: int
    """To the right, pixels."""
    gain: float
    """Rise of the log probability of the annotated class, mean over the labelled pixels, above the usual there."""


def gains(label: NDArray[Any], chances: NDArray[np.float32], ignore_label: int) -> NDArray[np.float32]:
    """Return what each offset brings a label.

    Args:
        label: Class indices (height, width).
        chances: Probabilities of the classes (height, width, C).
        ignore_label: Label value whose pixels do not count.

    Returns:
        float32, one for each of `OFFSETS`: the rise of the log probability of the annotated class, mean over the
        labelled pixels, of which those that leave the image count 0. Moves of half the image or more are as bad as
        can be.

    Example:
        >>> truth = np.zeros((40, 60), int)
        >>> truth[10:30, 20:44] = 1
        >>> found = gains(np.roll(truth, 8, axis=1), np.eye(2, dtype="f4")[truth], 255)
        >>> OFFSETS[int(found.argmax())]
        (0, -8)
    """
    apart = max(1, round((label.size / _PIXELS) ** 0.5))
    # From the middle of the first cell on, so that both ends are as near.
    rows, columns = np.meshgrid(*(np.arange(apart // 2, size, apart) for size in label.shape), indexing="ij")
    counted = label[rows, columns] != ignore_label
    rows, columns = rows[counted], columns[counted]
    classes = label[rows, columns].astype(np.intp)
    own = np.log(np.maximum(chances[rows, columns, classes], LEAST))
    height, width = label.shape
    values = chances.reshape(-1)
    at = (rows * width + columns) * chances.shape[-1] + classes
    found = np.full(len(OFFSETS), np.log(LEAST), np.float32)
    for place, (down, right) in enumerate(OFFSETS):
        if 2 * abs(down) >= height or 2 * abs(right) >= width:
            continue
        y, x = rows + down, columns + right
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        # Of pixels that leave the image, any value will do.
        moved = values.take(at + (down * width + right) * chances.shape[-1], mode="clip")
        there = np.log(np.maximum(moved, LEAST))
        found[place] = ((there - own) * inside).sum(dtype=np.float64) / max(1, classes.size)
    return found
