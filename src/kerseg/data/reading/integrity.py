"""Whether shards are what was written: their SHA-256 against the one that ``dataset.json`` holds.

TensorFlow checks the CRC of every record as it reads it, which finds damage in the middle of a run. This finds
it before: the files are hashed by threads, as fast as they come from the disk.
"""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from kerseg.core.info import FILE_NAME, DatasetInfo, Shard
from kerseg.core.progress import Progress
from kerseg.core.workers import default_workers
from kerseg.errors import DataError


@dataclass(frozen=True)
class Damage:
    """A shard that is missing, or is not what was written."""

    split: str
    file: str
    """Name, relative to the folder of ``dataset.json``."""
    records: int
    """Number of pairs that it should hold."""
    reason: str
    """What is wrong with it."""


def damaged(folder: Path, info: DatasetInfo) -> list[Damage]:
    """Return the damaged shards of a data set, in the order of ``dataset.json``.

    Args:
        folder: Where the shards are.
        info: Their sizes and checksums.

    Example:
        >>> damaged(Path("data/street"), DatasetInfo.load("data/street"))
        []
    """
    shards = [(name, shard) for name, split in info.splits.items() for shard in split.shards]
    found = checksums(folder / shard.file for _, shard in shards)
    damage = []
    for (split, shard), (size, checksum) in zip(shards, found, strict=True):
        if reason := difference(shard, size, checksum):
            damage.append(Damage(split, shard.file, shard.records, reason))
    return damage


def difference(shard: Shard, size: int, checksum: str) -> str:
    """Return in what a file differs from the shard that ``dataset.json`` describes; ``""`` if in nothing.

    Args:
        shard: What was written.
        size: Of the file, bytes.
        checksum: Its SHA-256, hexadecimal; ``""`` where it cannot be read.
    """
    if not checksum:
        return "it is missing or cannot be read"
    if size != shard.bytes:
        return f"it has {size} bytes, dataset.json says {shard.bytes}"
    if checksum != shard.sha256:
        return f"its SHA-256 is {checksum[:12]}..., dataset.json says {shard.sha256[:12]}..."
    return ""


def intact(folder: Path, info: DatasetInfo) -> tuple[DatasetInfo, tuple[Damage, ...]]:
    """Return the description of a data set without its damaged shards, and those.

    Args:
        folder: Where the shards are.
        info: What ``dataset.json`` says.

    Raises:
        DataError: A split has no other shards, or there is no ``dataset.json`` to compare them with.

    Example:
        >>> info, left_out = intact(Path("data/street"), DatasetInfo.load("data/street"))
        >>> info.splits["train"].records, left_out
        (8, ())
    """
    if not (folder / FILE_NAME).is_file():
        raise DataError(
            f"{folder / FILE_NAME}: `skip_bad=True` needs this file, which holds the shards' checksums."
        )
    left_out = tuple(damaged(folder, info))
    splits = {
        name: split.without({damage.file for damage in left_out}) for name, split in info.splits.items()
    }
    for name, split in splits.items():
        if info.splits[name].shards and not split.shards:
            raise DataError(
                f"{folder}: not one shard of split {name!r} is intact, so `skip_bad=True` would leave nothing of "
                "it. Copy the data again, or convert it again."
            )
    return replace(info, splits=splits), left_out


def describe_damage(folder: Path, left_out: Sequence[Damage]) -> list[str]:
    """Return a line on each shard that is left out, and one on all of them; none if there are none."""
    lines = [
        f"{folder / damage.file}: left out with its {damage.records} images: {damage.reason}."
        for damage in left_out
    ]
    records = sum(damage.records for damage in left_out)
    return (
        [*lines, f"Damaged and left out: {len(left_out)} of the shards, with {records} images."]
        if lines
        else []
    )


def checksums(paths: Iterable[Path]) -> list[tuple[int, str]]:
    """Return size, bytes, and SHA-256 of each file, hexadecimal; ``""`` where it cannot be read.

    Example:
        >>> Path("bytes").write_bytes(b"test")
        4
        >>> checksums([Path("bytes")])
        [(4, '9f86d081884c7d65...')]
    """
    paths = list(paths)
    with (
        ThreadPoolExecutor(default_workers()) as pool,
        Progress("verify", total=len(paths), unit="shards") as bar,
    ):
        found = []
        for result in pool.map(checksum, paths):
            found.append(result)
            bar.advance()
    return found


def checksum(path: Path) -> tuple[int, str]:
    """Return size and SHA-256 of a file, as `checksums` does."""
    try:
        status = path.stat()
        return status.st_size, _hashed(path, status.st_size, status.st_mtime_ns)
    except OSError:
        return 0, ""


# A training run opens its data twice, first to refuse wrong options before it makes a folder.
@lru_cache(maxsize=4096)
def _hashed(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
