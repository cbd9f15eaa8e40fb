"""What each record was made of, ``manifest.jsonl``: so that another conversion need not do it again.

One line a record, in the order of the shards, then one that ends the file. Readers of the data do not need it.

    {"split": "train", "name": "a", "shard": 0, "start": 0, "bytes": 812, "key": "9f86...", "labels": {"0": 48}}
    {"made_by": "603...", "shards": {"train": [["train-00000-of-00001.tfrecord", "e3b0..."]]}, "lines": "2c26..."}

A key stands for a pair's name and for path, size and time of the last change of each of its files; ``made_by``
for the source's options and classes, and for the version of the readers and the libraries that turn files into
records. Where both are the same, so is the record. ``lines`` is the SHA-256 of the lines before.
"""

import hashlib
import json
import os
import sys
import time
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import PIL
from numpy.typing import NDArray

from kerseg.core.info import Skipped, Split
from kerseg.data.conversion.checks import Checked, check_pair
from kerseg.data.reading.integrity import checksums
from kerseg.data.sources.base import Pair, Source, files_of

FILE_NAME = "manifest.jsonl"

READERS_VERSION = 1
"""Raised by hand when formats, sources or this package make other records of the same files than before:
``tests/data/conversion/test_golden.py`` fails then, and says so. ``--update`` converts all anew."""
_READERS_OF_0_1 = "dad01429ceaa24fb07fd33e2d75d7ac9557dd935b49f33b353a4aa4dc9c575a7"
"""What version 0.1 had in its place, the SHA-256 of its code for data. Its records are those of version 1."""
_CLASS_VARIABLES_OF_0_1 = {"name", "releases", "counts", "classes"}
_NEWER = {"image_root"}
"""Options that it did not have. Those who give them convert anew."""

_SETTLED = 2.0
"""Seconds: the coarsest clock of a file system, FAT's. A file that changed less than that before it was read may
change again, in the same tick, and look as it did."""
_NONE = -1


def key_of(source: Source, pair: Pair) -> str:
    """Return what stands for a pair's name and files; ``""`` if they are not there or only just changed.

    Example:
        >>> key_of(source, pair) == key_of(source, pair)
        True
    """
    parts: list[object] = [pair.name]
    for file in files_of(source, pair):
        try:
            status = file.stat()
            changed = status.st_mtime_ns
        except OSError:
            return ""
        # Remote storage need not know the time, and then says 0.
        if not changed or time.time_ns() - changed < _SETTLED * 1e9:
            return ""
        parts += [str(file.absolute()), status.st_size, changed]
    return _digest(parts)


def check_keyed(source: Source, pair: Pair) -> Checked | list[Skipped]:
    """Do `kerseg.data.conversion.checks.check_pair`, and note the pair's key as it was before."""
    key = key_of(source, pair)
    result = check_pair(source, pair)
    return replace(result, key=key) if isinstance(result, Checked) else result


def made_by(source: Source) -> str:
    """Return what stands for all that, besides its files, a record depends on.

    These are the source's options, but for folders, which are in the keys; files among them, by size and time;
    the classes; the version of kerseg's readers, and the module of a source from elsewhere; and the libraries.
    """
    names = list(vars(source))
    if is_dataclass(source):
        # An option that is as it was before there was one is left out: a new one changes nothing.
        names = [each.name for each in fields(source) if getattr(source, each.name) != each.default]
    return _made_by(source, names, f"readers {READERS_VERSION}")


def made_by_0_1(source: Source) -> str:
    """Return what version 0.1 wrote for the same options, classes and libraries."""
    names = list(vars(source))
    if is_dataclass(source):
        # It took class variables for options, too, in the order of the class.
        known = {each.name for each in fields(source)} - _NEWER | _CLASS_VARIABLES_OF_0_1
        names = [name for name in source.__dataclass_fields__ if name in known]
    return _made_by(source, names, _READERS_OF_0_1)


