"""From shards to batches: shuffled, cropped, augmented, and the same on every run.

    shards in the epoch's order -> interleaved -> shuffled, still encoded -> [skip] ->
    augmented and batched, in the order that `kerseg.data.reading.augmented` shows

Example ``i``, its running index in the split, is augmented in epoch ``e`` from ``(seed, e, i)`` and from
nothing else: neither the order nor the batch size nor the number of threads has a say in it. Only what mixes the
examples of a batch depends on their company too, and that follows from seed, epoch and batch size.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf

from kerseg.augment.options import Augment
from kerseg.core.files import failure
from kerseg.core.info import DatasetInfo, Shard, Split
from kerseg.core.options import refuse_nul
from kerseg.core.progress import Progress
from kerseg.core.tensorflow import system_errors
from kerseg.data.formats.tfrecord import survey
from kerseg.data.reading.augmented import Augmenter, check_channels, needs_pixels, seeds
from kerseg.data.reading.integrity import Damage, intact
from kerseg.data.reading.notebook import IMAGES, shown
from kerseg.data.reading.shards import Shards, as_written
from kerseg.data.reading.unconverted import read_info
from kerseg.errors import ConfigError, DataError


def load(
    folder: str | Path,
    *,
    dataset: str | None = None,
    samples: Mapping[str, int] | None = None,
    skip_bad: bool = False,
) -> "Dataset":
    """Open a converted data set, or TFRecords that another program wrote.

    Args:
        folder: Where ``kerseg convert`` wrote ``dataset.json`` and the shards, or where TFRecords of one of
            the formats of `kerseg.data.formats.records` are.
        dataset: Whose classes they are, where ``dataset.json`` does not say it: a name of
            `kerseg.data.sources.known.DATASETS`.
        samples: Split -> the number of records to use, the first ones; default: all of every split.
        skip_bad: Compare every shard with its checksum first, and leave out those that are damaged or missing;
            `Dataset.left_out` lists them.

    Returns:
        The data set. The records of each shard have been counted, by their frames; their data is not read yet.

    Raises:
        DataError: There is no data, ``dataset.json`` is damaged, or a shard is missing, has another size or another
            number of records. Or ``skip_bad`` would leave nothing of a split.
        ConfigError: There is no such data set, or it has other classes than ``dataset.json``.

    Example:
        >>> data = load("data/street")
        >>> image, label = next(iter(data.train(crop_size=(16, 16), batch_size=4)))
        >>> image.shape, label.shape
        ((4, 16, 16, 3), (4, 16, 16))
    """
    refuse_nul(locals())
    folder = Path(folder)
    info, left_out = read_info(folder, dataset), tuple[Damage, ...]()
    if skip_bad:
        info, left_out = intact(folder, info)
    used = info.first(samples or {})
    for name, split in used.splits.items():
        for shard in info.splits[name].shards[: len(split.shards)]:
            _check_shard(folder / shard.file, shard, name)
    return Dataset(folder, used, left_out)


def _check_shard(path: Path, shard: Shard, split: str) -> None:
    """Compare a shard with what ``dataset.json`` says, as far as its size and its own index tell."""
    advice = "Copy it again, convert the data again, or leave out such shards with `skip_bad=True`."
    if not path.is_file():
        raise DataError(f"{path}: this shard of split {split!r} is missing. {advice}")
    if (size := path.stat().st_size) != shard.bytes:
        raise DataError(f"{path}: the shard has {size} bytes, dataset.json says {shard.bytes}. {advice}")
    if (records := survey(path).records) != shard.records:
        raise DataError(
            f"{path}: the shard holds {records} records, dataset.json says {shard.records}. Copy dataset.json "
            "again, or convert the data again."
        )


@dataclass(frozen=True)
class Dataset:
    """A converted data set and the pipelines that read it.

    Images are (batch, height, width, 3) uint8, RGB; labels (batch, height, width) uint8, class indices, with
    the ignore label where nothing is known. Where ``info.channels`` says that images are not RGB, images are
    float32 with as many channels, 0 to 255 all the same. Every pipeline keeps its order, whatever the number of
    threads.
    """

    folder: Path
    info: DatasetInfo
    left_out: tuple[Damage, ...] = ()
    """Damaged shards that are not read."""
    _counted: dict[str, Split] = field(default_factory=dict, init=False, repr=False, compare=False)

    def steps(self, *, split: str = "train", batch_size: int) -> int:
        """Return the number of full batches in an epoch.

        Raises:
            DataError: No such split.
            ConfigError: Not one batch can be filled.
        """
        count = self.info.split(split).records
        if not 1 <= batch_size <= count:
            raise ConfigError(
                f"`batch_size` is 1 to {count}, the number of images in split {split!r} of {self.folder}. "
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
            crop_size: (height, width) of the crops, pixels; None takes the whole scaled image, and then
                images of several sizes need ``batch_size=1``.
            batch_size: Examples a batch.
            augment: What is drawn at random; None for the defaults of `Augment`: left-right flips.
            seed: Of the order and of the augmentation.
            epoch: 0 or more, or None.
            skip_batches: Start this many batches later; what follows is what the whole pass has there.
                Skipped examples are read, but not decoded. Needs ``epoch``.
            split: Which part of the data set.

        Returns:
            Batches of image (batch_size, height, width, 3) uint8, RGB 0 to 255, padded with
            `kerseg.augment.geometry.FILL`, and label (batch_size, height, width) uint8, padded with the
            ignore label.

        Raises:
            DataError: No such split.
            ConfigError: An option is out of range, or images of several sizes cannot share a batch.

        Example:
            >>> batches = data.train(crop_size=(16, 16), batch_size=4, augment=Augment(scale=(0.5, 2.0)), epoch=3)
            >>> len(list(batches))
            2
        """
        shards, augment = self._shards(split), augment or Augment()
        steps = self.steps(split=split, batch_size=batch_size)
        if epoch is None and skip_batches:
            raise ConfigError("skip_batches needs epoch: without it, every pass is another epoch.")
        if not 0 <= skip_batches <= steps:
            raise ConfigError(f"skip_batches is 0 to {steps}, the epoch's batches. Received: {skip_batches}.")
        if crop_size is None and batch_size > 1:
            if augment.scale[0] != augment.scale[1]:
                raise ConfigError("Images scaled at random share a batch only if there is a crop size.")
            if augment.quarter_turns:
                raise ConfigError("Images turned at random share a batch only if there is a crop size.")
            self._check_equal_sizes(shards, batch_size)
        if crop_size is not None and min(crop_size) < 1:
            raise ConfigError(f"The crop size is (height, width), 1 pixel or more. Received: {crop_size}.")

        augmenter = self.augmenter(split, crop_size, batch_size, augment)

        def one_pass(number: tf.Tensor) -> tf.data.Dataset:
            own_seed = seeds(seed, number)
            order = shards.shuffled(tf.stack([tf.constant(seed, tf.int64), number]))
            order = order.skip(skip_batches * batch_size)
            return order.map(as_written(lambda index, record: (own_seed(index), index, record)))

        data = augmenter.batches(_epochs(epoch).flat_map(as_written(one_pass)))
        return _finished(data.apply(tf.data.experimental.assert_cardinality(steps - skip_batches)))

    def check_augment(self, augment: Augment) -> None:
        """Refuse an augmentation that these images cannot be given.

        Raises:
            ConfigError: It needs RGB, and they have other channels.
        """
        check_channels(augment, self.info.num_channels)

    def augmenter(
        self, split: str, crop_size: tuple[int, int] | None, batch_size: int, augment: Augment
    ) -> Augmenter:
        """Return what makes batches of the records of a split; it counts the split's pixels if it needs them.

        Raises:
            DataError: No such split.
            ConfigError: The options do not go together, or name a class that there is not.
        """
        self.check_augment(augment)
        pixels = (0,) * self.info.num_classes
        if needs_pixels(augment):
            pixels = self.counted(split).class_pixels
        return Augmenter(self._shards(split), crop_size, batch_size, augment, pixels)

    def val(self, *, batch_size: int = 1, split: str = "val") -> tf.data.Dataset:
        """Return the images of a split once, in record order, at their own size, for ``validation_data``.

        Args:
            batch_size: More than 1 needs images of one size. The last batch may be smaller.
            split: Which part of the data set.

        Returns:
            Batches of image (batch, height, width, 3) uint8 and label (batch, height, width) uint8.

        Raises:
            DataError: No such split.
            ConfigError: Images of several sizes cannot share a batch.
        """
        shards = self._shards(split)
        if batch_size > 1:
            self._check_equal_sizes(shards, batch_size)
        pairs = _decoded(shards).map(lambda example: (example["image"], example["label"]))
        return _finished(pairs.batch(batch_size))

    def examples(self, split: str) -> tf.data.Dataset:
        """Return the examples of a split once, in record order, at their own size.

        Args:
            split: Which part of the data set.

        Returns:
            Dictionaries: ``name`` (string), ``image`` (height, width, 3) uint8 and ``label`` (height, width)
            uint8.

        Raises:
            DataError: No such split.
        """
        return _finished(_decoded(self._shards(split)))

    def counted(self, split: str) -> Split:
        """Return a split with the pixels of its classes; where nobody has counted them, all labels are read.

        Raises:
            DataError: No such split, or a label is damaged or holds a value that is no class.
        """
        found = self._counted.get(split) or self.info.split(split)
        if found.class_pixels:
            return found
        counts = np.zeros((2, self.info.num_classes), np.int64)
        bar = Progress(f"count pixels of {split}", total=found.records, unit="labels")
        with self.naming_damage(split), bar:
            for pixels in self._shards(split).pixels().as_numpy_iterator():
                of_classes = pixels[: self.info.num_classes]
                counts += of_classes, np.where(of_classes > 0, of_classes.sum(), 0)
                bar.advance()
        class_pixels, image_pixels = (tuple(row.tolist()) for row in counts)
        counted = dataclasses.replace(found, class_pixels=class_pixels, class_image_pixels=image_pixels)
        # Training asks again in every epoch.
        self._counted[split] = counted
        return counted

    @contextmanager
    def naming_damage(self, split: str) -> Iterator[None]:
        """Turn an error from reading records inside the block into a `DataError` that names shard and record.

        TensorFlow reports ``corrupted record at 12`` without the file's name, so when something fails this
        reads the split once more, record by record, and says where it is damaged.

        Raises:
            DataError: The records are to blame, or a shard cannot be read. Any other error passes unchanged.
            OSError: TensorFlow could not read or write another file.

        Example:
            >>> with data.naming_damage("train"):
            ...     batches = list(data.train(crop_size=(16, 16), batch_size=4))
        """
        try:
            with system_errors():
                yield
        except (
            tf.errors.DataLossError,
            tf.errors.InvalidArgumentError,
            tf.errors.NotFoundError,
            UnicodeDecodeError,  # of a message that holds bytes of the record
        ):
            self.check(split)
            raise
        except OSError as error:
            if Path(error.filename or "") in self._shards(split).paths:
                raise DataError(f"{failure(error)} It is a shard of split {split!r}.") from error
            raise

    def check(self, split: str) -> None:
        """Read and decode every record of a split.

        Raises:
            DataError: A record is damaged; the message names the shard and the record. Or no such split.
        """
        self._shards(split).check()

    def _repr_html_(self) -> str:
        """Return what a notebook shows: splits, classes, and the first images of the last split."""
        return shown(self.info, self.examples(list(self.info.splits)[-1]).take(IMAGES).as_numpy_iterator())

    def _shards(self, split: str) -> Shards:
        return Shards(self.folder, self.info, split)

    def _check_equal_sizes(self, shards: Shards, batch_size: int) -> None:
        sizes = sorted(shards.sizes())
        if len(sizes) > 1:
            (height, width), (other_height, other_width) = sizes[0], sizes[-1]
            raise ConfigError(
                f"Split {shards.split!r} of {self.folder} has images of {len(sizes)} sizes, "
                f"{height}x{width} to {other_height}x{other_width} (height x width), which cannot share a "
                f"batch of {batch_size}: take a crop size, or a batch size of 1."
            )


def _epochs(epoch: int | None) -> tf.data.Dataset:
    """Return a data set of one number: ``epoch``, or one that grows with every pass."""
    if epoch is not None:
        return tf.data.Dataset.from_tensors(tf.constant(epoch, tf.int64))
    passes = itertools.count()
    return tf.data.Dataset.from_generator(
        lambda: iter([next(passes)]), output_signature=tf.TensorSpec([], tf.int64)
    )


def _decoded(shards: Shards) -> tf.data.Dataset:
    data = shards.in_order().map(as_written(shards.decoded), num_parallel_calls=tf.data.AUTOTUNE)
    return data.apply(tf.data.experimental.assert_cardinality(sum(shards.counts)))


def _finished(data: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # Examples run side by side; threads inside the operations of each would only get in one another's way.
    options.threading.max_intra_op_parallelism = 1
    return data.prefetch(tf.data.AUTOTUNE).with_options(options)
