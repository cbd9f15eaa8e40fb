"""VGG16: the trunk of FCN and of DeepLab v1 and v2.

K. Simonyan, A. Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, 2014,
https://arxiv.org/abs/1409.1556, table 1 column D. Layers carry the names of ``keras.applications.VGG16``.
"""

from keras import layers

from kerseg.backbones.backbone import Application, Backbone, Checkpoint, Features, plan_strides
from kerseg.core.tensor import Tensor
from kerseg.layers.conv import DilatedConv
from kerseg.layers.preprocess import VGG_MEAN

DEPTHS = (2, 2, 3, 3, 3)
MULTIPLES = (1, 2, 4, 8, 8)
"""Convolutions of each block, and their channels as multiples of the first block's."""


def vgg16(
    x: Tensor,
    *,
    output_stride: int = 32,
    width: int = 64,
    padding: int = 1,
    pool_size: int = 2,
    round_up: bool = True,
) -> Features:
    """Apply VGG16's thirteen 3x3 convolutions and five poolings.

    Args:
        x: ``(batch, height, width, channels)``, normalised.
        output_stride: 32, or 16 or 8: the poolings beyond it keep the size, the convolutions after them are
            dilated.
        width: Channels of the first block; the others have 2, 4, 8 and 8 times as many. The paper's is 64.
        padding: Zeros around the image, in pixels. FCN's 100 leaves room for its unpadded 7x7 convolution at
            any image size.
        pool_size: 2, or 3 with one pixel of padding on each side as in DeepLab.
        round_up: Whether pooling rounds an odd size up, as Caffe does and where no pixel is lost, or down, as
            TF-Slim and Keras do.

    Returns:
        What the blocks give after their pooling, by stride. 14,714,688 parameters at width 64.

    Raises:
        ConfigError: ``output_stride`` is not 8, 16 or 32.

    Example:
        >>> features = vgg16(keras.Input((224, 224, 3)))
        >>> features[32].shape
        (None, 7, 7, 512)
    """
    image, maps, stages, stride, dilation = x, {}, [], 1, 1
    x = layers.ZeroPadding2D(padding, name="pad")(x)
    for block, (step, next_dilation) in enumerate(plan_strides(output_stride, 5, first=1), start=1):
        for i in range(1, DEPTHS[block - 1] + 1):
            x = DilatedConv(
                MULTIPLES[block - 1] * width,
                3,
                dilation_rate=dilation,
                padding="valid" if block == i == 1 else "same",  # the first one's padding is done
                activation="relu",
                name=f"block{block}_conv{i}",
            )(x)
        if pool_size == 3:
            x = layers.ZeroPadding2D(1, name=f"block{block}_pad")(x)
        rule = "same" if round_up and pool_size == 2 else "valid"
        x = layers.MaxPooling2D(pool_size, strides=step, padding=rule, name=f"block{block}_pool")(x)
        stride, dilation = stride * step, next_dilation
        maps[stride] = x
        stages.append(x)
    return Features(maps, stages, image)


VGG16 = Backbone(
    vgg16,
    mean=VGG_MEAN,
    first_layers=("block1_conv1",),
    classifier={"fc1": "fc6", "fc2": "fc7"},
    imagenet=Application("VGG16", bgr=True),
    checkpoint=Checkpoint(
        "vgg_16",
        {
            r"conv(\d)/conv\d_(\d)": lambda found: f"block{found[1]}_conv{found[2]}",
            r"(fc6|fc7)": lambda found: found[1],
        },
    ),
)
"""VGG16: thirteen 3x3 convolutions and five poolings, 14,714,688 parameters at width 64."""
