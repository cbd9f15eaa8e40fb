"""IoU of single images, which large objects do not drown.

Source: Wang et al., "Revisiting Evaluation Metrics for Semantic Segmentation: Optimization and Evaluation of
Fine-grained Intersection over Union", NeurIPS 2023, arXiv 2310.19252: mIoU^I and mIoU^C. A class counts in the
images in whose truth it occurs, and in no other. (The authors' code scores two classes by the second alone; here
two classes are two.)
"""

import numpy as np

from kerseg.metrics.measure import Array, Observation, Sums, mean, metric, sums


@metric("per-image mean IoU", parts=lambda class_names: ("all images",))
def image_mean_iou(image: Observation) -> Sums:
    """Mean over the images of the mean IoU of an image's own classes (mIoU^I of arXiv 2310.19252)."""
    iou = mean(_iou(image), np.ones(image.num_classes))
    return sums([np.nan_to_num(iou)], [float(not np.isnan(iou))])


@metric("per-class mean of image IoU")
def class_image_iou(image: Observation) -> Sums:
    """Mean over the classes of the mean IoU over the images that a class occurs in (mIoU^C of arXiv 2310.19252)."""
    iou = _iou(image)
    return sums(np.nan_to_num(iou), ~np.isnan(iou))


def _iou(image: Observation) -> Array:
    """Return the IoU of each class of an image, float64 (C,), NaN for those that its truth does not have."""
    correct, true = np.diagonal(image.counts), image.counts.sum(axis=1)
    union = true + image.counts.sum(axis=0) - correct
    with np.errstate(invalid="ignore"):
        return np.where(true > 0, correct / union, np.nan)
