"""IoU of the bands along the contours, which a large inside does not soften."""

import numpy as np
from scipy import ndimage

from kerseg.errors import ConfigError
from kerseg.metrics.measure import Observation, Sums, metric, sums
from kerseg.metrics.regions import Labels, Mask, diagonal, without_ignored


@metric("boundary IoU", "labels")
def boundary_iou(image: Observation, *, dilation_ratio: float = 0.02) -> Sums:
    """Mean over the classes of the IoU of the bands inside their contours, pooled.

    Source: Cheng et al., "Boundary IoU", CVPR 2021, arXiv 2103.16562, as the authors compute it: the band is what d
    erosions with a 3x3 square take from a class, the image's edge being contour too. Ignored pixels take the class
    of the nearest labelled one to find the bands, and are not counted.

    Args:
        image: What was predicted.
        dilation_ratio: d over the image's diagonal, above 0; d is rounded, at least 1 pixel.

    Raises:
        ConfigError: The ratio is not above 0, at most 1.
    """
    if not 0 < dilation_ratio <= 1:
        raise ConfigError(
            f"boundary_iou: `dilation_ratio` is above 0, at most 1. Received: {dilation_ratio}."
        )
    counted = image.label != image.ignore_label
    label, prediction = without_ignored(image.label, image.prediction, image.ignore_label)
    reach = max(1, round(dilation_ratio * diagonal(label)))
    of_truth, of_guess = band(label, reach) & counted, band(prediction, reach) & counted
    true = np.bincount(label[of_truth], minlength=image.num_classes)
    guess = np.bincount(prediction[of_guess], minlength=image.num_classes)
    both = np.bincount(label[of_truth & of_guess & (label == prediction)], minlength=image.num_classes)
    return sums(both, true + guess - both)


def band(label: Labels, reach: int) -> Mask:
    """Return the pixels within ``reach`` rows and columns of another class, or of the image's edge.

    These are, for all classes at once, what ``reach`` erosions of each with a 3x3 square take away.

    Example:
        >>> band(np.array([[0] * 5 + [1] * 4] * 5), 1)[2].tolist()
        [True, False, False, False, True, True, False, False, True]
    """
    inside = np.zeros(label.shape, np.bool_)
    inside[reach:-reach, reach:-reach] = True
    size = 2 * reach + 1
    alike = ndimage.minimum_filter(label, size) == ndimage.maximum_filter(label, size)
    found: Mask = ~(inside & alike)
    return found
