"""DeepLab v3: multi-grid, and ASPP with batch normalisation and the image's mean.

L.-C. Chen, G. Papandreou, F. Schroff, H. Adam: Rethinking Atrous Convolution for Semantic Image Segmentation,
2017, https://arxiv.org/abs/1706.05587, figure 5. The paper gives each ASPP branch batch normalisation; the ReLU
after it is in all of the authors' code.
"""

from typing import Any

import keras
from keras import layers

from kerseg import backbones
from kerseg.core.solver import Solver
from kerseg.core.tensor import Tensor
from kerseg.layers.conv import conv_norm
from kerseg.layers.pyramid import BinPooling
from kerseg.layers.resize import ResizeLike, scores_to_logits


def deeplab_v3(
    *,
    num_classes: int,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    backbone: str = "resnet101",
    output_stride: int = 16,
    multi_grid: tuple[int, int, int] | None = None,
    stride_in: str | None = None,
    root_pool: str | None = None,
    momentum: float = 0.9,
    freeze_norm: bool = False,
    width: int = 64,
    pad: bool = True,
) -> keras.Model:
    """Build DeepLab v3.

    Args:
        num_classes: Classes, at least 1.
        input_shape: ``(height, width, channels)`` of the image, 0 to 255; ``None`` for any size.
        backbone: ``"resnet101"`` is the paper's; any other.
        output_stride: Image pixels for one pixel of the features: 16, or 8 with all dilations doubled, or 32
            with them halved. The weights fit all three.
        multi_grid: Factors of the dilations of a ResNet's last three 3x3 convolutions; the paper's, which are the
            default, are 1, 2 and 4.
        stride_in: Where a ResNet has its strides: in its ``"3x3"`` convolutions, which is the default, or in the
            ``"1x1"`` ones before them, as Keras's ImageNet weights were trained.
        root_pool: How a ResNet v2 pads its first pooling: ``"slim"``, which is the default, as TF-Slim's weights
            want it, or ``"keras"``, as Keras's do.
        momentum: What the running statistics of batch normalisation keep at each step. The paper's 0.9997
            (section 4.1, "batch normalization decay") needs tens of thousands of steps.
        freeze_norm: Keep batch normalisation as it was loaded: the paper's second phase, at stride 8.
        width: Channels of the backbone's first stage; all others follow, ASPP with four times as many. The
            paper's is 64.
        pad: Pad the normalised image with zeros at the bottom and right to k x ``output_stride`` + 1 pixels,
            and crop the logits, so that scores keep their places at every size. False: scores are stretched
            over the image, as kerseg 0.1 did.

    Returns:
        A model ``(batch, height, width, 3) -> (batch, height, width, num_classes)`` of float32 logits, with
        58,035,264 + 257 * num_classes trainable parameters on ResNet-101 at width 64.

    Raises:
        ConfigError: There is no such backbone or stride, or the backbone has no such variant.

    Example:
        >>> deeplab_v3(num_classes=21, width=8, backbone="resnet50")(keras.ops.zeros((1, 513, 513, 3))).shape
        (1, 513, 513, 21)
    """
    image = keras.Input(input_shape, name="image")
    features = backbones.build(
        backbone,
        image,
        strides=(8, 16, 32),
        pad=(output_stride, 1) if pad else None,
        output_stride=output_stride,
        width=width,
        asked={
            "multi_grid": multi_grid,
            "stride_in": stride_in,
            "root_pool": root_pool,
            "freeze_norm": freeze_norm or None,
        },
        preferred={"multi_grid": (1, 2, 4), "momentum": momentum},
    )
    x = _aspp(features[output_stride], 4 * width, output_stride, momentum=momentum, frozen=freeze_norm)
    x = layers.Conv2D(num_classes, 1, dtype="float32", name="scores")(x)
    return keras.Model(image, scores_to_logits(x, image, features.image if pad else None), name="deeplab_v3")


def _aspp(x: Tensor, channels: int, output_stride: int, **norm: Any) -> Tensor:
    """Look at each place in five ways: by itself, at three distances, and at the whole image (figure 5a, b)."""
    branches = [conv_norm(x, channels, 1, name="aspp_1x1", **norm)]
    for rate in (6, 12, 18):
        dilation = rate * 16 // output_stride
        branches.append(conv_norm(x, channels, 3, dilation=dilation, name=f"aspp_{rate}", **norm))
    mean = BinPooling(1, name="aspp_mean")(x)
    mean = conv_norm(mean, channels, 1, name="aspp_image", **norm)
    branches.append(ResizeLike(name="aspp_resize")(mean, x))
    x = layers.Concatenate(name="aspp_concat")(branches)
    return conv_norm(x, channels, 1, name="aspp_project", **norm)


SOLVER = Solver(new="aspp_.*|scores")
"""One rate for all layers, and decay for kernels alone: the TensorFlow release's."""
