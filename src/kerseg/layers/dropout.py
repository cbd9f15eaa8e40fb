"""Dropout of whole feature maps."""

import keras
from keras import ops

from kerseg.core.tensor import Tensor


@keras.saving.register_keras_serializable("kerseg")
class SpatialDropout(keras.layers.SpatialDropout2D):
    """``keras.layers.SpatialDropout2D``, cheaper: the same maps are dropped for the same seed.

    J. Tompson and others: Efficient Object Localization Using Convolutional Networks, CVPR 2015,
    https://arxiv.org/abs/1411.4280. Keras selects pixel by pixel between the features and zero; one
    factor for each map, 0 or 1 / (1 - rate), does the same in one multiplication.

    Example:
        >>> SpatialDropout(0.1)(keras.ops.ones((2, 8, 8, 16)), training=True).shape
        (2, 8, 8, 16)
    """

    def call(self, inputs: Tensor, training: bool | None = False) -> Tensor:
        """Drop maps of ``(batch, height, width, channels)`` in training, and scale the others up."""
        if not training or self.rate == 0:
            return inputs
        factor = ops.ones((ops.shape(inputs)[0], 1, 1, inputs.shape[-1]), inputs.dtype)
        return inputs * keras.random.dropout(factor, self.rate, seed=self.seed_generator)
