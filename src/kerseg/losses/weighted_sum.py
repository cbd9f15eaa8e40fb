"""Losses from their names and options, and their weighted sum."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kerseg.core.tensor import Tensor
from kerseg.errors import ConfigError
from kerseg.losses import LOSSES
from kerseg.losses.base import SegmentationLoss
from kerseg.losses.expression import options_of, parse


@keras.saving.register_keras_serializable("kerseg")
class WeightedSum(keras.losses.Loss):
    """Sum of losses of the same logits and labels, each times its weight.

    Args:
        losses: The terms.
        weights: One weight a term.
        name: Name in logs.
        **kwargs: ``reduction`` and ``dtype`` of ``keras.losses.Loss``.

    Raises:
        ConfigError: More than one term prepares the labels.

    Example:
        >>> loss = create("cross_entropy+0.5*dice")
        >>> logits, labels = np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 2))
        >>> round(float(loss(labels, logits)), 4)          # ln 2 + 0.5 / 3
        0.8598
    """

    def __init__(
        self,
        losses: Sequence[SegmentationLoss],
        weights: Sequence[float],
        name: str = "weighted_sum",
        **kwargs: Any,
    ):
        dtype = kwargs.pop("dtype", None) or losses[0].dtype
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.losses = list(losses)
        self.weights = [float(weight) for weight in weights]
        preparing = [loss for loss in self.losses if loss.needs_preparation]
        if len(preparing) > 1:
            names = " and ".join(loss.name for loss in preparing)
            raise ConfigError(f"{names} each prepare the labels in their own way: one of them in a sum.")
        self.needs_preparation = bool(preparing)
        self._preparing = preparing

    def prepare(self, labels: np.ndarray) -> np.ndarray:
        """Return what the loss takes as ``y_true``, made of class indices (batch, height, width)."""
        for loss in self._preparing:
            labels = loss.prepare(labels)
        return labels

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss of one batch, a scalar; labels and logits as its terms take them."""
        pairs = zip(self.weights, self.losses, strict=True)
        return sum(weight * loss.call(y_true, y_pred) for weight, loss in pairs)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the loss."""
        losses = [keras.saving.serialize_keras_object(loss) for loss in self.losses]
        return {**super().get_config(), "losses": losses, "weights": self.weights}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "WeightedSum":
        """Return the loss that `get_config` described."""
        losses = [keras.saving.deserialize_keras_object(loss) for loss in config["losses"]]
        return cls(**{**config, "losses": losses})


def create(
    expression: str,
    *,
    class_weights: Sequence[float] | None = None,
    ignore_label: int = 255,
    options: Mapping[str, Any] | None = None,
) -> "SegmentationLoss | WeightedSum":
    """Return a loss by its name, or a weighted sum of several.

    Args:
        expression: ``"dice"``, or ``"cross_entropy+0.5*dice"``.
        class_weights: One weight a class, for every term; ``None`` weighs all alike.
        ignore_label: The label value that does not count.
        options: Options of the one term that takes them, ``{"gamma": 3}``; or of a term by its name,
            ``{"focal": {"gamma": 3}}``.

    Raises:
        ConfigError: There is no such loss or option, it is not clear whose option it is, or a value is out of
            range.

    Example:
        >>> create("cross_entropy+0.5*focal", options={"gamma": 3.0}).losses[1].gamma
        3.0
    """
    terms = parse(expression)
    chosen = options_of(terms, options or {})
    losses = [
        LOSSES.load(term.name)(class_weights=class_weights, ignore_label=ignore_label, **chosen[term.name])
        for term in terms
    ]
    if len(terms) == 1 and terms[0].weight == 1:
        only: SegmentationLoss = losses[0]
        return only
    return WeightedSum(losses, [term.weight for term in terms])
