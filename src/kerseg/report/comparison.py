"""Two models on the same images: a paired bootstrap of the difference, from what their evaluations kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerseg.core.files import write_text
from kerseg.core.options import refuse_nul
from kerseg.errors import ConfigError, DataError
from kerseg.metrics import ALWAYS, METRICS, Interval, Measurements, choose
from kerseg.metrics.archive import load
from kerseg.metrics.bootstrap import FEW, RESAMPLES, interval, p_value, resampled
from kerseg.metrics.measure import Array, Metric, Sums, values
from kerseg.metrics.meter import unit_of


@dataclass(frozen=True)
class Difference:
    """A metric of two models, and how far they are apart."""

    metric: str
    title: str
    part: str | None
    """Class, size or category; None for the metric itself."""
    first: float | None
    second: float | None
    interval: Interval | None
    """Of second - first, 95 %."""
    p_value: float | None
    """How likely a difference this far from 0 is, were there none."""
    higher_is_better: bool
    unit: str = ""

    @property
    def difference(self) -> float | None:
        """Second - first."""
        return None if self.first is None or self.second is None else self.second - self.first

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.interval is not None and not self.interval.low <= 0 <= self.interval.high


@dataclass(frozen=True)
class Comparison:
    """Models against the first one, on the images of one split."""

    paths: tuple[Path, ...]
    """The files of measurements, the first model's first."""
    names: tuple[str, ...]
    """Of the models, as short as tells them apart."""
    images: int
    units: int
    """What was drawn: images, or volumes."""
    differences: tuple[tuple[Difference, ...], ...]
    """One entry a model after the first: its metrics, each followed by its parts."""

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        return {
            "first": str(self.paths[0]),
            "images": self.images,
            "resamples": RESAMPLES,
            "comparisons": [
                {"second": str(path), "differences": [_json(difference) for difference in found]}
                for path, found in zip(self.paths[1:], self.differences, strict=True)
            ],
        }


def compare(
    runs: Sequence[str | Path],
    *,
    split: str = "val",
    metrics: Sequence[str] = (),
    output: str | Path | None = None,
) -> Comparison:
    """Compare models on the same images: is one better, or were the images kind to it?

    Reads what `evaluate` kept of each run, ``report/<split>.npz``; nothing is predicted. Images are drawn with
    replacement, 2,000 times, and both models are scored on each draw: the interval is that of the difference.

    Args:
        runs: Two or more run folders, or ``.npz`` files that `evaluate` wrote. The first is what the others are
            compared with.
        split: Split that was evaluated.
        metrics: What to compare, `kerseg list metrics`; default: all that was measured of every run.
        output: JSON file to write.

    Returns:
        Values, differences, their intervals and p-values, for each metric and each of its parts.

    Raises:
        ConfigError: There are fewer than two runs, or a metric was not measured, or with other options.
        DataError: A run was not evaluated on this split, or they were evaluated on other images, labels or classes.

    Example:
        >>> _ = kerseg.evaluate("runs/unet", "data/street", report=True)
        >>> comparison = compare(["runs/unet", "runs/unet"])
        >>> comparison.differences[0][0].difference
        0.0
    """
    refuse_nul(locals())
    if isinstance(runs, str | Path) or len(runs) < 2:
        raise ConfigError(f"`runs` are two or more, in a list. Received: {runs}.")
    paths = tuple(measurements_file(run, split) for run in runs)
    found = [load(path) for path in paths]
    for path, other in zip(paths[1:], found[1:], strict=True):
        _check_same_data(paths[0], found[0], path, other)
    chosen = _chosen(metrics, paths, found)
    comparison = Comparison(
        paths=paths,
        names=_names(paths),
        images=len(found[0].names),
        units=found[0].units,
        differences=_differences(found, chosen),
    )
    if output is not None:
        write_text(Path(output), json.dumps(comparison.to_json(), indent=1, ensure_ascii=False) + "\n")
    return comparison


def warnings(comparison: Comparison) -> list[str]:
    """Return what a reader of the intervals has to know."""
    if comparison.units >= FEW:
        return []
    return [
        f"Warning: {comparison.units} images are few: below {FEW}, intervals are narrower than they should be."
    ]


def measurements_file(run: str | Path, split: str) -> Path:
    """Return the file that `evaluate` wrote of a run and split.

    Raises:
        DataError: There is none.
    """
    path = Path(run)
    file = path / "report" / f"{split}.npz" if path.is_dir() else path
    if file.suffix == ".keras":
        file = file.with_suffix(f".{split}.npz")
    if not file.is_file():
        raise DataError(
            f"{file}: does not exist. Evaluate first: "
            f"`kerseg.evaluate({str(run)!r}, data_dir=DIR, split={split!r})`."
        )
    return file


