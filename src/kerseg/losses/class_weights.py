"""Weights of the classes that balance a loss, from pixel counts."""

from collections.abc import Sequence

import numpy as np

from kerseg.errors import ConfigError
from kerseg.losses import CLASS_WEIGHTS


def class_weights(
    kind: str, class_pixels: Sequence[int], class_image_pixels: Sequence[int]
) -> tuple[float, ...] | None:
    """Return the weights of the classes by the rule called ``kind``.

    Args:
        kind: ``"none"``, or a name of ``CLASS_WEIGHTS``.
        class_pixels: Pixels of each class in the training split.
        class_image_pixels: For each class, the labelled pixels of all images it occurs in.

    Returns:
        One weight a class, or ``None`` for ``"none"``.

    Raises:
        ConfigError: The kind is unknown, or the split has no labelled pixel.
    """
    if kind == "none":
        return None
    rule = CLASS_WEIGHTS.load(kind)
    if sum(class_pixels) == 0:
        raise ConfigError("Class weights need labelled pixels, and the training split has none.")
    weights: tuple[float, ...] = rule(class_pixels, class_image_pixels)
    return weights


def median_frequency_weights(
    class_pixels: Sequence[int], class_image_pixels: Sequence[int]
) -> tuple[float, ...]:
    """Weigh class c by ``median(freq) / freq(c)``, where freq(c) is its share of the images it occurs in.

    Source: Eigen and Fergus 2015, section 6.3.2; used by SegNet (section 4.1). A class that never occurs has
    weight 0 and no part in the median.

    Example:
        >>> median_frequency_weights([50, 30, 20], [100, 100, 50])
        (0.8, 1.333..., 1.0)
    """
    pixels, image_pixels = np.asarray(class_pixels, float), np.asarray(class_image_pixels, float)
    present = pixels > 0
    frequency = pixels[present] / image_pixels[present]
    weights = np.zeros(len(pixels))
    weights[present] = np.median(frequency) / frequency
    return tuple(weights.tolist())


def enet_weights(class_pixels: Sequence[int], class_image_pixels: Sequence[int]) -> tuple[float, ...]:
    """Weigh class c by ``1 / ln(1.02 + p(c))``, where p(c) is its share of all labelled pixels.

    Source: ENet (Paszke et al. 2016), section 5.2. The weights lie between 1.42 and 50.5.

    Example:
        >>> enet_weights([100, 0], [100, 0])
        (1.42227..., 50.49834...)
    """
    share = np.asarray(class_pixels, float) / sum(class_pixels)
    return tuple((1.0 / np.log(1.02 + share)).tolist())
