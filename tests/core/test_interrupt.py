"""What asks a program to stop: kill, a closed terminal, Ctrl-C."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kerseg.core.interrupt import Interrupt, Stopped, stopped_politely

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
NUMBERS = {129: "SIGHUP", 143: "SIGTERM"}


@pytest.fixture(autouse=True)
def not_under_nohup() -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("code", NUMBERS)
def test_a_signal_becomes_an_exception_with_the_shell_s_exit_code(code: int) -> None:
    with pytest.raises(Stopped) as stopped, stopped_politely():
        os.kill(os.getpid(), code - 128)
    assert (stopped.value.code, stopped.value.signal) == (code, NUMBERS[code])
    assert signal.getsignal(code - 128) is signal.SIG_DFL


def test_what_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stopped_politely(), Interrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGHUP)
    assert not interrupt.requested


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_wish_to_stop(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interrupt() as interrupt:
        assert not interrupt.requested
        os.kill(os.getpid(), number)
        assert interrupt.requested
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_stops_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupt():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


TALKER = """
import signal, sys, time
from pathlib import Path
from kerseg.core.interrupt import Interrupt
signal.signal(signal.SIGHUP, signal.SIG_DFL)
with Interrupt() as interrupt:
    print("here", flush=True)
    while not interrupt.requested:
        time.sleep(0.01)
print("stopped", flush=True)
sys.stderr.write("stopped")
sys.stderr.flush()
Path(sys.argv[1]).write_text("saved")
"""


def test_after_its_terminal_has_gone_a_program_ends_in_peace(tmp_path: Path) -> None:
    import fcntl
    import termios

    master, slave = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", TALKER, str(tmp_path / "end")],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    assert b"here" in os.read(master, 100)
    os.close(master)  # the kernel sends SIGHUP
    assert process.wait(timeout=20) == 0
    assert (tmp_path / "end").read_text() == "saved"
