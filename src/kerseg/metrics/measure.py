"""What a metric is: a function from one image to sums, out of which one formula makes every figure.

Every metric here, pooled over all pixels or averaged over images, is a weighted mean of ratios of sums over images:

    value = sum_p w_p |n_p / d_p| / sum_p w_p        over the parts p (classes, sizes, bins ...) with d_p > 0

with n, d and w summed over the images. IoU has the correct pixels of a class as n and its union as d; a mean over
images has the image's own value as n and 1 as d. So one table of sums, a row an image, gives a metric, its
bootstrap interval (`kerseg.metrics.bootstrap` sums other rows) and a paired test, without predicting again.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kerseg.core.info import IGNORE_LABEL
from kerseg.metrics.confusion import Counts

Array = NDArray[np.float64]
Needs = Literal["counts", "labels", "probabilities"]
"""What of an image a metric looks at: its confusion matrix; label and prediction too; the probabilities too."""


@dataclass(frozen=True)
class Observation:
    """An image that was predicted, as a metric sees it."""

    counts: Counts
    """Its confusion matrix, int64 (C, C): row = true class, column = predicted class."""
    class_names: Sequence[str]
    label: NDArray[Any] = dataclasses.field(default_factory=lambda: np.zeros((0, 0), np.uint8))
    """True class indices (height, width); of a volume (slices, height, width)."""
    prediction: NDArray[Any] = dataclasses.field(default_factory=lambda: np.zeros((0, 0), np.uint8))
    """Predicted class indices, of the same shape."""
    probabilities: NDArray[np.float32] = dataclasses.field(
        default_factory=lambda: np.zeros((0, 0, 0), np.float32)
    )
    """Of each class, (height, width, C)."""
    ignore_label: int = IGNORE_LABEL
    spacing: tuple[float, ...] | None = None
    """Size of a pixel along each axis, in the data's unit, if that is known."""

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return len(self.counts)


@dataclass(frozen=True)
class Sums:
    """What one image adds to a metric, or the sum over several; any leading axes are of images or resamples."""

    numerator: Array
    """n, float64 (..., P, M): P parts, each the mean of the ratios of its M members; M is 1 for most metrics."""
    denominator: Array
    """d, of the same shape; 0 where the image has nothing of the part."""
    weight: Array
    """w, float64 (..., P): what the part weighs in the mean. All equal to count the parts that exist alike."""


@dataclass(frozen=True)
class Metric:
    """An entry of `kerseg.metrics.METRICS`: how an image is summed up, and how the result is shown."""

    function: Callable[..., Sums]
    """From an `Observation` and options to its sums."""
    title: str
    """As tables and reports name it."""
    needs: Needs = "counts"
    parts: Callable[..., Sequence[str]] = lambda class_names, **options: class_names
    """From class names and options to the names of the parts."""
    unit: str = ""
    """``"px"``; empty for shares from 0 to 1."""
    higher_is_better: bool = True
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Those that were chosen; the others keep their defaults."""

    def __call__(self, observation: Observation) -> Sums:
        """Return what an image adds."""
        return self.function(observation, **self.options)

    def part_names(self, class_names: Sequence[str]) -> tuple[str, ...]:
        """Return the names of the parts for a data set of these classes."""
        return tuple(self.parts(class_names, **self.options))

    def with_options(self, options: Mapping[str, Any]) -> "Metric":
        """Return the metric with these options."""
        return dataclasses.replace(self, options=dict(options))


def metric(
    title: str,
    needs: Needs = "counts",
    *,
    parts: Callable[..., Sequence[str]] = lambda class_names, **options: class_names,
    unit: str = "",
    higher_is_better: bool = True,
) -> Callable[[Callable[..., Sums]], Metric]:
    """Make a `Metric` of a function from an `Observation` to `Sums`; the arguments are its fields.

    Example:
        >>> @metric("mean recall")
        ... def recall(image):
        ...     return sums(np.diagonal(image.counts), image.counts.sum(axis=1))
    """
    return lambda function: Metric(function, title, needs, parts, unit, higher_is_better)


def sums(numerator: ArrayLike, denominator: ArrayLike, weight: ArrayLike | None = None) -> Sums:
    """Return what an image adds to a metric.

    Args:
        numerator: (P,) or (P, M).
        denominator: Of the same shape.
        weight: (P,); None for parts that count alike.
    """
    n, d = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    if n.ndim == 1:
        n, d = n[:, None], d[:, None]
    return Sums(n, d, np.ones(len(n)) if weight is None else np.asarray(weight, np.float64))


def values(total: Sums) -> tuple[Array, Array]:
    """Return a metric and its parts.

    Args:
        total: Over all images; leading axes are kept.

    Returns:
        The value (...), and that of each part (..., P); NaN where no image has anything of it.

    Example:
        >>> value, parts = values(sums([1, 0, 0], [2, 3, 0]))
        >>> float(value), parts.tolist()
        (0.25, [0.5, 0.0, nan])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(total.denominator > 0, np.abs(total.numerator / total.denominator), np.nan)
    parts = mean(ratios, np.ones(ratios.shape))
    return mean(parts, total.weight), parts


def mean(figures: Array, weight: Array) -> Array:
    """Return the weighted mean over the last axis of what is not NaN; NaN where nothing is left."""
    weight = np.where(np.isnan(figures), 0.0, weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        result: Array = (np.nan_to_num(figures) * weight).sum(axis=-1) / weight.sum(axis=-1)
    return result
