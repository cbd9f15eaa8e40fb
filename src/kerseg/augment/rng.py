"""Random numbers that follow from a seed and a name, and from nothing else.

Each operation draws under its own name, so adding, dropping or reordering operations leaves the draws of the
others as they were.
"""

import zlib

import tensorflow as tf


def fold(seed: tf.Tensor, key: str | tf.Tensor) -> tf.Tensor:
    """Return the seed that belongs to ``key`` under ``seed``.

    Args:
        seed: (2,) int64.
        key: A name, or an int64 scalar: which of many.

    Returns:
        (2,) int64.
    """
    number = tf.cast(zlib.crc32(key.encode()) if isinstance(key, str) else key, tf.int64)
    return tf.random.experimental.stateless_fold_in(tf.cast(seed, tf.int64), number, alg="philox")


def uniform(seed: tf.Tensor, name: str, low: float, high: float) -> tf.Tensor:
    """Draw one number from low to high.

    Args:
        seed: (2,) int64.
        name: What is drawn.
        low: Smallest value.
        high: Upper end, itself never drawn.

    Returns:
        A float32 scalar.

    Example:
        >>> uniform((1, 2), "hue", -0.5, 0.5)
    """
    return tf.random.stateless_uniform([], fold(seed, name), low, high, alg="philox")


def integer(seed: tf.Tensor, name: str, bound: int | tf.Tensor) -> tf.Tensor:
    """Draw one integer, 0 to ``bound - 1``, all equally likely.

    Args:
        seed: (2,) int64.
        name: What is drawn.
        bound: Number of values, at least 1.

    Returns:
        An int32 scalar.
    """
    return tf.random.stateless_uniform([], fold(seed, name), 0, bound, tf.int32, alg="philox")
