"""Measuring, image by image: what a loop over predictions feeds, and what it has in the end."""

import hashlib
import inspect
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerseg.core.info import IGNORE_LABEL
from kerseg.core.spacing import Spacing, volume_of
from kerseg.errors import DataError
from kerseg.metrics.archive import Measurements, stacked
from kerseg.metrics.bootstrap import interval, resampled
from kerseg.metrics.confusion import Counts, check_classes, count
from kerseg.metrics.measure import Metric, Observation, Sums, values
from kerseg.metrics.scores import Measure

Chosen = Mapping[str, Metric]
"""Metrics by name, with their options."""


class Meter:
    """Measures one image after the other.

    Args:
        class_names: One name a class.
        metrics: By name, with options; those that confusion matrices give need not be named here.
        ignore_label: Label value whose pixels do not count.
        spacing: How large the images' pixels are, if that is known.

    Raises:
        ConfigError: An option of a metric is out of range, or does not fit the classes.

    Example:
        >>> meter = Meter(["road", "sky"])
        >>> meter.add("a", np.array([[0, 0], [1, 1]]), np.array([[0, 1], [1, 1]])).tolist()
        [[1, 1], [0, 2]]
    """

    def __init__(
        self,
        class_names: Sequence[str],
        metrics: Chosen = {},  # noqa: B006
        ignore_label: int = IGNORE_LABEL,
        spacing: Spacing | None = None,
    ):
        check_classes(len(class_names), ignore_label)
        self.class_names = tuple(class_names)
        self.ignore_label = ignore_label
        self.spacing = spacing
        self.chosen = dict(metrics)
        self.metrics = {name: metric for name, metric in metrics.items() if metric.needs != "counts"}
        self.seconds = dict.fromkeys(self.metrics, 0.0)
        self._names: list[str] = []
        self._checksums: list[int] = []
        self._counts: list[tuple[NDArray[np.int32], NDArray[np.int64]]] = []
        self._sums: dict[str, list[Sums]] = {name: [] for name in self.metrics}
        self._volumes = _Volumes() if any(map(_in_volumes, metrics.values())) else None
        self._zero = {name: self._try(metric) for name, metric in metrics.items()}

    @property
    def needs_probabilities(self) -> bool:
        """Whether `add` has to be given probabilities."""
        return any(metric.needs == "probabilities" for metric in self.metrics.values())

    def add(
        self,
        name: str,
        label: NDArray[Any],
        prediction: NDArray[Any],
        probabilities: NDArray[np.float32] | None = None,
    ) -> Counts:
        """Measure an image.

        Args:
            name: Of the image.
            label: True class indices (height, width), integer.
            prediction: Predicted class indices, of the same shape.
            probabilities: Of the classes, (height, width, C), where a metric needs them.

        Returns:
            Its confusion matrix, int64 (C, C).

        Raises:
            DataError: As `kerseg.metrics.confusion.count`; or slices of a volume are not together.
        """
        label, prediction = np.asarray(label), np.asarray(prediction)
        counts = count(label, prediction, len(self.class_names), self.ignore_label)
        pairs = np.flatnonzero(counts)
        self._names.append(name)
        self._checksums.append(label_checksum(label))
        self._counts.append((pairs.astype(np.int32), counts.reshape(-1)[pairs]))
        image = Observation(
            counts,
            self.class_names,
            label,
            prediction,
            np.zeros((0, 0, 0), np.float32) if probabilities is None else probabilities,
            self.ignore_label,
            self.spacing.of(name) if self.spacing else None,
        )
        whole = self._volumes.add(name, label, prediction) if self._volumes else None
        for key, metric in self.metrics.items():
            if not _in_volumes(metric):
                self._sums[key].append(self._measured(key, image))
            else:
                self._sums[key].append(self._zero[key])
                if whole is not None:
                    self._sums[key][-2] = self._measured(key, self._volume(*whole))
        return counts

    def measurements(self, about: Mapping[str, Any] | None = None) -> Measurements:
        """Return what was measured.

        Args:
            about: JSON values to keep with it.

        Raises:
            DataError: No image was added.
        """
        if not self._names:
            raise DataError("No labelled pixel was counted: there was no image.")
        if self._volumes and (whole := self._volumes.end()):
            for key in filter(lambda key: _in_volumes(self.metrics[key]), self.metrics):
                self._sums[key][-1] = self._measured(key, self._volume(*whole))
        lengths = [len(pairs) for pairs, _ in self._counts]
        return Measurements(
            names=tuple(self._names),
            label_checksums=np.array(self._checksums, np.uint64),
            class_names=self.class_names,
            starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            pairs=np.concatenate([pairs for pairs, _ in self._counts]),
            pixels=np.concatenate([pixels for _, pixels in self._counts]),
            sums={name: stacked(rows) for name, rows in self._sums.items()},
            options={name: all_options(metric) for name, metric in self.chosen.items()},
            groups=tuple(self._volumes.groups) if self._volumes else None,
            ignore_label=self.ignore_label,
            about=about or {},
        )

    def _measured(self, name: str, image: Observation) -> Sums:
        began = time.perf_counter()
        found = self.metrics[name](image)
        self.seconds[name] += time.perf_counter() - began
        return found

    def _volume(self, name: str, label: NDArray[Any], prediction: NDArray[Any]) -> Observation:
        counts = count(label, prediction, len(self.class_names), self.ignore_label)
        return Observation(
            counts,
            self.class_names,
            label,
            prediction,
            ignore_label=self.ignore_label,
            spacing=self.spacing.of(name, axes=3) if self.spacing else None,
        )

    def _try(self, metric: Metric) -> Sums:
        """Measure an image of which every pixel is ignored: options are refused before anything is predicted."""
        shape = (4,) * (3 if _in_volumes(metric) else 2)
        label = np.full(shape, self.ignore_label, np.uint8 if 0 <= self.ignore_label < 256 else np.int32)
        classes = len(self.class_names)
        chances = np.full((*shape, classes), 1 / classes, np.float32)
        counts = np.zeros((classes, classes), np.int64)
        found = metric(
            Observation(
                counts,
                self.class_names,
                label,
                np.zeros_like(label),
                chances,
                self.ignore_label,
                self.spacing.of("", axes=label.ndim) if self.spacing else None,
            )
        )
        return Sums(*(np.zeros_like(array) for array in (found.numerator, found.denominator, found.weight)))


