"""Gamma, blur, noise and JPEG artefacts: what a camera and a file do to the image; the label has no say in it.

In the order of `TABLE`, which is that in which an image comes about, after `kerseg.augment.colour`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from kerseg.augment import rng
from kerseg.augment.options import Augment


def gamma(image: tf.Tensor, exponent: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Raise the values, as shares of 255, to a power.

    Args:
        image: (height, width, channels) float32, 0 to 255.
        exponent: Above 0: below 1 brightens, above 1 darkens; black and white stay.
        seed: (2,) int64; unused.
    """
    # As tf.pow, in a sixth of its time; the logarithm of 0 is -inf, whose exponential is 0.
    return 255.0 * tf.exp(exponent * tf.math.log(image / 255.0))


def blur(image: tf.Tensor, sigma: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Blur with a Gaussian, cut off at four standard deviations, the image mirrored at its edges.

    Args:
        image: (height, width, channels) float32.
        sigma: Standard deviation, pixels.
        seed: (2,) int64; unused.
    """
    height, width = tf.unstack(tf.shape(image)[:2])
    # Mirroring gives no more than the image itself.
    radius = tf.minimum(tf.cast(4.0 * sigma + 0.5, tf.int32), tf.minimum(height, width))
    places = tf.cast(tf.range(-radius, radius + 1), tf.float32)
    weights = tf.nn.softmax(-0.5 * (places / tf.maximum(sigma, 1e-3)) ** 2)
    batch = tf.pad(image, [[radius, radius], [radius, radius], [0, 0]], "SYMMETRIC")[tf.newaxis]
    for shape in ([-1, 1, 1, 1], [1, -1, 1, 1]):
        kernel = tf.tile(tf.reshape(weights, shape), [1, 1, image.shape[-1], 1])
        batch = tf.nn.depthwise_conv2d(batch, kernel, [1, 1, 1, 1], "VALID")
    return batch[0]


def noise(image: tf.Tensor, deviation: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Add Gaussian noise, drawn anew for each pixel and channel.

    Args:
        image: (height, width, channels) float32, 0 to 255.
        deviation: Standard deviation, of 255.
        seed: (2,) int64.
    """
    return image + deviation * rng.normal(seed, "noise.pixels", tf.shape(image))


def jpeg(image: tf.Tensor, quality: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Encode as JPEG, colours at half the resolution, and decode.

    Args:
        image: (height, width, 3) float32, 0 to 255.
        quality: Scalar int32, 1 to 100, of libjpeg's scale.
        seed: (2,) int64; unused.
    """
    encoded = tf.raw_ops.EncodeJpegVariableQuality(images=tf.cast(image + 0.5, tf.uint8), quality=quality)
    return tf.cast(tf.io.decode_jpeg(encoded, 3, dct_method="INTEGER_ACCURATE"), tf.float32)


def _exponent(seed: tf.Tensor, limit: float) -> tf.Tensor:
    return (1.0 + limit) ** rng.uniform(seed, "gamma", -1.0, 1.0)


def _quality(seed: tf.Tensor, lowest: int) -> tf.Tensor:
    return lowest + rng.integer(seed, "jpeg", 101 - lowest)


class Effect(NamedTuple):
    """One kind of effect."""

    apply: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
    """Image, amount and seed -> image."""
    draw: Callable[[tf.Tensor, Any], tf.Tensor]
    """Seed and the limit in `Augment` -> amount."""


TABLE: dict[str, Effect] = {
    "gamma": Effect(gamma, _exponent),
    "blur": Effect(blur, lambda seed, limit: rng.uniform(seed, "blur", 0.0, limit)),
    "noise": Effect(noise, lambda seed, limit: rng.uniform(seed, "noise", 0.0, limit)),
    "jpeg": Effect(jpeg, _quality),
}
"""In the order they are applied; the name is also that of the limit in `Augment`, and of the random draw."""


def distort(image: tf.Tensor, seed: tf.Tensor, augment: Augment) -> tf.Tensor:
    """Apply the effects that are on, each with its probability.

    Args:
        image: (height, width, channels) float32, 0 to 255.
        seed: (2,) int64; the same seed gives the same effects.
        augment: The limits; one that is 0 costs nothing.

    Returns:
        (height, width, channels) float32, 0 to 255.

    Example:
        >>> distort(image, (0, 1), Augment(blur=2.0, blur_probability=0.5)).shape
        (32, 48, 3)
    """
    for name, effect in TABLE.items():
        if limit := getattr(augment, name):
            happens = rng.chance(seed, f"{name}.probability", getattr(augment, f"{name}_probability"))
            amount = effect.draw(seed, limit)
            image = tf.cond(happens, _applied(effect, image, amount, seed), _unchanged(image))
    return image


def _applied(effect: Effect, image: tf.Tensor, amount: tf.Tensor, seed: tf.Tensor) -> Callable[[], tf.Tensor]:
    return lambda: tf.clip_by_value(
        tf.ensure_shape(effect.apply(image, amount, seed), image.shape), 0.0, 255.0
    )


def _unchanged(image: tf.Tensor) -> Callable[[], tf.Tensor]:
    return lambda: image
