"""Sizes: padding up to a multiple, mirroring, cropping back.

Only shapes decide here, never values, and every layer takes sizes that are known at run time only: a model
built for ``(None, None, 3)`` serves any image.
"""

from typing import Any

import keras
from keras import ops

from kerseg.core.tensor import Tensor

Shape = tuple[int | None, ...]


def spatial_size(x: Tensor) -> tuple[Any, Any]:
    """Return ``x``'s ``(height, width)``, axes 1 and 2: numbers where they are known, else tensors."""
    shape = ops.shape(x)
    return shape[1], shape[2]


def has_size(x: Tensor, height: Any, width: Any) -> bool:
    """Tell whether ``x`` is known to have this size while tracing; run-time tensors compare as not known."""
    known = [isinstance(size, int) for size in (height, width)]
    return all(known) and tuple(x.shape[1:3]) == (height, width)


def crop(x: Tensor, height: Any, width: Any, offset: int = 0) -> Tensor:
    """Return ``x[:, offset : offset + height, offset : offset + width]``; no copy if that is all of ``x``.

    Sizes known while tracing are the training step's usual case, which needs no copy of all logits and of their
    gradient.
    """
    if offset == 0 and has_size(x, height, width):
        return x
    batch, channels = ops.shape(x)[0], x.shape[3]
    # Not x[...]: the gradient of a slice with steps is over ten times slower (benchmarks/choices.py, cropped).
    return ops.slice(x, (0, offset, offset, 0), (batch, height, width, channels))


@keras.saving.register_keras_serializable("kerseg")
class PadToMultiple(keras.layers.Layer):
    """Pad the bottom and the right with zeros up to the next size that is ``k * multiple + remainder``.

    Where features are centred on every eighth pixel, 0, 8, 16 and so on, and meet the image with aligned
    corners, it must have 8k + 1 pixels: only then does the last feature lie on the last pixel.

    Args:
        multiple: Pixels, at least 1.
        remainder: Pixels more than a multiple, below ``multiple``.
        name: The layer's name.

    Example:
        >>> PadToMultiple(8)(keras.ops.ones((1, 37, 53, 3))).shape
        (1, 40, 56, 3)
        >>> PadToMultiple(8, remainder=1)(keras.ops.ones((1, 37, 53, 3))).shape
        (1, 41, 57, 3)
    """

    def __init__(self, multiple: int, *, remainder: int = 0, name: str | None = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.multiple = multiple
        self.remainder = remainder

    def call(self, x: Tensor) -> Tensor:
        """Pad ``(batch, height, width, channels)``."""
        below, right = (self._missing(size) for size in spatial_size(x))
        if isinstance(below, int) and isinstance(right, int) and below == right == 0:
            return x
        return ops.pad(x, ((0, 0), (0, below), (0, right), (0, 0)))

    def _missing(self, size: Any) -> Tensor:
        return (self.remainder - size) % self.multiple

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the padded shape; an unknown size stays unknown."""
        batch, *size, channels = input_shape
        height, width = (None if s is None else s + self._missing(s) for s in size)
        return batch, height, width, channels

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "multiple": self.multiple, "remainder": self.remainder}


@keras.saving.register_keras_serializable("kerseg")
class CropLike(keras.layers.Layer):
    """Cut a window of another tensor's height and width out of a larger tensor.

    Args:
        offset: Rows above and columns left of the window, in pixels.
        name: The layer's name.

    Example:
        >>> CropLike()(keras.ops.ones((1, 40, 56, 11)), keras.ops.ones((1, 37, 53, 3))).shape
        (1, 37, 53, 11)
    """

    def __init__(self, offset: int = 0, *, name: str | None = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.offset = offset

    def call(self, x: Tensor, like: Tensor) -> Tensor:
        """Return ``x[:, offset : offset + height, offset : offset + width]`` with ``like``'s size."""
        height, width = spatial_size(like)
        return crop(x, height, width, self.offset)

    def compute_output_shape(self, x_shape: Shape, like_shape: Shape) -> Shape:
        """Return ``x``'s batch and channels with ``like``'s size."""
        return x_shape[0], like_shape[1], like_shape[2], x_shape[3]

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "offset": self.offset}


@keras.saving.register_keras_serializable("kerseg")
class MirrorPad(keras.layers.Layer):
    """Continue an image beyond its borders by reflection: ``1234 -> 32123432``.

    Both sides get ``amount`` pixels; the bottom and the right get more until the size without the
    ``2 * amount`` leaves ``remainder`` when divided by ``multiple``. The reflection goes back and forth where
    the image is smaller than the amount, down to a single pixel.

    Args:
        amount: Pixels on each side.
        multiple: See above.
        remainder: See above.
        name: The layer's name.

    Example:
        >>> MirrorPad(92, multiple=16, remainder=4)(keras.ops.ones((1, 388, 380, 3))).shape
        (1, 572, 572, 3)
    """

    def __init__(
        self, amount: int, *, multiple: int = 1, remainder: int = 0, name: str | None = None, **kwargs: Any
    ):
        super().__init__(name=name, **kwargs)
        self.amount = amount
        self.multiple = multiple
        self.remainder = remainder

    def call(self, x: Tensor) -> Tensor:
        """Pad ``(batch, height, width, channels)``."""
        for axis, size in zip((1, 2), spatial_size(x), strict=True):
            x = ops.take(x, self._reflected(size), axis=axis)
        return x

    def _reflected(self, size: Any) -> Tensor:
        """Return the source row of each row of the result, along one axis of ``size`` pixels."""
        # Keras makes an int64 of a known size where floats have 64 bits.
        period = ops.cast(ops.maximum(2 * size - 2, 1), "int32")
        row = ops.arange(-self.amount, self._padded(size) - self.amount, dtype="int32") % period
        return ops.minimum(row, period - row)

    def _padded(self, size: Any) -> Tensor:
        return size + (self.remainder - size) % self.multiple + 2 * self.amount

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the padded shape; an unknown size stays unknown."""
        batch, *size, channels = input_shape
        height, width = (None if s is None else self._padded(s) for s in size)
        return batch, height, width, channels

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {
            **super().get_config(),
            "amount": self.amount,
            "multiple": self.multiple,
            "remainder": self.remainder,
        }


@keras.saving.register_keras_serializable("kerseg")
class ZeroChannels(keras.layers.Layer):
    """Append ``count`` channels of zeros: ENet's main branch widens without a convolution (section 3).

    Args:
        count: Channels to append.
        name: The layer's name.
    """

    def __init__(self, count: int, *, name: str | None = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.count = count

    def call(self, x: Tensor) -> Tensor:
        """Widen ``(batch, height, width, channels)``."""
        return ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, self.count)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with ``count`` more channels."""
        return *input_shape[:-1], (input_shape[-1] or 0) + self.count

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "count": self.count}
