"""Mean IoU as a Keras metric, counted exactly on the device."""

from typing import Any

import keras
import numpy as np

from kerseg.core.info import IGNORE_LABEL
from kerseg.errors import ConfigError
from kerseg.metrics.confusion import ConfusionMatrix, check_classes

_WORD = 2**20
"""`MeanIoU` counts in two float32 words, units and millions: exact to 2^24 * 2^20 = 1.8e13 pixels a pair."""


@keras.saving.register_keras_serializable(package="kerseg")
class MeanIoU(keras.metrics.Metric):
    """Mean IoU as a Keras metric, counted inside the compiled step, on every backend.

    Defined as `Scores.mean_iou`. Counts stay exact past 2^31 pixels, although JAX has no 64-bit
    integers by default and a float32 sum stops growing at 2^24: each is kept in two float32 words. (Not int32
    ones: TensorFlow keeps int32 variables on the host, out of reach of a step that XLA compiles for a GPU.)

    Args:
        num_classes: Number of classes C.
        ignore_label: Label value whose pixels are not counted. Other labels outside 0..C-1 are not counted
            either: compiled code cannot raise. `kerseg convert` and `ConfusionMatrix` refuse them.
        name: Name in logs and history.
        dtype: Of the result; the counts are float32 in any case.

    Example:
        >>> model.compile("adam", loss=kerseg.losses.CrossEntropy(), metrics=[MeanIoU(num_classes=7)])
    """

    def __init__(
        self, num_classes: int, ignore_label: int = IGNORE_LABEL, name: str = "mean_iou", dtype: Any = None
    ):
        super().__init__(name=name, dtype=dtype)
        check_classes(num_classes, ignore_label)
        self.num_classes = num_classes
        self.ignore_label = ignore_label
        shape = (num_classes, num_classes)
        self._units = self.add_variable(shape, "zeros", dtype="float32", name="units")
        self._words = self.add_variable(shape, "zeros", dtype="float32", name="words")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch.

        Args:
            y_true: Labels (batch, height, width), class indices.
            y_pred: Logits or probabilities (batch, height, width, C), or class indices (integers) shaped as
                `y_true`.
            sample_weight: Must be None: pixels are counted, not weighed.

        Raises:
            ConfigError: The shapes do not fit together, or there are weights.
        """
        if sample_weight is not None:
            raise ConfigError("MeanIoU counts pixels: give it in metrics=, not in weighted_metrics=.")
        ops = keras.ops
        truth = ops.cast(y_true, "int32")
        guess = self._classes(truth, y_pred)
        # The ignore label is outside too: the constructor makes sure of it.
        inside = (truth >= 0) & (truth < self.num_classes) & (guess >= 0) & (guess < self.num_classes)
        # What is not counted goes to one more pair, then cut off: (batch, height, width) -> (C * C + 1,).
        pairs = ops.where(inside, truth * self.num_classes + guess, self.num_classes**2)
        counts = _count(ops.reshape(pairs, (-1,)), self.num_classes**2 + 1)[:-1]
        counts = ops.reshape(counts, (self.num_classes, self.num_classes))
        units = self._units + ops.cast(counts % _WORD, "float32")
        carried = ops.floor(units / _WORD)
        self._units.assign(units - carried * _WORD)
        self._words.assign(self._words + ops.cast(counts // _WORD, "float32") + carried)

    def result(self) -> Any:
        """Return the mean IoU of all pixels counted so far, a scalar; 0 before the first."""
        ops = keras.ops
        counts = self._units + self._words * _WORD
        correct = ops.diagonal(counts)
        union = ops.sum(counts, axis=0) + ops.sum(counts, axis=1) - correct
        present = ops.cast(union > 0, "float32")
        total = ops.sum(correct / ops.maximum(union, 1.0))
        return ops.cast(total / ops.maximum(ops.sum(present), 1.0), self.dtype)

    def confusion(self) -> ConfusionMatrix:
        """Return the counts as a `ConfusionMatrix` on the host, for all the other figures."""
        matrix = ConfusionMatrix(self.num_classes, self.ignore_label)
        units, words = (
            keras.ops.convert_to_numpy(word).astype(np.int64) for word in (self._units, self._words)
        )
        matrix.counts += units + words * _WORD
        return matrix

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "num_classes": self.num_classes, "ignore_label": self.ignore_label}

    def _classes(self, truth: Any, y_pred: Any) -> Any:
        y_pred = keras.ops.convert_to_tensor(y_pred)
        is_index = "int" in keras.backend.standardize_dtype(y_pred.dtype)
        if is_index and len(y_pred.shape) == len(truth.shape):
            return keras.ops.cast(y_pred, "int32")
        if len(y_pred.shape) != len(truth.shape) + 1 or y_pred.shape[-1] != self.num_classes:
            raise ConfigError(
                "MeanIoU takes labels (batch, height, width) and logits (batch, height, width, "
                f"{self.num_classes}), or integer class indices in the labels' shape. "
                f"Received: labels {tuple(truth.shape)}, predictions {tuple(y_pred.shape)}."
            )
        return keras.ops.cast(keras.ops.argmax(y_pred, axis=-1), "int32")


def _count(indices: Any, length: int) -> Any:
    """Count each of 0..length-1 in ``indices`` (pixels,), exactly, as int32 (length,)."""
    ops = keras.ops
    if keras.backend.backend() == "torch":
        # There segment_sum adds in float32, which stops growing at 2^24 = 16 images of 1024x1024.
        return ops.bincount(indices, minlength=length)
    # On TensorFlow and JAX the shape of bincount depends on the values, which XLA refuses.
    return ops.segment_sum(ops.ones_like(indices), indices, num_segments=length)
