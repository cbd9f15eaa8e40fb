"""VGG16's convolutions: the trunk of FCN, and later of DeepLab v1 and v2.

K. Simonyan, A. Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, 2014,
https://arxiv.org/abs/1409.1556, table 1 column D. Layers carry the names of ``keras.applications.VGG16``, so
its weights load by name.
"""

from typing import Any

from keras import layers

_DEPTHS = (2, 2, 3, 3, 3)
_MULTIPLES = (1, 2, 4, 8, 8)


def vgg16(image: Any, *, width: int = 64, padding: int = 1) -> dict[int, Any]:
    """Apply VGG16's thirteen 3x3 convolutions and five poolings.

    Pooling rounds up, as Caffe does: no pixel of an odd size is lost.

    Args:
        image: ``(batch, height, width, 3)``, normalised.
        width: Channels of the first block; the others have 2, 4, 8 and 8 times as many. The paper's is 64.
        padding: Zeros around the image, in pixels. FCN's 100 leaves room for its unpadded 7x7 convolution at
            any image size.

    Returns:
        ``{2: ..., 4: ..., 8: ..., 16: ..., 32: ...}``: what each pooling gives, by stride; the features at
        stride s have ``ceil((size + 2 * padding - 2) / s)`` pixels. 14,714,688 parameters at width 64.

    Example:
        >>> features = vgg16(keras.Input((224, 224, 3)))
        >>> features[32].shape
        (None, 7, 7, 512)
    """
    features = {}
    x = layers.ZeroPadding2D(padding, name="pad")(image)
    for block, (depth, multiple) in enumerate(zip(_DEPTHS, _MULTIPLES, strict=True), start=1):
        for i in range(1, depth + 1):
            rule = "valid" if block == i == 1 else "same"  # the first one's padding is done
            x = layers.Conv2D(
                multiple * width, 3, padding=rule, activation="relu", name=f"block{block}_conv{i}"
            )(x)
        x = layers.MaxPooling2D(2, padding="same", name=f"block{block}_pool")(x)
        features[2**block] = x
    return features
