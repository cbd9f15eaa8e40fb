"""Data sets of Hugging Face that lie on this machine: saved with ``save_to_disk``, or downloaded as Parquet.

Source: https://huggingface.co/docs/datasets/process#save and https://huggingface.co/docs/hub/datasets-image

    dataset_dict.json       names the splits; train/state.json and train/data-00000-of-00001.arrow ...
    data/train-00000-of-00002-0123456789abcdef.parquet ...

A row has an image and a label, each an encoded file (``bytes``), or the path of one. Only pyarrow is needed to
read them (``pip install 'kerseg[huggingface]'``): no ``datasets``, and no network.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

from kerseg.data.formats.documents import member, read_json
from kerseg.data.formats.files import BadFileError, Part, read_regular
from kerseg.data.formats.labels import Classes, Label
from kerseg.data.sources.base import Pair, Source
from kerseg.data.sources.below import Outside, below
from kerseg.data.sources.folder import Folder, what_labels_hold
from kerseg.data.sources.folders import hold_out
from kerseg.errors import ConfigError, DataError

_SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Splits and the words that stand for them: https://huggingface.co/docs/hub/datasets-file-names-and-splits"""
_IMAGES = ("image", "pixel_values", "img", "image")
_LABELS = ("label", "mask", "annotation", "labels", "segmentation", "segmentation_mask", "semantic_mask")
_OPEN_COLUMNS = 4
"""Columns of row groups that a worker keeps: those of image and label that it reads, and the ones before."""


@dataclass(frozen=True)
class TableCell(Part):
    """An image or a label in a table; ``key`` says in which row and column."""

    group: int
    """Row group of a Parquet file; 0 in Arrow."""
    row: int
    """Within the group."""
    column: str
    outside: Path | None = None
    """The file that the cell names, if it is there."""
    folder: Path = Path()
    """Below which that file must lie."""

    def read_bytes(self) -> bytes:
        """Return the encoded image.

        Raises:
            OSError: The file that the cell names cannot be read.
            BadFileError: The table cannot be read, or the cell is empty or something else.
        """
        value = _column(self.file, self.group, self.column)[self.row].as_py()
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, str):
            found = below(self.file, self.file.parent, value, self.folder)
            return found.read_bytes() if isinstance(found, Outside) else read_regular(found)
        if not isinstance(value, bytes):
            raise BadFileError(self, f"no image: the cell holds {value!r:.40}, neither bytes nor a path.")
        return value


