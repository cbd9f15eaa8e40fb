"""How good a segmentation is: what is counted of each image, the figures that follow, and how sure they are.

`ConfusionMatrix` counts the pixels of a whole split on the host, exactly, and yields `Scores`; `MeanIoU` is the
Keras metric for `compile`. `METRICS` are the figures of an evaluation, one function each; `Meter` measures with
them image by image. Nothing here predicts, reads data or draws.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kerseg.errors import ConfigError
from kerseg.metrics.archive import Measurements
from kerseg.metrics.confusion import ConfusionMatrix
from kerseg.metrics.measure import Metric
from kerseg.metrics.meter import Meter
from kerseg.metrics.scores import Interval, Measure, Scores
from kerseg.registry import Registry, nearest

if TYPE_CHECKING or "keras" in sys.modules:
    # Else late, below: to compare two runs takes no Keras, whose import takes seconds. Where Keras is already
    # there, the class is registered at once, so that files with compiled metrics load.
    from kerseg.metrics.keras_metric import MeanIoU

__all__ = [
    "METRICS",
    "ConfusionMatrix",
    "Interval",
    "MeanIoU",
    "Measure",
    "Measurements",
    "Meter",
    "Metric",
    "Scores",
    "choose",
]

METRICS = Registry(
    "metric",
    {
        "mean_iou": "kerseg.metrics.overlap:mean_iou",
        "mean_pixel_accuracy": "kerseg.metrics.overlap:mean_pixel_accuracy",
        "pixel_accuracy": "kerseg.metrics.overlap:pixel_accuracy",
        "frequency_weighted_iou": "kerseg.metrics.overlap:frequency_weighted_iou",
        "dice": "kerseg.metrics.overlap:dice",
        "image_mean_iou": "kerseg.metrics.image_iou:image_mean_iou",
        "class_image_iou": "kerseg.metrics.image_iou:class_image_iou",
        "category_iou": "kerseg.metrics.category_iou:category_iou",
        "boundary_iou": "kerseg.metrics.boundary_iou:boundary_iou",
        "bf_score": "kerseg.metrics.bf_score:bf_score",
        "trimap_iou": "kerseg.metrics.trimap_iou:trimap_iou",
        "size_iou": "kerseg.metrics.size_iou:size_iou",
        "hd95": "kerseg.metrics.hd95:hd95",
        "nsd": "kerseg.metrics.nsd:nsd",
        "calibration_error": "kerseg.metrics.calibration:calibration_error",
        "confidence": "kerseg.metrics.calibration:confidence",
    },
    given=["image"],
)
"""What `evaluate` can measure. The first seven cost nothing beyond counting, and are always there."""

ALWAYS = tuple(METRICS)[:7]
"""Metrics of every evaluation."""


def choose(names: Sequence[str] = (), options: Mapping[str, Any] | None = None) -> dict[str, Metric]:
    """Return the metrics of an evaluation: those that are always there, then the ones asked for.

    Args:
        names: Of `METRICS`.
        options: Name of an option -> its value, for all of these metrics that take it; or name of a metric -> its
            own options.

    Raises:
        ConfigError: There is no such metric, none takes such an option, or a value has another type.

    Example:
        >>> list(choose(["hd95"], {"percentile": 99.0}))[-1]
        'hd95'
        >>> choose(["nsd", "bf_score"], {"nsd": {"tolerance": 3.0}})["nsd"].options
        {'tolerance': 3.0}
    """
    chosen: dict[str, dict[str, Any]] = {}
    for name in names:
        METRICS.check(name, {}, option="metrics")
        chosen[METRICS.resolve(name)] = {}
    taken = {option for name in chosen for option in METRICS.options(name)}
    for option, value in (options or {}).items():
        if option in chosen and isinstance(value, Mapping):
            chosen[option] |= value
        elif option in taken:
            for name in chosen:
                if option in METRICS.options(name):
                    chosen[name].setdefault(option, value)
        else:
            raise ConfigError(
                f"`metric_options.{option}`: no metric of `metrics` is called so, or takes it."
                f"{nearest(option, [*chosen, *taken])} They take: {', '.join(sorted(taken)) or 'none'}."
            )
    for name, own in chosen.items():
        METRICS.check(name, own, option="metric")
    return {
        name: METRICS.load(name).with_options(chosen.get(name, {}))
        for name in dict.fromkeys([*ALWAYS, *chosen])
    }


def __getattr__(name: str) -> Any:
    if name == "MeanIoU":
        from kerseg.metrics.keras_metric import MeanIoU

        return MeanIoU
    raise AttributeError(f"module 'kerseg.metrics' has no attribute {name!r}")
