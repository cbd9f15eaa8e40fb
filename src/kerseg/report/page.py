"""The report: one HTML file of how good a model is, how sure that is, and where model and labels are wrong."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from kerseg.core.files import write_text
from kerseg.core.info import Colour
from kerseg.metrics import METRICS, Measure, Measurements, Scores
from kerseg.metrics.bootstrap import FEW, RESAMPLES
from kerseg.report import summary
from kerseg.report.disagreement import SuspectRegion
from kerseg.report.gallery import Gallery, Layers, mask_uri
from kerseg.report.suspects import SuspectImage, all_regions
from kerseg.visualize import charts
from kerseg.visualize.page import render

ROOM = 26 * 2**20
"""Characters of images in a page: 500 images stay under 30 MB in all."""
NEEDED = ("calibration_error", "confidence")
"""Metrics that the page shows beside those of every evaluation."""
SUSPECTS = 24
"""Regions of suspect labels that are shown."""
_MARKED: Colour = (255, 0, 200)


@dataclass(frozen=True)
class Subject:
    """What a report is about."""

    title: str
    """Of the model: the run's name."""
    palette: Sequence[Colour]
    facts: Mapping[str, str]
    """What was measured, how, with what: name -> text."""
    run: Path | None = None
    """The run folder, whose training curves are shown."""


def side_for(images: int) -> int:
    """Return the longest side of the copies of so many images for a page of readable size, pixels."""
    return 640 if images <= 120 else 480 if images <= 300 else 400


def write(
    path: Path,
    subject: Subject,
    found: Measurements,
    scores: Scores,
    gallery: Gallery,
    suspects: Sequence[SuspectImage] = (),
) -> None:
    """Write the page.

    Args:
        path: The HTML file.
        subject: What it is about.
        found: What was measured of each image.
        scores: The same of all, with the measures of `NEEDED`.
        gallery: Copies of the images, in the same order.
        suspects: Images by how wrong their labels look.
    """
    pairs = summary.confused_pairs(found)
    html = render(
        Path(__file__).with_name("page.html"),
        subject=subject,
        scores=scores,
        measures=_measure_rows(scores.measures),
        classes=summary.class_rows(scores, found),
        colours=[css(colour) for colour in subject.palette],
        remarks=_remarks(found, scores),
        suspects=suspects[:30],
        curves=summary.training_curves(subject.run) if subject.run else [],
        reliability=_reliability(found, scores),
        images=len(found.names),
        resamples=RESAMPLES,
        number=number,
        bar=charts.bar,
        data=as_script(_data(subject, found, gallery, pairs, suspects)),
    )
    write_text(path, html)


def css(colour: Colour) -> str:
    """Return a colour as style sheets write it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def as_script(values: Any) -> Markup:
    """Return JSON that may stand in a page's script, whatever names are in it."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign, code in (
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u2028", "\\u2028"),
        ("\u2029", "\\u2029"),
    ):
        text = text.replace(sign, code)
    return Markup(text.encode("utf-8", "replace").decode())


@dataclass(frozen=True)
class MeasureRow:
    """A metric in the table of scores."""

    measure: Measure
    value: str
    interval: str
    bar: Markup
    meaning: str
    options: str
    cost: str
    parts: Sequence[tuple[str, str, str]]
    """Name, value and interval of each part; none where they are the classes' IoU, or there is but one."""


def _measure_rows(measures: Mapping[str, Measure]) -> list[MeasureRow]:
    rows = []
    for name, measure in measures.items():
        bounds = measure.interval
        share = not measure.unit and measure.higher_is_better
        low, high = (bounds.low, bounds.high) if bounds else (None, None)
        parts = [
            (part, number(value, measure.unit), interval_text(measure, part))
            for part, value in measure.parts.items()
        ]
        rows.append(
            MeasureRow(
                measure=measure,
                value=number(measure.value, measure.unit),
                interval=interval_text(measure),
                bar=charts.bar(measure.value, low, high) if share else Markup(""),
                meaning=METRICS.summary(name),
                options=", ".join(
                    f"{option} {value}" for option, value in measure.options.items() if value is not None
                ),
                cost="" if measure.seconds is None else f"{measure.seconds:.1f} s",
                parts=parts if len(parts) > 1 and name != "mean_iou" else [],
            )
        )
    return rows


def number(value: float | None, unit: str = "") -> str:
    """Return a figure as the page shows it: shares in percent.

    Example:
        >>> number(0.5), number(3.25, "px"), number(None)
        ('50.00 %', '3.25 px', '-')
    """
    if value is None:
        return "-"
    return f"{value:.2f} {unit}" if unit else f"{100 * value:.2f} %"


def interval_text(measure: Measure, part: str | None = None) -> str:
    """Return the interval of a measure, or of a part of it, as text; empty without one."""
    bounds = measure.interval if part is None else measure.part_intervals[part]
    if bounds is None:
        return ""
    if measure.unit:
        return f"{bounds.low:.2f} to {bounds.high:.2f}"
    return f"{100 * bounds.low:.1f} to {100 * bounds.high:.1f}"


