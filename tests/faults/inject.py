"""Faults of the disk at a chosen call of the file layer, in place of chance.

Python tells its audit hooks of every file that it is about to open, rename, remove and so on, but for ``os.fsync``,
which is wrapped. The hook here counts the calls that change something below one folder, and at a given one kills
the process, or lets the disk fail. https://docs.python.org/3/library/audit_events.html
"""

import errno
import os
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Fault = Literal["none", "kill", "full", "stuck", "broken"]
"""``kill`` is ``kill -9``. On a ``full`` disk nothing can be created from then on (ENOSPC); on a ``stuck`` one no
file grows by a byte, so that writes fail in their middle, C++'s among them (RLIMIT_FSIZE: EFBIG). A ``broken`` one
fails at this one call (EIO)."""

_CHANGES = {
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "fsync",
}
_MAKES = {"open", "os.mkdir", "os.link", "os.symlink"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True)
class Call:
    """One call that changes something."""

    text: str
    changed: bool
    """Whether anything is different on the disk than at the call before: only there a kill is another kill."""
    makes: bool
    """Whether something is made: what a full disk refuses."""
    writes: bool
    """Whether a file is opened to be filled; of `tempfile`'s, which is only made, it is the next call that is."""

    def is_met_by(self, fault: Fault) -> bool:
        """Whether the fault does here what it does at no call before."""
        return {"kill": self.changed, "full": self.makes, "stuck": self.writes}.get(fault, True)


class Injector:
    """Counts the changes below a folder, and lets the fault happen at one of them.

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
        self.calls: list[Call] = []
        self._before: object = None
        sys.addaudithook(self._hook)
        fsync = os.fsync

        def fsynced(descriptor: int) -> None:
            self._meet("fsync", Path(f"/proc/self/fd/{descriptor}").readlink(), 0)
            fsync(descriptor)

        os.fsync = fsynced  # type: ignore[assignment]

    def end(self) -> None:
        """Let the disk be sound again, and count no more."""
        self.at, self.root = 0, Path("/nowhere")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" and event not in _CHANGES:
            return
        flags = arguments[2] if event == "open" else 0
        # open() gives a mode and the flags that it makes of it, os.open() flags alone.
        if event == "open" and not (isinstance(flags, int) and flags & _WRITING):
            return
        if path := _path(event, arguments):
            self._meet(event, path, flags)

    def _meet(self, event: str, path: Path, flags: int) -> None:
        if not path.is_relative_to(self.root):
            return
        makes = event in _MAKES and not os.path.lexists(path)
        text = f"{event} {path.relative_to(self.root)}"
        state = self._state() if self.fault == "none" else None
        writes = event == "open" and not flags & os.O_EXCL
        self.calls.append(Call(text, state != self._before, makes, writes))
        self._before = state
        number = len(self.calls)
        if self.at == number and self.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.at == number and self.fault == "broken":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        if 0 < self.at <= number and self.fault == "full" and makes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        if 0 < self.at <= number and self.fault == "stuck":
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def _state(self) -> object:
        """Return what distinguishes one state of the folder from another."""
        found = []
        for parent, folders, names in os.walk(self.root):
            for name in sorted(folders + names):
                status = Path(parent, name).lstat()
                found.append(
                    (parent, name, status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode)
                )
        return found


def _path(event: str, arguments: tuple[Any, ...]) -> Path | None:
    """Return the absolute path that an event is about; None where it has none."""
    path = arguments[0]
    if isinstance(path, int):
        return None  # an open file, which was counted when it was opened
    position = {"os.mkdir": 2, "os.remove": 1, "os.rmdir": 1, "os.rename": 2, "os.chmod": 2}.get(event)
    descriptor = arguments[position] if position is not None else -1
    base = Path(f"/proc/self/fd/{descriptor}").readlink() if descriptor not in (-1, None) else Path.cwd()
    return Path(os.path.normpath(base / os.fsdecode(path)))
