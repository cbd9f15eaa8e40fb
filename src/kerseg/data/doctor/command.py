"""What ``kerseg doctor`` does: diagnose, print, write the page, mend."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from kerseg.data.doctor import Diagnosis, Mended, diagnose, layout, mending, page, text
from kerseg.errors import ConfigError

LINES = 20
"""Mended files named on the terminal; mended.csv names all."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to do with a diagnosis."""

    strict: bool = False
    fix: bool = False
    output: Path | None = None
    page: Path | None = None
    workers: int | None = None


def run(path: Path, options: Options, **what: Any) -> int:
    """Diagnose ``path``, print and write what was found, and mend it if asked.

    Args:
        path: A raw tree or converted data.
        options: What to do.
        what: Further arguments of `kerseg.data.doctor.diagnose`.

    Returns:
        Exit code: 1 if there are errors, or with ``strict`` warnings; else 0.

    Raises:
        ConfigError: The options do not fit each other.
        DataError: There is no data, or something stands where a file is to be written.
    """
    if options.fix != (options.output is not None):
        raise ConfigError("--fix and --output go together: --fix --output DIR writes a mended copy to DIR.")
    if options.output is not None:
        mending.refuse(path, options.output)
    sheet = options.page or _free(path)
    page.refuse(sheet)
    diagnosis = diagnose(path, workers=options.workers, **what)
    console = Console()
    text.show(diagnosis, console)
    page.write(diagnosis, sheet)
    console.print(Text(f"Page: {sheet}"), soft_wrap=True)
    if options.output is not None:
        rows = diagnosis.mend(options.output, workers=options.workers)
        _say(rows, options.output, diagnosis, console)
    return 1 if diagnosis.errors or (options.strict and diagnosis.findings) else 0


def _free(path: Path) -> Path:
    """Return ``doctor-NAME.html``, numbered if that is a file of somebody's."""
    stem = f"doctor-{path.resolve().name}"
    number = 1
    while True:
        found = Path(f"{stem}.html" if number == 1 else f"{stem}-{number}.html")
        if not found.exists() or page.is_ours(found):
            return found
        number += 1


def _say(rows: Sequence[Mended], output: Path, diagnosis: Diagnosis, console: Console) -> None:
    changed = [row for row in rows if row.done]
    for row in changed[:LINES]:
        place = row.label if row.label and not row.image else row.image
        console.print(Text(f"{place}: {'; '.join(row.done)}"), soft_wrap=True)
    if len(changed) > LINES:
        console.print(Text(f"and {len(changed) - LINES} more"))
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
