"""TFRecords that another program wrote: what their ``dataset.json`` would say, made by reading them.

The TensorFlow 1 scripts left shards and nothing else: ``train-00000-of-00004.tfrecord`` and so on, in the
format of DeepLab's converters or as bare pixels. Names and colours of the classes come from a data set of
`kerseg.data.sources.known`; nobody has counted or checked the labels, so that is done when they are read.
"""

import dataclasses
import re
from collections import defaultdict
from pathlib import Path

from kerseg.core.info import FILE_NAME, DatasetInfo, Shard, Split
from kerseg.data.formats.tfrecord import Survey, survey
from kerseg.data.sources.known import DATASETS, classes
from kerseg.errors import ConfigError, DataError

FORMATS = (
    {"image/encoded", "image/segmentation/class/encoded"},
    {"height", "width", "image_raw", "mask_raw"},
)
"""Keys that records need, in either of the two formats that are read."""

# `train-00000-of-00004.tfrecord` or without its ending, and `train.tfrecord`. What else follows the hyphen
# was of no account to the scripts, which read all that fits `train-*`.
_NUMBERED = re.compile(r"([^.]+)-\d+-of-\d+(\.\w+)?")
_PLAIN = re.compile(r"([^.-]+)(-[^.]*)?\.(tf)?records?")


def read_info(folder: str | Path, dataset: str | None = None) -> DatasetInfo:
    """Return what is known of a folder of TFRecords, by its ``dataset.json`` or by reading the files.

    Args:
        folder: Where the shards are.
        dataset: A name of `kerseg.data.sources.known.DATASETS`: whose classes they are, where nothing else says so.

    Returns:
        The description. Without ``dataset.json``, no pixels are counted: ``class_pixels`` is empty.

    Raises:
        DataError: There is no data, it is damaged or of a format not read, or nothing names its classes.
        ConfigError: No such data set, or ``dataset.json`` has another number of classes.

    Example:
        >>> read_info("data/street").splits["train"].records
        8
    """
    folder = Path(folder)
    if dataset is not None:
        DATASETS.resolve(dataset)
    shards = {} if (folder / FILE_NAME).exists() else _shards(folder)
    if not shards:
        info = DatasetInfo.load(folder)
        return info if dataset is None else _named(info, dataset, folder / FILE_NAME)
    if dataset is None:
        raise DataError(
            f"{folder / FILE_NAME}: the file does not exist, though there are TFRecords. If another program "
            f"wrote them, say whose classes they hold with `dataset`: {', '.join(DATASETS)}. If kerseg did, "
            "copy dataset.json as well."
        )
    found = classes(dataset)
    read = {name: _split(paths) for name, paths in sorted(shards.items())}
    splits = {name: split for name, split in read.items() if split.records}
    if not splits:
        raise DataError(f"{folder}: its TFRecord files hold no records.")
    return DatasetInfo(DATASETS.resolve(dataset), found.names, found.palette, splits)


def _shards(folder: Path) -> dict[str, list[Path]]:
    """Return the files of each split, by name."""
    found = defaultdict(list)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if (match := _NUMBERED.fullmatch(path.name) or _PLAIN.fullmatch(path.name)) and path.is_file():
            found[match[1]].append(path)
    return dict(found)


def _split(paths: list[Path]) -> Split:
    surveys = [(path, survey(path)) for path in paths]
    for path, seen in surveys:
        _check_format(path, seen)
    # The scripts always wrote four files; of a small split the last ones are empty.
    shards = tuple(
        Shard(path.name, seen.records, seen.bytes, seen.checksum) for path, seen in surveys if seen.records
    )
    return Split(shards, class_pixels=(), class_image_pixels=())


def _check_format(path: Path, seen: Survey) -> None:
    if seen.records and not any(keys <= set(seen.keys) for keys in FORMATS):
        wanted = " or ".join(", ".join(sorted(keys)) for keys in FORMATS)
        held = f"have the keys {', '.join(seen.keys)}" if seen.keys else "are no tf.train.Example messages"
        raise DataError(
            f"{path}: its records {held}. kerseg reads records with {wanted}: convert the raw data again "
            "with `kerseg convert`."
        )


def _named(info: DatasetInfo, dataset: str, file: Path) -> DatasetInfo:
    """Return ``info`` with the data set's names, if its own classes are but numbered."""
    found = classes(dataset)
    missing = len(found.names) - info.num_classes
    if not missing and not info.is_numbered:
        return info
    if missing < 0 or not info.is_numbered:
        raise ConfigError(
            f"{file}: {info.num_classes} classes, {info.class_names[0]} to {info.class_names[-1]}, where "
            f"`dataset={dataset!r}` has {len(found.names)}. Leave out `dataset` to take those of the file."
        )
    splits = {name: split.padded(missing) for name, split in info.splits.items()}
    return dataclasses.replace(info, class_names=found.names, palette=found.palette, splits=splits)
