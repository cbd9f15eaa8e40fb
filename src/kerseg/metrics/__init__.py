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
from kerseg.metrics.meter import Meter, all_options
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
)
"""What `evaluate` can measure. The first seven cost nothing beyond counting, and are always there."""

ALWAYS = tuple(METRICS)[:7]
"""Metrics of every evaluation."""


def choose(
    names: Sequence[str] = (), options: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, Metric]:
    """Return the metrics of an evaluation: those that are always there, then the ones asked for.

    Args:
        names: Of `METRICS`.
        options: Name of a metric -> its options.

    Raises:
        ConfigError: There is no such metric, or it has no such option.

    Example:
        >>> list(choose(["hd95"], {"hd95": {"percentile": 99}}))[-1]
        'hd95'
    """
    chosen = dict.fromkeys([*ALWAYS, *map(METRICS.resolve, names)])
    given = {METRICS.resolve(name): values for name, values in (options or {}).items()}
    if unused := [name for name in given if name not in chosen]:
        raise ConfigError(f"`metric_options` for {', '.join(unused)}, which `metrics` does not name.")
    found = {}
    for name in chosen:
        metric: Metric = METRICS.load(name)
        known = all_options(metric)
        for option in given.get(name, {}):
            if option not in known:
                raise ConfigError(
                    f"Metric {name!r} has no option {option!r}.{nearest(option, known)} "
                    f"It has: {', '.join(known) or 'none'}."
                )
        found[name] = metric.with_options(given.get(name, {}))
    return found


def __getattr__(name: str) -> Any:
    if name == "MeanIoU":
        from kerseg.metrics.keras_metric import MeanIoU

        return MeanIoU
    raise AttributeError(f"module 'kerseg.metrics' has no attribute {name!r}")
