"""The progress bar of every verb: what is done, how fast, how long it took, how long it will take.

On a terminal and in a notebook it is a bar. Elsewhere (a log file, a pipe, CI) it is a plain line every
`LINE_SECONDS` and one at the end. Both go to standard error, so that results can be piped.
"""

import time
from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import Self, TypeVar

import rich.progress
from rich.console import Console
from rich.text import Text

LINE_SECONDS = 10.0
"""Time between two lines where there is no terminal."""

T = TypeVar("T")


class Progress:
    """Show how far a loop is.

    Args:
        description: What is being done, at most a few words: ``"convert"``.
        total: Number of steps; None if it is not known, which leaves out the bar and the time left.
        unit: What one step is, in the plural: ``"pairs"``.
        console: Where to show it; standard error by default.

    Example:
        >>> with Progress("train", total=3, unit="batches") as progress:
        ...     for loss in (0.9, 0.6, 0.5):
        ...         progress.advance(note=f"loss {loss:.3f}")
    """

    def __init__(
        self,
        description: str,
        *,
        total: int | None = None,
        unit: str = "items",
        console: Console | None = None,
    ):
        self._console = console or Console(stderr=True)
        live = self._console.is_jupyter or (
            self._console.is_terminal and not self._console.is_dumb_terminal and not self._console.quiet
        )
        self._view = (_Bar if live else _Lines)(self._console, description, total, unit)

    def __enter__(self) -> Self:
        self._view.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._view.stop()

    def advance(self, count: int = 1, *, note: str | None = None) -> None:
        """Report ``count`` more steps as done; ``note`` stands at the end of the line until the next one."""
        self._view.advance(count, note)

    def describe(self, description: str) -> None:
        """Change the description, for a loop that enters its next part."""
        self._view.describe(description)


def track(
    items: Iterable[T], description: str, *, total: int | None = None, unit: str = "items"
) -> Iterator[T]:
    """Yield ``items`` one by one and show how far the loop over them is.

    Args:
        items: What is looped over.
        description: As for `Progress`.
        total: Number of items; by default ``len(items)`` where there is one.
        unit: As for `Progress`.

    Example:
        >>> [path.suffix for path in track([Path("street.jpg")], "predict", unit="images")]
        ['.jpg']
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Progress(description, total=total, unit=unit) as progress:
        for item in items:
            yield item
            progress.advance()


class _Bar:
    """The moving bar of a terminal or notebook."""

    def __init__(self, console: Console, description: str, total: int | None, unit: str):
        self._progress = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}", markup=False),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            _Rate(),
            rich.progress.TimeElapsedColumn(),
            rich.progress.TextColumn("left"),
            rich.progress.TimeRemainingColumn(),
            rich.progress.TextColumn("{task.fields[note]}", markup=False),
            console=console,
        )
        self._task = self._progress.add_task(description, total=total, start=False, unit=unit, note="")

    def start(self) -> None:
        self._progress.start()
        self._progress.start_task(self._task)

    def stop(self) -> None:
        self._progress.stop()

    def advance(self, count: int, note: str | None) -> None:
        if note is not None:
            self._progress.update(self._task, note=note)
        self._progress.advance(self._task, count)

    def describe(self, description: str) -> None:
        self._progress.update(self._task, description=description)


class _Rate(rich.progress.ProgressColumn):
    """Steps a second: ``118 pairs/s``."""

    def render(self, task: rich.progress.Task) -> Text:
        speed = task.finished_speed or task.speed
        if speed is None and task.elapsed:
            speed = task.completed / task.elapsed  # too early for an estimate over the last seconds
        return Text(
            "" if speed is None else f"{_rate(speed)} {task.fields['unit']}/s", style="progress.data.speed"
        )


class _Lines:
    """One line now and then, for a log."""

    def __init__(self, console: Console, description: str, total: int | None, unit: str):
        self._console, self._description, self._total, self._unit = console, description, total, unit
        self._done, self._note, self._line = 0, "", ""

    def start(self) -> None:
        self._began = self._shown = time.monotonic()

    def stop(self) -> None:
        self._show()

    def advance(self, count: int, note: str | None) -> None:
        self._done += count
        self._note = self._note if note is None else note
        if time.monotonic() - self._shown >= LINE_SECONDS:
            self._show()

    def describe(self, description: str) -> None:
        self._description = description

    def _show(self) -> None:
        self._shown = time.monotonic()
        elapsed = self._shown - self._began
        of = "" if self._total is None else f"/{self._total}"
        parts = [f"{self._description}: {self._done}{of} {self._unit}"]
        if elapsed > 0 and self._done:
            parts += [f"{_rate(self._done / elapsed)} {self._unit}/s", f"{_clock(elapsed)} elapsed"]
            if self._total is not None and self._done < self._total:
                parts.append(f"{_clock(elapsed / self._done * (self._total - self._done))} left")
        parts += [self._note] if self._note else []
        # Neither wrapped nor coloured: a line of a log is searched, not looked at.
        if (line := ", ".join(parts)) != self._line:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)
        self._line = line


def _rate(speed: float) -> str:
    return f"{speed:.0f}" if speed >= 10 else f"{speed:.2g}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
