"""Values, colours and sizes of images as messages say them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def describe_counts(values: NDArray[Any], counts: NDArray[Any], most: int = 8) -> str:
    """Return ``"3 (120 pixels), 7 (1 pixel) and 2 more"`` for values and how often each occurs."""
    parts = [
        f"{value} ({count} pixel{'' if count == 1 else 's'})"
        for value, count in zip(values[:most].tolist(), counts[:most].tolist(), strict=True)
    ]
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(parts) + more


def describe_colours(colours: NDArray[np.uint8]) -> str:
    """Return the most frequent ``(n, 3)`` colours and their pixel counts, as `describe_counts` does."""
    codes, counts = np.unique(colour_codes(colours), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    names = np.array([f"{code >> 16} {code >> 8 & 255} {code & 255}" for code in codes[order].tolist()])
    return describe_counts(names, counts[order])


def describe_size(shape: tuple[int, ...]) -> str:
    """Return ``"480 x 360"`` for height 360 and width 480."""
    return f"{shape[1]} x {shape[0]}"


def colour_codes(colours: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Turn RGB ``(..., 3)`` into one integer a pixel, ``(...)``: ``0xRRGGBB``."""
    red, green, blue = np.moveaxis(colours.astype(np.uint32), -1, 0)
    return np.asarray(red << 16 | green << 8 | blue, np.uint32)
