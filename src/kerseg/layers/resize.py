"""Bilinear upsampling as FCN defines it: a transposed convolution with a fixed kernel."""

from typing import Any

import keras
import numpy as np
from keras import ops

from kerseg.layers.pad import Shape, spatial_size


def bilinear_weights(factor: int) -> np.ndarray:
    """Return the bilinear kernel of an upsampling by ``factor``, along one axis.

    ``w(i) = 1 - |i - c| / factor`` with ``c = factor - 0.5`` (FCN, section 3.3): entries i and i + factor
    add up to 1.

    Args:
        factor: Output pixels for each input pixel, at least 1.

    Returns:
        ``(2 * factor,)`` float32; the two-dimensional kernel is its outer product with itself.

    Example:
        >>> bilinear_weights(2)
        array([0.25, 0.75, 0.75, 0.25], dtype=float32)
    """
    distance = np.abs(np.arange(2 * factor) - (factor - 0.5))
    return np.asarray(1 - distance / factor, "float32")


@keras.saving.register_keras_serializable("kerseg")
class BilinearUpsample(keras.layers.Layer):
    """A transposed convolution with a fixed bilinear kernel of size 2 * factor and stride ``factor``.

    Each channel by itself, without weights: ``(batch, h, w, c) -> (batch, factor * (h + 1), ...)``. Every
    block of ``factor`` output pixels mixes two neighbouring inputs, so the two axes are two multiply-adds
    each instead of a convolution with a ``c x c`` kernel that is zero off its diagonal. Borders fade to zero,
    as a transposed convolution's do; cut them off with ``CropLike``.

    Args:
        factor: Output pixels for each input pixel.
        name: The layer's name.

    Example:
        >>> BilinearUpsample(32)(keras.ops.ones((1, 16, 16, 21))).shape
        (1, 544, 544, 21)
    """

    def __init__(self, factor: int, *, name: str | None = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.factor = factor

    def call(self, x: Any) -> Any:
        """Upsample ``(batch, h, w, c)``."""
        height, width = spatial_size(x)
        channels = x.shape[-1]
        rising, falling = np.split(bilinear_weights(self.factor), 2)

        def blend(x: Any) -> Any:  # (n, size + 2, rest) -> (n, size + 1, factor, rest)
            before, after = x[:, :-1, None], x[:, 1:, None]
            weights = [ops.convert_to_tensor(w[:, None], x.dtype) for w in (falling, rising)]
            return before * weights[0] + after * weights[1]

        x = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        x = blend(ops.reshape(x, (-1, height + 2, (width + 2) * channels)))
        x = blend(ops.reshape(x, (-1, width + 2, channels)))
        return ops.reshape(x, (-1, self.factor * (height + 1), self.factor * (width + 1), channels))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return ``factor * (size + 1)``; an unknown size stays unknown."""
        batch, *size, channels = input_shape
        height, width = (None if s is None else self.factor * (s + 1) for s in size)
        return batch, height, width, channels

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable("kerseg")
class Bilinear(keras.initializers.Initializer):
    """Start a square ``keras.layers.Conv2DTranspose`` as bilinear upsampling of each channel by itself."""

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        """Return the kernel ``(2 * factor, 2 * factor, channels, channels)``."""
        weights = bilinear_weights(shape[0] // 2)
        kernel = np.outer(weights, weights)[:, :, None, None] * np.eye(shape[2], shape[3])
        return ops.convert_to_tensor(kernel, dtype or keras.config.floatx())
