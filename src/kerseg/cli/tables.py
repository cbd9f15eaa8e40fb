"""Scores, models and one model's figures as tables for the terminal."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from kerseg.profiling.figures import NUM_CLASSES, SIZE, Starts, paper, read

if TYPE_CHECKING:  # they import Keras, and the table of models must not wait for it
    from kerseg.inference.suspect_files import Listing
    from kerseg.metrics import Interval, Scores
    from kerseg.profiling.measurement import Description
    from kerseg.report.comparison import Comparison, Difference


def scores_table(scores: "Scores", title: str = "") -> Table:
    """Return a row a class (IoU, accuracy, share of the labelled pixels, all in percent), then the means.

    It fits 80 columns: a long class name takes two lines. A dash stands for a figure that is not defined. A
    class in neither truth nor prediction is grey, marked "absent" and part of no mean.

    Args:
        scores: What `evaluate` returns.
        title: Line above the table.

    Example:
        >>> console.print(scores_table(scores))
        <BLANKLINE>
         class ...
    """
    table = Table(title=title or None, title_justify="left", title_style="", box=box.SIMPLE_HEAD)
    # Only this column gives way where the terminal is narrow.
    table.add_column("class", overflow="fold")
    headings = ["IoU %", "accuracy %", "pixels %"]
    if scores.measures:
        headings.insert(1, "95 %")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    rows = zip(scores.class_names, scores.iou, scores.accuracy, scores.pixels, strict=True)
    for name, iou, accuracy, pixels in rows:
        # Text, not markup: a class may be called "[void]".
        shown = Text(name) if iou is not None else Text.assemble("(absent) ", name, style="dim")
        cells = [_percent(iou), _percent(accuracy), _percent(pixels / sum(scores.pixels))]
        if scores.measures:
            cells.insert(1, _between(scores.measures["mean_iou"].part_intervals[name]))
        table.add_row(shown, *cells)
    table.add_section()
    if scores.measures:
        for measure in scores.measures.values():
            figure = (
                f"{measure.value:.2f}"
                if measure.unit and measure.value is not None
                else _percent(measure.value)
            )
            style = "bold" if measure.name == "mean_iou" else ""
            shown_unit = f" ({measure.unit})" if measure.unit else ""
            scale = 1 if measure.unit else 100
            table.add_row(measure.title + shown_unit, figure, _between(measure.interval, scale), style=style)
    else:
        table.add_row("mean IoU", _percent(scores.mean_iou), style="bold")
        table.add_row("frequency weighted IoU", _percent(scores.frequency_weighted_iou))
        table.add_row("mean pixel accuracy", "", _percent(scores.mean_pixel_accuracy))
        table.add_row("pixel accuracy", "", _percent(scores.pixel_accuracy))
    return table


def suspects_table(listing: "Listing", most: int = 20) -> Table:
    """Return a row an image: its score, its worst region or where its label fits better, and who judged it.

    Args:
        listing: Images, the most suspect first.
        most: Rows.
    """
    title = f"{len(listing.images)} images, the most suspect first"
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD)
    for heading in ("image", "what", "judged by"):
        table.add_column(heading, overflow="fold")
    table.add_column("score", justify="right", no_wrap=True)
    for image, origin in list(zip(listing.images, listing.origin_of, strict=True))[:most]:
        found = []
        if image.offset is not None:
            found.append(
                f"fits better moved by {image.offset.rows:+d} rows, {image.offset.columns:+d} columns"
            )
        for region in image.regions[:1]:
            labelled, predicted = (
                listing.class_names[index] for index in (region.labelled, region.predicted)
            )
            found.append(f"labelled {labelled}, predicted {predicted}, {region.area:,} px")
        model = listing.origins[origin].model
        table.add_row(Text(image.name), Text("; ".join(found)), Text(model), f"{image.score:.4f}")
    return table


def comparison_tables(comparison: "Comparison") -> Iterator[Table]:
    """Yield a table for each model after the first: metrics, then the IoU of each class, with intervals.

    A difference whose interval leaves 0 out is bold.

    Args:
        comparison: What `compare` returns.
    """
    for name, differences in zip(comparison.names[1:], comparison.differences, strict=True):
        table = Table(
            title=Text(f"{name} against {comparison.names[0]}, {comparison.images} images"),
            title_justify="left",
            title_style="",
            box=box.SIMPLE_HEAD,
        )
        table.add_column("", overflow="fold")
        for heading in ("first", "second", "difference", "95 %", "p"):
            table.add_column(heading, justify="right", no_wrap=True)
        for each in [difference for difference in differences if difference.part is None]:
            table.add_row(*_difference_cells(each, each.title))
        table.add_section()
        for each in differences:
            if each.part is not None and each.metric == "mean_iou":
                table.add_row(*_difference_cells(each, f"IoU of {each.part}"))
        yield table


def _difference_cells(each: "Difference", name: str) -> tuple[Text, ...]:
    scale, style = 1 if each.unit else 100, "bold" if each.is_clear else ""

    def figure(value: float | None, sign: str = "") -> str:
        return "-" if value is None else f"{scale * value:{sign}.2f}"

    p = "-" if each.p_value is None else f"{each.p_value:.3f}"
    cells = (
        figure(each.first),
        figure(each.second),
        figure(each.difference, "+"),
        _between(each.interval, scale),
        p,
    )
    return (
        Text(name + (f" ({each.unit})" if each.unit else ""), style),
        *(Text(cell, style) for cell in cells),
    )


def _between(interval: "Interval | None", scale: float = 100) -> str:
    return "" if interval is None else f"{scale * interval.low:.2f} to {scale * interval.high:.2f}"


def models_table() -> Table:
    """Return a row an architecture: parameters, multiply-adds, output stride, paper, weights to start from."""
    table = Table(
        title=f"models: {NUM_CLASSES} classes, multiply-adds of one {SIZE[0]}x{SIZE[1]} image",
        title_justify="left",
        box=None,
    )
    table.add_column("", no_wrap=True)
    for heading in ("parameters", "multiply-adds", "stride"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("arXiv", no_wrap=True)
    table.add_column("starts from", overflow="fold")
    for name, figures in read().items():
        source = paper(name)
        table.add_row(
            name,
            f"{figures.parameters / 1e6:.2f} M",
            f"{figures.multiply_adds / 1e9:.2f} G",
            str(figures.output_stride),
            Text(source.arxiv, style=f"link {source.url}"),
            starts_text(figures.starts),
        )
    return table


def starts_text(starts: Starts) -> str:
    """Return what a model can start from as text.

    Example:
        >>> starts_text({"imagenet": {"stem": "7x7"}, "resnet_v2_50": {"backbone": "resnet_v2_50"}})
        'imagenet with stem 7x7, resnet_v2_50*'
    """
    return ", ".join(map(_start, starts, starts.values())) or "-"


def _start(weights: str, options: Mapping[str, object]) -> str:
    if options == {"backbone": weights}:
        return f"{weights}*"
    return " with ".join([weights, *(f"{name} {value}" for name, value in options.items())])


STAR = "* with --model-options.backbone of that name"
"""What `starts_text` means by its stars."""


def description_table(description: "Description") -> Table:
    """Return a line a figure.

    Args:
        description: What `describe` returns.

    Example:
        >>> console.print(description_table(kerseg.describe("enet", measure=False)))
        <BLANKLINE>
        enet, 21 classes...
    """
    table = Table(title=_heading(description), title_justify="left", box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _lines(description):
        table.add_row(name, Text(text))
    return table


def _heading(description: "Description") -> Text:
    options = "".join(f", {name} {value}" for name, value in description.options.items())
    return Text(f"{description.name}, {description.num_classes} classes{options}")


def _lines(description: "Description") -> Iterator[tuple[str, str]]:
    height, width = description.size
    if description.paper:
        yield "paper", f"{description.paper.title}, {description.paper.url}"
    yield (
        "parameters",
        f"{description.parameters:,} trainable, {description.other_parameters:,} other, "
        f"in {description.layers} layers",
    )
    yield "multiply-adds", f"{description.multiply_adds / 1e9:.2f} G for one {height}x{width} image"
    if description.output_stride:
        yield "output stride", f"{description.output_stride}, of the coarsest features"
    yield (
        "training loss",
        " + ".join(
            name if weight == 1 else f"{weight:g} {name}" for name, weight in description.losses.items()
        ),
    )
    starts = starts_text(description.starts)
    yield "starts from", f"{starts}; {STAR}" if "*" in starts else starts
    yield from _card_lines(description)
    yield from _measured_lines(description)


def _card_lines(description: "Description") -> Iterator[tuple[str, str]]:
    card = description.card
    if card is None or not card.kerseg_version:
        return
    yield "classes", ", ".join(card.class_names)
    made = [card.dataset or "?", card.created, f"kerseg {card.kerseg_version}"]
    yield "trained on", ", ".join(filter(None, made))
    if (score := card.scores.get("mean_iou")) is not None:
        yield "mean IoU", f"{_percent(score)} % in the validation that chose these weights"


def _measured_lines(description: "Description") -> Iterator[tuple[str, str]]:
    batch = f"{description.batch_size}x{description.size[0]}x{description.size[1]}"
    if description.forward:
        yield (
            "forward",
            f"{1000 * description.forward.seconds:.1f} ms for {batch}, images to labels "
            f"(median of {description.forward.runs}; {description.backend}, {description.device})",
        )
    if description.training is None:
        return
    if description.training.bytes is None:
        yield "training step", description.training.what
    else:
        yield (
            "training step",
            f"{description.training.bytes / 2**20:,.0f} MiB for {batch}, with Adam: weights, gradients, "
            f"optimizer and activations ({description.training.what}; {description.backend}, "
            f"{description.device})",
        )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"
