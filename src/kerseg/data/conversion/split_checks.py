"""What is wrong with a data set as a whole, once its pairs were checked one by one: names, splits, classes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from kerseg.core.console import note
from kerseg.core.info import DatasetInfo, Skipped, Split
from kerseg.core.spacing import Spacing
from kerseg.data.conversion.checks import Checked, fault
from kerseg.data.formats.labels import Classes
from kerseg.data.formats.names import ALIKE, alike, unusable
from kerseg.data.sources.base import Pair, Source
from kerseg.errors import DataError


class Duplicates:
    """The pairs of a split whose name is not theirs alone.

    Args:
        pairs: Of one split.

    Example:
        >>> pairs = [Pair("a", Path("i/a.jpg"), Path("l/a.png")), Pair("a", Path("i/a.png"), Path("l/a.png"))]
        >>> Duplicates(pairs).applied(pairs[0], [])
        [Skipped(path='i/a.jpg', reason="duplicate name: 'a' is also i/a.png. Keep one.")]
    """

    def __init__(self, pairs: Sequence[Pair]):
        times = Counter(pair.name for pair in pairs)
        self._alike = alike(times)
        self._shared: dict[str, list[Pair]] = {name: [] for name, count in times.items() if count > 1}
        for pair in pairs:
            if pair.name in self._shared:
                self._shared[pair.name].append(pair)

    def applied(self, pair: Pair, result: Checked | list[Skipped]) -> Checked | list[Skipped]:
        """Return ``result``, or a pair's faults where others have its name, or one that looks the same."""
        if pair.name in self._alike and not isinstance(result, Checked) and not (pair.image and pair.label):
            result = [replace(entry, reason=f"{entry.reason} {ALIKE}") for entry in result]
        if pair.name not in self._shared:
            return result
        faults = [] if isinstance(result, Checked) else result
        return faults + _duplicates(pair, self._shared[pair.name])


def check_names(classes: Classes, splits: Iterable[str], name: str) -> None:
    """Refuse names that a terminal, a page or a file would stumble upon, at the door and not in the first epoch.

    Args:
        classes: Of the data set.
        splits: Names of its splits.
        name: Of the data set.

    Raises:
        DataError: A name holds control characters or is not UTF-8, or two classes have one name.
    """
    for kind, names in (("class", classes.names), ("split", splits), ("data set", [name])):
        for each in names:
            if why := unusable(each):
                raise DataError(f"The name {each!r} of a {kind} cannot be used: {why}. Rename it.")
    if twice := [each for each, count in Counter(classes.names).items() if count > 1]:
        raise DataError(f"Two classes are called {twice[0]!r}. Each needs a name of its own.")


def check_splits(source: Source, pairs: Mapping[str, Sequence[Pair]], output: object) -> None:
    """Look at how many pairs each split has, before any is read.

    The user is told which splits have other numbers than the data set was published with. That is no error: who
    leaves some out on purpose changes a list, or a folder. A tree that is not complete looks the same.

    Args:
        source: Its ``counts``, if it has any, are the published numbers.
        pairs: Of each split; images that ``val_share`` holds out count as training images.
        output: For the message.

    Raises:
        DataError: A split has no pairs.
    """
    for split, members in pairs.items():
        if found_alike := sorted(alike(pair.name for pair in members if pair.image and pair.label)):
            note(f"{output}: {split} has {found_alike[0]!r} more than once, as it looks. {ALIKE}")
    if empty := [split for split, members in pairs.items() if not members]:
        raise DataError(f"{output}: cannot be made, because {_named(empty)} of the source has no pairs.")
    found = {split: len(members) for split, members in pairs.items()}
    if source.val_share:
        found["train"] += found.pop("val", 0)
    published = source.counts
    for split, count in found.items():
        if count != published.get(split, count):
            note(
                f"{source.name}: {split} has {count:,} images; {published[split]:,} were published. "
                "Is the folder complete?"
            )


