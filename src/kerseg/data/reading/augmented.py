"""Training examples, decoded, changed at random and batched: the whole order of augmentation.

    [choose what to crop around] -> draw the window -> [warp it] -> decode no more than it needs -> resize ->
    recolour, [blur, noise, JPEG] -> pad -> [turn] -> [cut out] -> batch -> [mix]

What is in brackets leaves no trace in the graph where it is off.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf

from kerseg.augment import colour, cropping, effects, erase, geometry, mixing, rng, warp
from kerseg.augment.options import Augment
from kerseg.core.info import RGB, DatasetInfo
from kerseg.data.reading.decode import Fields, Rectangle, decode_image
from kerseg.data.reading.shards import Shards, as_written
from kerseg.errors import ConfigError
from kerseg.registry import nearest

Pair = tuple[tf.Tensor, tf.Tensor]
OF_RGB = ("saturation", "hue", "jpeg")
"""Augmentations that mean nothing without red, green and blue."""


def seeds(seed: int, epoch: tf.Tensor) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the function from an example's index in its split to the (2,) int64 seed of its augmentation."""
    stream = rng.bits(tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)]), "examples")
    return lambda index: tf.stack([stream, index])


@dataclass(frozen=True)
class Augmenter:
    """Makes batches of the records of one split.

    Raises:
        ConfigError: The options do not go together, or name a class that there is not.
    """

    shards: Shards
    crop_size: tuple[int, int] | None
    batch_size: int
    augment: Augment
    class_pixels: tuple[int, ...]
    """Pixels of each class in the split; any numbers unless `needs_pixels`."""

    def __post_init__(self) -> None:
        if mixing.is_on(self.augment) and self.batch_size == 1:
            on = [name for name in mixing.TABLE if getattr(self.augment, name)]
            raise ConfigError(
                f"`augment.{on[0]}` mixes the crops of a batch: it takes a `batch_size` of 2 or more."
            )
        _ = self._values  # A wrong name is refused here, not where the graph is traced.

    def batches(self, records: tf.data.Dataset, *, drop_remainder: bool = True) -> tf.data.Dataset:
        """Return batches of (image, label) from (seed (2,), index, serialized record)."""
        mixed = mixing.is_on(self.augment)

        def example(seed: tf.Tensor, index: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, ...]:
            pair = self._changed(self.shards.fields(index, record), seed)
            return (*pair, seed) if mixed else pair

        data = records.map(as_written(example), num_parallel_calls=tf.data.AUTOTUNE)
        data = data.batch(self.batch_size, drop_remainder=drop_remainder)
        if not mixed:
            return data

        def mix(images: tf.Tensor, labels: tf.Tensor, seeds: tf.Tensor) -> Pair:
            return mixing.mix(images, labels, seeds, self.augment, self._values)

        return data.map(as_written(mix), num_parallel_calls=tf.data.AUTOTUNE)

    def _changed(self, fields: Fields, seed: tf.Tensor) -> Pair:
        """Decode one training example and change it at random."""
        augment, ignore_label = self.augment, self.shards.info.ignore_label
        size, label, focus = (fields["height"], fields["width"]), self.shards.label(fields), None
        if augment.crop != "random":
            focus = cropping.choose(seed, label, cropping.TABLE[augment.crop](self.class_pixels))
        window = geometry.draw(seed, size, self.crop_size, augment, focus)
        if warp.is_on(augment):
            warped = warp.draw(seed, window, size, augment)
            region = Rectangle(*tf.unstack(warped.start), *tf.unstack(warped.length))
            source = decode_image(fields, region, self.shards.info.channels)
            image, label = (
                self._painted(warp.sample_image(source, warped), seed),
                warp.sample_label(label, warped),
            )
            image, label = warp.fill(image, label, warped, ignore_label)
        else:
            rows, columns = window.rows, window.columns
            region = Rectangle(rows.start, columns.start, rows.length, columns.length)
            source = decode_image(fields, region, self.shards.info.channels)
            image = self._painted(geometry.resize_image(source, window), seed)
            image, label = geometry.pad(image, geometry.resize_label(label, window), window, ignore_label)
        image, label = geometry.turn(image, label, window)
        image, label = erase.cutout(image, label, seed, augment, ignore_label)
        height, width = self.crop_size or (None, None)
        image.set_shape([height, width, self.shards.info.num_channels])
        label.set_shape([height, width])
        return image, label

    def _painted(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Recolour, before padding: that keeps its colour and has no part in the mean."""
        image = effects.distort(colour.distort(image, seed, self.augment), seed, self.augment)
        return tf.cast(image + 0.5, tf.uint8) if self.shards.info.channels is None else image

    @cached_property
    def _values(self) -> mixing.Values:
        rare, info = np.zeros(256, np.bool_), self.shards.info
        if self.augment.copy_paste:
            rare[rare_classes(self.augment, info, self.class_pixels)] = True
        return mixing.Values(rare, info.ignore_label)


def check_channels(augment: Augment, channels: int) -> None:
    """Refuse what images of this many channels cannot be given.

    Raises:
        ConfigError: An augmentation needs RGB.
    """
    wrong = [name for name in OF_RGB if getattr(augment, name)] if channels != RGB else []
    if wrong:
        raise ConfigError(
            f"`augment.{wrong[0]}` needs images of 3 channels; these have {channels}. Set it to 0; "
            "`augment.brightness` and `augment.contrast` work for any number."
        )


def needs_pixels(augment: Augment) -> bool:
    """Return whether the augmentation depends on how many pixels of each class the split has."""
    return augment.crop == "rare" or (augment.copy_paste > 0 and not augment.rare_classes)


def rare_classes(augment: Augment, info: DatasetInfo, class_pixels: tuple[int, ...]) -> list[int]:
    """Return the indices of the classes that copy-paste pastes.

    Args:
        augment: ``rare_classes`` by name, or the ``rare_share`` below which a class is rare.
        info: The names.
        class_pixels: Pixels of each class in the split; not needed with names.

    Raises:
        ConfigError: There is no such class, or none is rare.
    """
    for name in augment.rare_classes:
        if name not in info.class_names:
            hint = nearest(name, info.class_names)
            known = ", ".join(info.class_names)
            raise ConfigError(f"`augment.rare_classes`: there is no class {name!r}.{hint} Known: {known}.")
    if augment.rare_classes:
        return [info.class_names.index(name) for name in augment.rare_classes]
    shares = np.asarray(class_pixels, np.float64) / max(sum(class_pixels), 1)
    rare = np.flatnonzero((shares > 0) & (shares < augment.rare_share)).tolist()
    if not rare:
        smallest = min((share for share in shares if share > 0), default=0.0)
        raise ConfigError(
            f"`augment.copy_paste`: no class has less than {augment.rare_share:g} of the pixels; the rarest has "
            f"{smallest:.2g}. Raise `augment.rare_share`, or name the classes with `augment.rare_classes`."
        )
    return [int(index) for index in rare]
