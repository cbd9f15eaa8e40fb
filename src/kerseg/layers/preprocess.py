"""The input normalisations: they live inside the models, so that training, serving and export agree."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerseg.core.tensor import Tensor

VGG_MEAN = (123.68, 116.78, 103.94)
"""Mean RGB value of ILSVRC as TF-Slim's and Keras's VGG16 subtract it, in 0..255
(https://github.com/google-research/tf-slim/blob/1287b1e/tf_slim/nets/vgg.py)."""


def image_mean(image: Tensor, mean: float | tuple[float, ...] = VGG_MEAN) -> float | tuple[float, ...]:
    """Return what to subtract from an image, by its channels.

    Args:
        image: ``(batch, height, width, channels)``, 0 to 255.
        mean: One number, or one for each channel.

    Returns:
        ``mean`` where it fits the image's channels; the middle of the range, 127.5, for others, of which nothing is
        known.
    """
    return mean if isinstance(mean, int | float) or image.shape[-1] == len(mean) else 127.5


@keras.saving.register_keras_serializable("kerseg")
class Normalize(keras.layers.Layer):
    """``(image - mean) * scale``, in float32 whatever the precision policy and the image's type.

    bfloat16 has eight significant bits: subtracting the mean in it would already cost a grey level, so the
    first layer that casts down is the one after this.

    Args:
        mean: One number, or one for each channel, in the image's unit (0 to 255).
        scale: What the difference is multiplied with: ``1 / 255`` brings 0..255 to 0..1.
        backbone: Name of the backbone that follows, in ``kerseg.backbones.BACKBONES``; so that a model, also one
            read from a file, says whose published weights it takes. ``None`` for none.
        name: The layer's name.

    Example:
        >>> float(Normalize(mean=127.5, scale=1 / 127.5)(keras.ops.zeros((1, 1, 1, 3)))[0, 0, 0, 0])
        -1.0
    """

    def __init__(
        self,
        *,
        mean: float | Sequence[float] = 0.0,
        scale: float = 1.0,
        backbone: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        kwargs["dtype"] = "float32"
        super().__init__(name=name, **kwargs)
        self.mean = mean if isinstance(mean, int | float) else tuple(mean)
        self.scale = scale
        self.backbone = backbone

    def call(self, image: Tensor) -> Tensor:
        """Normalise ``(..., channels)``, any number type; returns float32 of the same shape."""
        image = ops.cast(image, "float32")
        if self.mean:
            image = image - ops.convert_to_tensor(self.mean, "float32")
        return image * self.scale if self.scale != 1.0 else image

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return ``input_shape``."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        own = {"mean": self.mean, "scale": self.scale, "backbone": self.backbone}
        return {**super().get_config(), **own}
