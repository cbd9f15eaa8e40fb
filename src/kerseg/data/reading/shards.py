"""The records of one split, still encoded: in their order, or shuffled by a seed."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypedDict

import numpy as np
import tensorflow as tf

from kerseg.augment import rng
from kerseg.core.info import DatasetInfo
from kerseg.data.formats import records
from kerseg.data.reading.decode import Fields, decode_image, decode_label
from kerseg.errors import DataError

SHUFFLE_BYTES = 256 * 2**20
"""Memory for shuffling: a split up to this size is shuffled perfectly, a larger one within a window of it."""
OPEN_SHARDS = 16
"""Shards read in turns, so that neighbours in a shard do not stay neighbours in the epoch."""

_ADVICE = "Copy the shard again, convert the data again, or leave it out with `skip_bad=True`."

as_written = tf.autograph.experimental.do_not_convert
"""For what goes into ``map``: no Python statement there depends on a tensor, and having all of them rewritten
as if one did would double the time to the first batch."""


class Example(TypedDict):
    """An image with its label, decoded."""

    name: tf.Tensor
    """Scalar string."""
    image: tf.Tensor
    """``(height, width, channels)``: uint8, RGB; or float32, 0 to 255, of a data set with other channels."""
    label: tf.Tensor
    """``(height, width)`` uint8."""


@dataclass(frozen=True)
class Shards:
    """The record files of one split. A record's index counts through all of them.

    Raises:
        DataError: ``info`` has no such split.
    """

    folder: Path
    info: DatasetInfo
    split: str

    def __post_init__(self) -> None:
        self.info.split(self.split)

    @property
    def paths(self) -> list[Path]:
        """The files, in record order."""
        return [self.folder / shard.file for shard in self.info.split(self.split).shards]

    @property
    def counts(self) -> list[int]:
        """The number of records in each file."""
        return [shard.records for shard in self.info.split(self.split).shards]

    def in_order(self) -> tf.data.Dataset:
        """Return (index int64, serialized record)."""
        return tf.data.TFRecordDataset(self._table[0]).take(sum(self.counts)).enumerate()

    def shuffled(self, seed: tf.Tensor) -> tf.data.Dataset:
        """Return (index int64, serialized record) in an order that follows from ``seed`` alone.

        Shards are opened in random order, read in turns, and their records drawn from a buffer of at most
        `SHUFFLE_BYTES`. To be called where a graph is traced: inside ``flat_map``.

        Args:
            seed: (2,) int64.
        """
        # tf.data mixes the graph's seed, which is the user's tf.random.set_seed, into that of a shuffle. In a
        # graph this call sets the graph's own, and leaves the user's alone.
        tf.random.set_seed(1)
        paths, starts = self._table
        counts = np.array(self.counts, np.int64)
        files, count = len(counts), int(counts.sum())
        turns = tf.argsort(rng.uniform(seed, "shards", 0.0, 1.0, [files]))
        data = tf.data.Dataset.from_tensor_slices(turns).interleave(
            lambda shard: (
                tf.data.TFRecordDataset(tf.gather(paths, shard))
                .take(tf.gather(counts, shard))
                .enumerate(tf.gather(starts, shard))
            ),
            cycle_length=min(files, OPEN_SHARDS),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        size = sum(shard.bytes for shard in self.info.split(self.split).shards)
        buffer = count if size <= SHUFFLE_BYTES else max(1, count * SHUFFLE_BYTES // size)
        return data.shuffle(buffer, seed=rng.bits(seed, "shuffle"), reshuffle_each_iteration=False)

    def fields(self, index: tf.Tensor, record: tf.Tensor) -> Fields:
        """Parse a record, and give it its origin, for messages, and a name if it has none."""
        paths, starts = self._table
        shard = tf.searchsorted(starts, index[tf.newaxis], side="right")[0] - 1
        number = tf.as_string(index - tf.gather(starts, shard))
        fields = records.parse(record)
        fields["origin"] = tf.strings.join([tf.gather(paths, shard), ": record ", number])
        unnamed = tf.strings.join([f"{self.split}-", tf.as_string(index, width=6, fill="0")])
        fields["name"] = tf.where(fields["name"] == "", unnamed, fields["name"])
        return fields

    def decoded(self, index: tf.Tensor, record: tf.Tensor) -> Example:
        """Return image and label as `decode_image` and `label` do, and the name."""
        fields = self.fields(index, record)
        image = decode_image(fields, channels=self.info.channels)
        return {"name": fields["name"], "image": image, "label": self.label(fields)}

    def label(self, fields: Fields) -> tf.Tensor:
        """Return the label of a record, (height, width) uint8; checked here if no conversion has done so."""
        counted = self.info.split(self.split).class_pixels
        return decode_label(fields, None if counted else (self.info.num_classes, self.info.ignore_label))

    def sizes(self) -> set[tuple[int, int]]:
        """Read all records and return the (height, width) that occur."""
        parsed = self.in_order().map(
            lambda index, record: records.parse(record), num_parallel_calls=tf.data.AUTOTUNE
        )
        return {(int(fields["height"]), int(fields["width"])) for fields in parsed}

    def pixels(self) -> tf.data.Dataset:
        """Return the pixels of each label value, (256,) int32, of every record."""

        def count(index: tf.Tensor, record: tf.Tensor) -> tf.Tensor:
            label = self.label(self.fields(index, record))
            return tf.math.bincount(tf.cast(label, tf.int32), minlength=256, maxlength=256)

        return self.in_order().map(as_written(count), num_parallel_calls=tf.data.AUTOTUNE)

    def check(self) -> None:
        """Read and decode every record.

        Raises:
            DataError: A record is damaged; the message names the shard and the record.
        """
        first = 0
        for path, count in zip(self.paths, self.counts, strict=True):
            found = 0
            try:
                records_of_shard = tf.data.TFRecordDataset(str(path)).take(count).enumerate(first)
                for _ in records_of_shard.map(as_written(self.decoded)):
                    found += 1
            # What TensorFlow says of a record of noise may hold its bytes, and is no text then.
            except (tf.errors.OpError, UnicodeDecodeError) as error:
                raise DataError(
                    f"{path}: record {found} cannot be read: {_reason(error).rstrip('.')}. {_ADVICE}"
                ) from error
            if found != count:
                raise DataError(f"{path}: {found} records, dataset.json says {count}. {_ADVICE}")
            first += found

    @cached_property
    def _table(self) -> tuple[list[str], np.ndarray]:
        """The files' paths, and the index of each one's first record."""
        return [str(path) for path in self.paths], np.cumsum([0, *self.counts[:-1]], dtype=np.int64)


def _reason(error: tf.errors.OpError | UnicodeDecodeError) -> str:
    """Return the readable part of a TensorFlow error."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no tf.train.Example message"
    ours = re.search(r"record \d+: (.*?\.)\]", error.message)
    return ours[1] if ours else re.sub(r"\{\{.*?\}\}\s*", "", error.message).strip().splitlines()[0]
