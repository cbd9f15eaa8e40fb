"""FCN-32s, FCN-16s and FCN-8s on VGG16.

J. Long, E. Shelhamer, T. Darrell: Fully Convolutional Networks for Semantic Segmentation, CVPR 2015,
https://arxiv.org/abs/1411.4038, built as released (https://github.com/shelhamer/fcn.berkeleyvision.org,
commit 1305c73, voc-fcn{32s,16s,8s}/net.py): 100 pixels of padding, pooling that rounds up, crops 19, 27, 31,
5 and 9, fusion by sum, score layers that start at zero.
"""

import keras
from keras import layers

from kerseg import backbones
from kerseg.core.solver import Multipliers, Solver
from kerseg.core.tensor import Tensor
from kerseg.layers.pad import CropLike
from kerseg.layers.resize import Bilinear, BilinearUpsample

Size = tuple[int | None, int | None, int]


def fcn_32s(*, num_classes: int, input_shape: Size = (None, None, 3), width: int = 64) -> keras.Model:
    """Build FCN-32s: one prediction at stride 32, upsampled bilinearly.

    Args:
        num_classes: Classes, at least 1.
        input_shape: ``(height, width, channels)`` of the image, 0 to 255; ``None`` for any size.
        width: Channels of VGG16's first block; all others follow, fc6 and fc7 with 64 times as many. The
            paper's is 64.

    Returns:
        A model ``(batch, height, width, 3) -> (batch, height, width, num_classes)`` of float32 logits, with
        134,260,544 + 4,097 * num_classes trainable parameters at width 64.

        The release stores its fixed bilinear deconvolutions as full tensors that are zero off the diagonal:
        1,806,336 numbers here for 21 classes, 458,640 in FCN-16s, 127,008 in FCN-8s. ``BilinearUpsample``
        computes the same without any weight, so the model has no parameters besides the trainable ones.

    Example:
        >>> fcn_32s(num_classes=21, width=8)(keras.ops.zeros((1, 375, 500, 3))).shape
        (1, 375, 500, 21)
    """
    image, features = _trunk(input_shape, width)
    x = _score(features[32], num_classes, "score_fr")
    return _finish(image, x, factor=32, offset=19, name="fcn_32s")


def fcn_16s(
    *,
    num_classes: int,
    input_shape: Size = (None, None, 3),
    width: int = 64,
    learned_upsampling: bool = False,
) -> keras.Model:
    """Build FCN-16s: the prediction at stride 32 refined by one at stride 16.

    Args:
        num_classes: Classes, at least 1.
        input_shape: ``(height, width, channels)`` of the image, 0 to 255; ``None`` for any size.
        width: Channels of VGG16's first block; see ``fcn_32s``.
        learned_upsampling: The 2x upsampling is a convolution that starts bilinear and is trained, as in the
            paper's section 4.3; the release fixes it.

    Returns:
        A model ``(batch, height, width, 3) -> (batch, height, width, num_classes)`` of float32 logits, with
        134,260,544 + 4,610 * num_classes trainable parameters at width 64, and 16 * num_classes**2 more for
        a learned upsampling.

    Example:
        >>> fcn_16s(num_classes=21, width=8)(keras.ops.zeros((1, 375, 500, 3))).shape
        (1, 375, 500, 21)
    """
    image, features = _trunk(input_shape, width)
    x = _score(features[32], num_classes, "score_fr")
    x = _upsample(x, num_classes, "upscore2", learned=learned_upsampling)
    x = _fuse(x, _score(features[16], num_classes, "score_pool4"), offset=5, name="pool4")
    return _finish(image, x, factor=16, offset=27, name="fcn_16s")


def fcn_8s(
    *,
    num_classes: int,
    input_shape: Size = (None, None, 3),
    width: int = 64,
    learned_upsampling: bool = False,
) -> keras.Model:
    """Build FCN-8s: predictions at strides 32, 16 and 8, summed from coarse to fine.

    Args:
        num_classes: Classes, at least 1.
        input_shape: ``(height, width, channels)`` of the image, 0 to 255; ``None`` for any size.
        width: Channels of VGG16's first block; see ``fcn_32s``.
        learned_upsampling: Both 2x upsamplings are convolutions that start bilinear and are trained, as in
            the paper's section 4.3; the release fixes them.

    Returns:
        A model ``(batch, height, width, 3) -> (batch, height, width, num_classes)`` of float32 logits, with
        134,260,544 + 4,867 * num_classes trainable parameters at width 64, and 32 * num_classes**2 more for
        learned upsamplings.

    Example:
        >>> fcn_8s(num_classes=21, width=8)(keras.ops.zeros((1, 375, 500, 3))).shape
        (1, 375, 500, 21)
    """
    image, features = _trunk(input_shape, width)
    x = _score(features[32], num_classes, "score_fr")
    x = _upsample(x, num_classes, "upscore2", learned=learned_upsampling)
    x = _fuse(x, _score(features[16], num_classes, "score_pool4"), offset=5, name="pool4")
    x = _upsample(x, num_classes, "upscore_pool4", learned=learned_upsampling)
    x = _fuse(x, _score(features[8], num_classes, "score_pool3"), offset=9, name="pool3")
    return _finish(image, x, factor=8, offset=31, name="fcn_8s")


def _trunk(input_shape: Size, width: int) -> tuple[Tensor, dict[int, Tensor]]:
    """VGG16 with its fully connected layers as convolutions: ``features[32]`` is fc7's output."""
    image = keras.Input(input_shape, name="image")
    features = backbones.build("vgg16", image, width=width, padding=100)
    x = layers.Conv2D(64 * width, 7, activation="relu", name="fc6")(features[32])
    x = layers.Dropout(0.5, name="drop6")(x)
    x = layers.Conv2D(64 * width, 1, activation="relu", name="fc7")(x)
    features[32] = layers.Dropout(0.5, name="drop7")(x)
    return image, features


def _score(x: Tensor, num_classes: int, name: str) -> Tensor:
    # From zero a finer net starts out with its coarser net's predictions. Scores are float32 from here on:
    # they are small, and sums of them lose most in half precision.
    return layers.Conv2D(num_classes, 1, kernel_initializer="zeros", dtype="float32", name=name)(x)


def _upsample(x: Tensor, num_classes: int, name: str, *, learned: bool) -> Tensor:
    if not learned:
        return BilinearUpsample(2, dtype="float32", name=name)(x)
    return layers.Conv2DTranspose(
        num_classes, 4, strides=2, use_bias=False, kernel_initializer=Bilinear(), dtype="float32", name=name
    )(x)


def _fuse(x: Tensor, skip: Tensor, *, offset: int, name: str) -> Tensor:
    skip = CropLike(offset, dtype="float32", name=f"crop_{name}")(skip, x)
    return layers.Add(dtype="float32", name=f"fuse_{name}")([x, skip])


def _finish(image: Tensor, x: Tensor, *, factor: int, offset: int, name: str) -> keras.Model:
    x = BilinearUpsample(factor, dtype="float32", name="upscore")(x)
    logits = CropLike(offset, dtype="float32", name="logits")(x, image)
    return keras.Model(image, logits, name=name)


SOLVER = Solver({".*": Multipliers(bias=(2.0, 0.0))}, new="score_.*")
"""The release's (shelhamer/fcn.berkeleyvision.org, voc-fcn8s/net.py): biases learn twice as fast."""
