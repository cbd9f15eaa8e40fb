"""ENet: real-time segmentation with 0.36 million parameters.

A. Paszke, A. Chaurasia, S. Kim, E. Culurciello: ENet: A Deep Neural Network Architecture for Real-Time Semantic
Segmentation, 2016, https://arxiv.org/abs/1606.02147. Where the text leaves a choice, this follows the authors'
Torch code (https://github.com/e-lab/ENet-training, commit f762144, train/models/{encoder,decoder}.lua): a bias
on each 3x3 convolution, on the second half of an asymmetric one, which is 1x5 and then 5x1 with nothing
between, and on no other but the last; PReLU per channel in the encoder, plain ReLU and no dropout in the
decoder.
"""

from typing import Any

import keras
from keras import layers

from kerseg.core.solver import Multipliers, Solver
from kerseg.core.tensor import Tensor
from kerseg.errors import ConfigError
from kerseg.layers.activation import PReLU
from kerseg.layers.conv import DilatedConv, PointwiseConv
from kerseg.layers.dropout import SpatialDropout
from kerseg.layers.norm import BatchNorm
from kerseg.layers.pad import CropLike, PadToMultiple, ZeroChannels
from kerseg.layers.preprocess import Normalize
from kerseg.layers.unpool import MaxPoolWithIndex, MaxUnpool


def enet(
    *,
    num_classes: int,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    width: int = 16,
    asymmetric_bias: bool = True,
) -> keras.Model:
    """Build ENet.

    Images are divided by 255 inside, as in the authors' training, and padded at the bottom and right with
    zeros to a multiple of 8; the logits are cropped to the image's own size.

    Args:
        num_classes: Classes, at least 1.
        input_shape: ``(height, width, channels)`` of the image, 0 to 255; ``None`` for any size.
        width: Channels after the initial block; all others follow (4x and 8x). The paper's is 16.
        asymmetric_bias: Asymmetric convolutions are 1x5 and then 5x1 with a bias, as the authors' are. False:
            5x1 and then 1x5 without one, as in kerseg 0.1, whose weights fit whole with this alone.

    Returns:
        A model ``(batch, height, width, 3) -> (batch, height, width, num_classes)`` of float32 logits, with
        363,076 + 65 * num_classes trainable parameters at width 16.

    Raises:
        ConfigError: ``width`` is not a multiple of 4, or not above the image's channels.

    Example:
        >>> enet(num_classes=11)(keras.ops.zeros((1, 45, 60, 3))).shape
        (1, 45, 60, 11)
    """
    if width % 4 or width <= input_shape[2]:
        raise ConfigError(
            f"width is {width}; enet takes a multiple of 4 above the image's {input_shape[2]} channels."
        )
    image = keras.Input(input_shape, name="image")
    x = Normalize(scale=1 / 255, name="normalize")(image)
    x = PadToMultiple(8, name="pad")(x)

    x = _initial(x, width)
    half = x

    x, index1 = _downsampling(x, 4 * width, dropout=0.01, name="bottleneck1_0")
    for i in range(1, 5):
        x = _bottleneck(x, 4 * width, dropout=0.01, name=f"bottleneck1_{i}")
    quarter = x

    x, index2 = _downsampling(x, 8 * width, dropout=0.1, name="bottleneck2_0")
    for stage in (2, 3):
        for i, options in enumerate(_CONTEXT, start=1):
            x = _bottleneck(
                x,
                8 * width,
                dropout=0.1,
                asymmetric_bias=asymmetric_bias,
                name=f"bottleneck{stage}_{i}",
                **options,
            )

    x = _upsampling(x, index2, quarter, 4 * width, name="bottleneck4_0")
    for i in (1, 2):
        x = _bottleneck(x, 4 * width, decoder=True, name=f"bottleneck4_{i}")

    x = _upsampling(x, index1, half, width, name="bottleneck5_0")
    x = _bottleneck(x, width, decoder=True, name="bottleneck5_1")

    x = layers.Conv2DTranspose(num_classes, 2, strides=2, dtype="float32", name="logits")(x)
    x = CropLike(dtype="float32", name="crop")(x, image)
    return keras.Model(image, x, name="enet")


_CONTEXT: tuple[dict[str, Any], ...] = (
    {},
    {"dilation": 2},
    {"asymmetric": True},
    {"dilation": 4},
    {},
    {"dilation": 8},
    {"asymmetric": True},
    {"dilation": 16},
)
"""Stages 2 and 3, which differ only in stage 2's downsampling (table 1)."""
_WIDE_THEN_TALL = (((1, 5), False, "wide"), ((5, 1), True, "tall"))
_TALL_THEN_WIDE = (((5, 1), False, "5x1"), ((1, 5), False, "1x5"))
"""An asymmetric block's convolutions: kernel, whether there is a bias, name. The second pair is 0.1's."""


def _initial(x: Tensor, width: int) -> Tensor:
    """Half the size: a strided convolution and a pooling of the image side by side (figure 2a)."""
    channels = x.shape[-1]
    convolved = layers.Conv2D(width - channels, 3, strides=2, name="initial_conv")(
        _pad_before(x, "initial_pad")
    )
    pooled = layers.MaxPooling2D(2, name="initial_pool")(x)
    x = layers.Concatenate(name="initial_concat")([convolved, pooled])
    return _norm_activation(x, "initial")