def _made_by(source: Source, names: Iterable[str], readers: str) -> str:
    options: dict[str, object] = {}
    for name in names:
        value = getattr(source, name)
        if not isinstance(value, Path):
            options[name] = repr(value)
        elif value.is_file():
            options[name] = [value.stat().st_size, value.stat().st_mtime_ns]
    ours = __name__.partition(".")[0]
    elsewhere = [
        kind.__module__ for kind in type(source).__mro__[:-1] if not _is_within(kind.__module__, ours)
    ]
    code = "".join([readers, *map(_code_of, elsewhere)])
    return _digest([type(source).__qualname__, options, repr(source.classes), code, _libraries()])


def _is_within(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.") or module == "abc"


def _code_of(module: str) -> str:
    """Return what stands for the code of a source that is none of kerseg's."""
    file = getattr(sys.modules.get(module), "__file__", None)
    # Of a notebook, whose cell may have changed, nothing does.
    return os.urandom(16).hex() if file is None else hashlib.sha256(Path(file).read_bytes()).hexdigest()


def _libraries() -> list[str]:
    """Return the versions of the libraries that decode and encode."""
    return [PIL.__version__, np.__version__, zlib.ZLIB_RUNTIME_VERSION]


class ManifestWriter:
    """Writes ``manifest.jsonl`` while the shards are written.

    Args:
        folder: Where to.

    Example:
        >>> with SplitWriter(folder, "train", 2**27, 7) as writer, ManifestWriter(folder) as manifest:
        ...     manifest.add("train", pair.name, writer.write(checked), checked)
        ...     manifest.finish(made_by(source), {"train": writer.finish()})
    """

    def __init__(self, folder: Path):
        self._file = (folder / FILE_NAME).open("wb")
        self._checksum = hashlib.sha256()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, split: str, name: str, place: tuple[int, int], pair: Checked) -> None:
        """Note a record: its pair's name, and its shard and where it begins there.

        Raises:
            OSError: The disk is full or fails.
        """
        shown = np.flatnonzero(pair.counts)
        self._line(
            {
                "split": split,
                "name": name,
                "shard": place[0],
                "start": place[1],
                "bytes": len(pair.record),
                "key": pair.key,
                "labels": dict(zip(map(str, shown.tolist()), pair.counts[shown].tolist(), strict=True)),
            }
        )

    def finish(self, maker: str, splits: Mapping[str, Split]) -> None:
        """Note what made the records (`made_by`), and the shards' names and checksums.

        Raises:
            OSError: The disk is full or fails.
        """
        shards = {
            name: [[shard.file, shard.sha256] for shard in split.shards] for name, split in splits.items()
        }
        self._line({"made_by": maker, "shards": shards, "lines": self._checksum.hexdigest()})

    def _line(self, values: dict[str, Any]) -> None:
        line = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        self._file.write(line)
        self._checksum.update(line)


