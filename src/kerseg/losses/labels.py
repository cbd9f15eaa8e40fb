"""Labels for training heads that are smaller than the image.

A model that takes its loss at stride 8 pads the image to 8k + 1 pixels, so that score i lies on its pixel 8 i. Its
labels must be padded alike before they are reduced, or the last score would meet the label of a pixel that is up
to seven pixels away.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from kerseg.core.info import IGNORE_LABEL
from kerseg.core.tensor import Tensor


@keras.saving.register_keras_serializable("kerseg")
class OnGrid(keras.losses.Loss):
    """A loss for scores on a padded image's grid: the labels are padded as the image was, with the ignored label.

    Args:
        loss: What compares scores with labels, whose corners it aligns: any of ``kerseg.losses``.
        multiple: The labels get ``k * multiple + 1`` rows and columns, as the image does:
            ``models.label_grids`` says it.
        ignore_label: The label of what is padded, which ``loss`` ignores.
        **kwargs: What else ``keras.losses.Loss`` takes.

    Example:
        >>> loss = OnGrid(kerseg.losses.create("cross_entropy"), 8)
        >>> float(loss(np.zeros((1, 16, 16), "uint8"), np.zeros((1, 3, 3, 4), "float32")))    # ln 4
        1.386294...
    """

    def __init__(
        self, loss: keras.losses.Loss, multiple: int, *, ignore_label: int = IGNORE_LABEL, **kwargs: Any
    ):
        super().__init__(**{"name": loss.name, "reduction": loss.reduction, **kwargs})
        self.loss = loss
        self.multiple = multiple
        self.ignore_label = ignore_label

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss of one batch.

        Args:
            y_true: Labels of the image, ``(batch, height, width)`` or more axes.
            y_pred: Scores ``(batch, h, w, classes)`` of the padded image.
        """
        height, width = ops.shape(y_true)[1:3]
        below, right = (1 - height) % self.multiple, (1 - width) % self.multiple
        if not (isinstance(below, int) and isinstance(right, int) and below == right == 0):
            rest = ((0, 0),) * (len(y_true.shape) - 3)
            padding = ((0, 0), (0, below), (0, right), *rest)
            y_true = ops.pad(y_true, padding, constant_values=self.ignore_label)
        return self.loss.call(y_true, y_pred)

    @property
    def needs_preparation(self) -> bool:
        """Whether the labels go through ``prepare`` first, as the loss within says."""
        return bool(getattr(self.loss, "needs_preparation", False))

    def prepare(self, labels: np.ndarray) -> np.ndarray:
        """Return what the loss within makes of ``labels`` (batch, height, width) before a training step."""
        prepared: np.ndarray = self.loss.prepare(labels)
        return prepared

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the loss."""
        return {
            **super().get_config(),
            "loss": keras.saving.serialize_keras_object(self.loss),
            "multiple": self.multiple,
            "ignore_label": self.ignore_label,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "OnGrid":
        """Rebuild the loss, and the one within it."""
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})
