"""U-Net.

O. Ronneberger, P. Fischer, T. Brox: U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI
2015, https://arxiv.org/abs/1505.04597, figure 1: 23 convolutions with biases, no batch normalisation, 2x2
up-convolutions without activation, the contracting path's features first in each concatenation. The network
that the authors published differs in two things: a ReLU follows each up-convolution, and the order of the
concatenation.
"""

import keras
from keras import layers

from kerseg.core.tensor import Tensor
from kerseg.errors import ConfigError
from kerseg.layers.pad import CropLike, MirrorPad, PadToMultiple
from kerseg.layers.preprocess import Normalize

_LEVELS = 4


def unet(
    *,
    num_classes: int,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    width: int = 64,
    padding: str = "same",
    dropout: float = 0.5,
) -> keras.Model:
    """Build U-Net.

    Images are divided by 255 inside. The paper gives no dropout rate; 0.5 after the two lowest levels of the
    contracting path is what its ports use.

    Args:
        num_classes: Classes, at least 1.
        input_shape: ``(height, width, channels)`` of the image, 0 to 255; ``None`` for any size. The paper's
            images have one channel.
        width: Channels of the first level; each level below has twice as many. The paper's is 64.
        padding: ``"same"`` pads each convolution with zeros, and the image at the bottom and right to a
            multiple of 16. ``"valid"`` is the paper's: nothing is padded inside, and the image is mirrored
            outwards by 92 pixels (its overlap-tile strategy), so that the logits are the image's size all the
            same: 388x388 pixels are seen as 572x572.
        dropout: Share of the features dropped while training, 0 to 1.

    Returns:
        A model ``(batch, height, width, channels) -> (batch, height, width, num_classes)`` of float32 logits,
        with 31,031,680 + 65 * num_classes trainable parameters at width 64 and three channels.

    Raises:
        ConfigError: ``padding`` is neither.

    Example:
        >>> unet(num_classes=2, width=16)(keras.ops.zeros((1, 37, 53, 3))).shape
        (1, 37, 53, 2)
    """
    if padding not in ("same", "valid"):
        raise ConfigError(f"padding is {padding!r}; unet takes 'same' or 'valid'.")
    image = keras.Input(input_shape, name="image")
    x = Normalize(scale=1 / 255, name="normalize")(image)
    if padding == "same":
        x = PadToMultiple(2**_LEVELS, name="pad")(x)
    else:
        # 2 * 92 pixels are lost to the convolutions, and the paper's sizes are those that halve evenly at
        # each pooling: 4 more than a multiple of 16 at the output.
        x = MirrorPad(92, multiple=2**_LEVELS, remainder=4, name="pad")(x)

    skips = []
    for level in range(1, _LEVELS + 1):
        x = _two_convs(x, width * 2 ** (level - 1), padding, f"down{level}")
        if level == _LEVELS:
            x = layers.Dropout(dropout, name=f"down{level}_dropout")(x)
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"down{level}_pool")(x)
    x = _two_convs(x, width * 2**_LEVELS, padding, "bottom")
    x = layers.Dropout(dropout, name="bottom_dropout")(x)

    for level in range(_LEVELS, 0, -1):
        channels = width * 2 ** (level - 1)
        x = _up_conv(x, channels, f"up{level}_conv")
        skip = skips[level - 1]
        if padding == "valid":
            skip = CropLike(_CROPS[level], name=f"up{level}_crop")(skip, x)
        x = layers.Concatenate(name=f"up{level}_concat")([skip, x])
        x = _two_convs(x, channels, padding, f"up{level}")

    x = layers.Conv2D(num_classes, 1, kernel_initializer="he_normal", dtype="float32", name="logits")(x)
    x = CropLike(dtype="float32", name="crop")(x, image)
    return keras.Model(image, x, name="unet")


_CROPS = {1: 88, 2: 40, 3: 16, 4: 4}
"""Pixels cut from each side of a skip without padding, by level: (568 - 392) / 2 and so on (figure 1)."""


def _two_convs(x: Tensor, channels: int, padding: str, name: str) -> Tensor:
    for i in (1, 2):
        x = layers.Conv2D(
            channels,
            3,
            padding=padding,
            activation="relu",
            kernel_initializer="he_normal",
            name=f"{name}_conv{i}",
        )(x)
    return x


def _up_conv(x: Tensor, channels: int, name: str) -> Tensor:
    # Keras takes a transposed kernel's fan-in from its output channels: 4 * channels = 2 * inputs, so "he"
    # gives the variance 1 / inputs, which is the one that keeps the scale where no ReLU follows.
    return layers.Conv2DTranspose(channels, 2, strides=2, kernel_initializer="he_normal", name=name)(x)
