"""Normalisations: over the batch with TensorFlow's fused kernel, and over neighbouring channels."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from kerseg.core.tensor import Tensor


@keras.saving.register_keras_serializable("kerseg")
class BatchNorm(keras.layers.BatchNormalization):
    """``keras.layers.BatchNormalization``, faster on TensorFlow: same weights, same numbers.

    Keras composes mean, variance and normalisation from a dozen passes over the features. TensorFlow has one
    kernel for all of it and one for its gradient, which take less than half the time (``benchmarks/choices.py``,
    batch_norm) and which this calls for images, ``(batch, height, width,
    channels)``; on other backends, and with options the kernel does not know, Keras's own code runs.

    Example:
        >>> BatchNorm(momentum=0.9)(keras.ops.ones((2, 8, 8, 16)), training=True).shape
        (2, 8, 8, 16)
    """

    learns_statistics = True
    """Whether training normalises with the batch's statistics and moves the stored ones; not saved with a model."""

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor = None) -> Tensor:
        """Normalise; in training with the batch's statistics, which also move the running ones."""
        training = training and self.learns_statistics
        if not self._fusible(inputs, mask):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        learning = bool(training) and self.trainable
        # The kernel mixes the batch's variance into the running one as n / (n - 1) times what it normalises
        # with; Keras keeps the plain one. So the running variance goes in and comes out on that scale.
        n = math.prod(ops.shape(inputs)[:-1])
        unbiased = ops.cast(n, "float32") / ops.cast(ops.maximum(n - 1, 1), "float32") if learning else 1
        normalized, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=self.moving_mean,
            variance=self.moving_variance * unbiased if learning else self.moving_variance,
            epsilon=self.epsilon,
            exponential_avg_factor=1 - self.momentum,
            is_training=learning,
        )
        if learning:
            self.moving_mean.assign(mean)
            self.moving_variance.assign(variance / unbiased)
        return ops.cast(normalized, self.compute_dtype)

    def _fusible(self, inputs: Tensor, mask: Tensor) -> bool:
        return (
            keras.backend.backend() == "tensorflow"
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and self.center
            and self.scale
            and not self.renorm
            and not self.synchronized
            and mask is None
            and keras.backend.standardize_dtype(inputs.dtype) in ("float32", "float16", "bfloat16")
        )


def freeze(model: keras.Model, *, scale: bool) -> None:
    """Let a model's batch norms keep their statistics in training.

    Args:
        model: Models inside it are frozen too.
        scale: Keep scale and shift as well, which then are no trainable variables.
    """
    for layer in model._flatten_layers():
        if isinstance(layer, BatchNorm):
            layer.learns_statistics = False
            layer.trainable = layer.trainable and not scale


@keras.saving.register_keras_serializable("kerseg")
class LocalResponseNorm(keras.layers.Layer):
    """Divide by ``(1 + alpha / size * s) ** beta``, with s the sum of squares over ``size`` channels around.

    A. Krizhevsky, I. Sutskever, G. Hinton: ImageNet Classification with Deep Convolutional Neural Networks,
    2012, section 3.3, as Caffe computes it. In float32, whatever the precision policy.

    Args:
        size: Channels of a window, odd.
        alpha: See above.
        beta: See above.
        name: The layer's name.

    Example:
        >>> LocalResponseNorm(size=5, alpha=1e-4, beta=0.75)(keras.ops.ones((2, 8, 8, 16))).shape
        (2, 8, 8, 16)
    """

    def __init__(self, *, size: int, alpha: float, beta: float, name: str | None = None, **kwargs: Any):
        kwargs["dtype"] = "float32"
        super().__init__(name=name, **kwargs)
        self.size = size
        self.alpha = alpha
        self.beta = beta

    def call(self, x: Tensor) -> Tensor:
        """Normalise ``(batch, height, width, channels)`` of any number type; returns float32."""
        x = ops.cast(x, "float32")
        channel = np.arange(x.shape[-1])
        window = np.abs(channel[:, None] - channel) <= self.size // 2
        total = ops.matmul(ops.square(x), ops.convert_to_tensor(window, "float32"))
        return x * ops.power(1 + self.alpha / self.size * total, -self.beta)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return ``input_shape``."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "size": self.size, "alpha": self.alpha, "beta": self.beta}
