"""ICNet: the deep network sees the small image, a shallow one the full one.

H. Zhao, X. Qi, X. Shen, J. Shi, J. Jia: ICNet for Real-Time Semantic Segmentation on High-Resolution Images,
ECCV 2018, https://arxiv.org/abs/1704.08545, figure 2, built as released (https://github.com/hszhao/ICNet,
commit dd2bf78, icnet_cityscapes_bnnomerge.prototxt): PSPNet-50 with half its channels, which the half-size and
the quarter-size image share up to conv3_1, so that the quarter-size image is never convolved by itself; a
pyramid that is summed and has no weights.
"""

from typing import Any

import keras
from keras import layers

from kerseg.backbones import PAD_LAYER
from kerseg.backbones.resnet import DEPTHS, deep_stem, max_pool, unit
from kerseg.core.solver import Multipliers, Solver
from kerseg.core.tensor import Tensor
from kerseg.layers.conv import conv_norm
from kerseg.layers.pad import PadToMultiple
from kerseg.layers.preprocess import Normalize, image_mean
from kerseg.layers.pyramid import BinPooling
from kerseg.layers.resize import ResizeLike, Shrink, scores_to_logits

LOSS_WEIGHTS = {"sub124": 1.0, "sub24": 0.4, "sub4": 0.16}
"""Section 3.4: losses at strides 4, 8 and 16, against labels reduced to those sizes."""
REDUCED = tuple(LOSS_WEIGHTS)
"""Outputs on the padded image's grid."""
BINS = {1: 1.0, 2: 16 / 32, 3: 10 / 32, 6: 5 / 32}
"""Windows along an axis, and the step between them, which the release gives as 16, 10 and 5 for 33 pixels."""


def icnet(
    *,
    num_classes: int,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    auxiliary: bool = False,
    momentum: float = 0.9,
    width: int = 32,
    pad: bool = True,
) -> keras.Model:
    """Build ICNet.

    Args:
        num_classes: Classes, at least 1.
        input_shape: ``(height, width, channels)`` of the image, 0 to 255; ``None`` for any size.
        auxiliary: Return ``{"logits": ..., "sub124": ..., "sub24": ..., "sub4": ...}``: the scores at strides
            4, 8 and 16, which training compares with reduced labels (cascade label guidance).
        momentum: What the running statistics of batch normalisation keep at each step. The release's is
            0.95.
        width: Channels of the trunk's first stage. 32 is the published network, half of it pruned; 64 is the
            one it was pruned from.
        pad: Pad the normalised image with zeros at the bottom and right to 32k + 1 pixels, and crop the logits,
            so that scores keep their places at every size. False: scores are stretched over the image, as
            kerseg 0.1 did.

    Returns:
        A model ``(batch, height, width, 3) -> (batch, height, width, num_classes)`` of float32 logits, with
        6,697,536 + 129 * num_classes trainable parameters at width 32, and 386 * num_classes more with the
        auxiliary heads.

    Example:
        >>> icnet(num_classes=19)(keras.ops.zeros((1, 129, 257, 3))).shape
        (1, 129, 257, 19)
    """
    image = keras.Input(input_shape, name="image")
    norm = {"momentum": momentum}
    x = Normalize(mean=image_mean(image), name="normalize")(image)
    if pad:
        x = PadToMultiple(32, remainder=1, dtype="float32", name=PAD_LAYER)(x)

    sub2 = _shared(Shrink(0.5, dtype="float32", name="sub2_image")(x), width, **norm)  # stride 16
    sub4 = _deep(Shrink(0.5, name="sub4_shrink")(sub2), width, **norm)  # stride 32
    sub1, sub1_quarter = _shallow(x, **norm)  # strides 8 and 4

    sub4 = ResizeLike(name="sub4_up")(sub4, sub2)
    sub24 = _fuse(sub4, sub2, "sub24", **norm)
    sub24 = ResizeLike(name="sub24_up")(sub24, sub1)
    sub124 = _fuse(sub24, sub1, "sub124", **norm)
    sub124 = ResizeLike(name="sub124_up")(sub124, sub1_quarter)

    scores = {"sub124": _classify(sub124, num_classes, "sub124_scores")}
    logits = scores_to_logits(scores["sub124"], image, x if pad else None)
    if not auxiliary:
        return keras.Model(image, logits, name="icnet")
    scores["sub24"] = _classify(sub24, num_classes, "sub24_scores")
    scores["sub4"] = _classify(sub4, num_classes, "sub4_scores")
    return keras.Model(image, {"logits": logits, **scores}, name="icnet")


def _shared(x: Tensor, width: int, **norm: Any) -> Tensor:
    """Half-size image to conv3_1: what the two smaller branches have in common."""
    x = max_pool(deep_stem(x, width, norm))
    for i in range(DEPTHS[50][0]):
        x = unit(x, width, project=i == 0, name=f"conv2_block{i + 1}", **norm)
    return unit(x, 2 * width, strides=2, project=True, stride_in="1x1", name="conv3_block1", **norm)


def _deep(x: Tensor, width: int, **norm: Any) -> Tensor:
    """The rest of ResNet-50, dilated, and the pyramid: averages over parts of the map, added to it."""
    for stage, dilation in ((3, 1), (4, 2), (5, 4)):
        for i in range(1 if stage == 3 else 0, DEPTHS[50][stage - 2]):
            name = f"conv{stage}_block{i + 1}"
            x = unit(x, width * 2 ** (stage - 2), dilation=dilation, project=i == 0, name=name, **norm)
    levels = [x]
    for bins, stride in BINS.items():
        y = BinPooling(bins, stride=stride, name=f"pyramid{bins}_pool")(x)
        levels.append(ResizeLike(name=f"pyramid{bins}_resize")(y, x))
    x = layers.Add(name="pyramid_add")(levels)
    return conv_norm(x, 8 * width, 1, name="conv5_4", **norm)


def _shallow(x: Tensor, **norm: Any) -> tuple[Tensor, Tensor]:
    """Full-size image to stride 8 by three convolutions, which no width option changes; and to stride 4."""
    x = conv_norm(x, 32, 3, strides=2, name="sub1_1", **norm)
    quarter = conv_norm(x, 32, 3, strides=2, name="sub1_2", **norm)
    return conv_norm(quarter, 64, 3, strides=2, name="sub1_3", **norm), quarter


def _fuse(coarse: Tensor, fine: Tensor, name: str, **norm: Any) -> Tensor:
    """Add a dilated convolution of the coarse features and a projection of the fine ones (figure 3)."""
    coarse = conv_norm(coarse, 128, 3, dilation=2, relu=False, name=f"{name}_coarse", **norm)
    fine = conv_norm(fine, 128, 1, relu=False, name=f"{name}_fine", **norm)
    return layers.ReLU(name=name)(layers.Add(name=f"{name}_add")([coarse, fine]))


def _classify(x: Tensor, num_classes: int, name: str) -> Tensor:
    return layers.Conv2D(num_classes, 1, dtype="float32", name=name)(x)


SOLVER = Solver({".*_scores": Multipliers(bias=(2.0, 1.0))})
"""The release's (train.prototxt of ICNet, Cityscapes)."""
