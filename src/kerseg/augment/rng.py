"""Random numbers that follow from a seed and a name, and from nothing else.

A seed is two int64 numbers, a stream and an index in it: for a training example, what follows from run and
epoch, and the example's number. Philox (https://doi.org/10.1145/2063384.2063405) is made for this: it
encrypts a counter under a key, here the index and the name under the stream, so no draw depends on another.
Adding, dropping or reordering operations leaves the draws of the others as they were.

The operations used lie below ``tf.random.stateless_uniform``, which would first scramble every seed by a
dozen more.
"""

import zlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

_PHILOX = 1
"""The value of the operations' ``alg``."""


def uniform(
    seed: tf.Tensor, name: str, low: float, high: float, shape: Sequence[int] | tf.Tensor = ()
) -> tf.Tensor:
    """Draw evenly from low to high.

    Args:
        seed: (2,) int64.
        name: What is drawn.
        low: Smallest value.
        high: Upper end.
        shape: Of the result.

    Returns:
        A float32 tensor.

    Example:
        >>> -0.5 <= float(uniform(tf.constant([1, 2], tf.int64), "hue", -0.5, 0.5)) <= 0.5
        True
    """
    unit = tf.raw_ops.StatelessRandomUniformV2(shape=_shape(shape), **_stream(seed, name))
    return low + (high - low) * unit


def normal(seed: tf.Tensor, name: str, shape: Sequence[int] | tf.Tensor = ()) -> tf.Tensor:
    """Draw from the normal distribution of mean 0 and standard deviation 1.

    Args:
        seed: (2,) int64.
        name: What is drawn.
        shape: Of the result.

    Returns:
        A float32 tensor.
    """
    return tf.raw_ops.StatelessRandomNormalV2(shape=_shape(shape), **_stream(seed, name))


def chance(seed: tf.Tensor, name: str, probability: float) -> tf.Tensor:
    """Return a bool scalar, true with ``probability`` (0 to 1)."""
    return uniform(seed, name, 0.0, 1.0) < probability


def integer(seed: tf.Tensor, name: str, bound: int | tf.Tensor) -> tf.Tensor:
    """Draw one integer, 0 to ``bound - 1``, all equally likely.

    Args:
        seed: (2,) int64.
        name: What is drawn.
        bound: Number of values, at least 1.

    Returns:
        An int32 scalar.
    """
    return tf.raw_ops.StatelessRandomUniformIntV2(shape=[], minval=0, maxval=bound, **_stream(seed, name))


def bits(seed: tf.Tensor, name: str) -> tf.Tensor:
    """Draw one int64 scalar of any value: the stream of other seeds."""
    return tf.raw_ops.StatelessRandomUniformFullIntV2(shape=[], dtype=tf.int64, **_stream(seed, name))


def _shape(shape: Sequence[int] | tf.Tensor) -> tf.Tensor:
    return tf.convert_to_tensor(shape, tf.int32)


def _stream(seed: tf.Tensor, name: str) -> dict[str, Any]:
    stream, index = tf.unstack(tf.bitcast(tf.convert_to_tensor(seed, tf.int64), tf.uint64))
    # The counter is (low, high) and grows from low as numbers are drawn: the name leaves it 2**32 steps.
    counter = tf.stack([tf.constant(zlib.crc32(name.encode()) << 32, tf.uint64), index])
    return {"key": stream[tf.newaxis], "counter": counter, "alg": _PHILOX}
