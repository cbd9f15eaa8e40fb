"""ResNet-50, -101 and -152: the trunk of DeepLab v2 and v3, PSPNet, GCN and ICNet.

K. He, X. Zhang, S. Ren, J. Sun: Deep Residual Learning for Image Recognition, CVPR 2016,
https://arxiv.org/abs/1512.03385, table 1. Layers carry the names of ``keras.applications.ResNet50``; there are
no convolution biases, as in the authors' Caffe models.
"""

from collections.abc import Sequence
from typing import Any

from keras import layers

from kerseg.backbones.backbone import Application, Backbone, Features, plan_strides
from kerseg.core.tensor import Tensor
from kerseg.errors import ConfigError
from kerseg.layers.conv import conv_norm
from kerseg.layers.preprocess import VGG_MEAN

DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Units of the four stages (table 1)."""


def resnet(
    x: Tensor,
    *,
    depth: int,
    output_stride: int = 32,
    width: int = 64,
    multi_grid: Sequence[int] = (1, 1, 1),
    stem: str = "7x7",
    stride_in: str = "3x3",
    momentum: float = 0.9,
    freeze_norm: bool = False,
) -> Features:
    """Apply a ResNet without its classifier.

    Args:
        x: ``(batch, height, width, channels)``, normalised.
        depth: 50, 101 or 152 layers.
        output_stride: 32, or 16 or 8: the stages beyond it keep the size and dilate their 3x3 convolutions by
            2 and 4.
        width: Channels of the first stage's 3x3 convolutions. The paper's is 64.
        multi_grid: Factors of the dilations of the last stage's three units (DeepLab-v3, section 3.2).
        stem: ``"7x7"``, or PSPNet's ``"deep"`` of three 3x3 convolutions.
        stride_in: The convolution of a stage's first unit that has the stride: ``"1x1"`` as in the authors'
            Caffe models and in Keras's, ``"3x3"`` as in torchvision's and PSPNet's.
        momentum: What the running statistics keep at each step.
        freeze_norm: Keep batch normalisation, with scale and shift, as it was loaded.

    Returns:
        ReLU'd features at strides 2 and 4 up to ``output_stride``; 256, 512, 1024 and 2048 channels in the four
        stages at width 64.

    Raises:
        ConfigError: ``output_stride``, ``stem`` or ``stride_in`` is none of these.

    Example:
        >>> features = resnet(keras.Input((513, 513, 3)), depth=50, output_stride=16, width=8)
        >>> features[16].shape, features.stages[2].shape
        ((None, 33, 33, 256), (None, 33, 33, 128))
    """
    if stem not in _STEMS:
        raise ConfigError(f"stem is {stem!r}; a ResNet takes '7x7' or 'deep'.")
    if stride_in not in ("1x1", "3x3"):
        raise ConfigError(f"stride_in is {stride_in!r}; a ResNet takes '1x1' or '3x3'.")
    norm: dict[str, Any] = {"momentum": momentum, "frozen": freeze_norm}
    image = x
    x = _STEMS[stem](x, width, norm)
    maps, stages, stride = {2: x}, [], 4
    x = max_pool(x)
    plan = [(1, 1), *plan_strides(output_stride, 3, first=4)]
    for stage, (units, (step, dilation)) in enumerate(zip(DEPTHS[depth], plan, strict=True), start=2):
        for i in range(units):
            x = unit(
                x,
                width * 2 ** (stage - 2),
                strides=step if i == 0 else 1,
                dilation=dilation * (multi_grid[i] if stage == 5 else 1),
                project=i == 0,
                stride_in=stride_in,
                name=f"conv{stage}_block{i + 1}",
                **norm,
            )
        stride *= step
        maps[stride] = x
        stages.append(x)
    return Features(maps, stages, image)


def stem7x7(x: Tensor, width: int, norm: dict[str, Any]) -> Tensor:
    """Half the size with one 7x7 convolution."""
    return conv_norm(x, width, 7, strides=2, name="conv1", **norm)


def deep_stem(x: Tensor, width: int, norm: dict[str, Any]) -> Tensor:
    """Half the size with three 3x3 convolutions, the last twice as wide (PSPNet's and ICNet's release)."""
    x = conv_norm(x, width, 3, strides=2, name="conv1_1", **norm)
    x = conv_norm(x, width, 3, name="conv1_2", **norm)
    return conv_norm(x, 2 * width, 3, name="conv1_3", **norm)


_STEMS = {"7x7": stem7x7, "deep": deep_stem}


def max_pool(x: Tensor) -> Tensor:
    """Half the size by 3x3 maxima, one pixel of padding on each side; zeros do for what a ReLU gives."""
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    return layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)


def unit(
    x: Tensor,
    channels: int,
    *,
    name: str,
    strides: int = 1,
    dilation: int = 1,
    project: bool = False,
    stride_in: str = "3x3",
    **norm: Any,
) -> Tensor:
    """Apply a bottleneck unit (figure 5, right): 1x1, 3x3, 1x1 with four times the channels, and the shortcut.

    Args:
        x: ``(batch, height, width, c)``.
        channels: Of the 3x3 convolution.
        name: Prefix of the layers' names.
        strides: 1 or 2.
        dilation: Of the 3x3 convolution.
        project: Whether the shortcut is a 1x1 convolution, as in each stage's first unit.
        stride_in: See ``resnet``.
        **norm: ``momentum`` and ``frozen`` of ``conv_norm``.

    Returns:
        ``(batch, ceil(height / strides), ceil(width / strides), 4 * channels)``.
    """
    first, second = (strides, 1) if stride_in == "1x1" else (1, strides)
    shortcut = x
    if project:
        shortcut = conv_norm(x, 4 * channels, 1, strides=strides, relu=False, name=f"{name}_0", **norm)
    x = conv_norm(x, channels, 1, strides=first, name=f"{name}_1", **norm)
    x = conv_norm(x, channels, 3, strides=second, dilation=dilation, name=f"{name}_2", **norm)
    x = conv_norm(x, 4 * channels, 1, relu=False, name=f"{name}_3", **norm)
    return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([shortcut, x]))


def _imagenet(depth: int) -> Application:
    return Application(f"ResNet{depth}", bgr=True, epsilon=1.001e-5, biases=True)


_ALIKE: dict[str, Any] = {"mean": VGG_MEAN, "first_layers": ("conv1_conv",)}
RESNET50 = Backbone(resnet, depth=50, imagenet=_imagenet(50), **_ALIKE)
"""ResNet-50: 23,508,032 parameters at width 64."""
RESNET101 = Backbone(resnet, depth=101, imagenet=_imagenet(101), **_ALIKE)
"""ResNet-101: 42,500,160 parameters at width 64."""
RESNET152 = Backbone(resnet, depth=152, imagenet=_imagenet(152), **_ALIKE)
"""ResNet-152: 58,143,808 parameters at width 64."""
