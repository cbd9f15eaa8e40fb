"""Whether a model is right as often as it says: the expected calibration error."""

from collections.abc import Sequence

import numpy as np

from kerseg.errors import ConfigError
from kerseg.metrics.measure import Observation, Sums, metric, sums


def _names(class_names: Sequence[str], *, bins: int = 15) -> tuple[str, ...]:
    return tuple(f"{low / bins:.3g} to {(low + 1) / bins:.3g}" for low in range(bins))


@metric("calibration error", "probabilities", parts=_names, higher_is_better=False)
def calibration_error(image: Observation, *, bins: int = 15) -> Sums:
    """Expected calibration error: over all pixels, how far accuracy and confidence of their bin differ.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, arXiv 1706.04599, equation 3: the
    confidence is the probability of the predicted class, in bins of equal width (low, high].

    Args:
        image: What was predicted.
        bins: Number of bins, 1 or more.

    Raises:
        ConfigError: There is no bin.
    """
    if bins < 1:
        raise ConfigError(f"calibration_error: `bins` is 1 or more. Received: {bins}.")
    pixels, confidence, correct = reliability(image, bins)
    return sums(confidence - correct, pixels, weight=pixels)


@metric("mean confidence", "probabilities", parts=_names)
def confidence(image: Observation, *, bins: int = 15) -> Sums:
    """Mean probability of the predicted class over all pixels, and over those of each bin.

    Above the pixel accuracy, the model is too sure of itself.

    Args:
        image: What was predicted.
        bins: Number of bins, 1 or more, as for `calibration_error`.

    Raises:
        ConfigError: There is no bin.
    """
    if bins < 1:
        raise ConfigError(f"confidence: `bins` is 1 or more. Received: {bins}.")
    pixels, total, _ = reliability(image, bins)
    return sums(total, pixels, weight=pixels)


def reliability(image: Observation, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, for each bin of confidence, its pixels, the sum of their confidence, and how many are correct."""
    counted = image.label != image.ignore_label
    confidence = image.probabilities.max(axis=-1)[counted].astype(np.float64)
    correct = image.prediction[counted] == image.label[counted]
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return (
        np.bincount(place, minlength=bins),
        np.bincount(place, confidence, minlength=bins),
        np.bincount(place, correct, minlength=bins),
    )
