"""Labels that look wrong: where a model is sure of another class than the one that was annotated.

Three things are seen of an image while it passes by; nothing is kept of a pixel but the outlines of a few regions.

- The soft minimum of the probability of the annotated class over the pixels (Lad and Mueller, arXiv 2307.05080,
  section 3, temperature 0.1): near 1 where the model agrees everywhere, low where it is sure of something else
  anywhere.
- Confident disagreement: connected regions of one annotated and one predicted class, area times margin, by which
  the predicted class is more probable than the annotated one. A model that mixes up two classes in many images says
  nothing of the labels by doing so: of each pair of classes only what an image has above the usual counts (twice
  the upper quartile of the images), and it counts as much as the pair is rare, by minus the logarithm of how often
  the model takes the one for the other.
- The offset at which the whole label fits best (`kerseg.report.alignment`): how much more probable it is there than
  in its place, above what that offset usually brings (the upper quartile again). A mask that slipped is wrong along
  all its borders, and in no region.

The last two have one unit, the logarithm of a probability for each labelled pixel, and an image's score is their
sum. Ignored pixels and those within two pixels of another class, whose place annotators and models dispute, are
part of no region. A model that has seen an image in training has learnt its errors too: use predictions of a split
that it was not trained on, or of the fold that was left out.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerseg.core.info import IGNORE_LABEL
from kerseg.metrics.confusion import Counts
from kerseg.report.alignment import OFFSETS, Offset
from kerseg.report.disagreement import BORDER, Seen, SuspectRegion, see
from kerseg.report.watcher import Predicted

USUAL = 2.0
"""What an image has of a pair of classes counts from this multiple of the upper quartile of the images."""


@dataclass(frozen=True)
class SuspectImage:
    """An image in the list of suspects."""

    image: int
    """Its number in the split."""
    name: str
    score: float
    """Confident disagreement above the usual, weighed by rarity, for each labelled pixel, and the offset's gain."""
    self_confidence: float
    """Soft minimum of the probability of the annotated class; 1 where nothing is labelled."""
    offset: Offset | None
    """Where the whole label fits better than in its place, by more than is usual."""
    height: int
    width: int
    regions: tuple[SuspectRegion, ...]
    """Most suspect first."""


class Suspects:
    """Watches an evaluation for labels that look wrong.

    Args:
        num_classes: Number of classes C.
        ignore_label: Label value whose pixels do not count.

    Example:
        >>> Suspects(num_classes=7).ranked()    # of no image yet
        []
    """

    needs_probabilities = True

    def __init__(self, num_classes: int, ignore_label: int = IGNORE_LABEL):
        self.ignore_label = ignore_label
        self._seen: list[Seen] = []
        self._counts: Counts = np.zeros((num_classes, num_classes), np.int64)

    def see(self, predicted: Predicted) -> None:
        """Score an image and keep its largest regions of disagreement."""
        if predicted.probabilities is None:
            raise TypeError("Suspect labels are found by probabilities.")
        seen, counts = see(
            predicted.name,
            predicted.label,
            predicted.prediction,
            predicted.probabilities,
            self.ignore_label,
        )
        self._seen.append(seen)
        self._counts += counts

    def ranked(self) -> list[SuspectImage]:
        """Return all images, the most suspect first; of equal ones, that of the lower self-confidence."""
        rarity = self._rarity()
        usual = self._usual()
        offsets = self._offsets()
        found = [
            _ranked(index, seen, rarity, usual, offset)
            for index, (seen, offset) in enumerate(zip(self._seen, offsets, strict=True))
        ]
        return sorted(found, key=lambda one: (-one.score, one.self_confidence))

    def _rarity(self) -> NDArray[np.float64]:
        """Return for each pair of classes minus the logarithm of how often the one is taken for the other."""
        rate = (self._counts + 1) / (self._counts + 1).sum(axis=1, keepdims=True)
        return np.asarray(-np.log(rate))

    def _offsets(self) -> list[Offset | None]:
        """Return for each image where its label fits better than is usual, beyond what borders allow."""
        if not self._seen:
            return []
        all_gains = np.stack([seen.gains for seen in self._seen])
        usual = _upper_quartile(all_gains)
        found: list[Offset | None] = []
        for own in all_gains:
            best = int(own.argmax())
            above = float(own[best] - usual[best])
            is_far = max(map(abs, OFFSETS[best])) > BORDER
            found.append(Offset(*OFFSETS[best], above) if is_far and above > 0 else None)
        return found

    def _usual(self) -> dict[tuple[int, int], float]:
        """Return for each pair what an image usually has of it at most: its upper quartile, times `USUAL`."""
        masses: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
        for seen in self._seen:
            for labelled, guess, mass in seen.pairs:
                masses[labelled, guess].append(mass)
        images = len(self._seen)
        # That of a pair that fewer than a quarter of the images have is 0.
        return {
            pair: USUAL * float(_upper_quartile(np.array([0.0] * (images - len(have)) + have)))
            for pair, have in masses.items()
            if 4 * len(have) >= images
        }


def _upper_quartile(values: NDArray[Any]) -> NDArray[Any]:
    """Return the upper quartile of images (leading axis); of few, a value that three quarters do not exceed."""
    quartile: NDArray[Any] = np.percentile(values, 75, axis=0, method="lower")
    return quartile


def _ranked(
    index: int,
    seen: Seen,
    rarity: NDArray[np.float64],
    usual: Mapping[tuple[int, int], float],
    offset: Offset | None,
) -> SuspectImage:
    """Return an image with its score, by what is usual among all."""
    score = 0.0
    for labelled, guess, mass in seen.pairs:
        above = max(0.0, mass - usual.get((labelled, guess), 0.0))
        score += above * float(rarity[labelled, guess]) / max(1, seen.pixels)
    score += offset.gain if offset else 0.0
    regions = [
        replace(
            region,
            image=index,
            score=region.area * region.margin * float(rarity[region.labelled, region.predicted]),
        )
        for region in seen.regions
    ]
    return SuspectImage(
        image=index,
        name=seen.name,
        score=score,
        self_confidence=seen.self_confidence,
        offset=offset,
        height=seen.shape[0],
        width=seen.shape[1],
        regions=tuple(sorted(regions, key=lambda region: -region.score)),
    )


def all_regions(images: Sequence[SuspectImage], *, most: int) -> list[SuspectRegion]:
    """Return the regions of all images, the most suspect first.

    Example:
        >>> all_regions(Suspects(num_classes=7).ranked(), most=2)
        []
    """
    regions = [region for image in images for region in image.regions if math.isfinite(region.score)]
    return sorted(regions, key=lambda region: -region.score)[:most]
