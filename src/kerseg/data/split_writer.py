"""The records of one split on their way into shards, and what is counted on the way."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from kerseg.data.checks import Checked
from kerseg.data.info import IGNORE_LABEL, Shard, Skipped, Split


class SplitWriter:
    """Writes ``train-00000-of-00003.tfrecord`` and so on; one shard at a time is open.

    Args:
        folder: Where to.
        split: Name of the split.
        shard_bytes: Size at which a shard is full.
        num_classes: Number of classes, the ignore label not counted.

    Example:
        >>> with SplitWriter(Path("data"), "train", 2**27, num_classes=11) as writer:
        ...     writer.write(checked)
        ...     split = writer.finish()
    """

    def __init__(self, folder: Path, split: str, shard_bytes: int, num_classes: int):
        self._folder, self._split, self._shard_bytes = folder, split, shard_bytes
        self._shards: list[_OpenShard] = []
        self._skipped: list[Skipped] = []
        self._class_pixels = np.zeros(num_classes, np.int64)
        self._class_image_pixels = np.zeros(num_classes, np.int64)
        self._ignored_pixels = 0

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
        if not self._shards or self._shards[-1].size + len(pair.record) > self._shard_bytes:
            self._close()
            path = self._folder / f"{self._split}-{len(self._shards):05}.tfrecord"
            self._shards.append(_OpenShard(path, path.open("wb")))
        place = len(self._shards) - 1, self._shards[-1].size
        self._shards[-1].write(pair.record)
        pixels, ignored = pair.counts[: len(self._class_pixels)], int(pair.counts[IGNORE_LABEL])
        self._class_pixels += pixels
        self._class_image_pixels += np.where(pixels > 0, pair.counts.sum() - ignored, 0)
        self._ignored_pixels += ignored
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
                shard.finish(f"{self._split}-{number:05}-of-{len(self._shards):05}.tfrecord")
                for number, shard in enumerate(self._shards)
            ),
            class_pixels=tuple(self._class_pixels.tolist()),
            class_image_pixels=tuple(self._class_image_pixels.tolist()),
            ignored_pixels=self._ignored_pixels,
            skipped=tuple(self._skipped),
        )

    def _close(self) -> None:
        if self._shards:
            self._shards[-1].file.close()


@dataclass
class _OpenShard:
    path: Path
    file: BinaryIO
    records: int = 0
    size: int = 0
    checksum: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def write(self, record: bytes) -> None:
        self.file.write(record)
        self.checksum.update(record)
        self.records += 1
        self.size += len(record)

    def finish(self, name: str) -> Shard:
        self.path.rename(self.path.with_name(name))
        return Shard(file=name, records=self.records, bytes=self.size, sha256=self.checksum.hexdigest())
