"""From a raw data set to checked shards and ``dataset.json``: ``kerseg convert``.

Worker processes read and check the pairs; this process writes them down, in the source's order, so that the
shards are the same byte for byte whatever the number of workers. All that is wrong with the raw files is
reported at once. The output folder appears when everything is written, and not before.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from kerseg.data.checks import Checked, check_pair, fault
from kerseg.data.info import FILE_NAME, DatasetInfo, Skipped, Split
from kerseg.data.sources.base import Classes, Pair, Source, channels_of
from kerseg.data.split_writer import SplitWriter
from kerseg.data.staging import whole_folder
from kerseg.data.workers import default_workers, map_in_order
from kerseg.errors import ConfigError, DataError
from kerseg.progress import Progress

MEBIBYTE = 2**20


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """Options of ``kerseg convert`` that all sources share."""

    output: Path
    """Folder to make: shards and dataset.json. It appears once everything is written."""
    shard_size: int = 128
    """Size at which a shard is full, MiB; the last record may go beyond it if a shard holds nothing else."""
    workers: int | None = None
    """Processes that read and check the files; by default one for each processor."""
    skip_bad: bool = False
    """Leave out pairs that cannot be used, and list them in dataset.json, instead of stopping."""
    overwrite: bool = False
    """Replace the data set that is in the output folder, once the new one is whole."""
    name: str | None = None
    """Name of the data set; by default the source's, or that of the output folder."""

    def __post_init__(self) -> None:
        if self.shard_size < 1:
            raise ConfigError(f"--shard-size is 1 MiB or more. Received: {self.shard_size}.")
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"--workers is 1 or more. Received: {self.workers}.")


def convert(
    source: Source,
    *,
    output: Path,
    shard_size: int = 128,
    workers: int | None = None,
    skip_bad: bool = False,
    overwrite: bool = False,
    name: str | None = None,
) -> DatasetInfo:
    """Check every pair of ``source`` by decoding it, and write them all as TFRecord shards.

    The bytes of JPEG, PNG and plain BMP pictures are kept; other formats become PNG, or, where the source says
    that they are more than 8-bit RGB, their numbers as they are. Labels become 8-bit
    grey PNG of class indices, 255 = ignore. A picture with an EXIF orientation is turned upright, and stored
    as PNG, if that is how its label lies.

    Args:
        source: The raw data set, such as ``kerseg.data.sources.camvid.CamVid(root=...)``.
        output: Folder to make.
        shard_size: Size at which a shard is full, MiB.
        workers: Processes that read and check the files; by default one for each processor.
        skip_bad: Leave out pairs that cannot be used, and list them in ``dataset.json``.
        overwrite: Replace the data set that is in ``output``, once the new one is whole.
        name: Name of the data set; by default the source's, or that of ``output``.

    Returns:
        What ``dataset.json`` says.

    Raises:
        DataError: Some pairs cannot be used: the message has one line for each fault, with the path first.
            Or ``output`` cannot be written, or holds something else.
        ConfigError: An option is wrong.

    Example:
        >>> info = convert(CamVid(root=Path("camvid")), output=Path("data/camvid"))
        >>> info.splits["train"].records
        367
    """
    options = ConvertOptions(
        output=output,
        shard_size=shard_size,
        workers=workers,
        skip_bad=skip_bad,
        overwrite=overwrite,
        name=name,
    )
    try:
        with whole_folder(output, overwrite=overwrite, ours=_is_ours) as folder:
            info = _fill(folder, source, options)
            info.save(folder)
    except OSError as error:
        raise DataError(f"{output}: cannot be written: {error.strerror}. Nothing was kept.") from error
    return info


def _fill(folder: Path, source: Source, options: ConvertOptions) -> DatasetInfo:
    """Write the shards of all splits into ``folder`` and return what is in them."""
    classes, pairs = source.classes, source.splits()
    if empty := [split for split, members in pairs.items() if not members]:
        raise DataError(
            f"{options.output}: cannot be made, because {_named(empty)} of the source has no pairs."
        )
    channels = channels_of(source)  # which the workers need, and would each find out anew
    total = sum(len(members) for members in pairs.values())
    splits: dict[str, Split] = {}
    with (
        map_in_order(
            partial(check_pair, source),
            itertools.chain.from_iterable(pairs.values()),
            workers=options.workers or default_workers(),
        ) as results,
        Progress("convert", total=total, unit="pairs") as progress,
    ):
        faulty = False
        for split, members in pairs.items():
            progress.describe(f"convert {split}")
            with SplitWriter(folder, split, options.shard_size * MEBIBYTE, len(classes.names)) as writer:
                for result in _with_duplicates(itertools.islice(results, len(members)), members):
                    faulty = faulty or not isinstance(result, Checked)
                    if not isinstance(result, Checked):
                        writer.skip(result)
                    # Once a fault has spoilt the run, the rest is checked, to report it, and not written.
                    elif options.skip_bad or not faulty:
                        writer.write(result)
                    progress.advance()
                splits[split] = writer.finish()
        progress.describe("convert")
    if faulty:
        _judge(splits, total, options.skip_bad)
    _refuse_one_class(splits, classes.names, drawn=hasattr(source, "background"))
    if classes.open_ended:
        classes, splits = _as_shown(classes, splits)
    name = options.name or source.name or options.output.resolve().name
    return DatasetInfo(
        name=name, class_names=classes.names, palette=classes.palette, splits=splits, channels=channels
    )


def _with_duplicates(
    results: Iterable[tuple[Pair, Checked | list[Skipped]]], pairs: Sequence[Pair]
) -> Iterator[Checked | list[Skipped]]:
    """Yield the results, with every pair whose name is not its own turned into a fault."""
    times = Counter(pair.name for pair in pairs)
    shared: dict[str, list[Pair]] = {name: [] for name, count in times.items() if count > 1}
    for pair in pairs:
        if pair.name in shared:
            shared[pair.name].append(pair)
    for pair, result in results:
        if pair.name in shared:
            faults = [] if isinstance(result, Checked) else result
            yield faults + _duplicates(pair, shared[pair.name])
        else:
            yield result


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
        advice = "Mend or remove these files, or leave out their pairs with --skip-bad."
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
        advice = "If the labels are masks of 0 and 255, both of them classes, give --label-values 0 255."
        if drawn:
            advice = "Give --background NAME: a class for the pixels in no shape."
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


def _is_ours(name: str) -> bool:
    """Whether a file of this name in an output folder is one that `convert` wrote."""
    return name == FILE_NAME or re.fullmatch(r".+-\d{5}-of-\d{5}\.tfrecord", name) is not None
