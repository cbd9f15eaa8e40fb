"""Cutout: a square of image and label is hidden."""

import tensorflow as tf

from kerseg.augment import rng
from kerseg.augment.geometry import fill_of
from kerseg.augment.options import Augment


def cutout(
    image: tf.Tensor, label: tf.Tensor, seed: tf.Tensor, augment: Augment, ignore_label: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Hide a square, its middle anywhere in the crop, so that part of it may lie outside.

    Source: DeVries and Taylor 2017 (https://arxiv.org/abs/1708.04552), section 3. There a whole image has one
    class. Here the hidden pixels are ignored too: nothing in the image says what they are, and a network that
    is made to guess learns the data set's habits, not its images. The use of Cutout for segmentation by
    French et al. 2020 (https://arxiv.org/abs/1906.01916) leaves them out of the loss likewise.

    Args:
        image: (height, width, channels).
        label: (height, width) uint8.
        seed: (2,) int64; the same seed gives the same square.
        augment: ``cutout``, the square's side as a share of the crop's shorter side; at 0 nothing is done.
        ignore_label: What the label becomes inside.

    Returns:
        Image and label, with padding and the ignore label in the square.
    """
    if not augment.cutout:
        return image, label
    size = tf.shape(label)
    side = tf.cast(augment.cutout * tf.cast(tf.reduce_min(size), tf.float32) + 0.5, tf.int32)
    happens = rng.chance(seed, "cutout.probability", augment.cutout_probability)
    rows, columns = (
        _covered(rng.integer(seed, f"cutout.{axis}", size[place]), side, size[place])
        for place, axis in enumerate(("row", "column"))
    )
    hidden = happens & rows[:, tf.newaxis] & columns
    image = tf.where(hidden[..., tf.newaxis], fill_of(image), image)
    return image, tf.where(hidden, tf.constant(ignore_label, tf.uint8), label)


def _covered(middle: tf.Tensor, side: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Return (size,) bool: the ``side`` pixels around ``middle``, as far as they exist."""
    place = tf.range(size) - (middle - side // 2)
    return (place >= 0) & (place < side)
