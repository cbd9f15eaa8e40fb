"""Losses for labels with an ignore value, and the class weights that balance them."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerseg.catalogue import CLASS_WEIGHTS
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


def class_weights(
    kind: str, class_pixels: Sequence[int], class_image_pixels: Sequence[int]
) -> tuple[float, ...] | None:
    """Return the weights of the classes by the rule called ``kind``.

    Args:
        kind: ``"none"``, or a name of ``CLASS_WEIGHTS``.
        class_pixels: Pixels of each class in the training split.
        class_image_pixels: For each class, the labelled pixels of all pictures it occurs in.

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
    """Weigh class c by ``median(freq) / freq(c)``, where freq(c) is its share of the pictures it occurs in.

    Source: Eigen and Fergus 2015, section 6.3.2; used by SegNet (section 4.1). A class that never occurs has
    weight 0 and no part in the median.

    Example:
        >>> median_frequency_weights([50, 30, 20], [100, 100, 50])
        (0.8, 1.3333333333333333, 1.0)
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
        (1.4222825186183553, 50.49834..., )
    """
    share = np.asarray(class_pixels, float) / sum(class_pixels)
    return tuple((1.0 / np.log(1.02 + share)).tolist())