def _check_same_data(first: Path, mine: Measurements, second: Path, other: Measurements) -> None:
    """Refuse measurements of other images, labels or classes."""
    if mine.class_names != other.class_names:
        raise DataError(
            f"{second}: was measured with other classes ({', '.join(other.class_names)}) than {first} "
            f"({', '.join(mine.class_names)})."
        )
    if mine.names != other.names:
        missing = [name for name in mine.names if name not in set(other.names)]
        what = (
            f"{len(missing)} of {len(mine.names)} images are not in it, such as {missing[0]}"
            if missing
            else (f"it has {len(other.names)} images, the first {len(mine.names)}, or another order")
        )
        raise DataError(
            f"{second}: was measured on other images than {first}: {what}. Evaluate both on one data set."
        )
    if mine.checksum != other.checksum:
        differing = np.flatnonzero(mine.label_checksums != other.label_checksums)
        raise DataError(
            f"{second}: was measured with other labels than {first}: those of {len(differing)} of "
            f"{len(mine.names)} images differ, such as {mine.names[differing[0]]}. Evaluate both on one data set."
        )
    if mine.groups != other.groups:
        # One was measured in volumes; it is they that are alike or not.
        raise DataError(f"{second}: its slices were not put together to volumes as those of {first} were.")


def _chosen(names: Sequence[str], paths: Sequence[Path], found: Sequence[Measurements]) -> dict[str, Metric]:
    """Return the metrics that all runs have, with the options they were measured with."""
    everywhere = [name for name in found[0].options if all(name in other.options for other in found)]
    asked = [METRICS.resolve(name) for name in names] or [*ALWAYS, *everywhere]
    chosen: dict[str, Metric] = {}
    for name in dict.fromkeys(asked):
        metric = choose([name])[name]
        for path, other in zip(paths, found, strict=True):
            if metric.needs != "counts" and name not in other.sums:
                raise ConfigError(
                    f"{path}: metric {name!r} was not measured. Evaluate with `metrics=({name!r},)`."
                )
        options = [other.options.get(name, {}) for other in found]
        if any(option != options[0] for option in options):
            raise ConfigError(f"{name} was measured with several options: {', '.join(map(str, options))}.")
        chosen[name] = metric.with_options(options[0])
    return chosen


def _differences(
    found: Sequence[Measurements], chosen: Mapping[str, Metric]
) -> tuple[tuple[Difference, ...], ...]:
    all_of: list[list[Difference]] = [[] for _ in found[1:]]
    for name, metric in chosen.items():
        drawn = [_drawn(measured, name, metric) for measured in found]
        parts = [None, *metric.part_names(found[0].class_names)]
        if len(parts) == 2:
            parts = [None]  # which is all there is
        for (value, draws), entry in zip(drawn[1:], all_of, strict=True):
            apart = draws - drawn[0][1]
            entry += [
                Difference(
                    metric=name,
                    title=metric.title,
                    part=part,
                    first=_number(drawn[0][0][place]),
                    second=_number(value[place]),
                    interval=interval(apart[:, place]),
                    p_value=p_value(apart[:, place]) if interval(apart[:, place]) else None,
                    higher_is_better=metric.higher_is_better,
                    unit=unit_of(metric, metric.options, found[0].about),
                )
                for place, part in enumerate(parts)
            ]
    return tuple(map(tuple, all_of))


def _drawn(measured: Measurements, name: str, metric: Metric) -> tuple[Array, Array]:
    """Return the metric and its parts in a row, (1 + P,), and on each draw, (2000, 1 + P)."""
    rows = measured.rows(name, metric)
    total = Sums(rows.numerator.sum(axis=0), rows.denominator.sum(axis=0), rows.weight.sum(axis=0))
    value, parts = values(total)
    draws, draws_of_parts = resampled(rows, groups=measured.groups)
    return np.array([value, *parts]), np.concatenate([draws[:, None], draws_of_parts], axis=1)


def _names(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return for each file the part of its path that tells it from the others: mostly the run's name."""
    parts = [list(path.parts) for path in paths]
    while min(map(len, parts)) > 1 and len({names[-1] for names in parts}) == 1:
        for names in parts:
            names.pop()
    while min(map(len, parts)) > 1 and len({names[0] for names in parts}) == 1:
        for names in parts:
            names.pop(0)
    return tuple("/".join(names).replace("//", "/") for names in parts)


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def _json(difference: Difference) -> dict[str, Any]:
    bounds = difference.interval
    return {
        "metric": difference.metric,
        "part": difference.part,
        "first": difference.first,
        "second": difference.second,
        "difference": difference.difference,
        "interval": None if bounds is None else [bounds.low, bounds.high],
        "p_value": difference.p_value,
    }
