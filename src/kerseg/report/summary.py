"""What a report says in numbers: classes, pairs that are confused, the order of images, curves of the training."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from kerseg.metrics import Measurements, Scores
from kerseg.metrics.confusion import Counts
from kerseg.metrics.measure import Array, mean
from kerseg.visualize import charts

PAIRS = 12
"""Confused pairs that are shown."""
EXAMPLES = 3
"""Images that are shown of each."""


@dataclass(frozen=True)
class ClassRow:
    """A class in the table of classes."""

    index: int
    name: str
    iou: float | None
    iou_low: float | None
    iou_high: float | None
    recall: float | None
    """Share of its pixels that are found."""
    precision: float | None
    """Share of the pixels predicted as it that are right."""
    share: float
    """Of the labelled pixels."""
    images: int
    """In whose truth it is."""


@dataclass(frozen=True)
class ConfusedPair:
    """Two classes, one of which is taken for the other."""

    true: int
    guess: int
    pixels: int
    of_true: float
    """Share of the true class's pixels."""
    examples: tuple[tuple[int, int], ...]
    """(number of the image, pixels), most first."""


def class_rows(scores: Scores, found: Measurements) -> list[ClassRow]:
    """Return a row a class."""
    counts = found.pooled().counts
    predicted, total = counts.sum(axis=0), counts.sum()
    images = np.zeros(len(found.class_names), np.int64)
    for index in range(len(found.names)):
        images += found.counts(index).sum(axis=1) > 0
    intervals = scores.measures["mean_iou"].part_intervals
    rows = []
    for index, name in enumerate(found.class_names):
        bounds = intervals[name]
        rows.append(
            ClassRow(
                index=index,
                name=name,
                iou=scores.iou[index],
                iou_low=bounds.low if bounds else None,
                iou_high=bounds.high if bounds else None,
                recall=scores.accuracy[index],
                precision=float(counts[index, index] / predicted[index]) if predicted[index] else None,
                share=float(scores.pixels[index] / total),
                images=int(images[index]),
            )
        )
    return rows


def confused_pairs(found: Measurements, *, most: int = PAIRS) -> list[ConfusedPair]:
    """Return the pairs of classes most confused: those that cost most mean IoU.

    A pair is ranked by its pixels over the union of the true class and over that of the predicted one: what both
    lose by it, whatever their sizes.
    """
    counts = found.pooled().counts
    union = counts.sum(axis=0) + counts.sum(axis=1) - np.diagonal(counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        cost = np.nan_to_num(counts / union[:, None] + counts / union[None, :])
    np.fill_diagonal(cost, 0)
    order = np.argsort(-cost, axis=None, kind="stable")[:most]
    size = len(found.class_names)
    chosen = [(int(place) // size, int(place) % size) for place in order if cost.flat[place] > 0]
    lines = {place: np.zeros(len(found.names), np.int64) for place in (i * size + j for i, j in chosen)}
    owner = np.repeat(np.arange(len(found.names)), np.diff(found.starts))
    for place, line in lines.items():
        here = found.pairs == place
        line[owner[here]] = found.pixels[here]
    return [
        ConfusedPair(
            true=i,
            guess=j,
            pixels=int(counts[i, j]),
            of_true=float(counts[i, j] / max(1, counts[i].sum())),
            examples=_largest(lines[i * size + j]),
        )
        for i, j in chosen
    ]


def _largest(pixels: Counts) -> tuple[tuple[int, int], ...]:
    order = np.argsort(-pixels, kind="stable")[:EXAMPLES]
    return tuple((int(index), int(pixels[index])) for index in order if pixels[index])


def image_scores(found: Measurements) -> tuple[Array, list[list[tuple[int, float]]], Array]:
    """Return what each image is scored by.

    Returns:
        Of each image the mean IoU over the classes in its truth, float64 (N,), NaN without a labelled pixel; its
        classes with their IoU; and its pixel accuracy, float64 (N,).
    """
    means, by_class, accuracy = [], [], []
    for index in range(len(found.names)):
        counts = found.counts(index)
        correct, true = np.diagonal(counts), counts.sum(axis=1)
        union = true + counts.sum(axis=0) - correct
        with np.errstate(divide="ignore", invalid="ignore"):
            iou = np.where(true > 0, correct / union, np.nan)
            accuracy.append(correct.sum() / true.sum() if true.any() else np.nan)
        means.append(float(mean(iou, np.ones(len(iou)))))
        by_class.append([(int(i), float(iou[i])) for i in np.flatnonzero(true)])
    return np.array(means), by_class, np.array(accuracy)


def alike_order(counts: Counts) -> list[int]:
    """Return an order of the classes in which those that are taken for each other stand together.

    Average linkage (SciPy) of how often two classes are confused, either way, over their pixels.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(counts) < 3:
        return list(range(len(counts)))
    share = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    distance = 1 - (share + share.T) / 2
    np.fill_diagonal(distance, 0)
    return [int(index) for index in leaves_list(linkage(squareform(distance, checks=False), "average"))]


def training_curves(run: Path) -> list[Markup]:
    """Return the charts of a run's ``history.csv``; none where there is none, or it cannot be read."""
    file = run / "history.csv"
    if not file.is_file():
        return []
    try:
        with file.open(newline="", encoding="utf-8") as text:
            rows = [{name: _number(value) for name, value in row.items()} for row in csv.DictReader(text)]
    except (OSError, ValueError, csv.Error):
        return []
    if not rows:
        return []
    return [chart for title, names in _CURVES.items() if (chart := _curve(title, names, rows))]


_CURVES = {
    "loss": {"loss": "train", "val_loss": "val"},
    "mean IoU": {"mean_iou": "train", "val_mean_iou": "val"},
    "learning rate": {"learning_rate": "learning rate"},
}
"""Chart -> column of the history -> name in the key."""


def _curve(title: str, names: Mapping[str, str], rows: Sequence[Mapping[str, float]]) -> Markup | None:
    epochs = [row.get("epoch", number + 1.0) for number, row in enumerate(rows)]
    series, mark = {}, None
    for column, name in names.items():
        points = [(epoch, row.get(column, math.nan)) for epoch, row in zip(epochs, rows, strict=True)]
        defined = [point for point in points if math.isfinite(point[1])]
        if defined:
            series[name] = points
        if column == "val_mean_iou" and defined:
            mark = max(defined, key=lambda point: point[1])
            title = f"{title}, best {mark[1]:.3f} in epoch {mark[0]:g}"
    if not series:
        return None
    ordinates = [y for points in series.values() for _, y in points if math.isfinite(y)]
    x, y = charts.axis(epochs, "epoch"), charts.axis(ordinates, zero=True)
    return charts.lines(title, series, x=x, y=y, mark=mark)


def _number(value: str | None) -> float:
    return float(value) if value else math.nan
