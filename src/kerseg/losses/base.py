"""What all losses share: pixels that are ignored, weights of the classes, labels at the size of a head."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerseg.core.tensor import Tensor
from kerseg.errors import ConfigError


class SegmentationLoss(keras.losses.Loss):
    """Loss of a batch of logits against labels with an ignore value; a subclass writes `of_pixels`.

    A batch in which every pixel is ignored has the loss 0. All is computed in float32 (or float64, where Keras is
    set to it), whatever the type of the logits.

    Args:
        class_weights: One weight a class, 0 or more; ``None`` weighs all alike.
        ignore_label: The label value that does not count.
        name: Name in logs.
        **kwargs: ``reduction`` and ``dtype`` of ``keras.losses.Loss``.

    Raises:
        ConfigError: A weight is negative or not finite, or all are 0.
    """

    needs_preparation = False
    """Whether the labels must pass through `prepare` on their way to the loss."""

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        ignore_label: int = 255,
        name: str | None = None,
        **kwargs: Any,
    ):
        dtype = kwargs.pop("dtype", None) or keras.config.floatx()
        # Keras converts logits and labels to the loss's own type: half precision has no room for either.
        super().__init__(name=name, dtype="float32" if dtype in ("float16", "bfloat16") else dtype, **kwargs)
        weights = None if class_weights is None else [float(weight) for weight in class_weights]
        if weights is not None and (
            not np.all(np.isfinite(weights)) or min(weights) < 0 or max(weights) == 0
        ):
            raise ConfigError(
                f"Class weights are finite, 0 or more, and at least one is above 0. Received: {weights}."
            )
        self.class_weights = weights
        self.ignore_label = ignore_label

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss of one batch, a scalar.

        Args:
            y_true: Class indices, (batch, height, width), any type; or (batch, height, width, n) as a loss that
                `needs_preparation` made them, with the class indices first.
            y_pred: Logits, (batch, h, w, classes). Where they are smaller than the labels, each meets the
                label at its own place, and the labels between go unseen, as DeepLab v1 and ICNet are trained.
        """
        if len(y_true.shape) == 4:
            y_true = y_true[..., 0]
        labels, counted = self.at_size(y_true, y_pred)
        return self.of_pixels(labels, counted, ops.cast(y_pred, self.dtype))

    def of_pixels(self, labels: Tensor, counted: Tensor, logits: Tensor) -> Tensor:
        """Return the loss of a batch.

        Args:
            labels: (batch, h, w) int32, class indices; 0 where a pixel does not count.
            counted: (batch, h, w) bool, false where a pixel is ignored.
            logits: (batch, h, w, classes) float32.

        Returns:
            A scalar; 0 where nothing counts.
        """
        raise NotImplementedError

    def prepare(self, labels: np.ndarray) -> np.ndarray:
        """Return what the loss takes as ``y_true``, made of class indices (batch, height, width)."""
        return labels

    def at_size(self, labels: Tensor, logits: Tensor) -> tuple[Any, Any]:
        """Return the labels that the logits meet, class 0 where they are ignored, and whether they count."""
        labels = labels_at(ops.cast(labels, "int32"), *ops.shape(logits)[1:3])
        counted = ops.not_equal(labels, self.ignore_label)
        # The loss of an ignored pixel must exist before it can be weighed with 0: class 0 stands in.
        return ops.where(counted, labels, ops.zeros_like(labels)), counted

    def pixel_weights(self, labels: Tensor, counted: Tensor, dtype: Any) -> Tensor:
        """Return the weight of each pixel's class, 0 where it is ignored: (batch, h, w)."""
        weights = ops.cast(counted, dtype)
        if self.class_weights is not None:
            weights *= ops.take(ops.convert_to_tensor(self.class_weights, dtype), labels)
        return weights

    def mean_of_classes(self, losses: Tensor, present: Any) -> Tensor:
        """Return the mean of losses (classes,) over the classes present, (classes,) bool, by their weights."""
        weights = ops.cast(present, losses.dtype)
        if self.class_weights is not None:
            weights *= ops.convert_to_tensor(self.class_weights, losses.dtype)
        return weighted_mean(losses, weights)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the loss."""
        return {
            **super().get_config(),
            "class_weights": self.class_weights,
            "ignore_label": self.ignore_label,
        }


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return ``sum(weights * values) / sum(weights)``, or 0 where all weights are 0."""
    return ops.sum(values * weights) / ops.maximum(ops.sum(weights), keras.config.epsilon())


def labels_at(labels: Tensor, height: Any, width: Any) -> Tensor:
    """Return labels (batch, H, W, ...) at h x w places with corners aligned: every eighth for 8 (h - 1) + 1.

    Example:
        >>> labels = np.arange(17)[None, :, None]
        >>> ops.convert_to_numpy(labels_at(labels, 3, 1)).ravel()
        array([ 0,  8, 16])
    """
    for axis, size in ((1, height), (2, width)):
        full = ops.shape(labels)[axis]
        if isinstance(size, int) and isinstance(full, int) and size == full:
            continue
        steps = ops.maximum(size - 1, 1)
        places = (2 * ops.arange(size) * (full - 1) + steps) // (2 * steps)  # rounded, in integers
        labels = ops.take(labels, places, axis=axis)
    return labels


def one_hot(labels: Tensor, counted: Tensor, logits: Tensor) -> tuple[Any, Any]:
    """Return truth and probability of each class, (batch, h, w, classes) both, 0 at pixels that do not count."""
    mask = ops.cast(counted, logits.dtype)[..., None]
    truth = ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return truth * mask, ops.softmax(logits, axis=-1) * mask
