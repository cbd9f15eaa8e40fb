"""Average pooling into a fixed number of bins, whatever the size: the pyramids of PSPNet and ICNet."""

from fractions import Fraction
from typing import Any

import keras
from keras import ops

from kerseg.core.tensor import Tensor
from kerseg.layers.pad import Shape, spatial_size


@keras.saving.register_keras_serializable("kerseg")
class BinPooling(keras.layers.Layer):
    """Average a map over ``bins`` x ``bins`` windows that cover it.

    Along an axis of n pixels window i begins at ``floor(i n / bins)`` and ends before
    ``ceil((i + 1) n / bins)``: equal tiles where n is a multiple of ``bins``, tiles that share a pixel
    elsewhere, and never an empty one. Fixed kernels instead, as several ports have them, give other bins than
    1, 2, 3 and 6 at every size but one.

    Args:
        bins: Windows along each axis.
        stride: Where windows overlap by more, the step between two of them as a share of n - 1; each then has
            ``n - (bins - 1) * floor(stride * (n - 1))`` pixels.
        name: The layer's name.

    Example:
        >>> BinPooling(6)(keras.ops.ones((1, 60, 60, 8))).shape
        (1, 6, 6, 8)
    """

    def __init__(self, bins: int, *, stride: float | None = None, name: str | None = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.bins = bins
        self.stride = None if stride is None else Fraction(stride).limit_denominator(1000)

    def call(self, x: Tensor) -> Tensor:
        """Pool ``(batch, height, width, channels)`` to ``(batch, bins, bins, channels)``."""
        rows, columns = (ops.cast(self._windows(size), x.dtype) for size in spatial_size(x))
        return ops.einsum("ih,bhwc,jw->bijc", rows, x, columns)

    def _windows(self, size: Any) -> Tensor:
        """Return the matrix ``(bins, size)`` that averages over each window."""
        i, pixel = ops.arange(self.bins)[:, None], ops.arange(size)[None]
        if self.stride is None:
            begin, end = i * size // self.bins, -(-(i + 1) * size // self.bins)
        else:
            step = (size - 1) * self.stride.numerator // self.stride.denominator
            begin, end = i * step, (i - (self.bins - 1)) * step + size
        inside = ops.cast(ops.logical_and(pixel >= begin, pixel < end), "float32")
        return inside / ops.sum(inside, axis=1, keepdims=True)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return ``(batch, bins, bins, channels)``."""
        return input_shape[0], self.bins, self.bins, input_shape[3]

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        stride = None if self.stride is None else float(self.stride)
        return {**super().get_config(), "bins": self.bins, "stride": stride}
