"""The chart of a run: loss, mean IoU and learning rate over its epochs, with matplotlib."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerseg.core.files import whole


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the history of a training run: loss, mean IoU and learning rate over the epochs.

    Args:
        rows: One mapping an epoch, as in ``history.csv``: ``epoch``, and what there is of ``loss``,
            ``val_loss``, ``mean_iou``, ``val_mean_iou`` and ``learning_rate``; numbers or their text. A
            missing or empty value leaves a gap; a chart without any value is left out.
        path: The PNG file to write.

    Example:
        >>> draw([{"epoch": 1, "loss": 1.2}, {"epoch": 2, "loss": 0.9}], folder / "curves.png")
    """
    from matplotlib.figure import Figure  # late: matplotlib is slow to import

    epochs = [_number(row.get("epoch", number)) for number, row in enumerate(rows, start=1)]
    charts = []
    for title, lines in _CHARTS.items():
        drawn = {name: [_number(row.get(name)) for row in rows] for name in lines}
        drawn = {name: values for name, values in drawn.items() if not np.all(np.isnan(values))}
        if drawn:
            charts.append((title, lines, drawn))
    figure = Figure(figsize=(4.6 * max(1, len(charts)), 3.4), dpi=120, layout="constrained")
    for place, (title, lines, drawn) in enumerate(charts, start=1):
        axes = figure.add_subplot(1, len(charts), place)
        for name, values in drawn.items():
            text, colour = lines[name]
            # A single epoch has no line to draw: the marker shows it.
            axes.plot(epochs, values, color=colour, label=text, marker="." if len(rows) < 30 else "")
        # Half an epoch on each side: a single one has no range of its own.
        axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
        _dress(axes, title, len(drawn) > 1)
        if "val_mean_iou" in drawn:
            _mark_best(axes, epochs, drawn["val_mean_iou"])
    with whole(path) as temporary:
        figure.savefig(temporary, format="png")


_CHARTS: dict[str, dict[str, tuple[str, str]]] = {
    "loss": {"loss": ("train", "#4c78a8"), "val_loss": ("val", "#f58518")},
    "mean IoU": {"mean_iou": ("train", "#4c78a8"), "val_mean_iou": ("val", "#f58518")},
    "learning rate": {"learning_rate": ("", "#54a24b")},
}
"""Chart -> column of the history -> text in the key, colour."""


def _dress(axes: Any, title: str, key: bool) -> None:
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel("epoch")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    if key:
        axes.legend(frameon=False)


def _mark_best(axes: Any, epochs: Sequence[float], values: Sequence[float]) -> None:
    best = int(np.nanargmax(values))
    axes.plot(epochs[best], values[best], "o", color="#e45756")
    text = f"best {values[best]:.3f}, epoch {epochs[best]:.0f}"
    axes.set_title(text, loc="right", fontsize=9, color="#e45756")


def _number(value: Any) -> float:
    return math.nan if value is None or value == "" else float(value)
