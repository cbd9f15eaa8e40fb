"""Losses that compare areas in place of pixels: Dice, Tversky and Jaccard of soft predictions, Lovász-softmax.

Each class counts alike, however small it is. A class that is nowhere in a batch's labels has no part in its loss.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerseg.core.ranges import check_range
from kerseg.core.tensor import Tensor
from kerseg.errors import ConfigError
from kerseg.losses.base import SegmentationLoss, one_hot


class _Overlap(SegmentationLoss):
    """One minus an index of overlap for each class, averaged over the classes in the batch's labels.

    Areas are sums of softmax probabilities over all pixels of the batch that are not ignored.

    Args:
        class_weights: Weight of each class in the mean over the classes; 0 leaves one out, such as background.
        ignore_label: The label value that does not count.
        name: Name in logs.
        smooth: Pixels added above and below the line: the loss of small objects swings less. 0 or more.
        **kwargs: ``reduction`` and ``dtype`` of ``keras.losses.Loss``.

    Raises:
        ConfigError: A class weight or an option is out of range.
    """

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        ignore_label: int = 255,
        name: str | None = None,
        *,
        smooth: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(class_weights, ignore_label, name, **kwargs)
        check_range("smooth", smooth, least=0)
        self.smooth = smooth

    def of_pixels(self, labels: Tensor, counted: Tensor, logits: Tensor) -> Tensor:
        """Return the mean over the classes that occur."""
        truth, probability = one_hot(labels, counted, logits)
        both, predicted, labelled = (
            ops.sum(area, axis=(0, 1, 2)) for area in (truth * probability, probability, truth)
        )
        above, below = self.ratio(both, predicted - both, labelled - both)
        losses = 1.0 - above / ops.maximum(below, keras.config.epsilon())
        return self.mean_of_classes(losses, labelled > 0)

    @abstractmethod
    def ratio(self, both: Tensor, excess: Tensor, missed: Tensor) -> tuple[Any, Any]:
        """Return numerator and denominator of the index, from areas (classes,) in pixels.

        Args:
            both: Predicted and labelled.
            excess: Predicted, not labelled.
            missed: Labelled, not predicted.
        """

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the loss."""
        return {**super().get_config(), "smooth": self.smooth}


@keras.saving.register_keras_serializable("kerseg")
class Dice(_Overlap):
    """One minus the soft Dice index of each class, ``(2 |A and B| + s) / (|A| + |B| + s)``, averaged.

    Source: Milletari et al. 2016 (V-Net), section 3, with areas in place of squares (Sudre et al. 2017).

    Args:
        class_weights: Weight of each class in the mean over the classes; 0 leaves one out, such as background.
        ignore_label: The label value that does not count.
        name: Name in logs.
        smooth: s, pixels: the loss of small objects swings less. 0 or more.
        **kwargs: ``reduction`` and ``dtype`` of ``keras.losses.Loss``.

    Raises:
        ConfigError: A class weight or an option is out of range.

    Example:
        >>> loss = Dice()(np.zeros((1, 1, 2)), np.zeros((1, 1, 2, 2)))
        >>> round(float(loss), 4)                          # class 0 alone: 1 - 2 * 1 / (1 + 2)
        0.3333
    """

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        ignore_label: int = 255,
        name: str = "dice",
        *,
        smooth: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(class_weights, ignore_label, name, smooth=smooth, **kwargs)

    def ratio(self, both: Tensor, excess: Tensor, missed: Tensor) -> tuple[Any, Any]:
        """Return numerator and denominator of the Dice index."""
        return 2.0 * both + self.smooth, 2.0 * both + excess + missed + self.smooth


@keras.saving.register_keras_serializable("kerseg")
class Jaccard(_Overlap):
    """One minus the soft Jaccard index (IoU) of each class, ``(|A and B| + s) / (|A or B| + s)``, averaged.

    Source: Rahman and Wang 2016, "Optimizing Intersection-Over-Union in Deep Neural Networks", equation 3.

    Args:
        class_weights: Weight of each class in the mean over the classes; 0 leaves one out, such as background.
        ignore_label: The label value that does not count.
        name: Name in logs.
        smooth: s, pixels: the loss of small objects swings less. 0 or more.
        **kwargs: ``reduction`` and ``dtype`` of ``keras.losses.Loss``.

    Raises:
        ConfigError: A class weight or an option is out of range.

    Example:
        >>> loss = Jaccard()(np.zeros((1, 1, 2)), np.zeros((1, 1, 2, 2)))
        >>> round(float(loss), 4)                          # class 0 alone: 1 - 1 / 2
        0.5
    """

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        ignore_label: int = 255,
        name: str = "jaccard",
        *,
        smooth: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(class_weights, ignore_label, name, smooth=smooth, **kwargs)

    def ratio(self, both: Tensor, excess: Tensor, missed: Tensor) -> tuple[Any, Any]:
        """Return numerator and denominator of the Jaccard index."""
        return both + self.smooth, both + excess + missed + self.smooth


