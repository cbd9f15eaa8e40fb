"""What must be true of a ``dataset.json`` beyond the types of its fields: that its parts fit each other.

Someone may have edited it: fewer records than a shard holds, a shard twice, training's shards under val score
silently wrong. Whether the shards themselves fit is seen where they are opened.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from kerseg.core.console import is_control

if TYPE_CHECKING:
    from kerseg.core.info import DatasetInfo, Shard, Split

_NUMBERED = re.compile(r"(?P<split>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.tfrecord")
"""Names that `kerseg convert` gives to shards; those of other programs say nothing."""


def misfits(info: "DatasetInfo") -> Iterator[str]:
    """Yield what does not fit in a description, each with its field: ``"splits.val.shards: ..."``.

    Example:
        >>> list(misfits(dataclasses.replace(info, palette=info.palette[1:])))
        ['palette: 6 colours for 7 classes.']
    """
    classes = info.num_classes
    if not 1 <= classes <= 255:
        yield f"class_names: 1 to 255 classes. Received: {classes}."
    for place, text in {"name": info.name, **of_classes(info.class_names)}.items():
        if any(map(is_control, text)):
            yield f"{place}: {text!r} holds control characters."
    if len(info.palette) != classes:
        yield f"palette: {len(info.palette)} colours for {classes} classes."
    if info.ignore_label < classes:
        yield f"ignore_label: {info.ignore_label} is one of the {classes} classes."
    if not info.splits:
        yield "splits: there are none."
    for name, split in info.splits.items():
        if not name or any(map(is_control, name)) or not _is_plain(name):
            yield f"splits: {name!r} is no name of a split."
        yield from (f"splits.{name}.{misfit}" for misfit in _misfits_of_split(name, split, classes))
    yield from _listed_twice(info.splits)


def of_classes(names: Sequence[str]) -> dict[str, str]:
    """Return the place of each class name, for messages, with the name."""
    return {f"class_names[{index}]": name for index, name in enumerate(names)}


def _misfits_of_split(name: str, split: "Split", classes: int) -> Iterator[str]:
    if not split.shards:
        yield "shards: there are none."
    for index, shard in enumerate(split.shards):
        if not _is_plain(shard.file) or any(map(is_control, shard.file)):
            yield f"shards[{index}].file: {shard.file!r} is no name of a file beside dataset.json."
    yield from _misnumbered(name, split.shards, complete=bool(split.class_pixels))
    for field in ("class_pixels", "class_image_pixels"):
        counts = split.class_pixels if field == "class_pixels" else split.class_image_pixels
        if len(counts) != classes and (counts or split.class_pixels or split.class_image_pixels):
            yield f"{field}: {len(counts)} numbers for {classes} classes."
    total = sum(split.class_pixels)
    for index, (own, of_images) in enumerate(zip(split.class_pixels, split.class_image_pixels, strict=False)):
        if not own <= of_images <= total or (of_images and not own):
            yield (
                f"class_image_pixels[{index}]: {of_images}, the pixels of the images that the class is in, do not "
                f"fit its own {own} of {total}."
            )


def _misnumbered(name: str, shards: Sequence["Shard"], *, complete: bool) -> Iterator[str]:
    """Yield what is wrong with shards that `kerseg convert` named: their own split, each once, in order.

    Args:
        name: Of the split.
        shards: Of the split.
        complete: Whether all must be there. Of TFRecords that kerseg did not convert, and whose pixels it has not
            counted, those without records are not listed.
    """
    found = [_NUMBERED.fullmatch(shard.file) for shard in shards]
    for index, match in enumerate(found):
        if match and match["split"] != name:
            yield f"shards[{index}].file: {match[0]} is a shard of split {match['split']!r}."
            return
    numbers = [int(match["number"]) for match in found if match]
    counts = {int(match["count"]) for match in found if match}
    if not numbers:
        return
    is_whole = len(counts) == 1 and numbers == [*range(len(found))] and counts == {len(found)}
    if not is_whole and (complete or numbers != sorted(set(numbers))):
        listed = ", ".join(shard.file for shard in shards[:4]) + (" ..." if len(shards) > 4 else "")
        yield f"shards: not each of the split's {max(counts)} once, in order: {listed}."


def _listed_twice(splits: Mapping[str, "Split"]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name, split in splits.items():
        for index, shard in enumerate(split.shards):
            place = f"splits.{name}.shards[{index}]"
            if shard.file in seen:
                yield f"{place}.file: {shard.file} is {seen[shard.file]}, too."
            seen.setdefault(shard.file, place)


def _is_plain(name: str) -> bool:
    """Whether a name is that of a file in a folder, on any system."""
    return PurePosixPath(name).parts == (name,) == PureWindowsPath(name).parts and name not in (".", "..")