@dataclass(frozen=True, kw_only=True)
class HuggingFace(Source):
    """A data set of Hugging Face on disk: saved with save_to_disk, or as Parquet files."""

    root: Path
    """Folder with dataset_dict.json or state.json, or with Parquet files, sub-folders included; or one such
    file. The names of files or folders say which split they are: train, validation, test."""
    image_column: str = ""
    """Column of the images; by default the first there is of image, pixel_values, img and image."""
    label_column: str = ""
    """Column of the labels; by default the first there is of label, mask, annotation, labels, segmentation,
    segmentation_mask and semantic_mask."""
    val_share: float = 0.0
    """Share of the training images that becomes val, if there is no such split; 0 to 1, chosen by name."""
    class_names: tuple[str, ...] = ()
    """Names of the classes in the order of their values, or a text file with one name on each line."""
    number_classes: bool = False
    """Do without names: a class for each value from 0 to the highest in the labels, 255 ignored."""
    palette: tuple[str, ...] = ()
    """Colour of each class: a file (R G B or #rrggbb on each line, then the class name; 'ignore' for colours
    to leave out), the name of a source, or the colours themselves: '#000000' '#800000'."""
    label_values: tuple[int, ...] = ()
    """Values of the classes in grey labels, in the order of the class names; by default 0 1 2 and so on."""
    ignore_values: tuple[int, ...] | None = None
    """Values in grey labels that stand for no class; by default 255, unless it is one of the label values."""
    image_root: Path | None = None
    """Folder that all images lie in that the tables do not hold but name. Without it, those outside the folder of
    the data set are refused."""

    name: ClassVar[str] = ""

    @property
    def classes(self) -> Classes:
        """Names and colours as given, as for folders.

        Raises:
            ConfigError: There are no names, or as many names, colours and values as do not fit each other.
        """
        if not (self.class_names or self.number_classes or self.palette):
            labels = [pair.label for pairs in self.splits().values() for pair in pairs if pair.label]
            raise ConfigError(f"`class_names` is missing. {what_labels_hold(labels)}")
        return self._reader.classes

    def splits(self) -> dict[str, list[Pair]]:
        """Return a pair for each row of each split, in the order of the rows.

        Raises:
            ConfigError: pyarrow is not installed.
            DataError: There are no tables, or they lack the columns.
        """
        _pyarrow()
        # Someone in a notebook may have written the files anew since they were last read.
        _table.cache_clear()
        _column.cache_clear()
        found: dict[str, list[Path]] = {"train": [], "val": [], "test": []}
        for split, file in self._files():
            found[split].append(file)
        pairs = {split: self._pairs(files) for split, files in found.items() if files}
        return hold_out(pairs, self.val_share)

    def read_label(self, path: TableCell) -> Label:
        """Return the class index of each pixel, from values or from colours, as for folders.

        Raises:
            BadFileError: Not a label of these classes.
        """
        return self._reader.read_label(path)

    @cached_property
    def _reader(self) -> Folder:
        return Folder(
            class_names=self.class_names,
            number_classes=self.number_classes,
            palette=self.palette,
            label_values=self.label_values,
            ignore_values=self.ignore_values,
        )

    def _files(self) -> Iterator[tuple[str, Path]]:
        """Yield the split and the path of each table, in order."""
        if not self.root.exists():
            raise DataError(f"{self.root}: no such folder (`root`).")
        splits = self.root / "dataset_dict.json"
        if splits.is_file():
            for name in member(splits, read_json(splits), "splits", list, "the document"):
                split = _split(splits, str(name))
                for file in _saved(self.root / str(name)):
                    yield split, file
        elif (self.root / "state.json").is_file():
            yield from (("train", file) for file in _saved(self.root))
        else:
            files = [self.root] if self.root.is_file() else sorted(self.root.rglob("*.parquet"))
            if not files:
                raise DataError(
                    f"{self.root}: no data set of Hugging Face: it has no dataset_dict.json, no state.json and no "
                    "Parquet files. `root` is the folder given to save_to_disk, or the one of a download."
                )
            for file in files:
                yield _split_of(file, self.root), file

    def _pairs(self, files: list[Path]) -> list[Pair]:
        cells: list[list[TableCell]] = []
        folder = self.image_root or (self.root.parent if self.root.is_file() else self.root)
        names: list[str | None] = []
        for file in files:
            columns = _columns(file)
            image = _chosen(file, columns, self.image_column, _IMAGES, "`image_column`")
            label = _chosen(file, columns, self.label_column, _LABELS, "`label_column`")
            first = len(cells)
            count = sum(_groups(file))
            paths = {column: _paths(file, column, count) for column in (image, label)}
            for group, rows in enumerate(_groups(file)):
                for row in range(rows):
                    number = len(cells) - first
                    cells.append(
                        [
                            TableCell(
                                file,
                                f"row {number}, {c}",
                                group,
                                row,
                                c,
                                _outside(file, paths[c][number]),
                                folder,
                            )
                            for c in (image, label)
                        ]
                    )
            names += [Path(path).stem if path else None for path in paths[image]]
        if None in names or len(set(names)) < len(names):
            names = [f"{index:06}" for index in range(len(cells))]
        return [Pair(str(name), *pair) for name, pair in zip(names, cells, strict=True)]


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigError(
            "Data sets of Hugging Face are read with pyarrow, which is not installed. Install it: "
            "pip install 'kerseg[huggingface]'"
        ) from error
    return pyarrow


