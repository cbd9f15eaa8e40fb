"""From shards to batches: shuffled, cropped, augmented, and the same on every run.

    shards in the epoch's order -> interleaved -> shuffled, still encoded -> [skip] ->
    draw the window -> decode it -> resize -> recolour -> pad -> batch

Example ``i``, its running index in the split, is augmented in epoch ``e`` from ``(seed, e, i)`` and from nothing
else: neither the order nor the batch size nor the number of threads has a say in it.
"""

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from kerseg.augment import colour, geometry, rng
from kerseg.config import Augment
from kerseg.data import records
from kerseg.data.decode import Fields, Region, decode_image, decode_label
from kerseg.data.info import DatasetInfo
from kerseg.errors import ConfigError, DataError

SHUFFLE_BYTES = 256 * 2**20
"""Memory for shuffling: a split up to this size is shuffled perfectly, a larger one within a window of it."""
OPEN_SHARDS = 16
"""Shards read in turns, so that neighbours in a shard do not stay neighbours in the epoch."""


def load(folder: str | Path) -> "Dataset":
    """Open a converted data set.

    Args:
        folder: Where ``kerseg convert`` wrote ``dataset.json`` and the shards.

    Returns:
        The data set; nothing but ``dataset.json`` is read yet.

    Raises:
        DataError: ``dataset.json`` is missing or damaged, or a shard is missing or has another size.

    Example:
        >>> data = load("data/voc2012")
        >>> model.fit(data.train(crop_size=(513, 513), batch_size=8), validation_data=data.val())
    """
    data = Dataset(Path(folder), DatasetInfo.load(folder))
    for name, split in data.info.splits.items():
        for path, shard in zip(data.shards(name), split.shards, strict=True):
            if not path.is_file():
                raise DataError(f"{path}: this shard of split {name!r} is missing. Convert the data again.")
            if (size := path.stat().st_size) != shard.bytes:
                raise DataError(
                    f"{path}: the shard has {size} bytes, dataset.json says {shard.bytes}. "
                    "Copy it again, or convert the data again."
                )
    return data


