"""Signals that ask a program to stop: as a wish to be met at the next good moment, or as an exception.

Ctrl-C is SIGINT, ``kill`` SIGTERM, a closed terminal or ssh session SIGHUP. Python allows signal handlers in the
main thread alone: in others nothing here does anything.
"""

import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# Windows has no SIGHUP.
_TERMINATIONS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(SystemExit):
    """A signal ended the program; ``code`` is the exit code that a shell reports for it, 128 and its number.

    Args:
        number: Of the signal.
    """

    code: int

    def __init__(self, number: int):
        super().__init__(128 + number)
        self.signal = signal.Signals(number).name


class Interrupt:
    """While entered, the first Ctrl-C, SIGTERM or SIGHUP sets ``requested``; a second Ctrl-C stops at once.

    Example:
        >>> with Interrupt() as interrupt:
        ...     for step in range(3):
        ...         if interrupt.requested:
        ...             break
        >>> step
        2
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupt":
        numbers = [signal.SIGINT, *(number for number in _TERMINATIONS if not _is_ignored(number))]
        self._before = _handle(numbers, self._request)
        return self

    def __exit__(self, *_: object) -> None:
        _restore(self._before)

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True
        if number == getattr(signal, "SIGHUP", None):
            _leave_terminal()


@contextmanager
def stopped_politely() -> Iterator[None]:
    """Turn ``kill`` and a closed terminal into `Stopped`, so that ``finally`` blocks run.

    A program that handles or ignores (``nohup``) one of the signals keeps doing so.

    Raises:
        Stopped: One of them came.

    Example:
        >>> with stopped_politely():
        ...     signal.getsignal(signal.SIGTERM).__name__
        'stop'
    """

    def stop(number: int, frame: FrameType | None) -> None:
        if number == getattr(signal, "SIGHUP", None):
            _leave_terminal()
        raise Stopped(number)

    before = _handle([n for n in _TERMINATIONS if signal.getsignal(n) is signal.SIG_DFL], stop)
    try:
        yield
    finally:
        _restore(before)


def _handle(
    numbers: list[signal.Signals], handler: Callable[[int, FrameType | None], None]
) -> dict[int, Any]:
    """Let ``handler`` handle signals; return what did so before."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, handler) for number in numbers}


def _restore(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)


def _is_ignored(number: signal.Signals) -> bool:
    return signal.getsignal(number) is signal.SIG_IGN


def _leave_terminal() -> None:
    """Send what is still said to nowhere if the terminal it went to is gone: to write there is an error."""
    for stream in (sys.stdout, sys.stderr):
        try:
            descriptor = stream.fileno()
            if stat.S_ISCHR(os.fstat(descriptor).st_mode) and not os.isatty(descriptor):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
        except (OSError, ValueError, AttributeError):
            continue  # a stream without a file: a test's, or a notebook's
