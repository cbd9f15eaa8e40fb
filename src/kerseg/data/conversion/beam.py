"""Conversion past one machine: ``kerseg.convert(..., runner="beam")``.

The same checks in the same order into the same shards as on one machine, byte for byte, on Apache Beam: on its
local runner, Dask, Flink, Spark or Dataflow. The workers list the source, check the pairs side by side, and are
told how long each record is; from that follows which shard it belongs to, and a shard is written by whoever gets
it.

    source -> pairs -> checked -> sizes -> first pair of each shard
                          |                        |
                          +-> by shard, in order <-+ -> written -> summaries

An engine may do any step again, after a fault or because two others use what it gives, and hand over every element
twice. So each has a key, its split and number; what comes twice counts once; a file is written under a name of the
attempt's own and then renamed; and in the end what is there is compared with what was listed.
"""

import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsDict, AsList

from kerseg.core.info import FILE_NAME, DatasetInfo, Skipped
from kerseg.core.staging import whole_folder
from kerseg.core.workers import default_workers
from kerseg.data.conversion.accounts import (
    ATTEMPT,
    Key,
    LeftOut,
    WrittenShard,
    check,
    read_summary,
    split_of,
    write_summary,
)
from kerseg.data.conversion.checks import Checked, check_pair
from kerseg.data.conversion.options import MEBIBYTE, ConvertOptions, is_ours
from kerseg.data.conversion.pipelines import run_pipeline
from kerseg.data.conversion.spacing import measured
from kerseg.data.conversion.split_checks import Duplicates, check_names, check_splits, described
from kerseg.data.conversion.split_writer import ShardWriter, Tally, is_full, shard_name
from kerseg.data.sources.base import Pair, Source
from kerseg.errors import DataError

_PARTIAL = ".partial-"


def convert(source: Source, options: ConvertOptions) -> DatasetInfo:
    """Do what `kerseg.data.conversion.convert.convert` does, on Apache Beam.

    Args:
        source: The raw data set; its files must be where all workers see them.
        options: With ``output`` on this machine's disk or on remote storage, which workers see too.

    Raises:
        DataError: As for `kerseg.data.conversion.convert.convert`.
        KersegError: The pipeline failed.

    Example:
        >>> options = ConvertOptions(output=Path("data/beam"), runner="beam")
        >>> convert(source, options).splits["train"].records
        8
    """
    # Listed here too: what is wrong with the options is said before anything is started, and in their words.
    classes, pairs = source.classes, source.splits()
    name = options.name or source.name or options.output.resolve().name
    check_names(classes, pairs, name)
    check_splits(source, pairs, options.output)
    _ = source.channels  # which the workers need, and would each find out anew
    workers = options.workers or default_workers()
    spacing = measured(pairs, options.spacing, options.spacing_unit, workers=workers)
    with _whole(options) as folder:
        _run(source, options, folder)
        summary = read_summary(folder)
        splits = {split: split_of(summary, split, len(classes.names)) for split in pairs}
        total = sum(len(members) for members in pairs.values())
        info = described(
            source, classes, splits, pairs=total, name=name, skip_bad=options.skip_bad, spacing=spacing
        )
        check(summary, pairs, folder)
        (folder / FILE_NAME).write_text(info.text(), encoding="utf-8")
    return info


def _run(source: Source, options: ConvertOptions, folder: Path) -> None:
    run_pipeline(
        lambda pipeline: _build(pipeline, source, options, folder),
        options.beam_options,
        workers=options.workers,
    )


def _build(pipeline: Any, source: Source, options: ConvertOptions, folder: Path) -> None:
    checked = (
        pipeline
        | "source" >> beam.Create([source])
        | "list" >> beam.FlatMap(_listed)
        # Without this, the worker that listed the pairs would check them all.
        | "spread" >> beam.Reshuffle()
        | "check" >> beam.Map(_checked, source)
    )
    records, faults = checked | "good" >> beam.FlatMap(_good), checked | "bad" >> beam.FlatMap(_bad)
    firsts = (
        records
        | "sizes" >> beam.Map(_size)
        | "of each split" >> beam.GroupByKey()
        | "cut" >> beam.Map(_cut, options.shard_size * MEBIBYTE)
    )
    spoilt = faults | "count faults" >> beam.combiners.Count.Globally()
    shards = (
        records
        | "place" >> beam.FlatMap(_placed, options.skip_bad, AsDict(firsts), AsList(spoilt))
        | "of each shard" >> beam.GroupByKey()
        | "write" >> beam.Map(_write, folder, len(source.classes.names), AsDict(firsts))
    )
    reports = faults | "report" >> beam.Map(_report)
    (
        (shards, reports)
        | beam.Flatten()
        | "collect" >> beam.combiners.ToList()
        | "summary" >> beam.Map(write_summary, folder)
    )


