"""The progress bar: a bar on a terminal, plain lines elsewhere."""

import io

import pytest
from rich.console import Console

from kerseg.core import progress
from kerseg.core.progress import Progress, track


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""

    class Clock:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def lines_of(console: Console) -> list[str]:
    return console.file.getvalue().splitlines()


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end(clock):
    console = Console(file=io.StringIO(), width=20)
    with Progress("convert", total=400, unit="pairs", console=console) as bar:
        for step in range(400):
            clock.now += 0.125
            bar.advance(note=f"loss {step}" if step == 398 else None)
            if step == 250:
                bar.describe("convert val")
    assert lines_of(console) == [
        "convert: 80/400 pairs, 8 pairs/s, 0:00:10 elapsed, 0:00:40 left",
        "convert: 160/400 pairs, 8 pairs/s, 0:00:20 elapsed, 0:00:30 left",
        "convert: 240/400 pairs, 8 pairs/s, 0:00:30 elapsed, 0:00:20 left",
        "convert val: 320/400 pairs, 8 pairs/s, 0:00:40 elapsed, 0:00:10 left",
        "convert val: 400/400 pairs, 8 pairs/s, 0:00:50 elapsed, loss 398",
    ]


def test_a_log_without_total_and_after_an_error(clock):
    console = Console(file=io.StringIO())
    with pytest.raises(KeyError), Progress("read", unit="files", console=console) as bar:
        clock.now += 3725
        bar.advance(149)
        raise KeyError
    assert lines_of(console)[-1] == "read: 149 files, 0.04 files/s, 1:02:05 elapsed"


def test_a_terminal_gets_a_bar():
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    with Progress("train", total=3, unit="batches", console=console) as bar:
        bar.advance(2, note="[loss] 0.5")
    shown = console.file.getvalue()
    assert "train" in shown and "2/3" in shown and "batches/s" in shown and "left" in shown
    assert "[loss] 0.5" in shown


def test_track_yields_everything_and_knows_the_total(capsys):
    assert list(track(["a", "b"], "predict", unit="images")) == ["a", "b"]
    assert list(track(iter("abc"), "count")) == ["a", "b", "c"]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("predict: 2/2 images")
    assert "count: 3 items" in shown.err