class _Volumes:
    """Puts slices together: NAME/000, NAME/001 ... are the volume NAME."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        """For each image the number of its volume."""
        self._seen: list[str] = []
        self._slices: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def add(
        self, name: str, label: NDArray[Any], prediction: NDArray[Any]
    ) -> tuple[str, NDArray[Any], NDArray[Any]] | None:
        """Add a slice; return the volume before, if this begins another: its name, label and prediction."""
        volume = volume_of(name)
        done = None
        if not self._seen or volume != self._seen[-1]:
            if volume in self._seen:
                raise DataError(
                    f"{name}: the slices of {volume} are not together in the data. Convert it again."
                )
            done = self.end()
            self._seen.append(volume)
        self._slices.append((label, prediction))
        self.groups.append(len(self._seen) - 1)
        return done

    def end(self) -> tuple[str, NDArray[Any], NDArray[Any]] | None:
        """Return the volume so far, if there is any, and begin anew."""
        slices, self._slices = self._slices, []
        if not slices:
            return None
        if len({label.shape for label, _ in slices}) > 1:
            raise DataError(f"{self._seen[-1]}: its slices have several sizes, and are no volume.")
        labels, guesses = zip(*slices, strict=True)
        return self._seen[-1], np.stack(labels), np.stack(guesses)


def label_checksum(label: NDArray[Any]) -> int:
    """Return a 64-bit checksum of a label and its size, the same whatever its integer type."""
    plain = label.astype(np.int32) if label.dtype != np.uint8 else label
    if plain is not label and plain.size and 0 <= plain.min() <= plain.max() < 256:
        plain = plain.astype(np.uint8)
    digest = hashlib.blake2b(
        repr(plain.shape).encode() + np.ascontiguousarray(plain).tobytes(), digest_size=8
    )
    return int.from_bytes(digest.digest(), "little")


def all_options(metric: Metric) -> dict[str, Any]:
    """Return the options of a metric, the chosen ones and the defaults of the others."""
    parameters = list(inspect.signature(metric.function).parameters.values())[1:]
    return {parameter.name: metric.options.get(parameter.name, parameter.default) for parameter in parameters}


def measures(
    found: Measurements, metrics: Chosen, *, seconds: Mapping[str, float] = {}, seed: int = 0
) -> dict[str, Measure]:
    """Return the metrics of a split, with bootstrap intervals.

    Args:
        found: What was measured of each image.
        metrics: By name.
        seconds: What each took.
        seed: Of the bootstrap's draws.
    """
    return {name: _measure(found, name, metric, seconds.get(name), seed) for name, metric in metrics.items()}


def _measure(found: Measurements, name: str, metric: Metric, seconds: float | None, seed: int) -> Measure:
    rows = found.rows(name, metric)
    value, parts = values(
        Sums(*(array.sum(axis=0) for array in (rows.numerator, rows.denominator, rows.weight)))
    )
    drawn, drawn_parts = resampled(rows, groups=found.groups, seed=seed)
    part_names = metric.part_names(found.class_names)
    options = all_options(metric)
    return Measure(
        name=name,
        title=metric.title,
        value=_number(value),
        interval=interval(drawn),
        parts=dict(zip(part_names, map(_number, parts), strict=True)),
        part_intervals={part: interval(drawn_parts[:, place]) for place, part in enumerate(part_names)},
        options=options,
        unit=unit_of(metric, options, found.about),
        higher_is_better=metric.higher_is_better,
        seconds=seconds,
    )


def unit_of(metric: Metric, options: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """Return the unit of a metric as it was measured; empty for shares.

    Args:
        metric: The metric.
        options: It was measured with.
        about: What is known of the evaluation: ``unit`` is the data's.
    """
    if not metric.unit:
        return ""
    if options.get("units"):
        return str(about.get("unit", ""))
    # Which one that is, only who gave the spacing knows.
    return "units" if options.get("spacing") else metric.unit


def _in_volumes(metric: Metric) -> bool:
    return bool(metric.options.get("volume"))


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
