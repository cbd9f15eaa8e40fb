"""How good a segmentation is: one confusion matrix over all pixels, and the figures that papers print.

`ConfusionMatrix` counts on the host, exactly, and yields `Scores`; `MeanIoU` is the Keras metric for
`compile`. Both count the pixels of the whole split before they divide: a mean over the IoU of single images
is another figure, and not the published one.

Definitions: Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015,
section 5, with n_ij pixels of class i predicted as class j, t_i = sum_j n_ij pixels of class i:

    pixel accuracy          sum_i n_ii / sum_i t_i
    mean pixel accuracy     mean_i n_ii / t_i
    IoU of class i          n_ii / (t_i + sum_j n_ji - n_ii)
    mean IoU                mean_i IoU_i
    frequency weighted IoU  sum_i t_i IoU_i / sum_i t_i

The paper's classes all occur. Where one does not:

    in neither truth nor prediction   0 / 0: left out of every mean, and listed in `Scores.absent`
    predicted, never true             IoU 0, which counts in the mean IoU (the prediction is wrong);
                                      accuracy n_ii / t_i is 0 / 0: left out of the mean pixel accuracy
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kerseg.core.info import IGNORE_LABEL
from kerseg.errors import ConfigError, DataError

_WORD = 2**20
"""`MeanIoU` counts in two float32 words, units and millions: exact to 2^24 * 2^20 = 1.8e13 pixels a pair."""


@dataclass(frozen=True)
class Scores:
    """The figures of one evaluation, from 0 to 1; of a class that leaves one undefined, it is None.

    Example:
        >>> matrix = ConfusionMatrix(2)
        >>> matrix.update(label=[0, 0, 1, 1], prediction=[0, 1, 1, 1])
        >>> scores = matrix.scores(["road", "sky"])
        >>> scores.iou, scores.mean_pixel_accuracy
        ((0.5, 0.666...), 0.75)
    """

    class_names: tuple[str, ...]
    mean_iou: float
    mean_pixel_accuracy: float
    """Mean over the classes of the share of their pixels that are found: "class average", mean recall."""
    pixel_accuracy: float
    frequency_weighted_iou: float
    iou: tuple[float | None, ...]
    """One a class; None where the class is in neither truth nor prediction."""
    accuracy: tuple[float | None, ...]
    """Share of each class's pixels that are found; None where the class is not in the truth."""
    pixels: tuple[int, ...]
    """True pixels of each class, ignored ones not counted."""

    @property
    def absent(self) -> tuple[str, ...]:
        """Names of the classes in neither truth nor prediction, which no mean includes."""
        return tuple(name for name, iou in zip(self.class_names, self.iou, strict=True) if iou is None)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values: means by name, one entry a class, the absent classes."""
        rows = zip(self.class_names, self.iou, self.accuracy, self.pixels, strict=True)
        return {
            "mean_iou": self.mean_iou,
            "mean_pixel_accuracy": self.mean_pixel_accuracy,
            "pixel_accuracy": self.pixel_accuracy,
            "frequency_weighted_iou": self.frequency_weighted_iou,
            "classes": [
                {"name": name, "iou": iou, "accuracy": accuracy, "pixels": pixels}
                for name, iou, accuracy, pixels in rows
            ],
            "absent": list(self.absent),
        }


class ConfusionMatrix:
    """Pixels counted by true and predicted class, in 64-bit integers on the host.

    Args:
        num_classes: Number of classes C.
        ignore_label: Label value whose pixels are not counted, whatever was predicted there.

    Attributes:
        counts: int64 (C, C): row = true class, column = predicted class.

    Example:
        >>> matrix = ConfusionMatrix(2)
        >>> matrix.update(label=[[0, 0, 1, 255]], prediction=[[0, 1, 1, 1]])
        >>> matrix.counts
        array([[1, 1],
               [0, 1]])
    """

    def __init__(self, num_classes: int, ignore_label: int = IGNORE_LABEL):
        _check_classes(num_classes, ignore_label)
        self.num_classes = num_classes
        self.ignore_label = ignore_label
        self.counts: NDArray[np.int64] = np.zeros((num_classes, num_classes), np.int64)

    def update(self, label: Any, prediction: Any) -> None:
        """Count the pixels of one or more images.

        Args:
            label: True class indices, integer, any shape.
            prediction: Predicted class indices, integer, the same shape.

        Raises:
            DataError: The shapes differ, or an index is outside 0..C-1 at a pixel that is not ignored.
        """
        label, prediction = np.asarray(label), np.asarray(prediction)
        if label.shape != prediction.shape:
            raise DataError(
                "Label and prediction must have one shape. "
                f"Received: label {label.shape}, prediction {prediction.shape}."
            )
        counted = label != self.ignore_label
        truth = self._indices(label[counted], "label", f" or {self.ignore_label} (ignore)")
        guess = self._indices(prediction[counted], "prediction", "")
        pairs = np.bincount(truth * self.num_classes + guess, minlength=self.num_classes**2)
        self.counts += pairs.reshape(self.counts.shape)

    def scores(self, class_names: Sequence[str]) -> Scores:
        """Return the figures of all pixels counted so far.

        Args:
            class_names: One name a class.

        Raises:
            ConfigError: Not one name a class.
            DataError: Nothing has been counted, so no figure is defined.
        """
        if len(class_names) != self.num_classes:
            raise ConfigError(f"{self.num_classes} classes need as many names. Received: {len(class_names)}.")
        if not self.counts.any():
            raise DataError(
                "No labelled pixel was counted: there was no image, "
                f"or every label is {self.ignore_label} (ignore)."
            )
        correct = np.diagonal(self.counts)
        true = self.counts.sum(axis=1)
        union = true + self.counts.sum(axis=0) - correct
        iou, accuracy = _ratios(correct, union), _ratios(correct, true)
        weighted = sum(share * (value or 0.0) for share, value in zip(true / true.sum(), iou, strict=True))
        return Scores(
            class_names=tuple(class_names),
            mean_iou=_mean(iou),
            mean_pixel_accuracy=_mean(accuracy),
            pixel_accuracy=float(correct.sum() / true.sum()),
            frequency_weighted_iou=float(weighted),
            iou=iou,
            accuracy=accuracy,
            pixels=tuple(int(count) for count in true),
        )

    def _indices(self, values: NDArray[Any], what: str, also: str) -> NDArray[np.int64]:
        if values.dtype.kind not in "iu":
            raise DataError(f"A {what} holds integer class indices. Received: {values.dtype} values.")
        if values.size and not 0 <= values.min() <= values.max() < self.num_classes:
            wrong = np.unique(values[(values < 0) | (values >= self.num_classes)])
            raise DataError(
                f"A {what} holds 0 to {self.num_classes - 1}{also}. "
                f"Received also: {', '.join(map(str, wrong[:10]))}{' ...' if len(wrong) > 10 else ''}."
            )
        return values.astype(np.int64)


def _ratios(part: NDArray[np.int64], whole: NDArray[np.int64]) -> tuple[float | None, ...]:
    return tuple(float(p / w) if w else None for p, w in zip(part, whole, strict=True))


def _mean(values: Sequence[float | None]) -> float:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined)


def _check_classes(num_classes: int, ignore_label: int) -> None:
    if num_classes < 1:
        raise ConfigError(f"num_classes is 1 or more. Received: {num_classes}.")
    if 0 <= ignore_label < num_classes:
        raise ConfigError(
            f"ignore_label must not be a class index (0 to {num_classes - 1}). Received: {ignore_label}."
        )


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
        _check_classes(num_classes, ignore_label)
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
