"""Labels that look wrong: where a model is sure of another class than the one that was annotated.

Two scores of an image, both made while it passes by; nothing is kept of a pixel but the outlines of a few regions.

- The soft minimum of the probability of the annotated class over the pixels (Lad and Mueller, arXiv 2307.05080,
  section 3, temperature 0.1): near 1 where the model agrees everywhere, low where it is sure of something else
  anywhere.
- Confident disagreement: connected regions of one annotated and one predicted class, area times mean probability
  of the predicted class. A model that mixes up two classes in every image says nothing of the labels by doing so:
  of each pair of classes only what an image has above the others counts (half as much again as the median image),
  and it counts as much as the pair is rare, by minus the logarithm of how often the model takes the one for the
  other.

Ignored pixels and those within two pixels of another class, whose place annotators and models dispute, are left
out. A model that has seen an image in training has learnt its errors too: use predictions of a split that it was
not trained on, or of the fold that was left out.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kerseg.core.info import IGNORE_LABEL
from kerseg.metrics.regions import Mask
from kerseg.report.gallery import nearest
from kerseg.report.watcher import Predicted

BORDER = 2
"""Pixels along a border between classes that are left out."""
TEMPERATURE = 0.1
"""Of the soft minimum."""
LEAST = 50
"""Pixels that a region has at least."""
USUAL = 1.5
"""What an image has of a pair of classes counts from this multiple of what the median image has."""
KEPT = 8
"""Regions of an image whose outlines are kept."""


@dataclass(frozen=True)
class Region:
    """A region where the model is sure of another class."""

    image: int
    """Number of the image in the split."""
    labelled: int
    """Class that was annotated."""
    predicted: int
    area: int
    """Pixels."""
    confidence: float
    """Mean probability of the predicted class."""
    top: int
    left: int
    shape: tuple[int, int]
    """Height and width of the box around it, whose upper left pixel is (top, left)."""
    packed: bytes
    """Where it is within the box, as bits, compressed: a kilobyte or so."""
    score: float = 0.0
    """Area x confidence x rarity of the pair."""

    @property
    def mask(self) -> Mask:
        """Where it is within the box, bool (height, width)."""
        bits = np.unpackbits(np.frombuffer(zlib.decompress(self.packed), np.uint8))
        return bits[: math.prod(self.shape)].reshape(self.shape).astype(np.bool_)

    def placed(self, shape: tuple[int, int], size: tuple[int, int]) -> Mask:
        """Return where it is in a copy, of this width and height, of its image (height, width)."""
        whole = np.zeros(shape, np.bool_)
        height, width = self.shape
        whole[self.top : self.top + height, self.left : self.left + width] = self.mask
        return nearest(whole, size)


@dataclass(frozen=True)
class SuspectImage:
    """An image in the list of suspects."""

    image: int
    name: str
    score: float
    """Confident disagreement above the usual, weighed by rarity, over the labelled pixels."""
    self_confidence: float
    """Soft minimum of the probability of the annotated class; 1 where nothing is labelled."""
    height: int
    width: int
    regions: tuple[Region, ...]
    """Most suspect first."""


@dataclass(frozen=True)
class _Seen:
    """What is kept of an image."""

    name: str
    shape: tuple[int, int]
    pixels: int
    """Labelled ones, away from borders."""
    self_confidence: float
    pairs: NDArray[np.int64]
    """Pairs of classes, annotated x C + predicted, that it has regions of."""
    evidence: NDArray[np.float64]
    """Area times confidence of each pair."""
    regions: tuple[Region, ...]


class Suspects:
    """Watches an evaluation for labels that look wrong.

    Args:
        num_classes: Number of classes C.
        ignore_label: Label value whose pixels do not count.

    Example:
        >>> suspects = Suspects(num_classes=11)  # doctest: +SKIP
        >>> measure(predictor, data, "val", meter, watchers=[suspects])  # doctest: +SKIP
        >>> suspects.ranked()[0].name  # doctest: +SKIP
        '0016E5_08067'
    """

    needs_probabilities = True

    def __init__(self, num_classes: int, ignore_label: int = IGNORE_LABEL):
        self.num_classes = num_classes
        self.ignore_label = ignore_label
        self._seen: list[_Seen] = []
        self._counts = np.zeros((num_classes, num_classes), np.int64)

    def see(self, predicted: Predicted) -> None:
        """Score an image and keep its largest regions of disagreement."""
        if predicted.probabilities is None:
            raise TypeError("Suspect labels are found by probabilities.")
        label, guess, chances = predicted.label, predicted.prediction, predicted.probabilities
        inner = inside(label, self.ignore_label)
        codes = label[inner].astype(np.int64) * self.num_classes + guess[inner]
        self._counts += np.bincount(codes, minlength=self._counts.size).reshape(self._counts.shape)
        regions = self._regions(label, guess, chances, inner)
        pairs = np.array(
            [region.labelled * self.num_classes + region.predicted for region in regions], np.int64
        )
        weights = np.array([region.area * region.confidence for region in regions], np.float64)
        unique, place = np.unique(pairs, return_inverse=True)
        largest = np.argsort(-weights, kind="stable")[:KEPT]
        self._seen.append(
            _Seen(
                name=predicted.name,
                shape=(label.shape[0], label.shape[1]),
                pixels=int(inner.sum()),
                self_confidence=self_confidence(label[inner], chances[inner]),
                pairs=unique,
                evidence=np.bincount(place, weights, minlength=len(unique)).astype(np.float64),
                regions=tuple(regions[index] for index in largest),
            )
        )

    def ranked(self) -> list[SuspectImage]:
        """Return all images, the most suspect first; of equal ones, that of the lower self-confidence."""
        rarity = self._rarity()
        usual = self._usual()
        found = []
        for index, seen in enumerate(self._seen):
            above = np.maximum(0.0, seen.evidence - usual[seen.pairs])
            score = float((above * rarity.reshape(-1)[seen.pairs]).sum() / max(1, seen.pixels))
            regions = [
                _scored(region, index, rarity[region.labelled, region.predicted]) for region in seen.regions
            ]
            found.append(
                SuspectImage(
                    image=index,
                    name=seen.name,
                    score=score,
                    self_confidence=seen.self_confidence,
                    height=seen.shape[0],
                    width=seen.shape[1],
                    regions=tuple(sorted(regions, key=lambda region: -region.score)),
                )
            )
        return sorted(found, key=lambda one: (-one.score, one.self_confidence))

    def _rarity(self) -> NDArray[np.float64]:
        """Return for each pair of classes minus the logarithm of how often the one is taken for the other."""
        rate = (self._counts + 1) / (self._counts + 1).sum(axis=1, keepdims=True)
        return np.asarray(-np.log(rate))

    def _usual(self) -> NDArray[np.float64]:
        """Return for each pair what an image usually has of it: its median, times `USUAL`."""
        usual = np.zeros(self._counts.size)
        pairs = np.concatenate([seen.pairs for seen in self._seen]) if self._seen else np.zeros(0, np.int64)
        evidence = np.concatenate([seen.evidence for seen in self._seen]) if self._seen else np.zeros(0)
        images = len(self._seen)
        values, counts = np.unique(pairs, return_counts=True)
        # The median of a pair that fewer than half of the images have is 0.
        for pair in values[2 * counts >= images]:
            have = evidence[pairs == pair]
            usual[pair] = USUAL * np.median(np.concatenate([np.zeros(images - len(have)), have]))
        return usual

    def _regions(
        self, label: NDArray[Any], guess: NDArray[Any], chances: NDArray[np.float32], inner: Mask
    ) -> list[Region]:
        """Return the connected regions where label and prediction differ, of one pair of classes each."""
        differs = inner & (label != guess)
        codes = np.where(differs, label.astype(np.int64) * self.num_classes + guess, -1)
        pairs, numbered = np.unique(codes, return_inverse=True)
        numbered = numbered.reshape(codes.shape) + (0 if pairs[0] < 0 else 1)
        found = []
        for pair, around in zip(pairs[pairs >= 0], ndimage.find_objects(numbered), strict=True):
            labelled, predicted = divmod(int(pair), self.num_classes)
            parts, _ = ndimage.label(codes[around] == pair)
            areas = np.bincount(parts.ravel())
            sure = np.bincount(parts.ravel(), chances[(*around, predicted)].ravel())
            boxes = ndimage.find_objects(parts)
            for number in np.flatnonzero(areas[1:] >= LEAST) + 1:
                box = boxes[number - 1]
                mask = parts[box] == number
                found.append(
                    Region(
                        image=len(self._seen),
                        labelled=labelled,
                        predicted=predicted,
                        area=int(areas[number]),
                        confidence=float(sure[number] / areas[number]),
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


def _scored(region: Region, image: int, rarity: float) -> Region:
    score = region.area * region.confidence * max(0.0, float(rarity))
    return replace(region, image=image, score=score)


def all_regions(images: Sequence[SuspectImage], *, most: int) -> list[Region]:
    """Return the regions of all images, the most suspect first.

    Example:
        >>> [region.area for region in all_regions(suspects.ranked(), most=2)]  # doctest: +SKIP
        [5210, 1873]
    """
    regions = [region for image in images for region in image.regions if math.isfinite(region.score)]
    return sorted(regions, key=lambda region: -region.score)[:most]
