"""DeepLab-LargeFOV: VGG16 at stride 8 with dilated convolutions.

L.-C. Chen, G. Papandreou, I. Kokkinos, K. Murphy, A. L. Yuille: Semantic Image Segmentation with Deep
Convolutional Nets and Fully Connected CRFs, ICLR 2015, https://arxiv.org/abs/1412.7062, built as released
(DeepLab-LargeFOV/train.prototxt): all poolings 3x3, fc6 3x3 with dilation 12 and 1,024 channels, and ``pool5a``, an
average that divides by nine at the border too. The CRF that refines its predictions is no part of the network.
"""

import keras
from keras import layers

from kerseg import backbones
from kerseg.core.solver import Multipliers, Solver
from kerseg.core.tensor import Tensor
from kerseg.layers.conv import DilatedConv
from kerseg.layers.resize import scores_to_logits

LOSS_WEIGHTS = {"scores": 1.0}
"""The loss is taken at stride 8, against labels reduced to that size (section 3.1)."""
REDUCED = ("scores",)
"""Outputs on the padded image's grid."""


def deeplab_v1(
    *,
    num_classes: int,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    auxiliary: bool = False,
    width: int = 64,
    pad: bool = True,
    average_padding: bool = True,
) -> keras.Model:
    """Build DeepLab-LargeFOV.

    Args:
        num_classes: Classes, at least 1.
        input_shape: ``(height, width, channels)`` of the image, 0 to 255; ``None`` for any size.
        auxiliary: Return ``{"logits": ..., "scores": ...}``: the scores at stride 8, which training compares
            with reduced labels, beside the logits made of them.
        width: Channels of VGG16's first block; all others follow, fc6 and fc7 with 16 times as many. The
            paper's is 64.
        pad: Pad the normalised image with zeros at the bottom and right to 8k + 1 pixels, and crop the logits,
            so that scores keep their places at every size. False: scores are stretched over the image, as
            kerseg 0.1 did.
        average_padding: Whether ``pool5a`` averages over the zeros around the map too, as Caffe does. False, as
            kerseg 0.1 did: borders come out 1.5 times as large, and corners 2.25 times.

    Returns:
        A model ``(batch, height, width, 3) -> (batch, height, width, num_classes)`` of float32 logits, with
        20,483,904 + 1,025 * num_classes trainable parameters at width 64.

    Example:
        >>> deeplab_v1(num_classes=21, width=8)(keras.ops.zeros((1, 321, 321, 3))).shape
        (1, 321, 321, 21)
    """
    image = keras.Input(input_shape, name="image")
    features = backbones.build(
        "vgg16", image, pad=(8, 1) if pad else None, output_stride=8, width=width, pool_size=3
    )
    x = features[8]
    if average_padding:
        x = layers.ZeroPadding2D(1, name="pool5a_pad")(x)
    rule = "valid" if average_padding else "same"
    x = layers.AveragePooling2D(3, strides=1, padding=rule, name="pool5a")(x)
    scores = large_fov(x, num_classes, dilation=12)
    logits = scores_to_logits(scores, image, features.image if pad else None)
    outputs = {"logits": logits, "scores": scores} if auxiliary else logits
    return keras.Model(image, outputs, name="deeplab_v1")


def large_fov(x: Tensor, num_classes: int, *, dilation: int, suffix: str = "") -> Tensor:
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
