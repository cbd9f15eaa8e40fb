"""Images predicted window by window, and put together without a seam.

Neighbouring windows overlap by a strip. There a pixel counts in each of the two by a weight that depends on its
place in the strip: 0 up to a quarter of it, where that window sees least around the pixel, 1 from three quarters,
and a smooth step between; the weights add up to 1. At the image's own borders a window counts fully.

Windows start at multiples of 32, the largest stride of a network, so that its grids lie on the image as they would
if it were predicted whole; the last of a row or a column is as much smaller as the image ends.

What is finished is handed on: memory does not grow with the height of the image, and with its width by one strip.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerseg.errors import ConfigError

Floats = NDArray[np.float32]

ALIGNMENT = 32
"""Windows start at multiples of this, in pixels; smaller windows than twice that start anywhere."""
SHARE = 0.25
"""Overlap by default, as a share of the window."""


@dataclass(frozen=True)
class Windows:
    """How an image is cut into windows.

    Example:
        >>> Windows(256, 256, 64).starts(500, 256)
        [0, 192, 256]
    """

    height: int
    """Of a window, pixels."""
    width: int
    overlap: int
    """Least width of the strip that two windows share, pixels; at most half a window."""

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 8:
            raise ConfigError(f"`window` is 8 pixels or more. Received: {self.height}, {self.width}.")
        if not 0 <= self.overlap <= min(self.height, self.width) // 2:
            raise ConfigError(
                f"`overlap` is 0 to half a window, {min(self.height, self.width) // 2}. "
                f"Received: {self.overlap}."
            )

    def starts(self, size: int, window: int) -> list[int]:
        """Return where windows of ``window`` pixels begin along an axis of ``size`` pixels."""
        unit = ALIGNMENT if window >= 2 * ALIGNMENT else 1
        step = max((window - self.overlap) // unit * unit, unit)
        last = -(-max(size - window, 0) // unit) * unit
        return [*range(0, last, step), last]


@dataclass(frozen=True)
class Block:
    """A part of an image that is finished."""

    top: int
    left: int
    values: Floats
    """(height, width, classes)."""


def blended(
    read: Callable[[slice, slice], NDArray[Any]],
    predict: Callable[[NDArray[Any]], Floats],
    size: tuple[int, int],
    windows: Windows,
    *,
    carried: type[np.floating[Any]] = np.float32,
) -> Iterator[Block]:
    """Predict an image of any size, and yield it in blocks that together are the whole, each pixel once.

    Args:
        read: From rows and columns to pixels (height, width, channels).
        predict: From pixels to probabilities (height, width, classes).
        size: Height and width of the image, pixels.
        windows: How it is cut.
        carried: Type in which the strip between two rows of windows is kept; float16 takes half the memory.

    Yields:
        Blocks, from left to right, and from top to bottom.
    """
    rows = _spans(size[0], windows.starts(size[0], windows.height), windows.height)
    columns = _spans(size[1], windows.starts(size[1], windows.width), windows.width)
    below: list[NDArray[Any]] = []  # what windows further down will share, one strip a column of windows
    for i, down in enumerate(rows):
        above, below = below, []
        height = (rows[i + 1].start if i + 1 < len(rows) else down.end) - down.start
        right: Floats | None = None
        for j, across in enumerate(columns):
            values = predict(read(slice(down.start, down.end), slice(across.start, across.end)))
            values = values * down.weights[:, None, None] * across.weights[:, None]
            if right is not None:
                values[:, : right.shape[1]] += right
            width = (columns[j + 1].start if j + 1 < len(columns) else across.end) - across.start
            right = values[:, width:].copy()
            values = values[:, :width]
            if above:
                values[: above[j].shape[0]] += above[j]
            if height < len(values):
                below.append(values[height:].astype(carried))
            yield Block(down.start, across.start, values[:height])


@dataclass(frozen=True)
class _Span:
    """A window along one axis."""

    start: int
    end: int
    weights: Floats
    """Of its pixels; those of all windows at a pixel add up to 1."""


def _spans(size: int, starts: list[int], window: int) -> list[_Span]:
    ends = [min(start + window, size) for start in starts]
    weights = [np.ones(end - start, np.float32) for start, end in zip(starts, ends, strict=True)]
    for i, (start, end) in enumerate(zip(starts[1:], ends, strict=False)):
        step = _step(end - start)
        weights[i][start - starts[i] :] *= 1 - step
        weights[i + 1][: end - start] *= step
    total = np.zeros(
        size, np.float32
    )  # not 1 where three windows meet, as the last two and the one before may
    for start, one in zip(starts, weights, strict=True):
        total[start : start + len(one)] += one
    return [
        _Span(start, end, one / total[start:end])
        for start, end, one in zip(starts, ends, weights, strict=True)
    ]


def _step(length: int) -> Floats:
    """Return a smooth step from 0 to 1 in the middle half of a strip; it and its mirror image add up to 1."""
    t = (((np.arange(length) + 0.5) / max(length, 1) - 0.25) * 2).clip(0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