def described(
    source: Source,
    classes: Classes,
    splits: Mapping[str, Split],
    *,
    pairs: int,
    name: str,
    skip_bad: bool,
    spacing: Spacing | None = None,
) -> DatasetInfo:
    """Return the description of what was written, if it can be used.

    Args:
        source: What was converted.
        classes: Its classes.
        splits: What was written and counted, and what is wrong.
        pairs: How many there were to convert.
        name: Name of the data set.
        skip_bad: Whether faulty pairs may be left out.
        spacing: How large its pixels are, if that is known.

    Raises:
        DataError: There are faults that may not be left out, or nothing to learn.
    """
    if any(split.skipped for split in splits.values()):
        _judge(splits, pairs, skip_bad)
    _refuse_one_class(splits, classes.names, drawn=source.drawn)
    if classes.open_ended:
        classes, splits = _as_shown(classes, splits)
    return DatasetInfo(
        name=name,
        class_names=classes.names,
        palette=classes.palette,
        splits=splits,
        channels=source.channels,
        spacing=spacing,
    )


def _duplicates(pair: Pair, others: Sequence[Pair]) -> list[Skipped]:
    """Return one fault for each file of ``pair`` that shares its name with a file of ``others``."""
    faults = []
    for own, files in (
        (pair.image, {other.image for other in others}),
        (pair.label, {other.label for other in others}),
    ):
        if rest := sorted(str(file) for file in files if file not in (own, None)):
            faults.append(fault(own, f"duplicate name: {pair.name!r} is also {', '.join(rest)}. Keep one."))
    return faults or [
        fault(pair.image or pair.label, f"duplicate name: {pair.name!r} occurs {len(others)} times.")
    ]


def _judge(splits: Mapping[str, Split], total: int, skip_bad: bool) -> None:
    """Raise unless the faulty pairs may be left out and leave something in each split."""
    faults = list(dict.fromkeys(entry for split in splits.values() for entry in split.skipped))
    empty = [name for name, split in splits.items() if not split.records]
    if skip_bad and not empty:
        return
    kinds = Counter(_kind(entry) for entry in faults)
    order = {kind: place for place, kind in enumerate(kinds)}
    lines = [
        f"{entry.path}: {entry.reason}" for entry in sorted(faults, key=lambda entry: order[_kind(entry)])
    ]
    counts = ", ".join(f"{count} x {kind}" for kind, count in kinds.items())
    if skip_bad:
        advice = f"Without these, {_named(empty)} has no pairs."
    else:
        advice = "Mend or remove these files, or leave out their pairs with `skip_bad=True`."
    found = f"{len(faults)} fault{'s' * (len(faults) > 1)} in {total} pair{'s' * (total > 1)}"
    lines.append(f"{found}: {counts}. Nothing was written. {advice}")
    raise DataError("\n".join(lines))


def _refuse_one_class(splits: Mapping[str, Split], names: Sequence[str], *, drawn: bool) -> None:
    """Raise if masks of 0 and 255 were read as "class 0 or ignored", which no single label shows.

    Args:
        splits: What was counted.
        names: Of the classes.
        drawn: Whether labels are shapes, and what is ignored is what lies outside them.
    """
    found = [
        name
        for index, name in enumerate(names)
        if any(split.class_pixels[index] for split in splits.values())
    ]
    ignored = sum(split.ignored_pixels for split in splits.values())
    if len(found) == 1 and len(names) > 1 and ignored:
        advice = "If the labels are masks of 0 and 255, both of them classes, give `label_values=(0, 255)`."
        if drawn:
            advice = "Give `background=NAME`: a class for the pixels in no shape."
        raise DataError(
            f"All labels: every pixel is {found[0]!r} or ignored ({ignored} pixels), so there is nothing to "
            f"learn. {advice} Nothing was written."
        )


def _as_shown(classes: Classes, splits: Mapping[str, Split]) -> tuple[Classes, dict[str, Split]]:
    """Return both without the classes above the highest that occurs."""
    count = 1 + max(np.flatnonzero(split.class_pixels).max(initial=0) for split in splits.values())
    shown = {
        name: replace(
            split,
            class_pixels=split.class_pixels[:count],
            class_image_pixels=split.class_image_pixels[:count],
        )
        for name, split in splits.items()
    }
    return Classes(classes.names[:count], classes.palette[:count]), shown


def _kind(entry: Skipped) -> str:
    """Return the kind of a fault: what its reason starts with."""
    return entry.reason.partition(":")[0]


def _named(splits: Sequence[str]) -> str:
    return f"split{'s' * (len(splits) > 1)} {', '.join(map(repr, splits))}"
