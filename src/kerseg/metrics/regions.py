"""Borders, bands and objects of label maps: what the metrics of contours share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Labels = NDArray[Any]
Mask = NDArray[np.bool_]


def without_ignored(label: Labels, prediction: Labels, ignore_label: int) -> tuple[Labels, Labels]:
    """Give ignored pixels, in both, the class of the nearest labelled pixel: nothing there is an error.

    Where contours are compared, ignored pixels cannot simply be left out: PASCAL VOC ignores a strip along every
    contour, and without it the objects would have none.

    Args:
        label: True class indices.
        prediction: Predicted class indices, of the same shape.
        ignore_label: Value of the pixels that do not count.

    Returns:
        Label and prediction; unchanged where no pixel, or every pixel, is ignored.

    Example:
        >>> without_ignored(np.array([[1, 1, 255]]), np.array([[1, 0, 0]]), 255)
        (array([[1, 1, 1]]), array([[1, 0, 1]]))
    """
    ignored = label == ignore_label
    if not ignored.any() or ignored.all():
        return label, prediction
    nearest = ndimage.distance_transform_edt(ignored, return_distances=False, return_indices=True)
    filled = label[tuple(nearest)]
    return filled, np.where(ignored, filled, prediction)


def borders(label: Labels) -> Mask:
    """Return the pixels that have another value above, below, left or right of them.

    Example:
        >>> borders(np.array([[0, 0, 1, 1]])).tolist()
        [[False, True, True, False]]
    """
    found = np.zeros(label.shape, np.bool_)
    for axis in range(label.ndim):
        here = [slice(None)] * label.ndim
        there = [slice(None)] * label.ndim
        here[axis], there[axis] = slice(None, -1), slice(1, None)
        differs = label[tuple(here)] != label[tuple(there)]
        found[tuple(here)] |= differs
        found[tuple(there)] |= differs
    return found


def diagonal(label: Labels) -> float:
    """Return the length of an image's diagonal in pixels."""
    return float(np.hypot(*label.shape))


def present(label: Labels, num_classes: int) -> list[int]:
    """Return the classes that occur, in their order."""
    counts = np.bincount(label.ravel(), minlength=num_classes)[:num_classes]
    return [int(index) for index in np.flatnonzero(counts)]


def box(mask: Mask) -> tuple[slice, ...]:
    """Return the smallest box around what is true, as slices; empty ones where nothing is.

    Example:
        >>> box(np.array([[False, True, True, False]]))
        (slice(0, 1, None), slice(1, 3, None))
    """
    found = ndimage.find_objects(mask.view(np.uint8))
    return found[0] if found else (slice(0, 0),) * mask.ndim
