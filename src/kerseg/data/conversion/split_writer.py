"""The records of one split on their way into shards, and what is counted on the way."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from kerseg.core.info import IGNORE_LABEL, Shard, Skipped, Split
from kerseg.data.conversion.checks import Checked


class SplitWriter:
    """Writes ``train-00000-of-00003.tfrecord`` and so on; one shard at a time is open.

    Args:
        folder: Where to.
        split: Name of the split.
        shard_bytes: Size at which a shard is full.
        num_classes: Number of classes, the ignore label not counted.

    Example:
        >>> with SplitWriter(folder, "val", 2**27, num_classes=7) as writer:
        ...     place = writer.write(checked)
        ...     split = writer.finish()
        >>> split.records
        1
    """

    def __init__(self, folder: Path, split: str, shard_bytes: int, num_classes: int):
        self._folder, self._split, self._shard_bytes = folder, split, shard_bytes
        self._shards: list[ShardWriter] = []
        self._skipped: list[Skipped] = []
        self._tally = Tally(num_classes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def skip(self, faults: Iterable[Skipped]) -> None:
        """Note the faults of a pair that is left out."""
        self._skipped += faults

    def write(self, pair: Checked) -> tuple[int, int]:
        """Write one record and count its pixels.

        Returns:
            Number of its shard, and where in it the record begins, bytes.

        Raises:
            OSError: The disk is full or fails.
        """
        if not self._shards or is_full(self._shards[-1].size, len(pair.record), self._shard_bytes):
            self._close()
            path = self._folder / f"{self._split}-{len(self._shards):05}.tfrecord"
            self._shards.append(ShardWriter(path, path.open("wb")))
        place = len(self._shards) - 1, self._shards[-1].size
        self._shards[-1].write(pair.record)
        self._tally.add(pair.counts)
        return place

    def finish(self) -> Split:
        """Close the last shard and return what was written.

        Raises:
            OSError: The disk is full or fails.
        """
        self._close()
        return Split(
            # How many shards there are is known only now.
            shards=tuple(
                shard.finish(shard_name(self._split, number, len(self._shards)))
                for number, shard in enumerate(self._shards)
            ),
            class_pixels=tuple(self._tally.class_pixels.tolist()),
            class_image_pixels=tuple(self._tally.class_image_pixels.tolist()),
            ignored_pixels=self._tally.ignored_pixels,
            skipped=tuple(self._skipped),
        )

    def _close(self) -> None:
        if self._shards:
            self._shards[-1].file.close()


class Tally:
    """What is counted of labels, class by class.

    Args:
        num_classes: Number of classes, the ignore label not counted.

    Example:
        >>> tally = Tally(2)
        >>> tally.add(np.bincount([0, 0, 1, 255], minlength=256))
        >>> tally.class_pixels, tally.ignored_pixels
        (array([2, 1]), 1)
    """

    def __init__(self, num_classes: int):
        self.class_pixels = np.zeros(num_classes, np.int64)
        self.class_image_pixels = np.zeros(num_classes, np.int64)
        self.ignored_pixels = 0

    def add(self, counts: NDArray[np.int64]) -> None:
        """Add a label's pixels of each value, ``(256,)``."""
        pixels, ignored = counts[: len(self.class_pixels)], int(counts[IGNORE_LABEL])
        self.class_pixels += pixels
        self.class_image_pixels += np.where(pixels > 0, counts.sum() - ignored, 0)
        self.ignored_pixels += ignored


@dataclass
class ShardWriter:
    """One shard that is being written."""

    path: Path
    file: BinaryIO
    records: int = 0
    size: int = 0
    checksum: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def write(self, record: bytes) -> None:
        """Append a record."""
        self.file.write(record)
        self.checksum.update(record)
        self.records += 1
        self.size += len(record)

    def finish(self, name: str) -> Shard:
        """Give the file, which is closed, its final name, and return what is in it."""
        if name != self.path.name:
            self.path.rename(self.path.with_name(name))
        return Shard(file=name, records=self.records, bytes=self.size, sha256=self.checksum.hexdigest())


def is_full(size: int, record: int, shard_bytes: int) -> bool:
    """Whether a shard of ``size`` bytes ends before a record, bytes too, because both are beyond a shard's size.

    A shard that holds nothing takes any record: where this is asked, it has one.
    """
    return size + record > shard_bytes


def shard_name(split: str, number: int, count: int) -> str:
    """Return the file name of a shard of a split of ``count`` shards."""
    return f"{split}-{number:05}-of-{count:05}.tfrecord"
