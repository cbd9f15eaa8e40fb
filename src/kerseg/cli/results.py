"""What the command line prints of a verb's result, and the exit code that follows from it.

A verb that is not in the table prints its result, if it has one, and ends with 0.
"""

import shlex
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from kerseg.core.info import FILE_NAME
from kerseg.data.formats.places import as_place

if TYPE_CHECKING:  # each comes with its verb
    from kerseg.core.info import DatasetInfo
    from kerseg.data.doctor import Diagnosis
    from kerseg.inference.prediction import Report
    from kerseg.inference.suspects import SuspectList
    from kerseg.metrics import Scores
    from kerseg.profiling.measurement import Description
    from kerseg.report.comparison import Comparison
    from kerseg.training.trainer import TrainResult

MENDED_LINES = 20
"""Mended files named on the terminal; mended.csv names all."""

End = Callable[[Any, Mapping[str, Any]], int]
"""Takes the result, and the arguments of which it came."""


def end_of(verb: str) -> End:
    """Return the function that prints a verb's result and returns the exit code."""
    return _ENDS.get(verb, _print)


def _print(result: object, arguments: Mapping[str, Any]) -> int:
    if result is not None:
        print(result)
    return 0


def _converted(info: "DatasetInfo", arguments: Mapping[str, Any]) -> int:
    for name, split in info.splits.items():
        skipped = f", {len(split.skipped)} faults passed over" if split.skipped else ""
        print(f"{name}: {split.records} pairs in {len(split.shards)} shards{skipped}")
    if info.channels:
        print(f"values that become 0 and 255, by channel: {info.channels}")
    unnamed = f", 0 to {info.num_classes - 1}, without names: --class-names gives them some"
    file = as_place(arguments["output"]) / FILE_NAME
    print(f"{info.num_classes} classes{unnamed if info.is_numbered else ''}; {file}")
    return 0


def _trained(result: "TrainResult", arguments: Mapping[str, Any]) -> int:
    return 0 if result.finished else 130


def _scored(scores: "Scores", arguments: Mapping[str, Any]) -> int:
    from kerseg.cli.tables import scores_table

    Console().print(scores_table(scores))
    return 0


def _compared(comparison: "Comparison", arguments: Mapping[str, Any]) -> int:
    from kerseg.cli.tables import comparison_tables
    from kerseg.core.console import note
    from kerseg.report.comparison import warnings

    for line in warnings(comparison):
        note(line)
    for table in comparison_tables(comparison):
        Console().print(table)
    return 0


def _suspected(found: "SuspectList", arguments: Mapping[str, Any]) -> int:
    from kerseg.cli.tables import suspects_table

    Console().print(suspects_table(found.listing))
    for file in found.files:
        print(file)
    return 0


def _predicted(report: "Report", arguments: Mapping[str, Any]) -> int:
    return 1 if report.failed else 0


def _described(description: "Description", arguments: Mapping[str, Any]) -> int:
    from kerseg.cli.tables import description_table

    Console().print(description_table(description))
    return 0


def _diagnosed(diagnosis: "Diagnosis", arguments: Mapping[str, Any]) -> int:
    from kerseg.data.doctor import page, text

    console = Console()
    text.show(diagnosis, console)
    sheet = diagnosis.page
    if sheet is None:
        sheet = _free_page(diagnosis.path)
        page.write(diagnosis, sheet)
    console.print(Text(f"Page: {sheet}"), soft_wrap=True)
    if diagnosis.output is not None:
        _mended(diagnosis, diagnosis.output, console)
    return 1 if diagnosis.failed else 0


def _free_page(path: Path) -> Path:
    """Return ``doctor-NAME.html``, numbered if that is a file of somebody's."""
    from kerseg.data.doctor import page

    stem = f"doctor-{path.resolve().name}"
    number = 1
    while True:
        found = Path(f"{stem}.html" if number == 1 else f"{stem}-{number}.html")
        if not found.exists() or page.is_ours(found):
            return found
        number += 1


def _mended(diagnosis: "Diagnosis", output: Path, console: Console) -> None:
    from kerseg.data.doctor import layout, mending

    rows = diagnosis.mended
    changed = [row for row in rows if row.done]
    for row in changed[:MENDED_LINES]:
        place = row.label if row.label and not row.image else row.image
        console.print(Text(f"{place}: {'; '.join(row.done)}"), soft_wrap=True)
    if len(changed) > MENDED_LINES:
        console.print(Text(f"and {len(changed) - MENDED_LINES} more"))
    left = sum(row.left_out for row in rows)
    console.print(
        Text(
            f"{output}: {len(rows) - left} pairs, {len(changed) - left} of them mended, {left} left out; "
            f"{output / mending.TABLE} says what was done to each."
        ),
        soft_wrap=True,
    )
    kept = Counter(row.split for row in rows if not row.left_out)
    folders = " ".join(
        f"--{split}-image-path {output / 'images' / split} --{split}-label-path {output / 'labels' / split}"
        for split in kept
        if split != layout.WHOLE
    )
    folders = folders or f"--train-image-path {output / 'images'} --train-label-path {output / 'labels'}"
    names = " ".join(map(shlex.quote, diagnosis.evidence.meaning.names))
    given = diagnosis.evidence.meaning.way == "given"
    classes = f"--class-names {names}" if given else "--number-classes"
    console.print(Text(f"Next: kerseg convert folder {folders} {classes} --output DIR"), soft_wrap=True)


_ENDS: dict[str, End] = {
    "convert": _converted,
    "train": _trained,
    "evaluate": _scored,
    "compare": _compared,
    "suspects": _suspected,
    "predict": _predicted,
    "describe": _described,
    "doctor": _diagnosed,
    "quickstart": lambda result, arguments: 0,
    "list": lambda result, arguments: 0,
}
