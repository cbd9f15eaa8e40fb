"""What an evaluation comes to: scores, and other measures with their intervals.

Definitions: Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015,
section 5, with n_ij pixels of class i predicted as class j, t_i = sum_j n_ij pixels of class i:

    pixel accuracy          sum_i n_ii / sum_i t_i
    mean pixel accuracy     mean_i n_ii / t_i
    IoU of class i          n_ii / (t_i + sum_j n_ji - n_ii)
    mean IoU                mean_i IoU_i
    frequency weighted IoU  sum_i t_i IoU_i / sum_i t_i

The paper's classes all occur. Where one does not:

    in neither truth nor prediction   0 / 0: left out of every mean, and listed in `Scores.absent`
    predicted, never true             IoU 0, which counts in the mean IoU (the prediction is wrong);
                                      accuracy n_ii / t_i is 0 / 0: left out of the mean pixel accuracy
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kerseg.core.notebook import table


@dataclass(frozen=True)
class Interval:
    """Where a figure lies, with 95 % confidence as far as the choice of the images goes."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.4g} to {self.high:.4g}"


@dataclass(frozen=True)
class Measure:
    """A metric of a whole split, with its parts."""

    name: str
    title: str
    value: float | None
    """None where no image has anything of it."""
    interval: Interval | None
    parts: Mapping[str, float | None]
    """By class, size, category or bin."""
    part_intervals: Mapping[str, Interval | None]
    options: Mapping[str, Any]
    """All of them, defaults too."""
    unit: str = ""
    higher_is_better: bool = True
    seconds: float | None = None
    """What measuring it took; None where it follows from the confusion matrices."""

    def to_json(self) -> dict[str, Any]:
        """Return the measure as JSON values."""

        def pair(bounds: Interval | None) -> list[float] | None:
            return None if bounds is None else [bounds.low, bounds.high]

        return {
            "title": self.title,
            "value": self.value,
            "interval": pair(self.interval),
            "unit": self.unit,
            "higher_is_better": self.higher_is_better,
            "options": dict(self.options),
            "seconds": self.seconds,
            "parts": {
                name: {"value": value, "interval": pair(self.part_intervals[name])}
                for name, value in self.parts.items()
            },
        }


@dataclass(frozen=True)
class Scores:
    """The figures of one evaluation, from 0 to 1; of a class that leaves one undefined, it is None.

    Example:
        >>> matrix = kerseg.metrics.ConfusionMatrix(2)
        >>> matrix.update(label=[0, 0, 1, 1], prediction=[0, 1, 1, 1])
        >>> scores = matrix.scores(["road", "sky"])
        >>> scores.iou, scores.mean_pixel_accuracy
        ((0.5, 0.666...), 0.75)
    """

    class_names: tuple[str, ...]
    mean_iou: float
    mean_pixel_accuracy: float
    """Mean over the classes of the share of their pixels that are found: "class average", mean recall."""
    pixel_accuracy: float
    frequency_weighted_iou: float
    iou: tuple[float | None, ...]
    """One a class; None where the class is in neither truth nor prediction."""
    accuracy: tuple[float | None, ...]
    """Share of each class's pixels that are found; None where the class is not in the truth."""
    pixels: tuple[int, ...]
    """True pixels of each class, ignored ones not counted."""
    measures: Mapping[str, Measure] = field(default_factory=dict, compare=False, repr=False)
    """All that was measured, with intervals, by the names of `kerseg.metrics.METRICS`; empty in training."""

    @property
    def absent(self) -> tuple[str, ...]:
        """Names of the classes in neither truth nor prediction, which no mean includes."""
        return tuple(name for name, iou in zip(self.class_names, self.iou, strict=True) if iou is None)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values: means by name, one entry a class, the absent classes."""
        rows = zip(self.class_names, self.iou, self.accuracy, self.pixels, strict=True)
        return {
            "mean_iou": self.mean_iou,
            "mean_pixel_accuracy": self.mean_pixel_accuracy,
            "pixel_accuracy": self.pixel_accuracy,
            "frequency_weighted_iou": self.frequency_weighted_iou,
            "classes": [
                {"name": name, "iou": iou, "accuracy": accuracy, "pixels": pixels}
                for name, iou, accuracy, pixels in rows
            ],
            "absent": list(self.absent),
            "metrics": {name: measure.to_json() for name, measure in self.measures.items()},
        }

    def _repr_html_(self) -> str:
        """Return what a notebook shows: a row a class, then the measures, in percent."""
        intervals = self.measures["mean_iou"].part_intervals if "mean_iou" in self.measures else {}
        total = max(1, sum(self.pixels))
        rows = zip(self.class_names, self.iou, self.accuracy, self.pixels, strict=True)
        classes = table(
            ["class", "IoU %", "95 %", "accuracy %", "pixels %"],
            [
                (
                    name,
                    _percent(iou),
                    _between(intervals.get(name), 100),
                    _percent(accuracy),
                    100 * pixels / total,
                )
                for name, iou, accuracy, pixels in rows
            ],
            title=f"mean IoU {100 * self.mean_iou:.2f} %",
        )
        scales = {name: 1 if measure.unit else 100 for name, measure in self.measures.items()}
        measured = [
            (
                f"{measure.title} ({measure.unit or '%'})",
                None if measure.value is None else scales[name] * measure.value,
                _between(measure.interval, scales[name]),
            )
            for name, measure in self.measures.items()
        ]
        return classes + (table(["measure", "value", "95 %"], measured) if measured else "")


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _between(interval: Interval | None, scale: float) -> str:
    return "" if interval is None else f"{scale * interval.low:.2f} to {scale * interval.high:.2f}"
