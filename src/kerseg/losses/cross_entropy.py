"""Softmax cross entropy of each pixel."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerseg.core.ranges import check_range
from kerseg.core.tensor import Tensor
from kerseg.losses.base import SegmentationLoss, weighted_mean


@keras.saving.register_keras_serializable("kerseg")
class CrossEntropy(SegmentationLoss):
    """Softmax cross entropy per pixel, averaged over the pixels that are not ignored.

    With class weights it is ``sum(w[label] * ce) / sum(w[label])``: the weighted mean that PyTorch computes
    too, so that the weights shift the balance between classes and not the size of the gradient. A batch in
    which every pixel is ignored has the loss 0.

    With label smoothing e the truth of K classes is ``1 - e + e / K`` at the label and ``e / K`` elsewhere
    (Szegedy et al. 2016, section 7); the class weights weigh the terms of their classes, as in PyTorch.

    Args:
        class_weights: One weight a class, 0 or more; ``None`` weighs all alike.
        ignore_label: The label value that does not count.
        name: Name in logs.
        label_smoothing: Share of the truth that is spread over all classes, 0 to 1.
        **kwargs: ``reduction`` and ``dtype`` of ``keras.losses.Loss``.

    Raises:
        ConfigError: A weight is negative or not finite, or all are 0; the smoothing is out of range.

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
        *,
        label_smoothing: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(class_weights, ignore_label, name, **kwargs)
        check_range("label_smoothing", label_smoothing, least=0, most=1)
        self.label_smoothing = label_smoothing

    def of_pixels(self, labels: Tensor, counted: Tensor, logits: Tensor) -> Tensor:
        """Return the mean over the pixels that count."""
        losses = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        weights = self.pixel_weights(labels, counted, losses.dtype)
        loss = weighted_mean(losses, weights)
        if not self.label_smoothing:
            return loss
        every = -ops.log_softmax(logits, axis=-1)
        if self.class_weights is not None:
            every *= ops.convert_to_tensor(self.class_weights, every.dtype)
        spread = ops.where(counted, ops.mean(every, axis=-1), ops.zeros_like(losses))
        spread = ops.sum(spread) / ops.maximum(ops.sum(weights), keras.config.epsilon())
        return (1.0 - self.label_smoothing) * loss + self.label_smoothing * spread

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the loss."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
