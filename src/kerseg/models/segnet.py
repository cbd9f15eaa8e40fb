"""SegNet and SegNet-Basic: a decoder that unpools with the encoder's pooling indices.

V. Badrinarayanan, A. Kendall, R. Cipolla: SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image
Segmentation, PAMI 2017, https://arxiv.org/abs/1511.00561, built as released
(https://github.com/alexgkendall/SegNet-Tutorial, commit bb68b64, Models/segnet_train.prototxt and
segnet_basic_train.prototxt): a bias on each convolution though batch normalisation follows, and no
normalisation of the image but SegNet-Basic's first layer.
"""

import keras
from keras import layers

from kerseg.backbones.vgg import DEPTHS, MULTIPLES
from kerseg.core.solver import Multipliers, Solver
from kerseg.core.tensor import Tensor
from kerseg.layers.norm import BatchNorm, LocalResponseNorm
from kerseg.layers.preprocess import Normalize
from kerseg.layers.unpool import MaxPoolWithIndex, MaxUnpool

Size = tuple[int | None, int | None, int]


def segnet(
    *,
    num_classes: int,
    input_shape: Size = (None, None, 3),
    width: int = 64,
    epsilon: float = 1e-5,
) -> keras.Model:
    """Build SegNet: VGG16's thirteen convolutions, and their mirror image.

    Args:
        num_classes: Classes, at least 1.
        input_shape: ``(height, width, channels)`` of the image, 0 to 255; ``None`` for any size.
        width: Channels of the first block; all others follow as in VGG16. The paper's is 64.
        epsilon: What batch normalisation adds to each variance. The release's weights were made with 1e-9.

    Returns:
        A model ``(batch, height, width, channels) -> (batch, height, width, num_classes)`` of float32 logits,
        with 29,443,008 + 577 * num_classes trainable parameters at width 64 and three channels.

    Example:
        >>> segnet(num_classes=11, width=8)(keras.ops.zeros((1, 360, 480, 3))).shape
        (1, 360, 480, 11)
    """
    image = keras.Input(input_shape, name="image")
    x = Normalize(backbone="vgg16", name="normalize")(image)  # VGG16's convolutions, each with a norm

    unpooled = []
    for block, (depth, multiple) in enumerate(zip(DEPTHS, MULTIPLES, strict=True), start=1):
        for i in range(1, depth + 1):
            x = _conv(x, multiple * width, 3, f"block{block}_conv{i}", epsilon)
        pooled, index = MaxPoolWithIndex(name=f"block{block}_pool")(x)
        unpooled.append((index, x))
        x = pooled

    for block in range(5, 0, -1):
        index, like = unpooled[block - 1]
        x = MaxUnpool(name=f"decoder{block}_unpool")(x, index, like)
        # Unpooling needs as many channels as the indices have, so a block's last convolution narrows.
        narrower = MULTIPLES[max(block - 2, 0)]
        for i in range(DEPTHS[block - 1], 1, -1):
            x = _conv(x, MULTIPLES[block - 1] * width, 3, f"decoder{block}_conv{i}", epsilon)
        if block > 1:
            x = _conv(x, narrower * width, 3, f"decoder{block}_conv1", epsilon)
    x = layers.Conv2D(
        num_classes, 3, padding="same", kernel_initializer="he_normal", dtype="float32", name="logits"
    )(x)
    return keras.Model(image, x, name="segnet")


def segnet_basic(
    *,
    num_classes: int,
    input_shape: Size = (None, None, 3),
    width: int = 64,
    epsilon: float = 1e-5,
) -> keras.Model:
    """Build SegNet-Basic: four encoders and four decoders of one 7x7 convolution each.

    The release normalises the image across its channels (local response, size 5, alpha 1e-4, beta 0.75); the
    paper says local contrast normalisation.

    Args:
        num_classes: Classes, at least 1.
        input_shape: ``(height, width, channels)`` of the image, 0 to 255; ``None`` for any size.
        width: Channels of all convolutions. The paper's is 64.
        epsilon: What batch normalisation adds to each variance. The release's weights were made with 1e-9.

    Returns:
        A model ``(batch, height, width, channels) -> (batch, height, width, num_classes)`` of float32 logits,
        with 1,415,872 + 65 * num_classes trainable parameters at width 64 and three channels.

    Example:
        >>> segnet_basic(num_classes=11, width=8)(keras.ops.zeros((1, 360, 480, 3))).shape
        (1, 360, 480, 11)
    """
    image = keras.Input(input_shape, name="image")
    x = LocalResponseNorm(size=5, alpha=1e-4, beta=0.75, name="normalize")(image)

    unpooled = []
    for block in range(1, 5):
        x = _conv(x, width, 7, f"encoder{block}_conv", epsilon)
        pooled, index = MaxPoolWithIndex(name=f"encoder{block}_pool")(x)
        unpooled.append((index, x))
        x = pooled
    for block in range(4, 0, -1):
        x = MaxUnpool(name=f"decoder{block}_unpool")(x, *unpooled[block - 1])
        x = _conv(x, width, 7, f"decoder{block}_conv", epsilon, relu=False)
    x = layers.Conv2D(num_classes, 1, kernel_initializer="he_normal", dtype="float32", name="logits")(x)
    return keras.Model(image, x, name="segnet_basic")


def _conv(
    x: Tensor, channels: int, kernel_size: int, name: str, epsilon: float, *, relu: bool = True
) -> Tensor:
    x = layers.Conv2D(channels, kernel_size, padding="same", kernel_initializer="he_normal", name=name)(x)
    # The prototxt's "shift_filler" is 0.001.
    x = BatchNorm(
        momentum=0.9, epsilon=epsilon, beta_initializer=keras.initializers.Constant(0.001), name=f"{name}_bn"
    )(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x


SOLVER = Solver({".*": Multipliers(bias=(2.0, 0.0), gamma=(1.0, 1.0))}, new="(de|en)coder.*|logits|.*_bn")
"""The release's (segnet_train.prototxt): biases learn twice as fast, scales of norms decay."""
