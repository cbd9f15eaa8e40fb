"""Cross entropy that looks hardest at the narrow gaps between objects: U-Net's weight map."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerseg.core.ranges import check_range
from kerseg.core.tensor import Tensor
from kerseg.errors import ConfigError
from kerseg.losses.base import SegmentationLoss, labels_at, weighted_mean


@keras.saving.register_keras_serializable("kerseg")
class BoundaryWeighted(SegmentationLoss):
    """Cross entropy in which background between two near objects counts up to eleven times.

    The weight of a pixel is ``w_c + w0 exp(-(d1 + d2)^2 / (2 sigma^2))`` with the weight w_c of its class and, in
    the background, the distances d1 and d2 to the nearest and the second nearest object. Objects are the
    connected parts of every class but the background, 4 neighbours a pixel, so that a diagonal line one pixel
    thin parts them. Averaged like `CrossEntropy`, which it is with w0 = 0.

    The map is made from the labels on their way to the network (`prepare`), as augmented and cropped, with
    SciPy's exact Euclidean distance transform; distances beyond 6 sigma weigh less than float32 can tell.

    Source: Ronneberger et al. 2015 (U-Net), section 3, equations 1 and 2.

    Args:
        class_weights: w_c, one weight a class, 0 or more; ``None`` is 1 for all.
        ignore_label: The label value that does not count.
        name: Name in logs.
        background: Class between the objects; of kerseg's isbi2012 the membranes, 0.
        w0: Weight of the narrowest gap, 0 or more.
        sigma: Width of the gaps that count, in pixels, above 0.
        **kwargs: ``reduction`` and ``dtype`` of ``keras.losses.Loss``.

    Raises:
        ConfigError: A class weight or an option is out of range.

    Example:
        >>> loss = BoundaryWeighted(w0=10.0, sigma=5.0)
        >>> loss.prepare(np.array([[[1, 0, 1]]]))[..., 1].round(3)     # 10 exp(-(1 + 1)^2 / 50)
        array([[[0.   , 9.231, 0.   ]]], dtype=float32)
    """

    needs_preparation = True

    def __init__(
        self,
        class_weights: Sequence[float] | None = None,
        ignore_label: int = 255,
        name: str = "boundary_weighted",
        *,
        background: int = 0,
        w0: float = 10.0,
        sigma: float = 5.0,
        **kwargs: Any,
    ):
        super().__init__(class_weights, ignore_label, name, **kwargs)
        check_range("background", background, least=0)
        check_range("w0", w0, least=0)
        check_range("sigma", sigma, above=0)
        self.background = background
        self.w0 = w0
        self.sigma = sigma

    def prepare(self, labels: np.ndarray) -> np.ndarray:
        """Return labels with the second term of their weight, (batch, height, width, 2) float32.

        Args:
            labels: Class indices, (batch, height, width).

        Raises:
            ConfigError: SciPy is not installed.
        """
        gaps = [self.w0 * _gaps(label, self.background, self.ignore_label, self.sigma) for label in labels]
        return np.stack([labels.astype(np.float32), np.asarray(gaps, np.float32)], axis=-1)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the loss of one batch, a scalar.

        Args:
            y_true: What `prepare` makes of the labels, (batch, height, width, 2).
            y_pred: Logits, (batch, h, w, classes); smaller ones meet label and weight at their own places.

        Raises:
            ConfigError: The labels were not prepared.
        """
        if len(y_true.shape) != 4:
            raise ConfigError(
                f"boundary_weighted takes labels with their weight map, (batch, height, width, 2): call "
                f"loss.prepare(labels) on the way to the network. Received labels of shape {tuple(y_true.shape)}."
            )
        labels, counted = self.at_size(y_true[..., 0], y_pred)
        gaps = labels_at(y_true[..., 1], *ops.shape(y_pred)[1:3])
        losses = ops.sparse_categorical_crossentropy(labels, ops.cast(y_pred, self.dtype), from_logits=True)
        weights = self.pixel_weights(labels, counted, losses.dtype)
        weights += ops.where(counted, ops.cast(gaps, losses.dtype), ops.zeros_like(losses))
        return weighted_mean(losses, weights)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the loss."""
        return {
            **super().get_config(),
            "background": self.background,
            "w0": self.w0,
            "sigma": self.sigma,
        }


def _gaps(label: np.ndarray, background: int, ignore_label: int, sigma: float) -> np.ndarray:
    """Return ``exp(-(d1 + d2)^2 / (2 sigma^2))`` in the background of a label (height, width), 0 elsewhere."""
    reach = math.ceil(6 * sigma)  # exp(-18): 1.5e-8
    nearest = np.full((2, *label.shape), np.inf)  # of the objects seen so far
    for place, distance in _distances(label, background, ignore_label, reach):
        d1, d2 = nearest[(0, *place)], nearest[(1, *place)]
        d2[...] = np.minimum(d2, np.maximum(d1, distance))
        d1[...] = np.minimum(d1, distance)
    weights = np.exp(-((nearest[0] + nearest[1]) ** 2) / (2 * sigma**2))
    return np.where(label == background, weights, 0.0)


def _distances(
    label: np.ndarray, background: int, ignore_label: int, reach: int
) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """Yield for each object a window, the object and ``reach`` pixels around it, and the distances there."""
    try:
        from scipy import ndimage
    except ImportError:
        raise ConfigError(
            "The weight map of boundary_weighted needs SciPy: pip install 'kerseg[boundary]'."
        ) from None
    for value in np.setdiff1d(label, (background, ignore_label)):
        parts, _ = ndimage.label(label == value)
        for number, (rows, columns) in enumerate(ndimage.find_objects(parts), 1):
            place = (
                slice(max(rows.start - reach, 0), rows.stop + reach),
                slice(max(columns.start - reach, 0), columns.stop + reach),
            )
            yield place, ndimage.distance_transform_edt(parts[place] != number)
