"""GCN: large kernels, made of two thin ones, classify; small ones refine the borders.

C. Peng, X. Zhang, G. Yu, G. Luo, J. Sun: Large Kernel Matters - Improve Semantic Segmentation by Global
Convolutional Network, CVPR 2017, https://arxiv.org/abs/1703.02719, figure 2.
"""

from typing import Any

import keras
from keras import layers

from kerseg import backbones
from kerseg.core.solver import Solver
from kerseg.core.tensor import Tensor
from kerseg.errors import ConfigError
from kerseg.layers.pad import CropLike
from kerseg.layers.resize import Bilinear, ResizeLike


def gcn(
    *,
    num_classes: int,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    backbone: str = "resnet152",
    stride_in: str | None = None,
    root_pool: str | None = None,
    kernel_size: int = 15,
    learned_upsampling: bool = False,
    momentum: float | None = None,
    width: int = 64,
    pad: bool = True,
) -> keras.Model:
    """Build GCN.

    Args:
        num_classes: Classes, at least 1.
        input_shape: ``(height, width, channels)`` of the image, 0 to 255; ``None`` for any size.
        backbone: ``"resnet152"`` is the paper's, ``"resnet101"`` that of its ablations; any other.
        stride_in: Where a ResNet has its strides: in its ``"3x3"`` convolutions, which is the default, or in the
            ``"1x1"`` ones before them, as Keras's ImageNet weights were trained.
        root_pool: How a ResNet v2 pads its first pooling: ``"slim"``, which is the default, as TF-Slim's weights
            want it, or ``"keras"``, as Keras's do.
        kernel_size: Odd number of pixels of the large kernels; 15 in the paper, 25 for Cityscapes.
        learned_upsampling: Upsample with 4x4 convolutions of stride 2 that start bilinear and are trained; the
            paper says "deconvolution" and no more.
        momentum: What the running statistics of the backbone's batch normalisation keep at each step; 0.9 if
            ``None``.
        width: Channels of the backbone's first stage; all others follow. The paper's is 64.
        pad: Pad the normalised image with zeros at the bottom and right to a multiple of 32 pixels, and crop
            the logits, so that each upsampling is by two and scores keep their places at every size. False:
            scores are stretched to the next size, as kerseg 0.1 did.

    Returns:
        A model ``(batch, height, width, 3) -> (batch, height, width, num_classes)`` of float32 logits, with
        58,143,808 + 115,234 C + 282 C^2 trainable parameters for C classes on ResNet-152 at width 64, and
        80 C^2 + 5 C more for learned upsampling.

    Raises:
        ConfigError: The kernel is even, there is no such backbone, or it has no such variant.

    Example:
        >>> gcn(num_classes=21, width=8, backbone="resnet50")(keras.ops.zeros((1, 512, 512, 3))).shape
        (1, 512, 512, 21)
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ConfigError(f"kernel_size is {kernel_size}; gcn takes an odd number of at least 1.")
    image = keras.Input(input_shape, name="image")
    features = backbones.build(
        backbone,
        image,
        strides=(4, 8, 16, 32),
        pad=(32, 0) if pad else None,
        width=width,
        asked={"stride_in": stride_in, "root_pool": root_pool, "momentum": momentum},
    )
    sizes = {**features, 1: features.image}

    x = None
    for stride in (32, 16, 8, 4, 2, 1):
        if x is not None:
            x = _upsample(x, sizes[stride], num_classes, f"up{stride}", learned=learned_upsampling)
        if stride >= 4:
            skip = _global_conv(features[stride], num_classes, kernel_size, f"gcn{stride}")
            skip = _refine(skip, num_classes, f"refine{stride}")
            if x is None:
                x = skip
                continue
            x = layers.Add(dtype="float32", name=f"add{stride}")([x, skip])
        x = _refine(x, num_classes, "logits" if stride == 1 else f"refine{stride}_sum")
    if pad:
        x = CropLike(dtype="float32", name="crop")(x, image)
    return keras.Model(image, x, name="gcn")


def _global_conv(x: Tensor, channels: int, size: int, name: str) -> Tensor:
    """Add k x 1 after 1 x k to 1 x k after k x 1, with nothing between them (figure 3)."""
    tall, wide = (size, 1), (1, size)
    left = _conv(_conv(x, channels, tall, f"{name}_left1"), channels, wide, f"{name}_left2")
    right = _conv(_conv(x, channels, wide, f"{name}_right1"), channels, tall, f"{name}_right2")
    return layers.Add(name=f"{name}_add")([left, right])


def _refine(x: Tensor, channels: int, name: str) -> Tensor:
    """Add what two 3x3 convolutions make of the scores (figure 2c)."""
    y = layers.ReLU(dtype="float32", name=f"{name}_relu")(
        _conv(x, channels, 3, f"{name}_conv1", dtype="float32")
    )
    y = _conv(y, channels, 3, f"{name}_conv2", dtype="float32")
    return layers.Add(dtype="float32", name=name)([x, y])


def _upsample(x: Tensor, like: Tensor, channels: int, name: str, *, learned: bool) -> Tensor:
    if not learned:
        return ResizeLike(align_corners=False, dtype="float32", name=name)(x, like)
    x = layers.Conv2DTranspose(
        channels, 4, strides=2, padding="same", kernel_initializer=Bilinear(), dtype="float32", name=name
    )(x)
    return CropLike(dtype="float32", name=f"{name}_crop")(x, like)


def _conv(x: Tensor, channels: int, size: int | tuple[int, int], name: str, **options: Any) -> Tensor:
    # The paper's initialisation is unknown; this keeps the scale of the scores at any kernel size.
    return layers.Conv2D(channels, size, padding="same", name=name, **options)(x)


SOLVER = Solver(new="gcn.*|refine.*|logits.*|up.*")
"""No release is known: the layers on the ResNet."""
