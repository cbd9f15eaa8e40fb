"""How many contour pixels have their like nearby: the boundary F1 measure."""

import numpy as np
from scipy import ndimage

from kerseg.errors import ConfigError
from kerseg.metrics.measure import Observation, Sums, metric, sums
from kerseg.metrics.regions import Mask, borders, box, diagonal, present, without_ignored


@metric("BF score", "labels", parts=lambda class_names, **options: ("all images",))
def bf_score(image: Observation, *, tolerance: float = 0.0075) -> Sums:
    """Mean over the images of the mean boundary F1 over the classes in an image's truth.

    Source: Badrinarayanan et al., "SegNet", arXiv 1511.00561, section 4, after Csurka et al., BMVC 2013: the
    share of predicted contour pixels less than the tolerance away from a true one (precision), the other way
    round (recall), and 2 P R / (P + R). A contour pixel of a class has another class above, below, left or right
    of it; the image's edge is no contour. A class with a contour in only one of the two has F1 0, one without any
    is left out. Ignored pixels take the class of the nearest labelled one.

    Args:
        image: What was predicted.
        tolerance: Distance over the image's diagonal, above 0.

    Raises:
        ConfigError: The tolerance is not above 0, at most 1.
    """
    if not 0 < tolerance <= 1:
        raise ConfigError(f"bf_score: `tolerance` is above 0, at most 1. Received: {tolerance}.")
    label, prediction = without_ignored(image.label, image.prediction, image.ignore_label)
    near = tolerance * diagonal(label)
    found = []
    edges = borders(label), borders(prediction)
    for index in present(image.label, image.num_classes):
        true, guess = edges[0] & (label == index), edges[1] & (prediction == index)
        if true.any() or guess.any():
            found.append(f1(true, guess, near))
    return sums([float(np.mean(found)) if found else 0.0], [float(bool(found))])


def f1(true: Mask, guess: Mask, near: float) -> float:
    """Return the F1 of two sets of pixels that match where they are less than ``near`` pixels apart."""
    if not true.any() or not guess.any():
        return 0.0
    around = box(true | guess)
    true, guess = true[around], guess[around]
    precision = np.mean(ndimage.distance_transform_edt(~true)[guess] < near)
    recall = np.mean(ndimage.distance_transform_edt(~guess)[true] < near)
    both = precision + recall
    return float(2 * precision * recall / both) if both else 0.0
