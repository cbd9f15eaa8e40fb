"""Distances between the contours of a class in truth and prediction, of images and of volumes.

Source of the definitions: Nikolov et al., arXiv 1809.04430, and DeepMind's ``surface-distance``, with which the
figures agree: a contour consists of elements, one for each 2x2 (2x2x2) pixels of which some are in and some are
out, that weigh as much as they are long (large). The distance of an element is that to the nearest element of the
other contour, by SciPy's exact Euclidean transform.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from kerseg.errors import ConfigError
from kerseg.metrics.measure import Array, Observation
from kerseg.metrics.regions import Mask, box, present, without_ignored
from kerseg.metrics.surface_elements import corners, measures


@dataclass(frozen=True)
class Surface:
    """The elements of one contour, nearest first."""

    distances: Array
    """To the other contour; infinite where there is none."""
    sizes: Array
    """Lengths, or areas."""

    def percentile(self, percent: float) -> float:
        """Return the distance that ``percent`` of the contour does not exceed; infinity of no contour."""
        if not self.sizes.size:
            return np.inf
        place = np.searchsorted(np.cumsum(self.sizes) / self.sizes.sum(), percent / 100)
        return float(self.distances[min(int(place), self.distances.size - 1)])

    def within(self, tolerance: float) -> float:
        """Return how much of the contour is at most ``tolerance`` away from the other one."""
        return float(self.sizes[self.distances <= tolerance].sum())


def of_classes(
    image: Observation, spacing: Sequence[float] | None, *, units: bool = False
) -> Iterator[tuple[int, Surface, Surface, float]]:
    """Yield each class in truth or prediction with its contours, and the longest distance that the image has.

    Ignored pixels take the class of the nearest labelled one.

    Args:
        image: What was predicted.
        spacing: Size of a pixel along each axis; None for pixels.
        units: Take that of the image, in the data's unit.

    Raises:
        ConfigError: The spacing has not one number above 0 an axis, or the image's is not known.
    """
    size = image.label.shape
    if units:
        spacing = _of_image(image, spacing)
    if spacing is not None and (len(spacing) != len(size) or not min(spacing) > 0):
        raise ConfigError(
            f"`spacing` is {len(size)} numbers above 0, one an axis ({' x '.join(map(str, size))} pixels). "
            f"Received: {tuple(spacing)}."
        )
    steps = tuple(map(float, spacing)) if spacing is not None else (1.0,) * len(size)
    if not (image.label != image.ignore_label).any():
        return
    label, prediction = without_ignored(image.label, image.prediction, image.ignore_label)
    farthest = float(np.linalg.norm(np.multiply(size, steps)))
    for index in sorted({*present(label, image.num_classes), *present(prediction, image.num_classes)}):
        yield index, *surfaces(label == index, prediction == index, steps), farthest


def _of_image(image: Observation, given: Sequence[float] | None) -> Sequence[float]:
    if given is not None:
        raise ConfigError("`units` takes the spacing that the data has, `spacing` another: give one of them.")
    if image.spacing is None:
        axes = "the slices and pixels of its volumes" if image.label.ndim == 3 else "its pixels"
        raise ConfigError(
            f"`units` measures in the data's unit, and this data set does not say how large {axes} are. Convert it "
            "with `spacing`, or measure with `spacing` in place of `units`."
        )
    return image.spacing


def surfaces(true: Mask, guess: Mask, spacing: tuple[float, ...]) -> tuple[Surface, Surface]:
    """Return the contours of a class in truth and prediction, with their distances from each other.

    Args:
        true: Where the class is, (height, width) or (slices, height, width).
        guess: Where it is predicted, of the same shape.
        spacing: Size of a pixel along each axis; the unit of the distances.

    Example:
        >>> mask = np.zeros((5, 5), bool)
        >>> mask[1:3, 1:3] = True
        >>> [float(surface.distances.max()) for surface in surfaces(mask, np.roll(mask, 2, axis=1), (1, 1))]
        [2.0, 2.0]
    """
    around = box(true | guess)
    codes = [_codes(mask[around]) for mask in (true, guess)]
    table = measures(spacing)
    on = [(code > 0) & (code < len(table) - 1) for code in codes]
    found = []
    for mine, other in ((0, 1), (1, 0)):
        if on[other].any():
            distances = ndimage.distance_transform_edt(~on[other], sampling=spacing)[on[mine]]
        else:
            distances = np.full(np.count_nonzero(on[mine]), np.inf)
        sizes = table[codes[mine][on[mine]]]
        order = np.lexsort((sizes, distances))
        found.append(Surface(distances[order], sizes[order]))
    return found[0], found[1]


def _codes(mask: Mask) -> NDArray[np.uint8]:
    """Return for each corner of the grid, as bits, which pixels around it are in."""
    padded = np.pad(mask, 1).view(np.uint8)
    codes = np.zeros([size + 1 for size in mask.shape], np.uint8)
    for bit, corner in enumerate(corners(mask.ndim)):
        codes |= (
            padded[tuple(slice(at, at + size) for at, size in zip(corner, codes.shape, strict=True))] << bit
        )
    return codes
