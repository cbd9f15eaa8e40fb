"""From a raw data set to checked shards and ``dataset.json``: ``kerseg convert``.

Worker processes read and check the pairs; this process writes them down, in the source's order, so that the
shards are the same byte for byte whatever the number of workers. All that is wrong with the raw files is
reported at once. The output folder appears when everything is written, and not before.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kerseg.core.console import note
from kerseg.core.files import failure
from kerseg.core.info import DatasetInfo, Skipped, Split
from kerseg.core.options import collect, refuse_nul
from kerseg.core.progress import Progress
from kerseg.core.staging import whole_folder
from kerseg.core.workers import default_workers, map_in_order
from kerseg.data.conversion.checks import Checked
from kerseg.data.conversion.manifest import ManifestWriter, Previous, check_keyed, made_by
from kerseg.data.conversion.options import MEBIBYTE, ConvertOptions, is_ours
from kerseg.data.conversion.pipelines import require_beam
from kerseg.data.conversion.spacing import measured
from kerseg.data.conversion.split_checks import Duplicates, check_names, check_splits, described
from kerseg.data.conversion.split_writer import SplitWriter
from kerseg.data.sources.base import Pair, Source
from kerseg.download.release import download as fetch_releases
from kerseg.errors import ConfigError, DataError


def convert(
    source: Source,
    *,
    output: str | Path,
    shard_size: int = 128,
    workers: int | None = None,
    skip_bad: bool = False,
    overwrite: bool = False,
    update: bool = False,
    download: bool = False,
    name: str | None = None,
    spacing: tuple[float, ...] = (),
    spacing_unit: str = "mm",
    runner: Literal["local", "beam"] = "local",
    beam_options: str = "",
) -> DatasetInfo:
    """Check every pair of ``source`` by decoding it, and write them all as TFRecord shards.

    The bytes of JPEG, PNG and plain BMP images are kept; other formats become PNG, or, where the source says
    that they are more than 8-bit RGB, their numbers as they are. Labels become 8-bit
    grey PNG of class indices, 255 = ignore. An image with an EXIF orientation is turned upright, and stored
    as PNG, if that is how its label lies.

    Args:
        source: The raw data set, such as ``kerseg.data.sources.camvid.CamVid(root=...)``.
        output: Folder to make: shards and dataset.json. It appears once everything is written.
        shard_size: Size at which a shard is full, MiB; the last record may go beyond it if a shard holds
            nothing else.
        workers: Processes that read and check the files; by default one for each processor.
        skip_bad: Leave out pairs that cannot be used, and list them in dataset.json, instead of stopping.
        overwrite: Replace the data set that is in the output folder, once the new one is whole.
        update: As `overwrite`, but take the records of pairs whose files and options did not change from the
            old shards.
        download: Fetch what is not there: the folders of the data set that are missing or empty, if its terms
            allow it. By default they are in your cache, or below the folder that the environment variable
            KERSEG_DATA names.
        name: Name of the data set; by default the source's, or that of the output folder.
        spacing: Size of a pixel in the world, height and width, of volumes the distance of the slices before
            them; by default what NIfTI and GeoTIFF files say of themselves. Distances can then be measured in
            its unit.
        spacing_unit: Unit of `spacing`.
        runner: Who does the work: processes of this machine, or Apache Beam, which also runs on clusters.
        beam_options: Apache Beam's own options in one text: '--runner=FlinkRunner --parallelism=64'. By
            default Beam runs on this machine.

    Returns:
        What ``dataset.json`` says.

    Raises:
        DataError: Some pairs cannot be used: the message has one line for each fault, with the path first.
            Or ``output`` cannot be written, or holds something else.
        ConfigError: An option is wrong.

    Example:
        >>> info = convert(source, output=Path("data/again"))
        >>> info.splits["train"].records
        8
    """
    refuse_nul(locals())
    options = collect(ConvertOptions, locals())
    if not isinstance(source, Source):
        raise ConfigError(
            f"`source` is an instance of a class derived from {Source.__module__}.Source. Received: a "
            f"{type(source).__name__}."
        )
    refuse_nul(vars(source))
    if download:
        _fetch(source)
    if runner == "beam":
        return _beam(source, options)
    try:
        with whole_folder(options.output, overwrite=overwrite or update, ours=is_ours) as folder:
            info = _fill(folder, source, options)
            info.save(folder)
    except OSError as error:
        # An error without a name is one of writing: what is read goes by name.
        raise DataError(failure(error, options.output, "Nothing was kept.")) from error
    return info


def _fetch(source: Source) -> None:
    if not source.releases:
        raise ConfigError("`download` is for published data sets, and this source reads files of your own.")
    fetch_releases(source)


def _fill(folder: Path, source: Source, options: ConvertOptions) -> DatasetInfo:
    """Write the shards of all splits into ``folder`` and return what is in them."""
    classes, pairs = source.classes, source.splits()
    name = options.name or source.name or options.output.resolve().name
    check_names(classes, pairs, name)
    check_splits(source, pairs, options.output)
    _ = source.channels  # which the workers need, and would each find out anew
    workers = options.workers or default_workers()
    spacing = measured(pairs, options.spacing, options.spacing_unit, workers=workers)
    total = sum(len(members) for members in pairs.values())
    splits: dict[str, Split] = {}
    with (
        ManifestWriter(folder) as manifest,
        _results(source, pairs, options) as results,
        Progress("convert", total=total, unit="pairs") as progress,
    ):
        faulty = False
        for split, members in pairs.items():
            progress.describe(f"convert {split}")
            duplicates = Duplicates(members)
            with SplitWriter(folder, split, options.shard_size * MEBIBYTE, len(classes.names)) as writer:
                for pair, checked in itertools.islice(results, len(members)):
                    result = duplicates.applied(pair, checked)
                    faulty = faulty or not isinstance(result, Checked)
                    if not isinstance(result, Checked):
                        writer.skip(result)
                    # Once a fault has spoilt the run, the rest is checked, to report it, and not written.
                    elif options.skip_bad or not faulty:
                        manifest.add(split, pair.name, writer.write(result), result)
                    progress.advance()
                splits[split] = writer.finish()
        progress.describe("convert")
        manifest.finish(made_by(source), splits)
    return described(
        source, classes, splits, pairs=total, name=name, skip_bad=options.skip_bad, spacing=spacing
    )


@contextmanager
def _results(
    source: Source, pairs: Mapping[str, Sequence[Pair]], options: ConvertOptions
) -> Iterator[Iterator[tuple[Pair, Checked | list[Skipped]]]]:
    """Give an iterator over all pairs with what checking them gives, or gave before where nothing changed."""
    every = list(itertools.chain.from_iterable(pairs.values()))
    workers = options.workers or default_workers()
    if not options.update or not options.output.exists():
        with map_in_order(partial(check_keyed, source), every, workers=workers) as results:
            yield results
        return
    with Previous(options.output, source) as previous:
        kept = previous.find(source, every)
        changed = itertools.compress(every, kept < 0)
        with map_in_order(partial(check_keyed, source), changed, workers=workers) as results:
            yield previous.merged(every, kept, results)
        note(f"Update: {_account(previous, pairs, kept)}")


def _account(previous: Previous, pairs: Mapping[str, Sequence[Pair]], kept: NDArray[np.int64]) -> str:
    """Return what an update did, for the user."""
    same = int((kept >= 0).sum())
    text = f"{same} pairs kept, {len(kept) - same} converted, {previous.removed(pairs)} removed"
    if previous.why_not:
        text += f"; nothing could be kept, because {previous.why_not}"
    elif previous.damaged:
        text += f"; damaged old shards: {previous.damaged}"
    return f"{text}."


def _beam(source: Source, options: ConvertOptions) -> DatasetInfo:
    require_beam()
    from kerseg.data.conversion import beam

    return beam.convert(source, options)
