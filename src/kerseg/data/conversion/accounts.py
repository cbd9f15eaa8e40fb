"""What the workers of a conversion on many machines did, in their own words, and whether that is all of it.

Any of them may have done its part more than once, after a fault or at the same time as another.
"""

import itertools
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerseg.core.info import Shard, Skipped, Split
from kerseg.core.schema import decode_json, to_builtins
from kerseg.data.sources.base import Pair
from kerseg.errors import KersegError

ATTEMPT = ".attempt-"
"""In the names of files before they get their own: each attempt writes another one."""
_NAME = "summary.json"

Key = tuple[str, int]
"""Split and number, of a pair or of a shard."""


@dataclass(frozen=True)
class WrittenShard:
    """A shard, and what was counted of its labels."""

    split: str
    number: int
    shard: Shard
    class_pixels: tuple[int, ...]
    class_image_pixels: tuple[int, ...]
    ignored_pixels: int


@dataclass(frozen=True)
class LeftOut:
    """A pair that cannot be used."""

    split: str
    number: int
    """Of the pair."""
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class Summary:
    """All that a run did."""

    shards: tuple[WrittenShard, ...]
    left_out: tuple[LeftOut, ...]


def write_summary(entries: list[WrittenShard | LeftOut], folder: Any) -> None:
    """Write what was written and what was not; another attempt writes another file."""
    summary = Summary(
        tuple(entry for entry in entries if isinstance(entry, WrittenShard)),
        tuple(entry for entry in entries if isinstance(entry, LeftOut)),
    )
    text = json.dumps(to_builtins(summary))
    (folder / f"{_NAME}{ATTEMPT}{uuid.uuid4().hex}").write_text(text, encoding="utf-8")


def read_summary(folder: Path) -> Summary:
    """Return what all attempts wrote and left out, each once and in order.

    Raises:
        KersegError: Two attempts at the same thing ended differently.
    """
    shards: dict[Key, WrittenShard] = {}
    left_out: dict[Key, LeftOut] = {}
    for path in folder.iterdir():
        if not path.name.startswith(_NAME):
            continue
        found = decode_json(path.read_bytes(), Summary, where=path)
        for shard in found.shards:
            if shards.setdefault((shard.split, shard.number), shard) != shard:
                raise _wrong(f"two attempts at {shard.shard.file} differ. Did a file change meanwhile?")
        for pair in found.left_out:
            if left_out.setdefault((pair.split, pair.number), pair) != pair:
                raise _wrong(f"two attempts at {pair.skipped[0].path} differ. Did it change meanwhile?")
    return Summary(
        tuple(shards[key] for key in sorted(shards)), tuple(left_out[key] for key in sorted(left_out))
    )


def check(summary: Summary, pairs: Mapping[str, Sequence[Pair]], folder: Path) -> None:
    """Compare what was written with what was listed, and delete what attempts left.

    Raises:
        KersegError: Records or shards are missing, or are there twice.
    """
    for split, members in pairs.items():
        records = sum(entry.shard.records for entry in summary.shards if entry.split == split)
        skipped = sum(entry.split == split for entry in summary.left_out)
        if records != len(members) - skipped:
            raise _wrong(f"{split} has {records} records of {len(members)} pairs; {skipped} were left out.")
        shards = [entry for entry in summary.shards if entry.split == split]
        if [entry.number for entry in shards] != [*range(len(shards))]:
            raise _wrong(f"{split} has the shards {', '.join(entry.shard.file for entry in shards)}.")
    expected = {entry.shard.file: entry.shard.bytes for entry in summary.shards}
    for path in list(folder.iterdir()):
        if path.name not in expected:
            path.unlink()
        elif (size := path.stat().st_size) != expected.pop(path.name):
            raise _wrong(f"{path.name} has {size} bytes, and was written with another number.")
    if expected:
        raise _wrong(f"{min(expected)} was written, and is not there.")


def _wrong(what: str) -> KersegError:
    return KersegError(f"Apache Beam: {what} Nothing was kept.")


def split_of(summary: Summary, split: str, num_classes: int) -> Split:
    """Return the description of a split."""
    shards = [entry for entry in summary.shards if entry.split == split]
    none = (0,) * num_classes
    return Split(
        shards=tuple(entry.shard for entry in shards),
        class_pixels=tuple(map(sum, zip(none, *(entry.class_pixels for entry in shards), strict=True))),
        class_image_pixels=tuple(
            map(sum, zip(none, *(entry.class_image_pixels for entry in shards), strict=True))
        ),
        ignored_pixels=sum(entry.ignored_pixels for entry in shards),
        skipped=tuple(
            itertools.chain.from_iterable(entry.skipped for entry in summary.left_out if entry.split == split)
        ),
    )
