"""DeepLab-LargeFOV: VGG16 at stride 8 with dilated convolutions.

L.-C. Chen, G. Papandreou, I. Kokkinos, K. Murphy, A. L. Yuille: Semantic Image Segmentation with Deep
Convolutional Nets and Fully Connected CRFs, ICLR 2015, https://arxiv.org/abs/1412.7062, built as released
(DeepLab-LargeFOV/train.prototxt): all poolings 3x3, fc6 3x3 with dilation 12 and 1,024 channels. The CRF that
refines its predictions is no part of the network.
"""

from typing import Any

import keras
from keras import layers

from kerseg.backbones.vgg import vgg16
from kerseg.core.solver import Multipliers, Solver
from kerseg.layers.conv import DilatedConv
from kerseg.layers.resize import ResizeLike

LOSS_WEIGHTS = {"scores": 1.0}
"""The loss is taken at stride 8, against labels reduced to that size (section 3.1)."""


def deeplab_v1(
    *,
    num_classes: int,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    auxiliary: bool = False,
    width: int = 64,
) -> keras.Model:
    """Build DeepLab-LargeFOV.

    Args:
        num_classes: Classes, at least 1.
        input_shape: ``(height, width, channels)`` of the image, 0 to 255; ``None`` for any size.
        auxiliary: Return ``{"logits": ..., "scores": ...}``: the scores at stride 8, which training compares
            with reduced labels, beside the logits made of them.
        width: Channels of VGG16's first block; all others follow, fc6 and fc7 with 16 times as many. The
            paper's is 64.

    Returns:
        A model ``(batch, height, width, 3) -> (batch, height, width, num_classes)`` of float32 logits, with
        20,483,904 + 1,025 * num_classes trainable parameters at width 64.

    Example:
        >>> deeplab_v1(num_classes=21, width=8)(keras.ops.zeros((1, 321, 321, 3))).shape
        (1, 321, 321, 21)
    """
    image = keras.Input(input_shape, name="image")
    x = vgg16(image, output_stride=8, width=width, pool_size=3)[8]
    x = layers.AveragePooling2D(3, strides=1, padding="same", name="pool5a")(x)
    scores = large_fov(x, num_classes, dilation=12)
    logits = ResizeLike(dtype="float32", name="logits")(scores, image)
    outputs = {"logits": logits, "scores": scores} if auxiliary else logits
    return keras.Model(image, outputs, name="deeplab_v1")


def large_fov(x: Any, num_classes: int, *, dilation: int, suffix: str = "") -> Any:
    """Classify with VGG16's fully connected layers, made smaller: fc6 3x3 and dilated, fc7 and fc8 1x1.

    Args:
        x: VGG16's last features, ``(batch, h, w, channels)``; fc6 and fc7 have twice as many channels.
        num_classes: Classes.
        dilation: Of fc6.
        suffix: Of the layers' names, where there are several such branches.

    Returns:
        Float32 scores ``(batch, h, w, num_classes)``.
    """
    channels = 2 * x.shape[-1]
    x = DilatedConv(
        channels, 3, padding="same", dilation_rate=dilation, activation="relu", name=f"fc6{suffix}"
    )(x)
    x = layers.Dropout(0.5, name=f"drop6{suffix}")(x)
    x = layers.Conv2D(channels, 1, activation="relu", name=f"fc7{suffix}")(x)
    x = layers.Dropout(0.5, name=f"drop7{suffix}")(x)
    return layers.Conv2D(
        num_classes, 1, kernel_initializer=new_layer(), dtype="float32", name=f"fc8{suffix}"
    )(x)


def new_layer() -> keras.initializers.Initializer:
    """Return the release's initialisation of the layers that are not VGG16's or ResNet's."""
    return keras.initializers.RandomNormal(stddev=0.01)


SOLVER = Solver(
    {"fc8.*": Multipliers(kernel=(10.0, 1.0), bias=(20.0, 0.0)), ".*": Multipliers(bias=(2.0, 0.0))},
    new="fc8.*",
)
"""The release's (DeepLab-LargeFOV, train.prototxt)."""
