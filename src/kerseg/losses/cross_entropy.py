"""Losses for labels with an ignore value, and the class weights that balance them."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerseg.errors import ConfigError


@keras.saving.register_keras_serializable("kerseg")
class CrossEntropy(keras.losses.Loss):
    """Softmax cross entropy per pixel, averaged over the pixels that are not ignored.

    With class weights it is ``sum(w[label] * ce) / sum(w[label])``: the weighted mean that PyTorch computes
    too, so that the weights shift the balance between classes and not the size of the gradient. A batch in
    which every pixel is ignored has the loss 0.

    Args:
        class_weights: One weight a class, 0 or more; ``None`` weighs all alike.
        ignore_label: The label value that does not count.
        name: Name in logs.

    Raises:
        ConfigError: A weight is negative or not finite, or all are 0.

    Example:
        >>> loss = CrossEntropy()
        >>> logits = np.zeros((1, 2, 2, 4), "float32")     # (batch, height, width, classes)
        >>> labels = np.array([[[0, 1], [3, 255]]])        # (batch, height, width)
        >>> float(loss(labels, logits))                    # ln 4
        1.3862943649291992
    """

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        ignore_label: int = 255,
        name: str = "cross_entropy",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        weights = None if class_weights is None else [float(weight) for weight in class_weights]
        if weights is not None and (
            not np.all(np.isfinite(weights)) or min(weights) < 0 or max(weights) == 0
        ):
            raise ConfigError(
                f"Class weights are finite, 0 or more, and at least one is above 0. Received: {weights}."
            )
        self.class_weights = weights
        self.ignore_label = ignore_label

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of one batch, a scalar.

        Args:
            y_true: Class indices, (batch, height, width), any integer type.
            y_pred: Logits, (batch, h, w, classes). Where they are smaller than the labels, each meets the
                label at its own place, and the labels between go unseen, as DeepLab v1 and ICNet are trained.
        """
        labels = _at_size(ops.cast(y_true, "int32"), *ops.shape(y_pred)[1:3])
        counted = ops.not_equal(labels, self.ignore_label)
        # The cross entropy of an ignored pixel must exist before it can be weighed with 0: class 0 stands in.
        labels = ops.where(counted, labels, ops.zeros_like(labels))
        losses = ops.sparse_categorical_crossentropy(labels, y_pred, from_logits=True)
        weights = ops.cast(counted, losses.dtype)
        if self.class_weights is not None:
            weights *= ops.take(ops.convert_to_tensor(self.class_weights, losses.dtype), labels)
        return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), keras.config.epsilon())

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the loss."""
        return {
            **super().get_config(),
            "class_weights": self.class_weights,
            "ignore_label": self.ignore_label,
        }


def _at_size(labels: Any, height: Any, width: Any) -> Any:
    """Return labels (batch, H, W) at h x w places with corners aligned: every eighth for 8 (h - 1) + 1."""
    for axis, size in ((1, height), (2, width)):
        full = ops.shape(labels)[axis]
        if isinstance(size, int) and isinstance(full, int) and size == full:
            continue
        steps = ops.maximum(size - 1, 1)
        places = (2 * ops.arange(size) * (full - 1) + steps) // (2 * steps)  # rounded, in integers
        labels = ops.take(labels, places, axis=axis)
    return labels