class Previous:
    """The data set that an earlier conversion wrote, to take records from.

    Args:
        folder: Where it is, if it is.
        source: What is to be converted now.

    Example:
        >>> with Previous(Path("data/street"), source) as previous:
        ...     kept = previous.find(source, pairs)
        >>> previous.why_not
        ''
    """

    def __init__(self, folder: Path, source: Source):
        self._folder = folder
        # Eight bytes stand for a key or a name, because 100,000 of either, as text, take a process's memory.
        self._keys, self._names, self._starts = array("Q"), array("Q"), array("q")
        self._intact: dict[str, list[Path | None]] = {}
        self._shard: tuple[Path | None, BinaryIO | None] = (None, None)
        self._manifest: BinaryIO | None = None
        self.why_not = self._open(source)
        """Why records cannot be taken, for the user; empty if they can."""
        order = np.argsort(np.frombuffer(self._keys, np.uint64), kind="stable")
        self._sorted = np.frombuffer(self._keys, np.uint64)[order]
        self._places = np.frombuffer(self._starts, np.int64)[order]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._manifest, self._shard[1]):
            if file is not None:
                file.close()

    def find(self, source: Source, pairs: Iterable[Pair]) -> NDArray[np.int64]:
        """Return for each pair where in the manifest the record is that it would give again, -1 where none is."""
        if not len(self._sorted):
            return np.full(sum(1 for _ in pairs), _NONE, np.int64)
        return np.fromiter((self._place(key_of(source, pair)) for pair in pairs), np.int64)

    def merged(
        self,
        pairs: Iterable[Pair],
        kept: NDArray[np.int64],
        results: Iterator[tuple[Pair, Checked | list[Skipped]]],
    ) -> Iterator[tuple[Pair, Checked | list[Skipped]]]:
        """Yield every pair with its record of old, or with the next of ``results``, which are the others'."""
        for pair, place in zip(pairs, kept.tolist(), strict=True):
            yield next(results) if place == _NONE else (pair, self._record(place))

    def removed(self, pairs: Mapping[str, Iterable[Pair]]) -> int:
        """Return how many records there were of names that ``pairs`` no longer has."""
        names = (_number(_digest([split, pair.name])) for split, members in pairs.items() for pair in members)
        return int((~np.isin(np.frombuffer(self._names, np.uint64), np.fromiter(names, np.uint64))).sum())

    def _open(self, source: Source) -> str:
        try:
            self._manifest = (self._folder / FILE_NAME).open("rb")
            last = self._index(self._manifest)
            self._intact = self._verified(last["shards"])
            same = last["made_by"] in (made_by(source), made_by_0_1(source))
        except OSError:
            return f"{FILE_NAME} is missing"
        except (ValueError, KeyError, TypeError, AttributeError):
            self._intact = {}
            del self._keys[:], self._starts[:]
            return f"{FILE_NAME} is damaged"
        if not same:
            del self._keys[:], self._starts[:]
            return "options, classes, kerseg or a library are others than they were"
        return ""

    def _index(self, file: BinaryIO) -> Any:
        start, checksum = 0, hashlib.sha256()
        for line in file:
            values = json.loads(line)
            if "shards" in values:
                if values["lines"] != checksum.hexdigest():
                    raise ValueError("a line was changed")
                return values
            checksum.update(line)
            self._names.append(_number(_digest([values["split"], values["name"]])))
            self._keys.append(_number(values["key"]) if values["key"] else 0)
            self._starts.append(start)
            start += len(line)
        raise ValueError("the last line is missing")

    def _verified(self, shards: Mapping[str, list[list[str]]]) -> dict[str, list[Path | None]]:
        """Return the shards of each split, None for those that are not what was written."""
        paths = {split: [self._folder / file for file, _ in entries] for split, entries in shards.items()}
        found = {split: checksums(files) for split, files in paths.items()}
        return {
            split: [
                path if checksum == entry[1] else None
                for path, (_, checksum), entry in zip(paths[split], found[split], entries, strict=True)
            ]
            for split, entries in shards.items()
        }

    @property
    def damaged(self) -> int:
        """Number of shards that are not what was written."""
        return sum(path is None for paths in self._intact.values() for path in paths)

    def _place(self, key: str) -> int:
        index = int(np.searchsorted(self._sorted, np.uint64(_number(key)))) if key else len(self._sorted)
        if index == len(self._sorted) or self._sorted[index] != _number(key):
            return _NONE
        place = int(self._places[index])
        values = self._values(place)
        usable = values["key"] == key and self._intact[values["split"]][values["shard"]] is not None
        return place if usable else _NONE

    def _record(self, place: int) -> Checked:
        values = self._values(place)
        file = self._opened(self._intact[values["split"]][values["shard"]])
        file.seek(values["start"])
        counts = np.zeros(256, np.int64)
        counts[[int(value) for value in values["labels"]]] = list(values["labels"].values())
        return Checked(file.read(values["bytes"]), counts, values["key"])

    def _values(self, place: int) -> Any:
        if self._manifest is None:
            raise RuntimeError("no manifest is open")
        self._manifest.seek(place)
        return json.loads(self._manifest.readline())

    def _opened(self, path: Path | None) -> BinaryIO:
        """Return a shard, open; records come in its order, so that one at a time is."""
        opened, file = self._shard
        if file is None or opened != path:
            if file is not None:
                file.close()
            file = path.open("rb") if path is not None else None
            self._shard = path, file
        if file is None:
            raise RuntimeError("a damaged shard is not read")
        return file


def _number(key: str) -> int:
    """Return the first eight bytes of a key."""
    return int(key[:16], 16)


def _digest(parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]
