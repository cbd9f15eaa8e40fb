"""Random labels with plausible predictions, and metrics over several of them."""

from typing import Any

import numpy as np
from scipy import ndimage

from kerseg.metrics import METRICS
from kerseg.metrics.confusion import count
from kerseg.metrics.measure import Observation, Sums, values

CLASSES = 5
NAMES = tuple("abcde")


def scene(
    seed: int, shape: tuple[int, ...] = (40, 56), ignored: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return a label of blobs and a prediction that is a shifted, noisy copy of it."""
    random = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(random.normal(size=(CLASSES, *shape)), (0, *[4] * len(shape)))
    label = noise.argmax(axis=0).astype(np.uint8)
    prediction = np.roll(label, 2, axis=-1)
    flip = ndimage.gaussian_filter(random.normal(size=shape), 2) > 0.12
    prediction[flip] = (prediction[flip] + 1) % CLASSES
    if ignored:
        label[ndimage.gaussian_filter(random.normal(size=shape), 2) > 0.1] = 255
    return label, prediction


def seen(label: np.ndarray, prediction: np.ndarray, names: Any = NAMES, **extra: Any) -> Observation:
    label, prediction = np.asarray(label, np.uint8), np.asarray(prediction, np.uint8)
    return Observation(count(label, prediction, len(names)), names, label, prediction, **extra)


def pooled(name: str, pairs: Any, names: Any = NAMES, **options: Any) -> tuple[float, np.ndarray]:
    """Return a metric over several images, and its parts."""
    metric = METRICS.load(name).with_options(options)
    rows = [metric(seen(label, prediction, names)) for label, prediction in pairs]
    total = Sums(
        *(sum(parts) for parts in zip(*((r.numerator, r.denominator, r.weight) for r in rows), strict=True))
    )
    value, parts = values(total)
    return float(value), parts
