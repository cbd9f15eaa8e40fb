"""Faults of the disk at a chosen call of the file layer, in place of chance.

Python tells its audit hooks of every file that it is about to open, rename, remove and so on. The hook here counts
those that change something below one folder, and at a given one kills the process, or fills the disk.
https://docs.python.org/3/library/audit_events.html
"""

import errno
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any, Literal

Fault = Literal["none", "kill", "full", "stuck"]
"""``kill`` is ``kill -9``. On a ``full`` disk nothing can be created; on a ``stuck`` one no file grows by a byte,
so that writes fail in their middle (RLIMIT_FSIZE: "File too large"), C++'s among them."""

_CHANGES = {
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
}
_MAKES = {"open", "os.mkdir", "os.link", "os.symlink"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Injector:
    """Counts the changes below a folder, and lets the fault happen at one of them and stay.

    An audit hook cannot be taken back: use one in a process that is to end.

    Args:
        root: The folder.
        fault: What happens.
        at: At which change, from 1; 0 for never.
    """

    def __init__(self, root: Path, fault: Fault = "none", at: int = 0):
        self.root = root.resolve()
        self.fault = fault
        self.at = at
        self.calls: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" and event not in _CHANGES:
            return
        if event == "open" and not _writes(*arguments[1:3]):
            return
        path = _path(event, arguments)
        if path is None or not path.is_relative_to(self.root):
            return
        self.calls.append(f"{event} {path.relative_to(self.root)}")
        if not 0 < self.at <= len(self.calls):
            return
        if self.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "full" and event in _MAKES and not os.path.lexists(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        if self.fault == "stuck":
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


def _writes(mode: object, flags: object) -> bool:
    # open() gives a mode and the flags that it makes of it, os.open() flags alone.
    return bool(isinstance(flags, int) and flags & _WRITING)


def _path(event: str, arguments: tuple[Any, ...]) -> Path | None:
    """Return the absolute path that an event is about; None where it has none."""
    path = arguments[0]
    if isinstance(path, int):
        return None  # an open file, which was counted when it was opened
    position = {"os.mkdir": 2, "os.remove": 1, "os.rmdir": 1, "os.rename": 2, "os.chmod": 2}.get(event)
    descriptor = arguments[position] if position is not None else -1
    base = Path(f"/proc/self/fd/{descriptor}").readlink() if descriptor not in (-1, None) else Path.cwd()
    return Path(os.path.normpath(base / os.fsdecode(path)))
