"""Around which pixel a crop lies: a class is drawn, then one of its pixels.

A crop that may lie anywhere shows a class as often as its pixels occur, so rare classes are seldom learned from.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerseg.augment import rng

Weights = NDArray[np.float32]


def class_balanced(class_pixels: Sequence[int]) -> Weights:
    """Weigh all classes alike, whatever their pixels in the split."""
    return np.ones(len(class_pixels), np.float32)


def rare(class_pixels: Sequence[int]) -> Weights:
    """Weigh each class by one over its share of the split's pixels."""
    pixels = np.maximum(np.asarray(class_pixels, np.float64), 1.0)
    return np.asarray(pixels.min() / pixels, np.float32)


TABLE: dict[str, Callable[[Sequence[int]], Weights]] = {"class_balanced": class_balanced, "rare": rare}
"""Value of `Augment.crop` -> the weight of each class from its pixels in the split."""


def choose(seed: tf.Tensor, label: tf.Tensor, weights: Weights) -> tuple[tf.Tensor, tf.Tensor]:
    """Draw one of the classes in ``label``, with probabilities in proportion to ``weights``, and a pixel of it.

    Args:
        seed: (2,) int64.
        label: (height, width) uint8, class indices; other values have no weight.
        weights: (num_classes,), above 0.

    Returns:
        Row and column, scalar int32; of any pixel where there is no class.

    Example:
        >>> row, column = choose((0, 1), label, class_balanced(info.split("train").class_pixels))
        >>> int(label[row, column]) < info.num_classes
        True
    """
    classes, flat = len(weights), tf.reshape(label, [-1])
    counts = tf.math.bincount(tf.cast(flat, tf.int32), minlength=256, maxlength=256)[:classes]
    # The first to arrive of exponential waiting times with these rates is drawn in proportion to the rates.
    waiting = -tf.math.log1p(-rng.uniform(seed, "crop.class", 0.0, 1.0, [classes])) / weights
    drawn = tf.argmin(tf.where(counts > 0, waiting, np.inf), output_type=tf.int32)
    count = counts[drawn]
    pixel = rng.integer(seed, "crop.pixel", tf.where(count > 0, count, tf.size(flat)))
    place = tf.cond(
        count > 0,
        lambda: tf.cast(tf.where(flat == tf.cast(drawn, flat.dtype))[pixel, 0], tf.int32),
        lambda: pixel,
    )
    width = tf.shape(label)[1]
    return place // width, place % width
