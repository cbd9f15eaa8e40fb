"""What the doctor found, for a terminal."""

from collections import Counter

import numpy as np
from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from kerseg.core.console import worded
from kerseg.data.doctor.diagnosis import Diagnosis
from kerseg.data.doctor.findings import Finding
from kerseg.data.formats.wording import describe_size

FILES = 3
"""Files named below each finding; the page names more."""
SIZES = 4
"""Image sizes named."""


def show(diagnosis: Diagnosis, console: Console) -> None:
    """Print what the data set is, then what is wrong with it."""
    console.print(Group(*(Text(line) for line in summary(diagnosis))), soft_wrap=True)
    if diagnosis.evidence.meaning.names:
        console.print(class_table(diagnosis))
    for finding in diagnosis.findings:
        _show(finding, console)
    console.print(Text(conclusion(diagnosis), style="bold"))


def summary(diagnosis: Diagnosis) -> list[str]:
    """Return a line each on pairs, sizes, channels and labels."""
    evidence = diagnosis.evidence
    splits = Counter(facts.split for facts in evidence.facts)
    lines = [f"{diagnosis.path}: " + ", ".join(f"{name} {count} pairs" for name, count in splits.items())]
    sizes = Counter(facts.image.upright_shape for facts in evidence.facts if facts.image)
    shown = [f"{describe_size(size)} ({count})" for size, count in sizes.most_common(SIZES)]
    more = f" and {len(sizes) - SIZES} more" if len(sizes) > SIZES else ""
    lines.append(f"sizes: {', '.join(shown)}{more}")
    mean, spread = diagnosis.channels()
    channels = zip(("red", "green", "blue"), mean, spread, strict=True)
    lines.append(
        "channels: " + ", ".join(f"{name} {m:.1f} +- {s:.1f}" for name, m, s in channels) + " (mean, spread)"
    )
    kinds = Counter(
        "colour" if label.colours else "indexed colour" if label.palette else "grey"
        for _, label in evidence.labels
    )
    lines.append("labels: " + ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()))
    return lines


def class_table(diagnosis: Diagnosis) -> Table:
    """Return the share of each class in the pixels of each split, and that of pixels to ignore."""
    counts = diagnosis.class_pixels
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("class", overflow="fold")
    for split in counts:
        table.add_column(f"{split} %", justify="right", no_wrap=True)
    for name, *shares in class_shares(diagnosis):
        table.add_row(Text(name), *shares)
    return table


def class_shares(diagnosis: Diagnosis) -> list[tuple[str, ...]]:
    """Return a row for each class and one for pixels to ignore: its name, and its share in each split."""
    counts = list(diagnosis.class_pixels.values())
    names = (*diagnosis.evidence.meaning.names, "(ignored)")
    totals = [max(1, int(np.sum(pixels))) for pixels in counts]
    return [
        (name, *(_share(int(pixels[row]), total) for pixels, total in zip(counts, totals, strict=True)))
        for row, name in enumerate(names)
    ]


def _share(pixels: int, total: int) -> str:
    return f"{100 * pixels / total:.2f}" if pixels else "-"


def conclusion(diagnosis: Diagnosis) -> str:
    """Return the last line: how many errors and warnings."""
    errors, warnings = len(diagnosis.errors), len(diagnosis.warnings)
    if not errors and not warnings:
        return "Nothing is wrong."
    return f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}."


def _show(finding: Finding, console: Console) -> None:
    style = "bold red" if finding.severity == "error" else "bold yellow"
    console.print(
        Text.assemble(
            (finding.severity, style), f" {finding.code}: {finding.title} ", (f"({finding.count})", "dim")
        ),
        soft_wrap=True,
    )
    for item in finding.affected[:FILES]:
        console.print(Text(f"    {item}"), soft_wrap=True)
    if len(finding.affected) > FILES:
        console.print(Text(f"    and {len(finding.affected) - FILES} more"))
    console.print(Text(f"    {worded(finding.remedy)}", style="italic"), soft_wrap=True)
