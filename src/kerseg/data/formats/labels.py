"""What a label holds, values or colours, and the class indices that they stand for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kerseg.core.info import IGNORE_LABEL, Colour
from kerseg.data.formats.files import BadFileError, Place
from kerseg.data.formats.wording import colour_codes, describe_colours, describe_counts

Label = NDArray[np.uint8]
"""``(height, width)``: class index, 255 = ignore."""


@dataclass(frozen=True)
class Classes:
    """The classes of a data set, in the order of their indices."""

    names: tuple[str, ...]
    palette: tuple[Colour, ...]
    """One colour a class."""
    void_colours: tuple[Colour, ...] = ()
    """Colours of pixels to ignore, for labels saved as colours."""
    open_ended: bool = False
    """Whether there are as many as the labels show: those above the highest that occurs are dropped."""


def map_values(
    path: Place,
    values: NDArray[np.integer],
    table: Mapping[int, int],
    *,
    advise: Callable[[list[int]], str] = lambda unique: "",
) -> Label:
    """Turn a label's own values into class indices.

    Args:
        path: The label's file, for messages.
        values: ``(height, width)``.
        table: Value in the file -> class index, or 255 for pixels to ignore.
        advise: Given all values of the label, says what to do if some are not in ``table``.

    Raises:
        BadFileError: The label holds other values; they are listed with their pixel counts.

    Example:
        >>> map_values(Path("mask.png"), np.array([[0, 255]]), {0: 0, 255: 1})
        array([[0, 1]], dtype=uint8)
    """
    if values.dtype == np.uint8:
        counts = np.bincount(values.ravel(), minlength=256)
        unique = np.flatnonzero(counts)
        counts = counts[unique]
    else:
        unique, counts = np.unique(values, return_counts=True)
    unknown = np.array([value not in table for value in unique.tolist()])
    if unknown.any():
        raise BadFileError(
            path,
            f"value outside the classes: {describe_counts(unique[unknown], counts[unknown])}. "
            f"Known: {_ranges(table)}. {advise(unique.tolist())}".rstrip(),
        )
    known = np.array([table[value] for value in unique.tolist()], np.uint8)
    if values.dtype != np.uint8:
        return np.asarray(known[np.searchsorted(unique, values)])
    lookup = np.zeros(256, np.uint8)
    lookup[unique] = known
    return np.asarray(lookup[values])


def map_colours(
    path: Place, colours: NDArray[np.uint8], classes: Classes | Mapping[Colour, int], *, advice: str = ""
) -> Label:
    """Turn a colour-coded label into class indices.

    Args:
        path: The label's file, for messages.
        colours: ``(height, width, 3)``, RGB.
        classes: Their palette and void colours are the colours allowed; or colour -> class index or 255.
        advice: What to do about other colours.

    Raises:
        BadFileError: The label holds other colours; they are listed with their pixel counts.
    """
    if isinstance(classes, Classes):
        void = dict.fromkeys(classes.void_colours, IGNORE_LABEL)
        classes = {**{colour: index for index, colour in enumerate(classes.palette)}, **void}
    indices = np.array(list(classes.values()), np.uint8)
    codes = colour_codes(np.array(list(classes), np.uint8))
    order = np.argsort(codes)
    codes, indices = codes[order], indices[order]
    pixels = colour_codes(colours)
    places = np.searchsorted(codes, pixels).clip(max=len(codes) - 1)
    unknown = codes[places] != pixels
    if unknown.any():
        raise BadFileError(
            path,
            f"colour outside the palette: {describe_colours(colours[unknown])}.{' ' * bool(advice)}{advice}",
        )
    return np.asarray(indices[places])


def _ranges(table: Mapping[int, int]) -> str:
    """Return ``"0 to 10, 255 (ignored)"`` for the values of ``table``."""
    parts: list[list[int]] = []
    for value in sorted(table):
        # A run goes on while the value is the next one and has the same meaning, class or ignored.
        ignored = table[value] == IGNORE_LABEL
        if parts and value == parts[-1][1] + 1 and ignored == (table[parts[-1][1]] == IGNORE_LABEL):
            parts[-1][1] = value
        else:
            parts.append([value, value])
    return ", ".join(
        (f"{low}" if low == high else f"{low} to {high}") + " (ignored)" * (table[low] == IGNORE_LABEL)
        for low, high in parts
    )