@dataclass(frozen=True)
class Dataset:
    """A converted data set and the pipelines that read it.

    Images are (batch, height, width, 3) uint8, RGB; labels (batch, height, width) uint8, class indices, with
    the ignore label where nothing is known. Every pipeline keeps its order, whatever the number of threads.
    """

    folder: Path
    info: DatasetInfo

    def shards(self, split: str) -> list[Path]:
        """Return the paths of a split's shards, in record order.

        Raises:
            DataError: No such split.
        """
        return [self.folder / shard.file for shard in self.info.split(split).shards]

    def steps(self, *, split: str = "train", batch_size: int) -> int:
        """Return the number of full batches in an epoch.

        Raises:
            DataError: No such split.
            ConfigError: Not one batch can be filled.
        """
        count = self.info.split(split).records
        if not 1 <= batch_size <= count:
            raise ConfigError(
                f"--batch-size is 1 to {count}, the number of pictures in split {split!r} of {self.folder}. "
                f"Received: {batch_size}."
            )
        return count // batch_size

    def train(
        self,
        *,
        crop_size: tuple[int, int] | None = None,
        batch_size: int = 8,
        augment: Augment | None = None,
        seed: int = 0,
        epoch: int | None = None,
        skip_batches: int = 0,
        split: str = "train",
    ) -> tf.data.Dataset:
        """Return one epoch of shuffled, augmented batches; the examples left over at its end are dropped.

        With ``epoch=None`` every pass over the returned object is the next epoch: the first is epoch 0, and
        ``model.fit(..., epochs=50)`` sees fifty different orders and augmentations. (Keras may begin a pass
        only to learn the shapes; that one counts too.) With a number, every pass is exactly that epoch.

        Args:
            crop_size: (height, width) of the crops, pixels; None takes the whole scaled picture, and then
                pictures of several sizes need ``batch_size=1``.
            batch_size: Examples a batch.
            augment: What is drawn at random; None for the defaults of `Augment`: left-right flips.
            seed: Of the order and of the augmentation.
            epoch: 0 or more, or None.
            skip_batches: Start this many batches later; what follows is what the whole pass has there. Skipped
                examples are read, but not decoded. Needs ``epoch``.
            split: Which part of the data set.

        Returns:
            Batches of image (batch_size, height, width, 3) uint8, RGB 0 to 255, padded with
            `kerseg.augment.geometry.FILL`, and label (batch_size, height, width) uint8, padded with the ignore
            label.

        Raises:
            DataError: No such split.
            ConfigError: An option is out of range, or pictures of several sizes cannot share a batch.

        Example:
            >>> data.train(crop_size=(512, 512), batch_size=8, augment=Augment(scale=(0.5, 2.0)), epoch=3)
        """
        steps, augment = self.steps(split=split, batch_size=batch_size), augment or Augment()
        if epoch is None and skip_batches:
            raise ConfigError("skip_batches needs epoch: without it, every pass is another epoch.")
        if not 0 <= skip_batches <= steps:
            raise ConfigError(f"skip_batches is 0 to {steps}, the epoch's batches. Received: {skip_batches}.")
        if crop_size is None and batch_size > 1:
            self._check_equal_sizes(split, batch_size)

        def one_pass(number: tf.Tensor) -> tf.data.Dataset:
            key = tf.stack([tf.constant(seed, tf.int64), number])
            order = self._order(split, rng.fold(key, "order")).skip(skip_batches * batch_size)
            examples = rng.fold(key, "examples")
            return order.map(lambda index, record: (rng.fold(examples, index), index, record))

        def example(key: tf.Tensor, index: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            fields = self._fields(split, index, record)
            return _augmented(fields, key, crop_size, augment, self.info.ignore_label)

        data = _epochs(epoch).flat_map(one_pass).map(example, num_parallel_calls=tf.data.AUTOTUNE)
        data = data.batch(batch_size, drop_remainder=True)
        return _finished(data.apply(tf.data.experimental.assert_cardinality(steps - skip_batches)))

    def val(self, *, batch_size: int = 1, split: str = "val") -> tf.data.Dataset:
        """Return the pictures of a split once, in record order, at their own size, for ``validation_data``.

        Args:
            batch_size: More than 1 needs pictures of one size. The last batch may be smaller.
            split: Which part of the data set.

        Returns:
            Batches of image (batch, height, width, 3) uint8 and label (batch, height, width) uint8.

        Raises:
            DataError: No such split.
            ConfigError: Pictures of several sizes cannot share a batch.
        """
        if batch_size > 1:
            self._check_equal_sizes(split, batch_size)
        pairs = self._decoded(split).map(lambda example: (example["image"], example["label"]))
        return _finished(pairs.batch(batch_size))

    def examples(self, split: str) -> tf.data.Dataset:
        """Return the examples of a split once, in record order, at their own size.

        Args:
            split: Which part of the data set.

        Returns:
            Dictionaries: ``name`` (string), ``image`` (height, width, 3) uint8, ``label`` (height, width) uint8.

        Raises:
            DataError: No such split.
        """
        return _finished(self._decoded(split))

    @contextmanager
    def naming_damage(self, split: str) -> Iterator[None]:
        """Turn an error from reading records inside the block into a `DataError` that names shard and record.

        TensorFlow reports ``corrupted record at 12`` without the file's name, so when something fails this reads
        the split once more, record by record, and says where it is damaged.

        Raises:
            DataError: The records are to blame. Any other error passes unchanged.

        Example:
            >>> with data.naming_damage("train"):
            ...     model.fit(data.train(crop_size=(512, 512)))
        """
        try:
            yield
        except tf.errors.OpError:
            self.check(split)
            raise

    def check(self, split: str) -> None:
        """Read and decode every record of a split.

        Raises:
            DataError: A record is damaged; the message names the shard and the record. Or no such split.
        """
        first = 0
        for path, shard in zip(self.shards(split), self.info.split(split).shards, strict=True):
            reader = tf.data.TFRecordDataset(str(path)).enumerate(first)
            reader = reader.map(lambda index, record: _decode(self._fields(split, index, record))["name"])
            found = 0
            try:
                for _ in reader:
                    found += 1
            except tf.errors.OpError as error:
                raise DataError(f"{path}: record {found} cannot be read: {_reason(error)}") from error
            if found != shard.records:
                raise DataError(f"{path}: {found} records, dataset.json says {shard.records}. Convert again.")
            first += found

    def _order(self, split: str, key: tf.Tensor) -> tf.data.Dataset:
        """Return (index, serialized record) in the order that ``key`` gives; called while a graph is traced."""
        # tf.data mixes the graph's seed, which is the user's tf.random.set_seed, into that of a shuffle. In a
        # graph this call sets the graph's own, so the order follows from key alone.
        tf.random.set_seed(1)
        shards = self.info.split(split).shards
        paths, starts = self._table(split)
        turns = tf.argsort(tf.random.stateless_uniform([len(shards)], rng.fold(key, "shards"), alg="philox"))
        data = tf.data.Dataset.from_tensor_slices(turns).interleave(
            lambda shard: tf.data.TFRecordDataset(tf.gather(paths, shard)).enumerate(
                tf.gather(starts, shard)
            ),
            cycle_length=min(len(shards), OPEN_SHARDS),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        size = sum(shard.bytes for shard in shards)
        count = self.info.split(split).records
        buffer = count if size <= SHUFFLE_BYTES else max(1, count * SHUFFLE_BYTES // size)
        return data.shuffle(buffer, seed=rng.fold(key, "shuffle")[0], reshuffle_each_iteration=False)

    def _table(self, split: str) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the shards' paths (strings) and the running index of each one's first record (int64)."""
        counts = [shard.records for shard in self.info.split(split).shards]
        starts = np.cumsum([0, *counts[:-1]])
        return tf.constant([str(path) for path in self.shards(split)]), tf.constant(starts, tf.int64)

    def _fields(self, split: str, index: tf.Tensor, record: tf.Tensor) -> Fields:
        """Parse a record, and give it its origin, for messages, and a name if it has none."""
        paths, starts = self._table(split)
        shard = tf.searchsorted(starts, index[tf.newaxis], side="right")[0] - 1
        number = tf.as_string(index - tf.gather(starts, shard))
        fields = records.parse(record)
        fields["origin"] = tf.strings.join([tf.gather(paths, shard), ": record ", number])
        unnamed = tf.strings.join([f"{split}-", tf.as_string(index, width=6, fill="0")])
        fields["name"] = tf.where(fields["name"] == "", unnamed, fields["name"])
        return fields

    def _decoded(self, split: str) -> tf.data.Dataset:
        paths, _ = self._table(split)
        return (
            tf.data.TFRecordDataset(paths)
            .enumerate()
            .map(
                lambda index, record: _decode(self._fields(split, index, record)),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
            .apply(tf.data.experimental.assert_cardinality(self.info.split(split).records))
        )

    def _check_equal_sizes(self, split: str, batch_size: int) -> None:
        paths, _ = self._table(split)
        sizes = tf.data.TFRecordDataset(paths).map(records.parse, num_parallel_calls=tf.data.AUTOTUNE)
        found = {(int(fields["height"]), int(fields["width"])) for fields in sizes}
        if len(found) > 1:
            (height, width), (other_height, other_width) = sorted(found)[0], sorted(found)[-1]
            raise ConfigError(
                f"Split {split!r} of {self.folder} has pictures of {len(found)} sizes, {height}x{width} to "
                f"{other_height}x{other_width} (height x width), which cannot share a batch of {batch_size}: "
                "take a crop size, or a batch size of 1."
            )


def _epochs(epoch: int | None) -> tf.data.Dataset:
    """Return a data set of one number: ``epoch``, or one that grows with every pass."""
    if epoch is not None:
        return tf.data.Dataset.from_tensors(tf.constant(epoch, tf.int64))
    passes = itertools.count()
    return tf.data.Dataset.from_generator(
        lambda: iter([next(passes)]), output_signature=tf.TensorSpec([], tf.int64)
    )


def _augmented(
    fields: Fields, key: tf.Tensor, crop_size: tuple[int, int] | None, augment: Augment, ignore_label: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decode one training example and change it at random: the whole order of augmentation."""
    window = geometry.draw(key, (fields["height"], fields["width"]), crop_size, augment)
    rows, columns = window.rows, window.columns
    source = decode_image(fields, Region(rows.start, columns.start, rows.length, columns.length))
    image = geometry.resize_image(source, window)
    label = geometry.resize_label(decode_label(fields), window)
    # Recoloured before it is padded: padding keeps its colour and has no part in the mean.
    image = tf.cast(colour.distort(image, key, augment) + 0.5, tf.uint8)
    image, label = geometry.pad(image, label, window, ignore_label)
    height, width = crop_size or (None, None)
    image.set_shape([height, width, 3])
    label.set_shape([height, width])
    return image, label


def _decode(fields: Fields) -> Fields:
    return {"name": fields["name"], "image": decode_image(fields), "label": decode_label(fields)}


def _finished(data: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # Examples run side by side; threads inside the operations of each would only get in one another's way.
    options.threading.max_intra_op_parallelism = 1
    return data.prefetch(tf.data.AUTOTUNE).with_options(options)


def _reason(error: tf.errors.OpError) -> str:
    """Return the readable part of a TensorFlow error."""
    ours = re.search(r"record \d+: (.*?\.)\]", error.message)
    return ours[1] if ours else re.sub(r"\{\{.*?\}\}\s*", "", error.message).strip().splitlines()[0]
