"""Losses that look at the hard pixels: online hard example mining, and the focal loss."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerseg.core.ranges import check_range
from kerseg.core.tensor import Tensor
from kerseg.errors import ConfigError
from kerseg.losses.base import SegmentationLoss, weighted_mean


@keras.saving.register_keras_serializable("kerseg")
class OHEM(SegmentationLoss):
    """Cross entropy of the hard pixels alone: online hard example mining (Shrivastava et al. 2016).

    A pixel is hard where the probability p of its true class is below ``threshold``; where fewer than
    ``min_kept`` pixels of the batch are, the ``min_kept`` hardest stand in. All pixels of the batch that are not
    ignored are compared with each other, and the mean is over the hard ones. BiSeNet trains with the defaults,
    PIDNet and HRNet with 0.9 and 131,072 pixels of a batch of 6 crops of 1024x1024.

    With class weights it is ``sum(w[label] * ce) / number of hard pixels``, as PIDNet and HRNet compute it, and
    not divided by the weights as `CrossEntropy` is.

    Source: https://github.com/CoinCheung/BiSeNet/blob/6b4b67a/lib/ohem_ce_loss.py,
    https://github.com/XuJiacong/PIDNet/blob/4c158cf/utils/criterion.py; their two rules are one.

    Args:
        class_weights: One weight a class, 0 or more; ``None`` weighs all alike.
        ignore_label: The label value that does not count.
        name: Name in logs.
        threshold: Probability of the true class below which a pixel is hard, 0 to 1.
        min_kept: Fewest pixels of a batch to learn from; below 1 a share of those that are not ignored.
        **kwargs: ``reduction`` and ``dtype`` of ``keras.losses.Loss``.

    Raises:
        ConfigError: A class weight, the threshold or the number of pixels is out of range.

    Example:
        >>> logits = np.array([[[[0.0, 0.0], [9.0, 0.0], [9.0, 0.0]]]])   # the first pixel alone is hard
        >>> loss = OHEM(threshold=0.7, min_kept=1)(np.zeros((1, 1, 3)), logits)
        >>> round(float(loss), 4)                          # ln 2
        0.6931
    """

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        ignore_label: int = 255,
        name: str = "ohem",
        *,
        threshold: float = 0.7,
        min_kept: float = 0.0625,
        **kwargs: Any,
    ):
        super().__init__(class_weights, ignore_label, name, **kwargs)
        check_range("threshold", threshold, least=0, most=1)
        check_range("min_kept", min_kept, least=0)
        if min_kept > 1 and min_kept != int(min_kept):
            raise ConfigError(f"min_kept is a number of pixels, or a share below 1. Received: {min_kept}.")
        self.threshold = threshold
        self.min_kept = min_kept

    def of_pixels(self, labels: Tensor, counted: Tensor, logits: Tensor) -> Tensor:
        """Return the mean over the hard pixels."""
        losses = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        hard = self._hard(ops.stop_gradient(losses), counted)
        weights = self.pixel_weights(labels, counted, losses.dtype)
        return weighted_mean(losses * weights, hard)

    def _hard(self, losses: Tensor, counted: Tensor) -> Tensor:
        """Return 1 where a pixel is hard and 0 elsewhere; every shape is known before the values are."""
        # Ignored pixels sort behind all others.
        probability = ops.where(counted, ops.exp(-losses), ops.full_like(losses, 2.0))
        count = ops.sum(ops.cast(counted, "int32"))
        if self.min_kept < 1:
            kept = ops.cast(ops.floor(ops.cast(count, "float32") * self.min_kept), "int32")
        else:
            kept = ops.cast(min(int(self.min_kept), 2**31 - 1), "int32")
        kept = ops.maximum(ops.minimum(kept, count - 1), 0)  # all but one where there are fewer, as PIDNet
        limit = ops.take(ops.sort(ops.reshape(probability, (-1,))), ops.maximum(kept - 1, 0))
        # Pixels as hard as the last one that is kept share the places that are left, as sure ones do (p = 1).
        below = ops.cast(probability < limit, losses.dtype)
        level = ops.cast(ops.logical_and(counted, probability == limit), losses.dtype)
        places = ops.cast(kept, losses.dtype) - ops.sum(below)
        kept_pixels = below + level * places / ops.maximum(ops.sum(level), 1.0)
        return ops.where(
            limit < self.threshold, ops.cast(probability < self.threshold, losses.dtype), kept_pixels
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the loss."""
        return {**super().get_config(), "threshold": self.threshold, "min_kept": self.min_kept}


@keras.saving.register_keras_serializable("kerseg")
class Focal(SegmentationLoss):
    """Cross entropy times ``(1 - p) ** gamma``, where p is the probability of the true class.

    Averaged like `CrossEntropy`, which it is with gamma 0; the class weights are the alpha of the paper. Its
    values are smaller than cross entropy's: a sure pixel (p = 0.9) costs a hundredth of it with gamma 2.

    Source: Lin et al. 2017, "Focal Loss for Dense Object Detection", equations 4 and 5.

    Args:
        class_weights: One weight a class, 0 or more; ``None`` weighs all alike.
        ignore_label: The label value that does not count.
        name: Name in logs.
        gamma: How little the easy pixels count, 0 or more.
        **kwargs: ``reduction`` and ``dtype`` of ``keras.losses.Loss``.

    Raises:
        ConfigError: A class weight or gamma is out of range.

    Example:
        >>> loss = Focal(gamma=2.0)(np.zeros((1, 1, 1)), np.zeros((1, 1, 1, 2)))
        >>> round(float(loss), 4)                          # 0.5 ** 2 * ln 2
        0.1733
    """

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        ignore_label: int = 255,
        name: str = "focal",
        *,
        gamma: float = 2.0,
        **kwargs: Any,
    ):
        super().__init__(class_weights, ignore_label, name, **kwargs)
        check_range("gamma", gamma, least=0)
        self.gamma = gamma

    def of_pixels(self, labels: Tensor, counted: Tensor, logits: Tensor) -> Tensor:
        """Return the mean over the pixels that count."""
        losses = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        # 1 - p without its cancellation; above 0, where powers below 1 have no slope.
        missing = ops.maximum(-ops.expm1(-losses), keras.config.epsilon())
        return weighted_mean(missing**self.gamma * losses, self.pixel_weights(labels, counted, losses.dtype))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the loss."""
        return {**super().get_config(), "gamma": self.gamma}