@keras.saving.register_keras_serializable("kerseg")
class Tversky(_Overlap):
    """One minus the soft Tversky index of each class, averaged: Dice with its own price for each kind of error.

    ``(|A and B| + s) / (|A and B| + alpha |A - B| + beta |B - A| + s)`` for prediction A and label B: Dice with
    alpha = beta = 0.5, Jaccard with 1 and 1. A beta above alpha finds more of rare objects.

    Source: Salehi et al. 2017, "Tversky loss function for image segmentation", equation 2; the defaults are the
    best of its table 1.

    Args:
        class_weights: Weight of each class in the mean over the classes; 0 leaves one out, such as background.
        ignore_label: The label value that does not count.
        name: Name in logs.
        alpha: Price of a pixel predicted too much, 0 or more.
        beta: Price of a pixel missed, 0 or more; one of the two is above 0.
        smooth: s, pixels: the loss of small objects swings less. 0 or more.
        **kwargs: ``reduction`` and ``dtype`` of ``keras.losses.Loss``.

    Raises:
        ConfigError: A class weight or an option is out of range.

    Example:
        >>> loss = Tversky(alpha=0.3, beta=0.7)(np.zeros((1, 1, 2)), np.zeros((1, 1, 2, 2)))
        >>> round(float(loss), 4)                          # class 0 alone: 1 - 1 / (1 + 0.7)
        0.4118
    """

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        ignore_label: int = 255,
        name: str = "tversky",
        *,
        alpha: float = 0.3,
        beta: float = 0.7,
        smooth: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(class_weights, ignore_label, name, smooth=smooth, **kwargs)
        check_range("alpha", alpha, least=0)
        check_range("beta", beta, least=0)
        if alpha == beta == 0:
            raise ConfigError("alpha and beta are both 0: then no error has a price. One must be above 0.")
        self.alpha = alpha
        self.beta = beta

    def ratio(self, both: Tensor, excess: Tensor, missed: Tensor) -> tuple[Any, Any]:
        """Return numerator and denominator of the Tversky index."""
        return both + self.smooth, both + self.alpha * excess + self.beta * missed + self.smooth

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the loss."""
        return {**super().get_config(), "alpha": self.alpha, "beta": self.beta}


@keras.saving.register_keras_serializable("kerseg")
class LovaszSoftmax(SegmentationLoss):
    """The Lovász extension of the Jaccard index: the convex surrogate that is the IoU's loss at every decision.

    For each class the errors ``|truth - probability|`` of all pixels of the batch are sorted, and each is weighed
    with what it would cost the class's IoU on top of the greater ones. Averaged over the classes in the batch's
    labels. Often added to cross entropy, or used after it.

    Source: Berman et al. 2018, "The Lovász-Softmax loss", equations 8, 9 and 12, algorithm 1
    (classes "present").

    Args:
        class_weights: Weight of each class in the mean over the classes; 0 leaves one out, such as background.
        ignore_label: The label value that does not count.
        name: Name in logs.
        **kwargs: ``reduction`` and ``dtype`` of ``keras.losses.Loss``.

    Raises:
        ConfigError: A class weight is out of range.

    Example:
        >>> loss = LovaszSoftmax()(np.zeros((1, 1, 2)), np.zeros((1, 1, 2, 2)))
        >>> round(float(loss), 4)                          # two errors of 0.5: 0.5 (1 / 2 + 1 / 2)
        0.5
    """

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        ignore_label: int = 255,
        name: str = "lovasz_softmax",
        **kwargs: Any,
    ):
        super().__init__(class_weights, ignore_label, name, **kwargs)

    def of_pixels(self, labels: Tensor, counted: Tensor, logits: Tensor) -> Tensor:
        """Return the mean over the classes that occur."""
        truth, probability = (
            ops.transpose(ops.reshape(values, (-1, logits.shape[-1])))  # (classes, pixels)
            for values in one_hot(labels, counted, logits)
        )
        errors = ops.abs(truth - probability)  # 0 at ignored pixels
        # Ignored pixels go last, where they shift no other's place.
        key = ops.where(ops.reshape(counted, (1, -1)), -ops.stop_gradient(errors), ops.ones_like(errors))
        order = ops.argsort(key, axis=-1)
        errors = ops.take_along_axis(errors, order, axis=-1)
        truth = ops.take_along_axis(truth, order, axis=-1)
        losses = ops.sum(errors * _prices(truth), axis=-1)
        return self.mean_of_classes(losses, ops.any(truth > 0, axis=-1))


def _prices(truth: Tensor) -> Tensor:
    """Return by how much 1 - IoU grows when each pixel in turn becomes an error: (classes, pixels).

    The difference of neighbouring quotients in closed form: with a million pixels it would have no digit left.
    """
    hits = ops.cumsum(ops.cast(truth, "int32"), axis=-1)  # integers: float32 counts to 16 million
    total = hits[:, -1:]
    extra = ops.cumsum(ops.cast(1.0 - truth, "int32"), axis=-1)
    left, union = ops.cast(total - hits, truth.dtype), ops.cast(total + extra, truth.dtype)
    of_missed = 1.0 / ops.maximum(union, 1.0)
    of_excess = left / ops.maximum(union * (union - 1.0), 1.0)
    return ops.where(truth > 0, of_missed, of_excess)
