"""Bilinear resizing: to another tensor's size, and as FCN defines it, a transposed convolution."""

from fractions import Fraction
from typing import Any

import keras
import numpy as np
from keras import ops

from kerseg.core.tensor import Tensor
from kerseg.layers.pad import CropLike, Shape, has_size, spatial_size


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

    def call(self, x: Tensor) -> Tensor:
        """Upsample ``(batch, h, w, c)``."""
        height, width = spatial_size(x)
        channels = x.shape[-1]
        rising, falling = np.split(bilinear_weights(self.factor), 2)

        def blend(x: Tensor) -> Tensor:  # (n, size + 2, rest) -> (n, size + 1, factor, rest)
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

    def __call__(self, shape: tuple[int, ...], dtype: str | None = None) -> Tensor:
        """Return the kernel ``(2 * factor, 2 * factor, channels, channels)``."""
        weights = bilinear_weights(shape[0] // 2)
        kernel = np.outer(weights, weights)[:, :, None, None] * np.eye(shape[2], shape[3])
        return ops.convert_to_tensor(kernel, dtype or keras.config.floatx())


@keras.saving.register_keras_serializable("kerseg")
class ResizeLike(keras.layers.Layer):
    """Resize to another tensor's height and width by bilinear interpolation.

    The one resizer of all models: ``keras.ops.image.resize`` cannot be traced for sizes that are known at run
    time only (Keras 3.14 and 3.15), and has no ``align_corners``.

    Args:
        align_corners: The corner pixels' centres stay on one another, as in Caffe's ``interp`` layer: a map of
            n pixels becomes one of 2n - 1 without its pixels moving. False: the images' edges do.
        name: The layer's name.

    Example:
        >>> ResizeLike()(keras.ops.ones((1, 65, 65, 11)), keras.ops.ones((1, 513, 513, 3))).shape
        (1, 513, 513, 11)
    """

    def __init__(self, *, align_corners: bool = True, name: str | None = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.align_corners = align_corners

    def call(self, x: Tensor, like: Tensor) -> Tensor:
        """Resize ``(batch, h, w, channels)`` to ``like``'s ``(batch, height, width, anything)``."""
        return resize(x, *spatial_size(like), align_corners=self.align_corners)

    def compute_output_shape(self, x_shape: Shape, like_shape: Shape) -> Shape:
        """Return ``x``'s batch and channels with ``like``'s size."""
        return x_shape[0], like_shape[1], like_shape[2], x_shape[3]

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "align_corners": self.align_corners}


@keras.saving.register_keras_serializable("kerseg")
class Shrink(keras.layers.Layer):
    """Resize to ``ceil(factor * size)`` by bilinear interpolation with aligned corners.

    Args:
        factor: Above 0, at most 1.
        name: The layer's name.

    Example:
        >>> Shrink(0.5)(keras.ops.ones((1, 1025, 2049, 3))).shape
        (1, 513, 1025, 3)
    """

    def __init__(self, factor: float, *, name: str | None = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.factor = Fraction(factor).limit_denominator(1000)

    def call(self, x: Tensor) -> Tensor:
        """Resize ``(batch, height, width, channels)``."""
        height, width = spatial_size(x)
        return resize(x, self._shrunk(height), self._shrunk(width), align_corners=True)

    def _shrunk(self, size: Any) -> Tensor:
        # In integers: ceil(0.75 * size) of a tensor must not depend on rounding.
        return -(-size * self.factor.numerator // self.factor.denominator)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the smaller shape; an unknown size stays unknown."""
        batch, *size, channels = input_shape
        height, width = (None if s is None else self._shrunk(s) for s in size)
        return batch, height, width, channels

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        return {**super().get_config(), "factor": float(self.factor)}


def scores_to_logits(scores: Tensor, image: Tensor, padded: Tensor = None, *, name: str = "logits") -> Tensor:
    """Resize scores to the padded image, with aligned corners, and cut off what was padded.

    Args:
        scores: ``(batch, h, w, classes)``.
        image: ``(batch, height, width, channels)``, as the model gets it.
        padded: The image with zeros at the bottom and right, of size ``k * stride + 1``; ``None`` if it is not
            padded.
        name: Name of the layer that gives the logits.

    Returns:
        Float32 logits ``(batch, height, width, classes)``.
    """
    if padded is None:
        return ResizeLike(dtype="float32", name=name)(scores, image)
    resized = ResizeLike(dtype="float32", name=f"{name}_resize")(scores, padded)
    return CropLike(dtype="float32", name=name)(resized, image)


def resize(x: Tensor, height: Any, width: Any, *, align_corners: bool) -> Tensor:
    """Return ``(batch, h, w, c)`` bilinearly interpolated to ``(batch, height, width, c)``, not antialiased.

    By the backend's own kernel where it has one, and as two matrix products with JAX.
    """
    if has_size(x, height, width):
        return x
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        resized = tf.raw_ops.ResizeBilinear(
            images=x, size=(height, width), align_corners=align_corners, half_pixel_centers=not align_corners
        )
        return tf.cast(resized, x.dtype)
    if backend == "torch":
        from torch.nn.functional import interpolate

        x = interpolate(
            x.permute(0, 3, 1, 2),
            size=(int(height), int(width)),
            mode="bilinear",
            align_corners=align_corners,
        )
        return x.permute(0, 2, 3, 1)
    _, h, w, _ = x.shape
    rows, columns = (
        ops.convert_to_tensor(_interpolation(*sizes, align_corners=align_corners), x.dtype)
        for sizes in ((h, height), (w, width))
    )
    return ops.einsum("Hh,bhwc,Ww->bHWc", rows, x, columns)


def _interpolation(old: int, new: int, *, align_corners: bool) -> np.ndarray:
    """Return the matrix ``(new, old)`` whose row i mixes the two pixels around position i."""
    if align_corners:
        position = np.arange(new) * ((old - 1) / max(new - 1, 1))
    else:
        position = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(position[:, None] - np.arange(old))))