def _bottleneck(
    x: Tensor,
    channels: int,
    *,
    dilation: int = 1,
    asymmetric: bool = False,
    asymmetric_bias: bool = True,
    dropout: float = 0.0,
    decoder: bool = False,
    name: str,
) -> Tensor:
    """A residual block that keeps size and channels (figure 2b)."""
    internal = channels // 4
    y = _project(x, internal, f"{name}_reduce", decoder=decoder)
    if asymmetric:
        # Names that 0.1's weights do not fit: the kernels have their shapes, but not their order.
        steps = _WIDE_THEN_TALL if asymmetric_bias else _TALL_THEN_WIDE
        for kernel, bias, step in steps:
            y = layers.Conv2D(internal, kernel, padding="same", use_bias=bias, name=f"{name}_conv_{step}")(y)
    else:
        y = DilatedConv(internal, 3, padding="same", dilation_rate=dilation, name=f"{name}_conv")(y)
    y = _norm_activation(y, f"{name}_conv", decoder=decoder)
    return _expand_and_add(x, y, channels, dropout, name, decoder=decoder)


def _downsampling(x: Tensor, channels: int, *, dropout: float, name: str) -> tuple[Tensor, Tensor]:
    """Half the size, more channels; also returns where the maxima were, for the decoder."""
    internal = channels // 4
    y = layers.Conv2D(internal, 2, strides=2, use_bias=False, name=f"{name}_reduce")(x)
    y = _norm_activation(y, f"{name}_reduce")
    y = layers.Conv2D(internal, 3, padding="same", name=f"{name}_conv")(y)
    y = _norm_activation(y, f"{name}_conv")
    pooled, index = MaxPoolWithIndex(name=f"{name}_pool")(x)
    missing = channels - x.shape[-1]
    main = ZeroChannels(missing, name=f"{name}_zeros")(pooled)
    return _expand_and_add(main, y, channels, dropout, name), index


def _upsampling(x: Tensor, index: Tensor, like: Tensor, channels: int, *, name: str) -> Tensor:
    """Twice the size, fewer channels: values go back to where the encoder's maxima were."""
    internal = channels // 4
    y = _project(x, internal, f"{name}_reduce", decoder=True)
    y = layers.Conv2DTranspose(internal, 3, strides=2, name=f"{name}_conv")(y)
    # Torch's full convolution with pad 1 and adj 1: 2n + 1 pixels without the first.
    y = CropLike(offset=1, name=f"{name}_crop")(y, like)
    y = _norm_activation(y, f"{name}_conv", decoder=True)
    main = PointwiseConv(channels, name=f"{name}_main")(x)
    main = _norm(main, f"{name}_main")
    main = MaxUnpool(name=f"{name}_unpool")(main, index, like)
    return _expand_and_add(main, y, channels, 0.0, name, decoder=True)


def _project(x: Tensor, channels: int, name: str, *, decoder: bool) -> Tensor:
    """1x1 convolution without bias, batch norm, activation."""
    x = PointwiseConv(channels, name=name)(x)
    return _norm_activation(x, name, decoder=decoder)


def _expand_and_add(
    main: Tensor, y: Tensor, channels: int, dropout: float, name: str, *, decoder: bool = False
) -> Tensor:
    """The end of each block: back to ``channels``, spatial dropout, sum with the main branch, activation."""
    y = PointwiseConv(channels, name=f"{name}_expand")(y)
    y = _norm(y, f"{name}_expand")
    if dropout:
        y = SpatialDropout(dropout, name=f"{name}_dropout")(y)
    return _activation(layers.Add(name=f"{name}_add")([main, y]), name, decoder=decoder)


def _norm_activation(x: Tensor, name: str, *, decoder: bool = False) -> Tensor:
    return _activation(_norm(x, name), name, decoder=decoder)


def _norm(x: Tensor, name: str) -> Tensor:
    # Torch's defaults: epsilon 1e-3, and a running mean that keeps 0.9 at each step.
    return BatchNorm(momentum=0.9, epsilon=1e-3, name=f"{name}_norm")(x)


def _activation(x: Tensor, name: str, *, decoder: bool) -> Tensor:
    if decoder:
        return layers.ReLU(name=f"{name}_relu")(x)
    return PReLU(
        alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2], name=f"{name}_prelu"
    )(x)


def _pad_before(x: Tensor, name: str) -> Tensor:
    # Torch pads one pixel on each side; at stride 2 and even sizes the one after is never read, and Keras's
    # "same" would pad only after, which moves every window by a pixel.
    return layers.ZeroPadding2D(((1, 0), (1, 0)), name=name)(x)


_EVERY = (1.0, 1.0)
SOLVER = Solver({".*": Multipliers(bias=_EVERY, gamma=_EVERY, beta=_EVERY, other=_EVERY)})
"""The release's (train.lua): one rate, and decay of all weights, norms and slopes too."""
