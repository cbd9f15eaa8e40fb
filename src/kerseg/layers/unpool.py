"""Max pooling that remembers where each maximum was, and the unpooling that puts values back there.

The windows are 2x2 without overlap, so a position is a number from 0 to 3 (row by row) and nothing needs a
gather or a scatter: the four pixels of a window are four slices of a reshaped tensor. That runs on every
backend, on every device, and exports. SegNet (PAMI 2017, section 3) and ENet (2016, section 3) use it.
"""

from typing import Any

import keras
from keras import ops

from kerseg.core.tensor import Tensor
from kerseg.layers.pad import Shape, crop, spatial_size


@keras.saving.register_keras_serializable("kerseg")
class MaxPoolWithIndex(keras.layers.Layer):
    """2x2 max pooling, stride 2, of ``(batch, height, width, channels)``: the maxima and their positions.

    An odd size is completed by a row or column that is never the maximum, so the result has
    ``ceil(size / 2)``. Of equal values the first, row by row, is the maximum.

    Example:
        >>> pooled, index = MaxPoolWithIndex()(keras.ops.ones((1, 8, 6, 4)))
        >>> pooled.shape, index.shape
        ((1, 4, 3, 4), (1, 4, 3, 4))
    """

    def call(self, x: Tensor, training: bool | None = None) -> tuple[Any, Any]:
        """Return maxima, and their positions in the window, 0 to 3, as uint8."""
        pixels = _windows(x)
        upper, lower = ops.maximum(*pixels[:2]), ops.maximum(*pixels[2:])
        is_lower = lower > upper
        is_right = ops.where(is_lower, pixels[3] > pixels[2], pixels[1] > pixels[0])
        index = 2 * ops.cast(is_lower, "uint8") + ops.cast(is_right, "uint8")
        if not training:
            return ops.maximum(upper, lower), index
        # Not the maximum: of two equal pixels only the one in the index may get a gradient.
        a, b, c, d = (pixel * mask for pixel, mask in zip(pixels, _masks(index, x.dtype), strict=True))
        return (a + b) + (c + d), index

    def compute_output_spec(
        self, x: Tensor, training: bool | None = None
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Return two specs of half the size, rounded up."""
        batch, *size, channels = x.shape
        half = tuple(None if s is None else -(-s // 2) for s in size)
        shape = (batch, *half, channels)
        return keras.KerasTensor(shape, self.compute_dtype), keras.KerasTensor(shape, "uint8")


@keras.saving.register_keras_serializable("kerseg")
class MaxUnpool(keras.layers.Layer):
    """Put each value where its window's maximum was and zeros elsewhere: the inverse of ``MaxPoolWithIndex``.

    Example:
        >>> x = keras.ops.ones((1, 8, 6, 4))
        >>> pooled, index = MaxPoolWithIndex()(x)
        >>> MaxUnpool()(pooled, index, x).shape == x.shape
        True
    """

    def call(self, x: Tensor, index: Tensor, like: Tensor) -> Tensor:
        """Unpool ``(batch, h, w, channels)`` to the height and width of ``like``, 2h or 2h - 1 and so on."""
        pixels = [x * mask for mask in _masks(index, x.dtype)]
        rows = [ops.concatenate(pixels[:2], axis=-1), ops.concatenate(pixels[2:], axis=-1)]
        h, w = spatial_size(x)
        channels = x.shape[-1]
        # (b, h, 2, w, 2c) -> (b, 2h, 2w, c): the two pixels of a row are neighbours in memory already.
        x = ops.reshape(ops.stack(rows, axis=2), (-1, 2 * h, 2 * w, channels))
        return crop(x, *spatial_size(like))

    def compute_output_shape(self, x_shape: Shape, index_shape: Shape, like_shape: Shape) -> Shape:
        """Return ``x``'s batch and channels with ``like``'s size."""
        return x_shape[0], like_shape[1], like_shape[2], x_shape[3]


def _masks(index: Tensor, dtype: Any) -> list[Any]:
    """Return four factors, 0 or 1: whether the maximum is at each position. Multiplying beats selecting."""
    return [ops.cast(index == position, dtype) for position in range(4)]


def _windows(x: Tensor) -> list[Any]:
    """Return the four pixels of every 2x2 window, row by row, each ``(batch, h, w, channels)``."""
    height, width = spatial_size(x)
    channels = x.shape[-1]
    below, right = height % 2, width % 2
    if not (isinstance(below, int) and isinstance(right, int) and below == right == 0):
        # A copy of the last row or column loses against its original, which comes first.
        x = ops.pad(x, ((0, 0), (0, below), (0, right), (0, 0)), mode="symmetric")
    h, w = (height + below) // 2, (width + right) // 2
    # (b, 2h, 2w, c) -> (b, h, 2, w, 2c): a view, no pixel moves. Splitting has a cheap gradient, which
    # slicing has not: it pads each piece with zeros to the whole and adds the four up.
    x = ops.reshape(x, (-1, h, 2, w, 2 * channels))
    return [pixel for row in ops.unstack(x, 2, axis=2) for pixel in ops.split(row, 2, axis=-1)]