def _saved(folder: Path) -> list[Path]:
    """Return the tables of a folder that ``save_to_disk`` wrote."""
    state = folder / "state.json"
    files = member(state, read_json(state), "_data_files", list, "the document")
    found = [
        below(state, folder, member(state, file, "filename", str, "a data file"), folder) for file in files
    ]
    for place in found:
        if isinstance(place, Outside):
            raise BadFileError(state, f"outside its folder: it names the data file {place.key!r}.")
    return [place for place in found if isinstance(place, Path)]


def _split(place: Path, name: str) -> str:
    for split, words in _SPLITS.items():
        if name.lower() in words:
            return split
    known = ", ".join(word for words in _SPLITS.values() for word in words)
    raise BadFileError(place, f"unknown split: {name!r}. Known: {known}. Save the splits that are meant.")


def _split_of(file: Path, root: Path) -> str:
    """Return the split that the name of a file, or else of a folder, has in it; train if none has."""
    inside = file.relative_to(root) if file != root else Path(file.name)
    for part in (inside.stem, *reversed(inside.parts[:-1])):
        words = re.split(r"[^a-zA-Z]+", part.lower())
        for split, names in _SPLITS.items():
            if any(word in names for word in words):
                return split
    return "train"


def _chosen(file: Path, columns: list[str], given: str, usual: tuple[str, ...], option: str) -> str:
    column = given or next((name for name in usual if name in columns), "")
    if column not in columns:
        lacks = f"no column {given!r}" if given else f"none of the columns {', '.join(usual)}"
        raise DataError(f"{file}: has {lacks}. It has: {', '.join(columns)}. Give {option}.")
    return column


def _columns(file: Path) -> list[str]:
    return list(_table(file).schema_arrow.names if _is_parquet(file) else _table(file).column_names)


def _groups(file: Path) -> list[int]:
    """Return the number of rows of each part that is read at once."""
    table = _table(file)
    if not _is_parquet(file):
        return [table.num_rows]
    return [table.metadata.row_group(index).num_rows for index in range(table.num_row_groups)]


def _paths(file: Path, column: str, rows: int) -> list[str | None]:
    """Return the path that the table has for each row's image or label, where it has one."""
    arrow, table = _pyarrow(), _table(file)
    kind = (table.schema_arrow if _is_parquet(file) else table.schema).field(column).type
    plain = arrow.types.is_string(kind) or arrow.types.is_large_string(kind)
    if not plain and (not arrow.types.is_struct(kind) or kind.get_field_index("path") < 0):
        return [None] * rows
    name = column if plain else f"{column}.path"
    cells = table.read(columns=[name])[column] if _is_parquet(file) else table[column]
    if plain:
        return list(cells.to_pylist())
    return list(arrow.compute.struct_field(cells, "path").to_pylist())


def _outside(file: Path, path: str | None) -> Path | None:
    outside = file.parent / path if path else None
    return outside if outside is not None and outside.is_file() else None


@lru_cache(maxsize=_OPEN_COLUMNS)
def _column(file: Path, group: int, column: str) -> Any:
    table = _table(file)
    return (table.read_row_group(group, columns=[column]) if _is_parquet(file) else table)[column]


@lru_cache(maxsize=_OPEN_COLUMNS)
def _table(file: Path) -> Any:
    """Return an opened Parquet file, or the table of an Arrow file, which stays on the disk."""
    arrow = _pyarrow()
    if not file.exists():
        raise BadFileError(file, "missing: there is no such file.")
    try:
        if _is_parquet(file):
            return arrow.parquet.ParquetFile(file)
        return arrow.ipc.open_stream(arrow.memory_map(str(file))).read_all()
    except OSError as error:
        raise BadFileError(file, f"unreadable: {error.strerror or error}.") from error
    except arrow.ArrowInvalid as error:
        raise BadFileError(
            file, f"damaged: no {'Parquet' if _is_parquet(file) else 'Arrow'}: {error}"
        ) from error


def _is_parquet(file: Path) -> bool:
    return file.suffix == ".parquet"
