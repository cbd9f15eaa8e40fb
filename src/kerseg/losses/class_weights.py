"""Weights of the classes that balance a loss, from pixel counts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerseg.core.ranges import check_range
from kerseg.errors import ConfigError
from kerseg.losses import CLASS_WEIGHTS


def class_weights(
    kind: str,
    class_pixels: Sequence[int],
    class_image_pixels: Sequence[int],
    options: Mapping[str, Any] | None = None,
) -> tuple[float, ...] | None:
    """Return the weights of the classes by the rule called ``kind``.

    Args:
        kind: ``"none"``, or a name of ``CLASS_WEIGHTS``.
        class_pixels: Pixels of each class in the training split.
        class_image_pixels: For each class, the labelled pixels of all images it occurs in.
        options: What the rule takes besides.

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
    weights: tuple[float, ...] = rule(class_pixels, class_image_pixels, **(options or {}))
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


def enet_weights(
    class_pixels: Sequence[int], class_image_pixels: Sequence[int], *, offset: float = 1.02
) -> tuple[float, ...]:
    """Weigh class c by ``1 / ln(offset + p(c))``, where p(c) is its share of all labelled pixels.

    Source: ENet (Paszke et al. 2016), section 5.2. With 1.02 the weights lie between 1.42 and 50.5.

    Args:
        class_pixels: Pixels of each class.
        class_image_pixels: Has no part in it.
        offset: Above 1; the nearer to 1, the more a rare class weighs.

    Example:
        >>> enet_weights([100, 0], [100, 0])
        (1.42227..., 50.49834...)
    """
    share = np.asarray(class_pixels, float) / sum(class_pixels)
    return tuple((1.0 / np.log(offset + share)).tolist())


def inverse_weights(class_pixels: Sequence[int], class_image_pixels: Sequence[int]) -> tuple[float, ...]:
    """Weigh class c by ``1 / (C p(c))``, where p(c) is its share of all labelled pixels, of C classes that occur.

    Every class then has the same part in the loss, and a pixel weighs 1 on average (scikit-learn's "balanced"). A
    class that never occurs has weight 0.

    Example:
        >>> inverse_weights([75, 25, 0], [100, 100, 0])
        (0.6666666666666666, 2.0, 0.0)
    """
    pixels = np.asarray(class_pixels, float)
    present = pixels > 0
    weights = np.zeros(len(pixels))
    weights[present] = pixels.sum() / (present.sum() * pixels[present])
    return tuple(weights.tolist())


def effective_number_weights(
    class_pixels: Sequence[int], class_image_pixels: Sequence[int], *, beta: float | None = None
) -> tuple[float, ...]:
    """Weigh class c by ``(1 - beta) / (1 - beta ** n(c))``, n(c) its pixels, scaled to a mean of 1.

    A class of far fewer pixels than ``1 / (1 - beta)`` weighs by their inverse, those of far more weigh alike:
    between no weights (beta = 0) and `inverse_weights` (beta -> 1). A class that never occurs has weight 0.

    Source: Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of Samples", equation 2.

    Args:
        class_pixels: Pixels of each class.
        class_image_pixels: Has no part in it.
        beta: 0 to below 1. The paper counts images, and takes 0.9 to 0.9999; of pixels there are more, hence the
            default: ``1 / (1 - beta)`` pixels are what a class would have if all had the same number.

    Raises:
        ConfigError: beta is out of range.

    Example:
        >>> effective_number_weights([100, 1], [101, 101], beta=0.0)
        (1.0, 1.0)
    """
    pixels = np.asarray(class_pixels, float)
    present = pixels > 0
    share = float(pixels.sum() / present.sum())
    if beta is None:
        beta = 1 - 1 / share
    check_range("beta", beta, least=0, most=1 - 1e-15)
    weights = np.zeros(len(pixels))
    # 1 - beta ** n without its cancellation.
    weights[present] = -(1 - beta) / np.expm1(pixels[present] * np.log(beta)) if beta else 1.0
    return tuple((weights * present.sum() / weights.sum()).tolist())
