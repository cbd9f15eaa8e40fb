"""Figures of overlap, pooled: the pixels of all images are counted before anything is divided.

With n_ij pixels of class i predicted as class j, t_i = sum_j n_ij (true) and p_i = sum_j n_ji (predicted).
Definitions of the first four: Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation",
CVPR 2015, section 5. A class in neither truth nor prediction is part of no mean.
"""

import numpy as np

from kerseg.metrics.measure import Observation, Sums, metric, sums


@metric("mean IoU")
def mean_iou(image: Observation) -> Sums:
    """Mean over the classes of n_ii / (t_i + p_i - n_ii), the intersection over the union."""
    correct, true, predicted = _of_classes(image)
    return sums(correct, true + predicted - correct)


@metric("mean pixel accuracy")
def mean_pixel_accuracy(image: Observation) -> Sums:
    """Mean over the classes of n_ii / t_i, the share of their pixels that is found: class average, mean recall."""
    correct, true, _ = _of_classes(image)
    return sums(correct, true)


@metric("pixel accuracy", parts=lambda class_names: ("all pixels",))
def pixel_accuracy(image: Observation) -> Sums:
    """Correct pixels over all: sum_i n_ii / sum_i t_i."""
    correct, true, _ = _of_classes(image)
    return sums([correct.sum()], [true.sum()])


@metric("frequency weighted IoU")
def frequency_weighted_iou(image: Observation) -> Sums:
    """Mean of the IoU over the classes, weighed by their true pixels: sum_i t_i IoU_i / sum_i t_i."""
    correct, true, predicted = _of_classes(image)
    return sums(correct, true + predicted - correct, weight=true)


@metric("mean Dice")
def dice(image: Observation) -> Sums:
    """Mean over the classes of 2 n_ii / (t_i + p_i): the Dice coefficient, F1 of the pixels."""
    correct, true, predicted = _of_classes(image)
    return sums(2 * correct, true + predicted)


def _of_classes(image: Observation) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the correct, the true and the predicted pixels of each class."""
    return np.diagonal(image.counts), image.counts.sum(axis=1), image.counts.sum(axis=0)
