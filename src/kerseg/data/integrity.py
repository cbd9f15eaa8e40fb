"""Whether shards are what was written: their SHA-256 against the one that ``dataset.json`` holds.

TensorFlow checks the CRC of every record as it reads it, which finds damage in the middle of a run. This finds
it before: the files are hashed by threads, as fast as they come from the disk.
"""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from kerseg.data.info import DatasetInfo
from kerseg.data.workers import default_workers
from kerseg.progress import Progress


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
        >>> damaged(Path("data/camvid"), DatasetInfo.load("data/camvid"))
        [Damage(split='train', file='train-00001-of-00003.tfrecord', records=122, reason='its SHA-256 is ...')]
    """
    shards = [(name, shard) for name, split in info.splits.items() for shard in split.shards]
    found = checksums(folder / shard.file for _, shard in shards)
    damage = []
    for (split, shard), (size, checksum) in zip(shards, found, strict=True):
        if not checksum:
            reason = "it is missing or cannot be read"
        elif size != shard.bytes:
            reason = f"it has {size} bytes, dataset.json says {shard.bytes}"
        elif checksum != shard.sha256:
            reason = f"its SHA-256 is {checksum[:12]}..., dataset.json says {shard.sha256[:12]}..."
        else:
            continue
        damage.append(Damage(split, shard.file, shard.records, reason))
    return damage


def checksums(paths: Iterable[Path]) -> list[tuple[int, str]]:
    """Return size, bytes, and SHA-256 of each file, hexadecimal; ``""`` where it cannot be read.

    Example:
        >>> checksums([Path("train-00000-of-00001.tfrecord")])
        [(1204, '9f86d081884c7d65...')]
    """
    paths = list(paths)
    with (
        ThreadPoolExecutor(default_workers()) as pool,
        Progress("verify", total=len(paths), unit="shards") as bar,
    ):
        found = []
        for result in pool.map(_checksum, paths):
            found.append(result)
            bar.advance()
    return found


def _checksum(path: Path) -> tuple[int, str]:
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
