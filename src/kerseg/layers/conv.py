"""Convolutions."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerseg")
class PointwiseConv(keras.layers.Conv2D):
    """``keras.layers.Conv2D(filters, 1, use_bias=False)``, whose training step is a matrix product.

    The numbers are the same. On the CPU TensorFlow takes two to three times as long for the gradient of a 1x1
    kernel as for that of the same matrix; without training it stays a convolution, because that is what
    TensorFlow and the exporters merge with the batch normalisation after it.

    Args:
        filters: Output channels.
        name: The layer's name.

    Example:
        >>> PointwiseConv(64)(keras.ops.ones((2, 8, 8, 16))).shape
        (2, 8, 8, 64)
    """

    def __init__(self, filters: int, *, name: str | None = None, **kwargs: Any):
        super().__init__(filters, 1, use_bias=False, name=name, **kwargs)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Convolve ``(batch, height, width, channels)``."""
        if not training:
            return super().call(inputs)
        _, height, width, channels = ops.shape(inputs)
        x = ops.matmul(
            ops.reshape(inputs, (-1, channels)), ops.reshape(self.kernel, (channels, self.filters))
        )
        return ops.reshape(x, (-1, height, width, self.filters))

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**keras.layers.Layer.get_config(self), "filters": self.filters}
