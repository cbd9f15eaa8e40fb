"""Ctrl-C as a wish to stop at the next good moment."""

import signal
import threading
from types import FrameType
from typing import Any


class Interrupt:
    """While entered, the first Ctrl-C (or SIGTERM) sets ``requested``; a second Ctrl-C stops at once.

    Outside the main thread, where Python allows no signal handlers, ``requested`` stays False.

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
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True
