"""How the command line ends: one line whatever stopped it, and never a traceback."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kerseg.cli import base, main


def ends_with(monkeypatch: pytest.MonkeyPatch, ending: Any) -> int:
    """Run a command line that ends as ``ending`` does; return its exit code."""

    def app(*arguments: object, **options: object) -> None:
        if isinstance(ending, BaseException):
            raise ending
        os.kill(os.getpid(), ending)

    monkeypatch.setattr(base, "app", app)
    return main(["list"])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
@pytest.mark.parametrize(("number", "name"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP")])
def test_a_signal_ends_it_with_one_line(
    number: signal.Signals, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # under nohup it is another
    assert ends_with(monkeypatch, number) == 128 + number
    signal.signal(number, before)
    assert capsys.readouterr().err == f"Stopped by {name}.\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.EMFILE, "Too many open files", "a.png"),
            "a.png: Too many open files. Allow more open",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "out"),
            "out: Permission denied. Ask for permission",
        ),
        (MemoryError(), "Not enough memory. Try a smaller model, --batch-size or --crop-size"),
        (type("ResourceExhaustedError", (Exception,), {})("OOM when allocating"), "Not enough memory. Try a"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes."), "Not enough memory. Try a"),
    ],
)
def test_an_error_of_the_machine_is_one_line(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ends_with(monkeypatch, error) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"error: {said}")


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from kerseg.cli import run; run()", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1
