"""DeepLab v2: parallel dilated convolutions (ASPP) on ResNet-101 or VGG16.

L.-C. Chen, G. Papandreou, I. Kokkinos, K. Murphy, A. L. Yuille: DeepLab: Semantic Image Segmentation with Deep
Convolutional Nets, Atrous Convolution, and Fully Connected CRFs, PAMI 2018, https://arxiv.org/abs/1606.00915,
built as released: four 3x3 convolutions straight from the features to the classes, dilations 6, 12, 18 and 24
(ASPP-L), their outputs summed, nothing between; the ResNet's strides in its 1x1 convolutions.
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from kerseg import backbones
from kerseg.core.solver import Multipliers, Solver
from kerseg.core.tensor import Tensor
from kerseg.layers.conv import DilatedConv
from kerseg.layers.resize import ResizeLike, Shrink, scores_to_logits
from kerseg.models.deeplab_v1 import large_fov, new_layer

DILATIONS = (6, 12, 18, 24)
SCALES = {"100": 1.0, "075": 0.75, "050": 0.5}
LOSS_WEIGHTS = {"scores": 1.0} | {f"scores_{scale}": 1.0 for scale in SCALES}
"""One loss for each scale and one for their maximum, at stride 8 (section 4.1.1); with one scale the first."""
REDUCED = tuple(LOSS_WEIGHTS)
"""Outputs on the padded image's grid."""


def deeplab_v2(
    *,
    num_classes: int,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    auxiliary: bool = False,
    backbone: str = "resnet101",
    multi_scale: bool = False,
    root_pool: str | None = None,
    momentum: float | None = None,
    freeze_norm: bool = False,
    width: int = 64,
    pad: bool = True,
) -> keras.Model:
    """Build DeepLab v2.

    Args:
        num_classes: Classes, at least 1.
        input_shape: ``(height, width, channels)`` of the image, 0 to 255; ``None`` for any size.
        auxiliary: Return ``{"logits": ..., "scores": ...}``: the scores at stride 8, which training compares
            with reduced labels, beside the logits made of them; with ``multi_scale`` also ``scores_100``,
            ``scores_075`` and ``scores_050``, those of each scale.
        backbone: ``"resnet101"`` is the paper's; any other. One with a classifier, ``"vgg16"``, has
            fc6, fc7 and fc8 in each branch.
        multi_scale: Apply the network, with the same weights, to the image at scales 1, 0.75 and 0.5, and take
            the highest score for each class and pixel ("MSC").
        root_pool: How a ResNet v2 pads its first pooling: ``"slim"``, which is the default, as TF-Slim's weights
            want it, or ``"keras"``, as Keras's do.
        momentum: What the running statistics of batch normalisation keep at each step; 0.9 if ``None``.
        freeze_norm: Keep batch normalisation, with scale and shift, as it was loaded: what the authors did.
        width: Channels of the backbone's first stage; all others follow. The paper's is 64.
        pad: Pad the normalised image with zeros at the bottom and right to 8k + 1 (32k + 1 with
            ``multi_scale``) pixels, and crop the logits, so that scores keep their places at every size. False:
            scores are stretched over the image, as kerseg 0.1 did.

    Returns:
        A model ``(batch, height, width, 3) -> (batch, height, width, num_classes)`` of float32 logits, with
        42,500,160 + 73,732 * num_classes trainable parameters on ResNet-101, 37,791,552 + 4,100 * num_classes
        on VGG16, both at width 64.

    Raises:
        ConfigError: There is no such backbone, or it has no such variant.

    Example:
        >>> deeplab_v2(num_classes=21, width=8, backbone="resnet50")(keras.ops.zeros((1, 321, 321, 3))).shape
        (1, 321, 321, 21)
    """
    image = keras.Input(input_shape, name="image")
    # All three scales of 32k + 1 pixels are of 8k + 1.
    x = backbones.prepare(backbone, image, pad=(32 if multi_scale else 8, 1) if pad else None)
    asked = {"root_pool": root_pool, "momentum": momentum, "freeze_norm": freeze_norm or None}
    options: dict[str, Any] = {"backbone": backbone, "width": width, "asked": asked}
    outputs = {} if multi_scale else {"scores": _scores(x, num_classes, **options)}
    if multi_scale:
        outputs = _at_scales(x, num_classes, options)
    logits = scores_to_logits(outputs["scores"], image, x if pad else None)
    return keras.Model(image, {"logits": logits, **outputs} if auxiliary else logits, name="deeplab_v2")


def _at_scales(x: Tensor, num_classes: int, options: dict[str, Any]) -> dict[str, Tensor]:
    """Return the scores of each scale at its own size, and their maximum at the first one's."""
    any_size = keras.Input((None, None, x.shape[-1]), name="normalized")
    network = keras.Model(any_size, _scores(any_size, num_classes, **options), name="network")
    scores = {}
    for scale, factor in SCALES.items():
        resized = Shrink(factor, dtype="float32", name=f"image_{scale}")(x)
        scores[f"scores_{scale}"] = network(resized)
    first, *others = scores.values()
    others = [ResizeLike(dtype="float32", name=f"resize_{i}")(x, first) for i, x in enumerate(others, 1)]
    return {"scores": layers.Maximum(dtype="float32", name="maximum")([first, *others]), **scores}


def _scores(x: Tensor, num_classes: int, *, backbone: str, width: int, asked: Mapping[str, Any]) -> Tensor:
    """Return the sum of the four branches at stride 8 (figure 7), of a normalised image."""
    preferred = {"stride_in": "1x1", "pool_size": 3}
    x = backbones.apply(backbone, x, output_stride=8, width=width, asked=asked, preferred=preferred)[8]
    if backbones.get(backbone).classifier:
        branches = [
            large_fov(x, num_classes, dilation=dilation, suffix=f"_{i}")
            for i, dilation in enumerate(DILATIONS, 1)
        ]
    else:
        branches = [
            DilatedConv(
                num_classes,
                3,
                padding="same",
                dilation_rate=dilation,
                kernel_initializer=new_layer(),
                dtype="float32",
                name=f"aspp_{dilation}",
            )(x)
            for dilation in DILATIONS
        ]
    return layers.Add(dtype="float32", name="aspp")(branches)


_FIXED = (0.0, 0.0)
SOLVER = Solver(
    {
        "fc8.*|aspp_.*": Multipliers(kernel=(10.0, 1.0), bias=(20.0, 0.0)),
        ".*": Multipliers(bias=(2.0, 0.0), gamma=_FIXED, beta=_FIXED),
    },
    new="fc8.*|aspp_.*",
)
"""The releases' (VGG16's and ResNet-101's train.prototxt): ResNet's norms stay as they were loaded."""