# Beam checks values against annotations: sources, a protocol, and remote paths are anything to it.
def _listed(source: Any) -> Iterator[tuple[Key, Pair, list[Skipped]]]:
    """Yield every pair with its place in the order, and what is wrong with its name."""
    for split, members in source.splits().items():
        duplicates = Duplicates(members)
        for index, pair in enumerate(members):
            faults = duplicates.applied(pair, [])
            yield (split, index), pair, [] if isinstance(faults, Checked) else faults


def _checked(item: tuple[Key, Pair, list[Skipped]], source: Any) -> tuple[Key, Checked | list[Skipped]]:
    key, pair, faults = item
    result = check_pair(source, pair)
    if not faults:
        return key, result
    return key, (result if isinstance(result, list) else []) + faults


def _good(item: tuple[Key, Checked | list[Skipped]]) -> Iterator[tuple[Key, Checked]]:
    if isinstance(item[1], Checked):
        yield item[0], item[1]


def _bad(item: tuple[Key, Checked | list[Skipped]]) -> Iterator[tuple[Key, list[Skipped]]]:
    if not isinstance(item[1], Checked):
        yield item[0], item[1]


def _size(item: tuple[Key, Checked]) -> tuple[str, tuple[int, int]]:
    (split, index), checked = item
    return split, (index, len(checked.record))


def _cut(item: tuple[str, Iterable[tuple[int, int]]], shard_bytes: int) -> tuple[str, list[int]]:
    """Return the first pair of each shard, from all records' places in the order and sizes."""
    split, sizes = item
    firsts: list[int] = []
    filled = 0
    for index, size in sorted(set(sizes)):
        if not firsts or is_full(filled, size, shard_bytes):
            firsts.append(index)
            filled = 0
        filled += size
    return split, firsts


def _placed(
    item: tuple[Key, Checked], skip_bad: bool, firsts: dict[str, list[int]], faults: list[int]
) -> Iterator[tuple[Key, tuple[int, Checked]]]:
    """Yield a record with the shard it belongs to; none where faults have spoilt the run."""
    (split, index), checked = item
    if skip_bad or not any(faults):
        yield (split, bisect_right(firsts[split], index) - 1), (index, checked)


def _write(
    item: tuple[Key, Iterable[tuple[int, Checked]]],
    folder: Any,
    num_classes: int,
    firsts: dict[str, list[int]],
) -> WrittenShard:
    """Write one shard and return what is in it."""
    (split, number), records = item
    name, tally = shard_name(split, number, len(firsts[split])), Tally(num_classes)
    attempt = folder / f"{name}{ATTEMPT}{uuid.uuid4().hex}"
    with attempt.open("wb") as file:
        writer = ShardWriter(attempt, file)
        for _, checked in sorted(dict(records).items()):
            writer.write(checked.record)
            tally.add(checked.counts)
    attempt.rename(folder / name)
    return WrittenShard(
        split,
        number,
        replace(writer.finish(attempt.name), file=name),
        tuple(tally.class_pixels.tolist()),
        tuple(tally.class_image_pixels.tolist()),
        tally.ignored_pixels,
    )


def _report(item: tuple[Key, list[Skipped]]) -> LeftOut:
    (split, index), faults = item
    return LeftOut(split, index, tuple(faults))


def _whole(options: ConvertOptions) -> AbstractContextManager[Path]:
    # What `as_place` gives for remote storage has the methods of a Path, but is none.
    make = whole_folder if isinstance(options.output, Path) else _whole_remote
    return make(options.output, overwrite=options.overwrite, ours=is_ours)


@contextmanager
def _whole_remote(folder: Path, *, overwrite: bool, ours: Callable[[str], bool]) -> Iterator[Path]:
    """Do what `whole_folder` does where folders cannot be renamed, as nearly as it can be done.

    Files are written under a name of this run's own, ``.partial-3f2a9c01/``. At the end ``dataset.json`` of the
    old data goes, the shards get their names, and ``dataset.json`` of the new comes last: data without it is no
    data set. What a run that was killed leaves has the name of that run; nobody else can tell that it is over.
    """
    found = (
        [path for path in folder.iterdir() if not path.name.startswith(_PARTIAL)] if folder.exists() else []
    )
    if foreign := sorted(path.name for path in found if not ours(path.name)):
        raise DataError(
            f"{folder}: holds files that kerseg convert did not write, such as {foreign[0]!r}. Give a new folder."
        )
    if found and not overwrite:
        raise DataError(
            f"{folder}: holds a converted data set. Give another folder, or `overwrite=True` to replace it."
        )
    temporary = folder / f"{_PARTIAL}{uuid.uuid4().hex[:8]}"
    temporary.mkdir(parents=True)
    try:
        yield temporary
        (folder / FILE_NAME).unlink(missing_ok=True)
        written = sorted(temporary.iterdir(), key=lambda path: path.name == FILE_NAME)
        names = {path.name for path in written}
        for path in found:
            if path.name not in names and path.name != FILE_NAME:
                path.unlink()
        for path in written:
            path.rename(folder / path.name)
    finally:
        if temporary.exists():  # folders of object stores are there while they hold something
            temporary.rmdir(recursive=True)  # type: ignore[call-arg]
