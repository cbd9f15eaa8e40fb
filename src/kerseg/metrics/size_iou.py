"""IoU of small, medium and large objects."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kerseg.errors import ConfigError
from kerseg.metrics.measure import Observation, Sums, metric, sums
from kerseg.metrics.regions import Labels, Mask, box

_AROUND = np.ones((3, 3), np.bool_)


def _names(class_names: Sequence[str], *, areas: Sequence[int] = (1024, 9216)) -> tuple[str, ...]:
    between = [f"{low} to {high - 1} px" for low, high in pairwise(areas)]
    return (f"below {areas[0]} px", *between, f"{areas[-1]} px and more")


@metric("IoU by object size", "labels", parts=_names)
def size_iou(image: Observation, *, areas: Sequence[int] = (1024, 9216)) -> Sums:
    """Mean over the sizes of the mean over the classes of the IoU of objects of that size, pooled.

    An object is a connected region of a class in the truth, corners touching. Its pixels that are found are the
    intersection; its pixels count in the union, and so do the pixels wrongly given its class in a predicted region
    of that class that overlaps it. A region that overlaps several objects counts with the one that it shares most
    pixels with; one that overlaps none, with its own size.

    Args:
        image: What was predicted.
        areas: Pixels from which on an object belongs to the next size, growing. Those of COCO's detection scores
            are 32 and 96 squared.

    Raises:
        ConfigError: There are no areas, or they do not grow.
    """
    if not areas or min(areas) < 1 or list(areas) != sorted(set(areas)):
        raise ConfigError(
            f"size_iou: `areas` are 1 pixel or more, each above the one before. Received: {areas}."
        )
    shape = len(areas) + 1, image.num_classes
    intersection, union = np.zeros(shape), np.zeros(shape)
    counted = image.label != image.ignore_label
    for index in np.flatnonzero(image.counts.sum(axis=0) + image.counts.sum(axis=1)):
        true, guess = image.label == index, (image.prediction == index) & counted
        part = box(true | guess)
        found, whole = _by_size(true[part], guess[part], areas)
        intersection[:, index], union[:, index] = found, whole
    return sums(intersection, union)


def _by_size(true: Mask, guess: Mask, areas: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return intersection and union of one class, each int64 (sizes,)."""
    objects, predicted = _regions(true), _regions(guess)
    size_of = np.digitize(np.bincount(objects.ravel()), areas)
    both = true & guess
    # Each predicted region counts with the object that it shares most pixels with, else with its own size.
    counts_with = np.digitize(np.bincount(predicted.ravel()), areas)
    shared, pixels = np.unique(
        predicted[both].astype(np.int64) * len(size_of) + objects[both], return_counts=True
    )
    # The last of several values assigned to one place stays: that with the most pixels.
    shared = shared[np.argsort(pixels, kind="stable")]
    counts_with[shared // len(size_of)] = size_of[shared % len(size_of)]
    sizes = len(areas) + 1
    found = np.bincount(size_of[objects[both]], minlength=sizes)
    wrong = np.bincount(counts_with[predicted[guess & ~true]], minlength=sizes)
    return found, np.bincount(size_of[objects[true]], minlength=sizes) + wrong


def _regions(mask: Mask) -> Labels:
    regions: Labels = ndimage.label(mask, _AROUND)[0]
    return regions
