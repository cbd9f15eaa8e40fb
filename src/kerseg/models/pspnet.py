"""PSPNet: what a place is depends on the scene, so features meet their averages over large parts of it.

H. Zhao, J. Shi, X. Qi, X. Wang, J. Jia: Pyramid Scene Parsing Network, CVPR 2017,
https://arxiv.org/abs/1612.01105, figure 3, built as released (https://github.com/hszhao/PSPNet, commit 798bdc9,
pspnet101_VOC2012_473.prototxt): a stem of three 3x3 convolutions, strides in the 3x3 convolutions, output
stride 8, bilinear interpolation with aligned corners. The auxiliary head has 256 channels, as in the authors'
https://github.com/hszhao/semseg.
"""

import keras
from keras import layers

from kerseg import backbones
from kerseg.core.solver import Multipliers, Solver
from kerseg.core.tensor import Tensor
from kerseg.layers.conv import conv_norm
from kerseg.layers.pyramid import BinPooling
from kerseg.layers.resize import ResizeLike, scores_to_logits

BINS = (1, 2, 3, 6)
LOSS_WEIGHTS = {"logits": 1.0, "auxiliary": 0.4}
"""Section 5.1."""


def pspnet(
    *,
    num_classes: int,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    auxiliary: bool = False,
    backbone: str = "resnet101",
    stem: str | None = None,
    stride_in: str | None = None,
    root_pool: str | None = None,
    output_stride: int = 8,
    momentum: float = 0.9,
    width: int = 64,
    pad: bool = True,
) -> keras.Model:
    """Build PSPNet.

    Args:
        num_classes: Classes, at least 1.
        input_shape: ``(height, width, channels)`` of the image, 0 to 255; ``None`` for any size. At 8k + 1
            pixels with k + 1 divisible by 6, such as 473 and 713, all bins are of equal size.
        auxiliary: Return ``{"logits": ..., "auxiliary": ...}``: training adds 0.4 times the loss of a second
            head on the backbone's fourth stage.
        backbone: ``"resnet101"`` is the paper's; any other.
        stem: Of a ResNet: ``"deep"`` as released, which is the default, or ``"7x7"`` as in ImageNet weights.
        stride_in: Where a ResNet has its strides: in its ``"3x3"`` convolutions, which is the default, or in the
            ``"1x1"`` ones before them, as Keras's ImageNet weights and the authors' ResNet-50 for ADE20K were
            trained.
        root_pool: How a ResNet v2 pads its first pooling: ``"slim"``, which is the default, as TF-Slim's weights
            want it, or ``"keras"``, as Keras's do.
        output_stride: Image pixels for one pixel of the features: 8, 16 or 32. The paper's is 8.
        momentum: What the running statistics of batch normalisation keep at each step. The release's is
            0.95.
        width: Channels of the backbone's first stage; all others follow. The paper's is 64.
        pad: Pad the normalised image with zeros at the bottom and right to k x ``output_stride`` + 1 pixels,
            and crop the logits, so that scores keep their places at every size. False: scores are stretched
            over the image, as kerseg 0.1 did.

    Returns:
        A model ``(batch, height, width, 3) -> (batch, height, width, num_classes)`` of float32 logits, with
        65,697,728 + 513 * num_classes trainable parameters on ResNet-101 at width 64, and 2,359,808 + 257 *
        num_classes more with the auxiliary head.

    Raises:
        ConfigError: There is no such backbone, stem or stride, or the backbone has no such variant.

    Example:
        >>> pspnet(num_classes=21, width=8, backbone="resnet50")(keras.ops.zeros((1, 473, 473, 3))).shape
        (1, 473, 473, 21)
    """
    image = keras.Input(input_shape, name="image")
    features = backbones.build(
        backbone,
        image,
        strides=(4, 8),
        pad=(output_stride, 1) if pad else None,
        output_stride=output_stride,
        width=width,
        asked={"stem": stem, "stride_in": stride_in, "root_pool": root_pool},
        preferred={"stem": "deep", "momentum": momentum},
    )
    padded = features.image if pad else None
    x = _pyramid(features[output_stride], 8 * width, momentum)
    x = conv_norm(x, 8 * width, 3, momentum=momentum, name="head")
    logits = scores_to_logits(_classify(x, num_classes, "logits"), image, padded)
    if not auxiliary:
        return keras.Model(image, logits, name="pspnet")
    x = conv_norm(features.stages[-2], 4 * width, 3, momentum=momentum, name="auxiliary_head")
    x = scores_to_logits(_classify(x, num_classes, "auxiliary"), image, padded, name="auxiliary")
    return keras.Model(image, {"logits": logits, "auxiliary": x}, name="pspnet")


def _pyramid(x: Tensor, channels: int, momentum: float) -> Tensor:
    """Append to each place's features their averages over 1, 4, 9 and 36 parts of the map (section 3.2)."""
    levels = [x]
    for bins in BINS:
        y = BinPooling(bins, name=f"pyramid{bins}_pool")(x)
        y = conv_norm(y, channels, 1, momentum=momentum, name=f"pyramid{bins}")
        levels.append(ResizeLike(name=f"pyramid{bins}_resize")(y, x))
    return layers.Concatenate(name="pyramid_concat")(levels)


def _classify(x: Tensor, num_classes: int, name: str) -> Tensor:
    x = layers.Dropout(0.1, name=f"{name}_dropout")(x)
    return layers.Conv2D(num_classes, 1, dtype="float32", name=f"{name}_scores")(x)


_HEAD = Multipliers(kernel=(10.0, 1.0), bias=(20.0, 1.0), gamma=(10.0, 0.0), beta=(10.0, 0.0))
SOLVER = Solver({"pyramid.*|.*head_.*|.*_scores": _HEAD}, new="pyramid.*|.*head_.*|.*_scores")
"""The release's: what stands on the ResNet learns ten times as fast, biases twenty times."""
