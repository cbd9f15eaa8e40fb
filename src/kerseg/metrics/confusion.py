"""Pixels counted by true and predicted class: what every figure of overlap is made of."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerseg.core.info import IGNORE_LABEL
from kerseg.errors import ConfigError, DataError
from kerseg.metrics.scores import Scores

Counts = NDArray[np.int64]
"""(C, C): row = true class, column = predicted class."""


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
        check_classes(num_classes, ignore_label)
        self.num_classes = num_classes
        self.ignore_label = ignore_label
        self.counts: Counts = np.zeros((num_classes, num_classes), np.int64)

    def update(self, label: Any, prediction: Any) -> None:
        """Count the pixels of one or more images.

        Args:
            label: True class indices, integer, any shape.
            prediction: Predicted class indices, integer, the same shape.

        Raises:
            DataError: The shapes differ, or an index is outside 0..C-1 at a pixel that is not ignored.
        """
        self.counts += count(label, prediction, self.num_classes, self.ignore_label)

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
            pixels=tuple(true.tolist()),
        )


def count(label: Any, prediction: Any, num_classes: int, ignore_label: int = IGNORE_LABEL) -> Counts:
    """Count the pixels of one or more images by true and predicted class.

    Args:
        label: True class indices, integer, any shape.
        prediction: Predicted class indices, integer, the same shape.
        num_classes: Number of classes C.
        ignore_label: Label value whose pixels are not counted, whatever was predicted there.

    Returns:
        int64 (C, C): row = true class, column = predicted class.

    Raises:
        DataError: The shapes differ, or an index is outside 0..C-1 at a pixel that is not ignored.

    Example:
        >>> count([0, 0, 1, 255], [0, 1, 1, 1], 2).tolist()
        [[1, 1], [0, 1]]
    """
    label, prediction = np.asarray(label), np.asarray(prediction)
    if label.shape != prediction.shape:
        raise DataError(
            "Label and prediction must have one shape. "
            f"Received: label {label.shape}, prediction {prediction.shape}."
        )
    for values, what in ((label, "label"), (prediction, "prediction")):
        if values.dtype.kind not in "iu":
            raise DataError(f"A {what} holds integer class indices. Received: {values.dtype} values.")
    if label.dtype == prediction.dtype == np.uint8:
        # All pairs of bytes at once: three times as fast as to mask, check and count the classes alone.
        pairs = np.left_shift(label, 8, dtype=np.intp) + prediction
        table: Counts = np.bincount(pairs.ravel(), minlength=2**16).reshape(256, 256)
        if ignore_label < 256:
            table[ignore_label] = 0
        if table[:num_classes, :num_classes].sum() == table.sum():
            return table[:num_classes, :num_classes].copy()
    counted = label != ignore_label
    truth = _indices(label[counted], num_classes, "label", f" or {ignore_label} (ignore)")
    guess = _indices(prediction[counted], num_classes, "prediction", "")
    pairs = np.bincount(truth * num_classes + guess, minlength=num_classes**2)
    return pairs.reshape(num_classes, num_classes)


def _indices(values: NDArray[Any], num_classes: int, what: str, also: str) -> NDArray[np.int64]:
    if values.size and not 0 <= values.min() <= values.max() < num_classes:
        wrong = np.unique(values[(values < 0) | (values >= num_classes)])
        raise DataError(
            f"A {what} holds 0 to {num_classes - 1}{also}. "
            f"Received also: {', '.join(map(str, wrong[:10]))}{' ...' if len(wrong) > 10 else ''}."
        )
    return values.astype(np.int64)


def _ratios(part: Counts, whole: Counts) -> tuple[float | None, ...]:
    return tuple(float(p / w) if w else None for p, w in zip(part, whole, strict=True))


def _mean(values: Sequence[float | None]) -> float:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined)


def check_classes(num_classes: int, ignore_label: int) -> None:
    """Refuse a number of classes below 1, and an ignore label that is a class.

    Raises:
        ConfigError: One or the other.
    """
    if num_classes < 1:
        raise ConfigError(f"num_classes is 1 or more. Received: {num_classes}.")
    if 0 <= ignore_label < num_classes:
        raise ConfigError(
            f"ignore_label must not be a class index (0 to {num_classes - 1}). Received: {ignore_label}."
        )
