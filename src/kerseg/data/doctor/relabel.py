"""A label's pixels as class indices: values mapped, blended and JPEG's values brought to the nearest class."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kerseg.core.info import IGNORE_LABEL
from kerseg.data.doctor.facts import Facts, LabelFacts, label_facts, open_label
from kerseg.data.doctor.meaning import Meaning
from kerseg.data.formats.files import read_bytes
from kerseg.data.formats.images import decode

FAR = 32
"""Grey levels that classes must be apart for the nearest one to be right after JPEG, whose errors at quality 75
stay below half of that but for single pixels; for colours, the distance in RGB."""


def relabelled(
    facts: Facts, meaning: Meaning, index: int, *, to_grey: bool
) -> tuple[NDArray[np.uint8] | None, list[str]]:
    """Return a label's class indices and what was done to it; None if it is as it should be.

    Args:
        facts: Of its pair.
        meaning: What values stand for.
        index: Of the pair.
        to_grey: Whether indexed labels are to be grey, as others are.

    Returns:
        ``(height, width)`` uint8, 255 = ignore, or None; and a line for each thing done.
    """
    known, place = facts.label, facts.pair.label
    if known is None or place is None:
        return None, []
    classes, meant = meaning.of(index, known)
    blended = np.isin(known.values, sorted(meaning.blended)) & ~meant
    same = bool((classes == known.values).all())
    if same and not known.jpeg and known.clear is None and not (to_grey and known.palette):
        return None, []
    said = []
    image = decode(place, read_bytes(place))
    values, colours, _ = open_label(image)
    if known.jpeg or (blended.any() and meaning.is_coloured(known)):
        pixels = _nearest(values, colours, meaning)
        said.append(
            "label: JPEG's values to the nearest class" if known.jpeg else "label: blended colours mended"
        )
    else:
        if blended.any():
            values = _fill(values, np.isin(values, known.values[blended]), meaning)
            said.append(f"label: {int(known.counts[blended].sum())} blended pixels to the nearest class")
        fresh = label_facts(image) if not blended.any() else _facts_of(values, known)
        classes, _ = meaning.of(index, fresh)
        pixels = classes[np.searchsorted(fresh.values, values)].astype(np.uint8)
        if index in meaning.shifted or meaning.way == "one_based":
            said.append("label: 1 subtracted")
        elif meaning.is_coloured(known):
            said.append("label: colours to class indices")
        elif known.palette and to_grey:
            said.append("label: indexed colour to grey")
        elif not same:
            said.append("label: values to class indices")
    if known.clear is not None:
        opaque = np.asarray(image.getchannel("A")) == 255
        pixels = np.where(opaque, pixels, np.uint8(IGNORE_LABEL))
        said.append("label: alpha channel dropped" + f", {known.clear} pixels ignored" * bool(known.clear))
    return pixels, said


def _facts_of(values: NDArray[np.int64], known: LabelFacts) -> LabelFacts:
    unique, counts = np.unique(values, return_counts=True)
    return replace(known, values=unique, counts=counts, palette=())


def _nearest(values: NDArray[np.int64], colours: bool, meaning: Meaning) -> NDArray[np.uint8]:
    """Return the class whose value or colour is nearest to each pixel's."""
    table = meaning.colours or meaning.table
    keys, indices = np.array(list(table), np.int64), np.array(list(table.values()), np.uint8)
    unique, inverse = np.unique(values, return_inverse=True)
    if not meaning.colours:
        gaps = np.abs(unique[:, None] - keys)
    else:
        found = unique if colours else unique << 16 | unique << 8 | unique
        gaps = ((_channels(found)[:, None] - _channels(keys)) ** 2).sum(-1)
    return np.asarray(indices[gaps.argmin(1)][inverse].reshape(values.shape))


def _channels(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1)


def _fill(pixels: NDArray[np.int64], bad: NDArray[np.bool_], meaning: Meaning) -> NDArray[np.int64]:
    """Replace blended values: by the nearer of two classes, or by the nearest value among the neighbours.

    With more classes the value tells nothing by itself, since a ramp from 0 to 5 goes through 3: so the classes
    that it leads from and to are looked for beside it, ring by ring.
    """
    wanted = pixels.astype(np.float64)
    keys = sorted(value for value, index in meaning.table.items() if index != IGNORE_LABEL)
    if len(keys) == 2:
        low, high = keys
        return np.where(bad, np.where(2 * pixels >= low + high, high, low), pixels)
    pixels, bad = pixels.copy(), bad.copy()
    height, width = pixels.shape
    while bad.any():
        around, known = np.pad(pixels, 1), np.pad(~bad, 1)
        best, gap = pixels, np.full(pixels.shape, np.inf)
        for down, right in ((0, 1), (2, 1), (1, 0), (1, 2)):
            window = np.s_[down : down + height, right : right + width]
            distance = np.where(known[window], np.abs(around[window] - wanted), np.inf)
            best = np.where(distance < gap, around[window], best)
            gap = np.minimum(gap, distance)
        reached = bad & np.isfinite(gap)
        if not reached.any():
            return np.where(bad, IGNORE_LABEL, pixels)
        pixels = np.where(reached, best, pixels)
        bad &= ~reached
    return pixels


def jpeg_can_be_mended(label: LabelFacts, meaning: Meaning) -> bool:
    """Whether the classes are so far apart that each pixel's nearest one is right."""
    if label.colours and (not meaning.colours or meaning.way == "colours"):
        return False
    keys = np.array(list(meaning.colours or meaning.table), np.int64)
    points = _channels(keys).astype(float) if meaning.colours else keys[:, None].astype(float)
    gaps = np.sqrt(((points[:, None] - points) ** 2).sum(-1))
    return len(keys) > 1 and float(gaps[~np.eye(len(keys), dtype=bool)].min()) >= FAR
