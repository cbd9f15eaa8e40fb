"""Where in an image a model is sure of another class than the one that was annotated."""

import base64
import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kerseg.metrics.confusion import Counts
from kerseg.metrics.regions import Mask
from kerseg.report.alignment import gains
from kerseg.report.gallery import nearest

BORDER = 2
"""Pixels along a border between classes that are left out."""
TEMPERATURE = 0.1
"""Of the soft minimum."""
LEAST = 50
"""Pixels that a region has at least."""
KEPT = 8
"""Regions of an image whose outlines are kept."""


@dataclass(frozen=True)
class SuspectRegion:
    """A region where the model is sure of another class."""

    labelled: int
    """Class that was annotated."""
    predicted: int
    area: int
    """Pixels."""
    confidence: float
    """Mean probability of the predicted class."""
    margin: float
    """By how much it is more probable than the annotated one, on the mean."""
    top: int
    left: int
    shape: tuple[int, int]
    """Height and width of the box around it, whose upper left pixel is (top, left)."""
    packed: bytes
    """Where it is within the box, as bits, compressed: a kilobyte or so."""
    image: int = -1
    """Number of the image in the ranking."""
    score: float = 0.0
    """Area x margin x rarity of the pair."""

    @property
    def mask(self) -> Mask:
        """Where it is within the box, bool (height, width)."""
        bits = np.unpackbits(np.frombuffer(zlib.decompress(self.packed), np.uint8))
        return bits[: math.prod(self.shape)].reshape(self.shape).astype(np.bool_)

    @property
    def text(self) -> str:
        """`packed` in base64."""
        return base64.b64encode(self.packed).decode()

    def placed(self, shape: tuple[int, int], size: tuple[int, int]) -> Mask:
        """Return where it is in a copy, of this width and height, of its image (height, width)."""
        whole = np.zeros(shape, np.bool_)
        height, width = self.shape
        whole[self.top : self.top + height, self.left : self.left + width] = self.mask
        return nearest(whole, size)


@dataclass(frozen=True)
class Seen:
    """What is kept of an image."""

    name: str
    shape: tuple[int, int]
    """Height and width."""
    pixels: int
    """Labelled ones, away from borders."""
    self_confidence: float
    """Soft minimum of the probability of the annotated class; 1 where nothing is labelled."""
    pairs: tuple[tuple[int, int, float], ...]
    """Annotated class, predicted class, and area times margin of all regions of the two together."""
    gains: NDArray[np.float32]
    """What each offset brings its label (`kerseg.report.alignment`)."""
    regions: tuple[SuspectRegion, ...]
    """The largest."""


def see(
    name: str, label: NDArray[Any], guess: NDArray[Any], chances: NDArray[np.float32], ignore_label: int
) -> tuple[Seen, Counts]:
    """Return what is kept of an image, and its confusion matrix away from borders, int64 (C, C).

    Args:
        name: Of the image.
        label: Annotated classes (height, width).
        guess: Predicted classes, of the same shape.
        chances: Probabilities of the classes (height, width, C).
        ignore_label: Label value whose pixels do not count.
    """
    inner = inside(label, ignore_label)
    classes = chances.shape[-1]
    codes = label[inner].astype(np.int64) * classes + guess[inner]
    counts = np.bincount(codes, minlength=classes**2).reshape(classes, classes)
    regions = disagreeing(label, guess, chances, inner)
    regions.sort(key=lambda region: -region.area * region.margin)
    pairs: dict[tuple[int, int], float] = {}
    for region in regions:
        pair = region.labelled, region.predicted
        pairs[pair] = pairs.get(pair, 0.0) + region.area * region.margin
    seen = Seen(
        name=name,
        shape=(label.shape[0], label.shape[1]),
        pixels=int(inner.sum()),
        self_confidence=self_confidence(label[inner], chances[inner]),
        pairs=tuple((*pair, mass) for pair, mass in sorted(pairs.items())),
        gains=gains(label, chances, ignore_label),
        regions=tuple(regions[:KEPT]),
    )
    return seen, counts


def disagreeing(
    label: NDArray[Any], guess: NDArray[Any], chances: NDArray[np.float32], inner: Mask
) -> list[SuspectRegion]:
    """Return the connected regions where label and prediction differ, of one pair of classes each."""
    classes = chances.shape[-1]
    differs = inner & (label != guess)
    codes = np.where(differs, label.astype(np.int64) * classes + guess, -1)
    pairs, numbered = np.unique(codes, return_inverse=True)
    numbered = numbered.reshape(codes.shape) + (0 if pairs[0] < 0 else 1)
    found = []
    for pair, around in zip(pairs[pairs >= 0], ndimage.find_objects(numbered), strict=True):
        labelled, predicted = divmod(int(pair), classes)
        parts, _ = ndimage.label(codes[around] == pair)
        areas = np.bincount(parts.ravel())
        sure, own = (
            np.bincount(parts.ravel(), chances[(*around, index)].ravel()) for index in (predicted, labelled)
        )
        boxes = ndimage.find_objects(parts)
        for number in np.flatnonzero(areas[1:] >= LEAST) + 1:
            box = boxes[number - 1]
            mask = parts[box] == number
            found.append(
                SuspectRegion(
                    labelled=labelled,
                    predicted=predicted,
                    area=int(areas[number]),
                    confidence=float(sure[number] / areas[number]),
                    margin=float((sure[number] - own[number]) / areas[number]),
                    top=around[0].start + box[0].start,
                    left=around[1].start + box[1].start,
                    shape=mask.shape,
                    packed=zlib.compress(np.packbits(mask).tobytes(), 1),
                )
            )
    return found


def inside(label: NDArray[Any], ignore_label: int) -> Mask:
    """Return the labelled pixels that are farther than `BORDER` rows and columns from another value."""
    size = 2 * BORDER + 1
    alike = ndimage.minimum_filter(label, size) == ndimage.maximum_filter(label, size)
    return np.asarray(alike & (label != ignore_label))


def self_confidence(label: NDArray[Any], chances: NDArray[np.float32]) -> float:
    """Return the soft minimum of the probability of the annotated class.

    Args:
        label: Classes of n pixels.
        chances: Their probabilities (n, C).

    Returns:
        sum p w / sum w with w = exp((1 - p) / 0.1), 0 to 1; 1 without a pixel.

    Example:
        >>> round(self_confidence(np.array([0, 0]), np.array([[1.0, 0.0], [0.5, 0.5]], "f4")), 3)
        0.503
    """
    if not label.size:
        return 1.0
    own = np.take_along_axis(chances, label.astype(np.int64)[:, None], axis=-1)[:, 0].astype(np.float64)
    weight = np.exp((1 - own) / TEMPERATURE)
    return float((own * weight).sum() / weight.sum())