def _remarks(found: Measurements, scores: Scores) -> list[str]:
    count, what = found.units, "volumes" if found.groups else "images"
    remarks = []
    if count < FEW:
        remarks.append(f"Only {count} {what}: below {FEW}, the intervals are narrower than they should be.")
    if scores.absent:
        remarks.append(f"In neither truth nor prediction, and part of no mean: {', '.join(scores.absent)}.")
    return remarks


def _reliability(found: Measurements, scores: Scores) -> Markup | None:
    """Return the chart of accuracy over confidence; None where it was not measured."""
    if any(name not in found.sums for name in NEEDED):
        return None
    gap, sure = (found.sums[name] for name in NEEDED)
    pixels = sure.denominator.sum(axis=0)[:, 0]
    gaps, total = gap.numerator.sum(axis=0)[:, 0], sure.numerator.sum(axis=0)[:, 0]
    bins = [
        (
            place / len(pixels),
            (place + 1) / len(pixels),
            total[place] / count,
            (total[place] - gaps[place]) / count,
        )
        for place, count in enumerate(pixels)
        if count
    ]
    error = scores.measures["calibration_error"].value or 0.0
    return charts.reliability(f"calibration error {100 * error:.2f} %", bins)


def _data(
    subject: Subject,
    found: Measurements,
    gallery: Gallery,
    pairs: Sequence[summary.ConfusedPair],
    suspects: Sequence[SuspectImage],
) -> dict[str, Any]:
    """Return what the page's script works with."""
    means, by_class, accuracy = summary.image_scores(found)
    regions = all_regions(suspects, most=SUSPECTS)
    wanted = [index for pair in pairs for index, _ in pair.examples] + [region.image for region in regions]
    chosen = choose_images(means, wanted, gallery)
    places = {index: place for place, index in enumerate(chosen)}
    counts = found.pooled().counts
    return {
        "classes": [
            {"name": name, "colour": css(colour)}
            for name, colour in zip(found.class_names, subject.palette, strict=True)
        ],
        "confusion": counts.tolist(),
        "alike": summary.alike_order(counts),
        "images": [
            {
                "name": found.names[index],
                "score": _rounded(means[index]),
                "accuracy": _rounded(accuracy[index]),
                "iou": [[i, _rounded(value)] for i, value in by_class[index]],
                **vars(layers),
            }
            for index, layers in chosen.items()
        ],
        "pairs": [_pair(pair, gallery, places) for pair in pairs],
        "suspects": _regions(regions, suspects, chosen, places),
    }


def _pair(pair: summary.ConfusedPair, gallery: Gallery, places: Mapping[int, int]) -> dict[str, Any]:
    """Return a confused pair with its examples, as far as their images are in the page."""
    return {
        "true": pair.true,
        "guess": pair.guess,
        "pixels": pair.pixels,
        "share": _rounded(pair.of_true),
        "examples": [
            {
                "image": places[index],
                "pixels": pixels,
                "mask": mask_uri(gallery.pair_mask(index, pair.true, pair.guess), _MARKED),
            }
            for index, pixels in pair.examples
            if index in places
        ],
    }


def _regions(
    regions: Sequence[SuspectRegion],
    suspects: Sequence[SuspectImage],
    chosen: Mapping[int, Layers],
    places: Mapping[int, int],
) -> list[dict[str, Any]]:
    """Return suspect regions, as far as their images are in the page."""
    shapes = {image.image: (image.height, image.width) for image in suspects}
    found = []
    for region in regions:
        if region.image in places:
            layers = chosen[region.image]
            mask = region.placed(shapes[region.image], (layers.width, layers.height))
            found.append(
                {
                    "image": places[region.image],
                    "labelled": region.labelled,
                    "predicted": region.predicted,
                    "area": region.area,
                    "confidence": _rounded(region.confidence),
                    "mask": mask_uri(mask, _MARKED),
                }
            )
    return found


def choose_images(
    means: Any, wanted: Sequence[int], gallery: Gallery, *, room: int = ROOM
) -> dict[int, Layers]:
    """Return the images that a page has room for: those that are wanted, then the worst and best in turns.

    Args:
        means: Score of each image, NaN last.
        wanted: Images to take before the others.
        gallery: Their copies.
        room: Characters.

    Returns:
        Number of the image -> its copies, in the order of the numbers.
    """
    order = [int(index) for index in np.argsort(np.where(np.isnan(means), np.inf, means), kind="stable")]
    # Three of the worst for each of the best.
    worst, best = iter(order), iter(reversed(order))
    turns = [next(best) if turn % 4 == 3 else next(worst) for turn in range(len(order))]
    chosen: dict[int, Layers] = {}
    for index in dict.fromkeys([*wanted, *turns, *order]):
        layers = gallery.layers(index)
        room -= layers.size
        if room < 0:
            break
        chosen[index] = layers
    return dict(sorted(chosen.items()))


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 4)
