"""Brightness, contrast, saturation and hue of the image; the label has no say in it.

Each of the four is an affine map of a pixel's RGB value, ``rgb @ matrix + offset``. The maps are multiplied
first, three by three, and the image is touched once, in a third of the time of ``tf.image``'s four functions one
after the other (``benchmarks/choices.py``, colours). And since nothing is clipped in between, what one step pushes
out of the range the next can bring back; the result is clipped to 0..255 once, at the end.

The order is that of `TABLE`, and each ``change`` is drawn evenly from ``[-limit, limit]``.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from kerseg.augment import rng
from kerseg.augment.options import Augment

GREY = (0.299, 0.587, 0.114)
"""Weights of R, G and B in the grey value (ITU-R BT.601, as in JPEG and in ``tf.image.rgb_to_grayscale``)."""


class Affine(NamedTuple):
    """``rgb @ matrix + offset``."""

    matrix: tf.Tensor
    """(3, 3) float32."""
    offset: tf.Tensor
    """(3,) float32."""


def brightness(change: tf.Tensor, mean: tf.Tensor) -> Affine:
    """Add ``255 * change`` to every channel.

    Args:
        change: -1 to 1: 0.2 adds 51.
        mean: (3,) mean colour of the image; unused.
    """
    return Affine(tf.eye(mean.shape[0]), tf.fill(mean.shape, 255.0 * change))


def contrast(change: tf.Tensor, mean: tf.Tensor) -> Affine:
    """Multiply each channel's distance from its own mean by ``1 + change``.

    Args:
        change: -1 to 1: -1 leaves the mean colour alone.
        mean: (3,) mean colour of the image at this point.
    """
    return Affine((1.0 + change) * tf.eye(mean.shape[0]), -change * mean)


def saturation(change: tf.Tensor, mean: tf.Tensor) -> Affine:
    """Multiply each pixel's distance from its own grey value (`GREY`) by ``1 + change``.

    Args:
        change: -1 to 1: -1 gives a grey image.
        mean: (3,) mean colour of the image; unused.
    """
    to_grey = tf.tile(tf.reshape(tf.constant(GREY), [3, 1]), [1, 3])
    return Affine((1.0 + change) * tf.eye(3) - change * to_grey, tf.zeros([3]))


def hue(change: tf.Tensor, mean: tf.Tensor) -> Affine:
    """Turn the colours around the grey axis, keeping each pixel's R + G + B.

    The hue of HSV turns along the edges of the colour cube instead. Both agree on thirds of a turn; this
    one is linear, and keeps a colour as bright as it is rather than as bright as its strongest channel.

    Args:
        change: Share of a full turn, -0.5 to 0.5: 1/3 turns red to green, green to blue, blue to red.
        mean: (3,) mean colour of the image; unused.
    """
    angle = 2.0 * math.pi * change
    # Rodrigues' rotation about (1, 1, 1) / sqrt(3): a circulant matrix, whose rows are one another shifted.
    same = (1.0 + 2.0 * tf.cos(angle)) / 3.0
    even, odd = (1.0 - tf.cos(angle)) / 3.0, tf.sin(angle) / math.sqrt(3.0)
    ahead, behind = even + odd, even - odd
    rows = [[same, ahead, behind], [behind, same, ahead], [ahead, behind, same]]
    return Affine(tf.convert_to_tensor(rows), tf.zeros([3]))


TABLE: dict[str, Callable[[tf.Tensor, tf.Tensor], Affine]] = {
    "brightness": brightness,
    "contrast": contrast,
    "saturation": saturation,
    "hue": hue,
}
"""In the order they are applied; the name is also that of the limit in `Augment`, and of the random draw."""


def distort(image: tf.Tensor, seed: tf.Tensor, augment: Augment) -> tf.Tensor:
    """Change the colours of ``image`` at random, within the limits of ``augment``.

    Args:
        image: (height, width, channels) float32, 0 to 255; of 3 channels for all but brightness and contrast.
        seed: (2,) int64; the same seed gives the same change.
        augment: The limits; one that is 0 costs nothing.

    Returns:
        (height, width, channels) float32, 0 to 255.

    Example:
        >>> distort(image, (0, 1), Augment(brightness=0.1, saturation=0.4)).shape
        (32, 48, 3)
    """
    limits = {name: getattr(augment, name) for name in TABLE}
    if not any(limits.values()):
        return image
    mean = first_mean = tf.reduce_mean(image, [0, 1])
    total = Affine(tf.eye(mean.shape[0]), tf.zeros(mean.shape))
    for name, limit in limits.items():
        if limit:
            step = TABLE[name](rng.uniform(seed, name, -limit, limit), mean)
            total = Affine(total.matrix @ step.matrix, _apply(total.offset, step))
            mean = _apply(first_mean, total)
    return tf.clip_by_value(tf.matmul(image, total.matrix) + total.offset, 0.0, 255.0)


def _apply(colour: tf.Tensor, affine: Affine) -> tf.Tensor:
    """Map one (3,) colour."""
    return tf.linalg.matvec(affine.matrix, colour, transpose_a=True) + affine.offset
