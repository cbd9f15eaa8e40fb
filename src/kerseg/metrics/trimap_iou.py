"""IoU near the true contours alone: DeepLab's trimap."""

import numpy as np
from scipy import ndimage

from kerseg.errors import ConfigError
from kerseg.metrics.confusion import count
from kerseg.metrics.measure import Observation, Sums, metric, sums
from kerseg.metrics.regions import borders


@metric("trimap IoU", "labels")
def trimap_iou(image: Observation, *, width: float = 5.0) -> Sums:
    """Mean IoU, pooled, of the labelled pixels within a band along the true contours.

    Source: Chen et al., "DeepLab", arXiv 1606.00915, section 4.1, after Kohli et al. 2009. There the band lies
    around the ignored strip of VOC; here a change to the ignore label is a contour like any other.

    Args:
        image: What was predicted.
        width: Of the band on either side of a contour, pixels, above 0: 1 takes the pixels that touch it.

    Raises:
        ConfigError: The width is not above 0.
    """
    if not width > 0:
        raise ConfigError(f"trimap_iou: `width` is above 0 pixels. Received: {width}.")
    contour = borders(image.label)
    if not contour.any():
        nothing = np.zeros(image.num_classes)
        return sums(nothing, nothing)
    near = ndimage.distance_transform_edt(~contour) < width
    counts = count(image.label[near], image.prediction[near], image.num_classes, image.ignore_label)
    correct = np.diagonal(counts)
    return sums(correct, counts.sum(axis=0) + counts.sum(axis=1) - correct)
