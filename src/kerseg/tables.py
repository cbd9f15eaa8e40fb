"""Scores as a table for the terminal."""

from rich import box
from rich.table import Table
from rich.text import Text

from kerseg.metrics import Scores


def scores_table(scores: Scores, title: str = "") -> Table:
    """Return a row a class (IoU, accuracy, share of the labelled pixels, all in percent), then the means.

    It fits 80 columns: a long class name takes two lines. A dash stands for a figure that is not defined. A
    class in neither truth nor prediction is grey, marked "absent" and part of no mean.

    Args:
        scores: What `evaluate` returns.
        title: Line above the table.

    Example:
        >>> rich.console.Console().print(scores_table(scores))
    """
    table = Table(title=title or None, title_justify="left", title_style="", box=box.SIMPLE_HEAD)
    # Only this column gives way where the terminal is narrow.
    table.add_column("class", overflow="fold")
    for heading in ("IoU %", "accuracy %", "pixels %"):
        table.add_column(heading, justify="right", no_wrap=True)
    rows = zip(scores.class_names, scores.iou, scores.accuracy, scores.pixels, strict=True)
    for name, iou, accuracy, pixels in rows:
        # Text, not markup: a class may be called "[void]".
        shown = Text(name) if iou is not None else Text.assemble("(absent) ", name, style="dim")
        table.add_row(shown, _percent(iou), _percent(accuracy), _percent(pixels / sum(scores.pixels)))
    table.add_section()
    table.add_row("mean IoU", _percent(scores.mean_iou), style="bold")
    table.add_row("frequency weighted IoU", _percent(scores.frequency_weighted_iou))
    table.add_row("mean pixel accuracy", "", _percent(scores.mean_pixel_accuracy))
    table.add_row("pixel accuracy", "", _percent(scores.pixel_accuracy))
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"
