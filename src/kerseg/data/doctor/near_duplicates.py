"""Equal and nearly equal images, found by hashes: duplicates, and leakage between splits.

Equal means equal pixels, whatever the file format. Nearly equal is decided in two steps, because either alone
errs. A difference hash (Krawetz, "Kind of Like That", 2013, https://www.hackerfactor.com/blog/?/archives/529)
finds candidates fast, but images of one layout, sky above and road below, share half of its bits and more;
grey thumbnails, correlated, then decide.

Comparing is quadratic in the number of hashes, but as array operations of 8 bytes a pair.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kerseg.data.doctor.facts import Facts

NEAR_BITS = 10
"""Bits of 64 in which the hashes of nearly equal images may differ. On CamVid, JPEG at quality 30, half size, a
tenth more light, gamma 0.8 and a margin of 2 % cut off changed at most 5 of them; images of its two splits differ
in 27 (median)."""
NEAR = 0.98
"""Correlation of their thumbnails at least. The same changes left 0.983 and more; CamVid's splits come to 0.931."""
FRAME_BITS = 24
"""Bits for images whose names say that they are neighbours in a film."""
FRAME = 0.9
"""Correlation of their thumbnails at least, and then half-way from that of any two images to 1."""
STEPS = 2
"""Steps of the film, as sampled, that neighbours are apart at most."""
FLAT = 3.0
"""Standard deviation of a thumbnail below which an image has nothing to be told by (grey levels)."""
_BLOCK = 2**22
"""Pairs of hashes compared at a time."""
_BITS = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)
_NUMBER = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)


def equal(digests: Mapping[int, bytes]) -> list[list[int]]:
    """Return the groups of two or more images with equal digests, by index."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for index, digest in digests.items():
        groups[digest].append(index)
    return [group for group in groups.values() if len(group) > 1]


def near(facts: Sequence[Facts]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return nearly equal images of different splits that are not equal.

    Args:
        facts: Of all pairs.

    Returns:
        Pairs of indices, the one of the earlier split first: nearly equal images, and neighbouring frames of a
        film. Each image of a later split is in at most one pair: a frame, or with one that it is like.
    """
    groups, prints = _prints(facts)
    frames: dict[int, int] = {}
    least = max(FRAME, (1 + _usual(prints, groups)) / 2)
    for first, second in _neighbours(facts, groups):
        bits = int(_count(prints[first].hash ^ prints[second].hash))
        if bits <= FRAME_BITS and prints[first].thumb @ prints[second].thumb >= least:
            frames.setdefault(second, first)
    found: dict[int, int] = {}
    for one, other in itertools.combinations(groups.values(), 2):
        left = [index for index in other if index not in frames and index not in found]
        found |= {second: first for first, second in _close(prints, one, left)}
    # Equal images are another finding.
    equals = [{_digest(facts[first]), _digest(facts[second])} for second, first in found.items()]
    return (
        [
            (first, second)
            for (second, first), both in zip(found.items(), equals, strict=True)
            if len(both) > 1
        ],
        [
            (first, second)
            for second, first in frames.items()
            if _digest(facts[first]) != _digest(facts[second])
        ],
    )


@dataclass(frozen=True)
class _Print:
    """What an image is told by."""

    hash: np.uint64
    thumb: NDArray[np.float32]
    """Zero mean, unit length: the product of two is their correlation."""


def _prints(facts: Sequence[Facts]) -> tuple[dict[str, list[int]], dict[int, _Print]]:
    """Return the images of each split that can be told apart, by index, and their prints."""
    groups: dict[str, list[int]] = {}
    prints: dict[int, _Print] = {}
    for index, fact in enumerate(facts):
        if fact.image is None:
            continue
        thumb = fact.image.thumb.astype(np.float32).ravel()
        if thumb.std() >= FLAT:
            thumb = (thumb - thumb.mean()) / (thumb.std() * np.sqrt(np.float32(thumb.size)))
            groups.setdefault(fact.split, []).append(index)
            prints[index] = _Print(np.uint64(fact.image.hash), thumb)
    return groups, prints


def _digest(facts: Facts) -> bytes:
    return facts.image.digest if facts.image else b""


def _close(
    prints: Mapping[int, _Print], one: Sequence[int], other: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Yield, for each of ``other`` that is nearly equal to one of ``one``, that one and it.

    What has been found leaves the search: where all images are alike, that keeps it from being slow.
    """
    ours = np.array([prints[index].hash for index in one], np.uint64)
    thumbs = np.stack([prints[index].thumb for index in one])
    columns = list(other)
    start = 0
    while columns and start < len(ours):
        theirs = np.array([prints[index].hash for index in columns], np.uint64)
        stop = start + max(1, _BLOCK // len(columns))
        rows, places = np.nonzero(_count(ours[start:stop, None] ^ theirs) <= NEAR_BITS)
        found: dict[int, int] = {}
        for place in np.unique(places).tolist():
            candidates = start + rows[places == place]
            correlation = thumbs[candidates] @ prints[columns[place]].thumb
            if correlation.max() >= NEAR:
                found[place] = one[candidates[correlation.argmax()]]
        yield from ((first, columns[place]) for place, first in found.items())
        columns = [index for place, index in enumerate(columns) if place not in found]
        start = stop


def _count(words: NDArray[np.uint64] | np.uint64) -> NDArray[np.uint8]:
    """Return the number of bits set in each word."""
    if hasattr(np, "bitwise_count"):  # NumPy 2
        return np.asarray(np.bitwise_count(words), np.uint8)
    single = np.asarray(words)[..., None].view(np.uint8)
    return np.asarray(_BITS[single].sum(-1), np.uint8)


def _neighbours(facts: Sequence[Facts], groups: Mapping[str, Sequence[int]]) -> Iterator[tuple[int, int]]:
    """Yield pairs of different splits that are neighbours in a film, judged by name, the nearest first.

    A film's images share a name but for the last number in it. Its step is that of the split that took fewer.
    """
    films: dict[tuple[str, str], dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for split, indices in groups.items():
        for index in indices:
            if match := _NUMBER.fullmatch(facts[index].pair.name):
                films[match[1], match[3]][split].append((int(match[2]), index))
    for film in films.values():
        for one, other in itertools.combinations([sorted(members) for members in film.values()], 2):
            reach = STEPS * max(_step(one), _step(other))
            numbers = np.array([number for number, _ in one])
            for number, index in other:
                low, high = np.searchsorted(numbers, [number - reach, number + reach + 1])
                near = sorted((abs(other_number - number), member) for other_number, member in one[low:high])
                yield from ((member, index) for _, member in near)


def _step(members: Sequence[tuple[int, int]]) -> int:
    steps = np.diff([number for number, _ in members])
    return int(np.median(steps)) if len(steps) else 1


def _usual(prints: Mapping[int, _Print], groups: Mapping[str, Sequence[int]]) -> float:
    """Return the median correlation of images of different splits: how alike any two of this data set are."""
    if len(groups) < 2:
        return 0.0
    one, other = list(groups.values())[:2]
    random = np.random.default_rng(0)
    pairs = zip(random.choice(one, 200), random.choice(other, 200), strict=True)
    return float(np.median([prints[first].thumb @ prints[second].thumb for first, second in pairs]))
