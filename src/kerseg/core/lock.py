"""One process at a time: a lock that the system takes back when its holder ends, however it ends.

``flock(2)``, which a network file system passes on to its server. Windows has no such lock, and neither do a few
file systems: there nothing is locked.
"""

import errno
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kerseg.errors import KersegError


@contextmanager
def lock(path: Path, busy: Callable[[str], KersegError]) -> Iterator[None]:
    """Hold the lock that the file ``path`` stands for.

    The file stays, and names the last holder: to delete it would let two processes lock two files of one name.

    Args:
        path: Made if it is missing; its folder is there.
        busy: Makes the error to raise of the holder's name: ``"process 123 on hostname"``.

    Raises:
        KersegError: Another process holds the lock, or this one already does.

    Example:
        >>> busy = lambda holder: kerseg.errors.ConfigError(f"runs/unet: {holder} works on it.")
        >>> with lock(Path("unet.lock"), busy):
        ...     Path("unet.lock").read_text().startswith("process ")
        True
    """
    with path.open("a+b") as file:
        if not is_free(file.fileno()):
            file.seek(0)
            holder = file.read(200).decode("utf-8", "replace").strip()
            raise busy(holder or "another process")
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}\n".encode())
        file.flush()
        yield


def is_free(descriptor: int) -> bool:
    """Lock an open file, until it is closed, and return whether nobody else holds it."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Anything else says that this file system knows no locks, not that somebody holds one.
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True
