"""IoU of groups of classes, in which a bus taken for a truck is no error: Cityscapes' category IoU."""

from collections.abc import Mapping, Sequence

import numpy as np

from kerseg.errors import ConfigError
from kerseg.metrics.measure import Observation, Sums, metric, sums

CITYSCAPES: Mapping[str, Sequence[str]] = {
    "flat": ("road", "sidewalk"),
    "construction": ("building", "wall", "fence"),
    "object": ("pole", "traffic light", "traffic sign"),
    "nature": ("vegetation", "terrain"),
    "sky": ("sky",),
    "human": ("person", "rider"),
    "vehicle": ("car", "truck", "bus", "train", "motorcycle", "bicycle"),
}
"""The categories of the 19 classes that Cityscapes scores.

Source: https://github.com/mcordts/cityscapesScripts, cityscapesscripts/helpers/labels.py."""


def _names(
    class_names: Sequence[str], *, categories: Mapping[str, Sequence[str]] | None = None
) -> tuple[str, ...]:
    return tuple(CITYSCAPES if categories is None else categories)


@metric("category IoU", parts=_names)
def category_iou(image: Observation, *, categories: Mapping[str, Sequence[str]] | None = None) -> Sums:
    """Mean IoU over groups of classes, pooled: Cityscapes' category IoU.

    A pixel of a class that is in no category counts in none, neither in truth nor in prediction.

    Args:
        image: What was predicted.
        categories: Name of each category -> names of its classes; default: those of Cityscapes.

    Raises:
        ConfigError: A category has a class that the data has not, or two share one.
    """
    chosen = CITYSCAPES if categories is None else categories
    places = {name: place for place, name in enumerate(image.class_names)}
    members = [name for names in chosen.values() for name in names]
    if unknown := [name for name in members if name not in places]:
        raise ConfigError(
            f"category_iou: the data has no class {', '.join(map(repr, unknown))}. Its classes: "
            f"{', '.join(image.class_names)}. Give `metric_options.category_iou.categories`, a list of classes for "
            "each category."
        )
    if len(set(members)) < len(members):
        twice = sorted({name for name in members if members.count(name) > 1})
        raise ConfigError(f"category_iou: {', '.join(twice)} in more than one category. A class is in one.")
    belongs = np.zeros((len(chosen), image.num_classes), np.int64)
    for row, names in enumerate(chosen.values()):
        belongs[row, [places[name] for name in names]] = 1
    counts = belongs @ image.counts @ belongs.T
    correct = np.diagonal(counts)
    return sums(correct, counts.sum(axis=0) + counts.sum(axis=1) - correct)
