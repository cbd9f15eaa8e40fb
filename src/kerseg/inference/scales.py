"""Probabilities averaged over several scales of an image and its mirror image.

Source: L.-C. Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation" (DeepLab v3), 2017,
section 4.1: images scaled by 0.5 to 1.75 and mirrored, the probabilities averaged. Images are scaled as training
scales them: bilinear, with half-pixel centres and without antialiasing.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def averaged(
    probabilities: Callable[[NDArray[Any]], Floats],
    images: NDArray[Any],
    *,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
) -> Floats:
    """Return the mean of the probabilities at each scale, with and without mirroring.

    Args:
        probabilities: From images (batch, height, width, channels) to (batch, height, width, classes), any size.
        images: uint8 or float32, 0 to 255.
        scales: Factors of height and width.
        flip: Mirror left and right, too.

    Returns:
        float32 (batch, height, width, classes) of the images' own size.

    Example:
        >>> ones = lambda images: np.ones((*images.shape[:-1], 2), np.float32)
        >>> averaged(ones, np.zeros((1, 4, 6, 3), np.uint8), scales=(0.5, 1), flip=True).shape
        (1, 4, 6, 2)
    """
    height, width = images.shape[1:3]
    total: Any = np.float32(0)
    for scale in scales:
        scaled = resized(images, max(1, round(scale * height)), max(1, round(scale * width)))
        for step in (1, -1)[: 1 + flip]:
            found = probabilities(np.ascontiguousarray(scaled[:, :, ::step]))
            total = total + resized(found[:, :, ::step], height, width)
    return np.asarray(total / np.float32(len(scales) * (1 + flip)), np.float32)


def resized(images: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Scale images: bilinear, half-pixel centres, no antialiasing, as ``tf.image.resize`` does.

    Args:
        images: (batch, height, width, channels).
        height: New height, pixels.
        width: New width, pixels.

    Returns:
        float32; the images themselves if they have the size.

    Example:
        >>> resized(np.array([[[[0.0], [8.0]]]], np.float32), 1, 4).ravel().tolist()
        [0.0, 2.0, 6.0, 8.0]
    """
    if images.shape[1:3] == (height, width):
        return images
    images = _along(images.astype(np.float32, copy=False), height, axis=1)
    return _along(images, width, axis=2)


def _along(values: Floats, size: int, *, axis: int) -> Floats:
    old = values.shape[axis]
    if size == old:
        return values
    places = ((np.arange(size) + 0.5) * (old / size) - 0.5).clip(0, old - 1)
    low = np.floor(places).astype(np.int64)
    share = (places - low).astype(np.float32).reshape(-1, *(1,) * (values.ndim - 1 - axis))
    first = np.take(values, low, axis)
    first += (np.take(values, np.minimum(low + 1, old - 1), axis) - first) * share
    return np.asarray(first, np.float32)
