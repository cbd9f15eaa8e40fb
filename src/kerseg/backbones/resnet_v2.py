"""ResNet-50, -101 and -152 with pre-activation, as TF-Slim builds them.

K. He, X. Zhang, S. Ren, J. Sun: Identity Mappings in Deep Residual Networks, ECCV 2016,
https://arxiv.org/abs/1603.05027, and https://github.com/google-research/tf-slim, commit 1287b1e,
tf_slim/nets/resnet_v2.py: the stride is in the last unit of a stage, the root convolution and the last one of
each unit have a bias and no norm. Layers carry the names of ``keras.applications.ResNet50V2``.
"""

import re
from collections.abc import Sequence
from typing import Any

from keras import layers

from kerseg.backbones.backbone import Application, Backbone, Checkpoint, Features, plan_strides
from kerseg.backbones.resnet import DEPTHS
from kerseg.core.tensor import Tensor
from kerseg.errors import ConfigError
from kerseg.layers.conv import conv, conv_norm, norm


def resnet_v2(
    x: Tensor,
    *,
    depth: int,
    output_stride: int = 32,
    width: int = 64,
    multi_grid: Sequence[int] = (1, 1, 1),
    root_pool: str = "slim",
    momentum: float = 0.9,
    freeze_norm: bool = False,
) -> Features:
    """Apply a ResNet v2 without its classifier.

    Args:
        x: ``(batch, height, width, channels)``, normalised.
        depth: 50, 101 or 152 layers.
        output_stride: 32, or 16 or 8: the stages beyond it keep the size; what follows is dilated.
        width: Channels of the first stage's 3x3 convolutions. The paper's is 64.
        multi_grid: Factors of the dilations of the last stage's three units (DeepLab-v3, section 3.2).
        root_pool: How the root's pooling pads: ``"slim"`` as TensorFlow's "same", after the map alone where its
            size is even; ``"keras"`` with a zero on each side.
        momentum: What the running statistics keep at each step; TF-Slim's weights were trained with 0.997.
        freeze_norm: Keep batch normalisation, with scale and shift, as it was loaded.

    Returns:
        Normalised and ReLU'd features at strides 4 up to ``output_stride``, and the root convolution's bare
        ones at stride 2. Because the last unit of a stage has its stride, the map at a stride below the last is
        what that unit sees: 256, 512 and 1024 channels at width 64. ``stages`` holds what follows each whole
        stage.

    Raises:
        ConfigError: ``output_stride`` or ``root_pool`` is none of these.

    Example:
        >>> features = resnet_v2(keras.Input((321, 321, 3)), depth=50, output_stride=8, width=8)
        >>> features[8].shape, features[4].shape
        ((None, 41, 41, 256), (None, 81, 81, 32))
    """
    if root_pool not in ("slim", "keras"):
        raise ConfigError(f"root_pool is {root_pool!r}; a ResNet v2 takes 'slim' or 'keras'.")
    statistics: dict[str, Any] = {"momentum": momentum, "frozen": freeze_norm}
    image = x
    x = conv(x, width, 7, strides=2, use_bias=True, name="conv1_conv")
    maps, stages, stride, dilation = {2: x}, [], 4, 1
    if root_pool == "keras":
        x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    rule = "same" if root_pool == "slim" else "valid"
    x = layers.MaxPooling2D(3, strides=2, padding=rule, name="pool1_pool")(x)
    plan = [*plan_strides(output_stride, 3, first=4), (1, 1)]
    for stage, (units, (step, next_dilation)) in enumerate(zip(DEPTHS[depth], plan, strict=True), start=2):
        for i in range(units):
            x, preactivated = _unit(
                x,
                width * 2 ** (stage - 2),
                strides=step if i == units - 1 else 1,
                dilation=dilation * (multi_grid[i] if stage == 5 else 1),
                project=i == 0,
                name=f"conv{stage}_block{i + 1}",
                **statistics,
            )
            if i == 0 and stage > 2:
                stages.append(preactivated)
        maps[stride] = preactivated
        stride, dilation = stride * step, next_dilation
    maps[stride] = norm(x, name="post", **statistics)
    return Features(maps, [*stages, maps[stride]], image)


def _unit(
    x: Tensor, channels: int, *, strides: int, dilation: int, project: bool, name: str, **statistics: Any
) -> tuple[Tensor, Tensor]:
    """Apply a unit (figure 4e); also return its input normalised and rectified."""
    preactivated = norm(x, name=f"{name}_preact", **statistics)
    if project:
        shortcut = conv(preactivated, 4 * channels, 1, strides=strides, use_bias=True, name=f"{name}_0_conv")
    elif strides > 1:
        shortcut = layers.MaxPooling2D(1, strides=strides, name=f"{name}_0_pool")(x)
    else:
        shortcut = x
    y = conv_norm(preactivated, channels, 1, name=f"{name}_1", **statistics)
    y = conv_norm(y, channels, 3, strides=strides, dilation=dilation, name=f"{name}_2", **statistics)
    y = conv(y, 4 * channels, 1, use_bias=True, name=f"{name}_3_conv")
    return layers.Add(name=f"{name}_out")([shortcut, y]), preactivated


def _unit_name(found: re.Match[str]) -> str:
    return f"conv{int(found[1]) + 1}_block{found[2]}"


_UNIT = r"block(\d)/unit_(\d+)/bottleneck_v2"
_SLIM_LAYERS = {
    r"conv1": lambda found: "conv1_conv",
    r"postnorm": lambda found: "post_bn",
    rf"{_UNIT}/preact": lambda found: f"{_unit_name(found)}_preact_bn",
    rf"{_UNIT}/shortcut": lambda found: f"{_unit_name(found)}_0_conv",
    rf"{_UNIT}/conv(\d)": lambda found: f"{_unit_name(found)}_{found[3]}_conv",
    rf"{_UNIT}/conv(\d)/BatchNorm": lambda found: f"{_unit_name(found)}_{found[3]}_bn",
}


def _imagenet(depth: int) -> Application:
    return Application(f"ResNet{depth}V2", epsilon=1.001e-5, options={"root_pool": "keras"})


def _checkpoint(depth: int) -> Checkpoint:
    return Checkpoint(f"resnet_v2_{depth}", _SLIM_LAYERS)


_ALIKE: dict[str, Any] = {"mean": 127.5, "scale": 1 / 127.5, "first_layers": ("conv1_conv",)}
RESNET50_V2 = Backbone(resnet_v2, depth=50, imagenet=_imagenet(50), checkpoint=_checkpoint(50), **_ALIKE)
"""TF-Slim's resnet_v2_50: 23,519,360 parameters at width 64."""
RESNET101_V2 = Backbone(resnet_v2, depth=101, imagenet=_imagenet(101), checkpoint=_checkpoint(101), **_ALIKE)
"""TF-Slim's resnet_v2_101: 42,528,896 parameters at width 64."""
RESNET152_V2 = Backbone(resnet_v2, depth=152, imagenet=_imagenet(152), checkpoint=_checkpoint(152), **_ALIKE)
"""TF-Slim's resnet_v2_152: 58,187,904 parameters at width 64."""
