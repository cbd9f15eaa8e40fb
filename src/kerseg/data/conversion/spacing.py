"""How large a data set's pixels are: what the user says, or what the headers of all its files say."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath

from kerseg.core.console import note
from kerseg.core.spacing import Size, Spacing, volume_of
from kerseg.core.workers import map_in_order
from kerseg.data.formats.arrays import NIFTI, TIFF
from kerseg.data.formats.files import Place
from kerseg.data.formats.spacings import Measured, spacing_of
from kerseg.data.formats.suffixes import suffix_of
from kerseg.data.formats.volumes import ArrayPart
from kerseg.data.sources.base import Pair

_FEW = 200
"""Files whose headers are read sooner than worker processes start."""


def measured(
    pairs: Mapping[str, Sequence[Pair]], given: Sequence[float], unit: str, *, workers: int
) -> Spacing | None:
    """Return the size of a data set's pixels.

    Args:
        pairs: Of each split.
        given: What the user says; then no file is asked.
        unit: Of what is given.
        workers: Processes that read headers, where there are many.

    Returns:
        None if nobody says it. Where some files say it and others do not, the user is told, and nothing is kept:
        half of a data set cannot be measured.

    Example:
        >>> measured({}, (0.5, 0.5), "m", workers=1)
        Spacing(unit='m', size=(0.5, 0.5), others={})
    """
    if given:
        return Spacing(unit, tuple(map(float, given)))
    places = list(_places(pairs))
    if not any(_may_say(place) for _, place in places):
        return None
    found = list(_read([place for _, place in places], workers))
    known: dict[str, Size] = {}
    units = Counter(size.unit for size in found if size is not None)
    for (name, _), size in zip(places, found, strict=True):
        if size is not None and known.setdefault(name, size.size) != size.size:
            note(f"Two splits have an image {name!r}, of pixels of two sizes: their size is not kept.")
            return None
    if not known:
        return None
    if units.total() < len(found) or len(units) > 1:
        what = f"in {' and '.join(sorted(units))}" if len(units) > 1 else "and others do not"
        note(
            f"{units.total()} of {len(found)} images and volumes say how large their pixels are, {what}: it is not "
            "kept. State it with `spacing`, if it is the same for all."
        )
        return None
    [(usual, _)] = Counter(known.values()).most_common(1)
    return Spacing(next(iter(units)), usual, {name: size for name, size in known.items() if size != usual})


def _places(pairs: Mapping[str, Sequence[Pair]]) -> Iterator[tuple[str, Place]]:
    """Yield the images of each split with their names, and of each volume one slice."""
    for members in pairs.values():
        volumes: set[str] = set()
        for pair in members:
            if pair.image is None:
                continue
            if not (isinstance(pair.image, ArrayPart) and pair.image.key):
                yield pair.name, pair.image
            elif (volume := volume_of(pair.name)) not in volumes:
                volumes.add(volume)
                yield volume, pair.image


def _may_say(place: Place) -> bool:
    file = place.file if isinstance(place, ArrayPart) else place
    return isinstance(file, PurePath) and suffix_of(file, (*NIFTI, *TIFF)) is not None


def _read(places: Sequence[Place], workers: int) -> Iterator[Measured | None]:
    if len(places) <= _FEW:
        yield from map(spacing_of, places)
        return
    with map_in_order(spacing_of, places, workers=workers) as results:
        yield from (size for _, size in results)
