"""Files as the user's data has them: where they are, what is said of those that cannot be used, and their bytes.

A `BadFileError` carries its path and its reason. A reason starts with a few words that name the kind of
fault, then a colon, then the details: ``"truncated: ..."``.
"""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from kerseg.core.console import printable
from kerseg.core.info import RGB
from kerseg.errors import DataError

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class Place(Protocol):
    """Where an image or a label is: a path, or a part of a file. Messages begin with ``str()`` of it."""

    def read_bytes(self) -> bytes:
        """Return what is there.

        Raises:
            OSError: It cannot be read.
        """


class BadFileError(DataError):
    """A file of a raw data set is not what it must be: ``"<path>: <reason>"``.

    Args:
        path: The file, or the part of one.
        reason: What is wrong, and what to do: ``"<kind>: <details>"``.
    """

    def __init__(self, path: Place, reason: str):
        super().__init__(f"{printable(str(path))}: {printable(reason)}")
        self.path, self.reason = path, reason

    def __reduce__(self) -> tuple[Any, ...]:
        return BadFileError, (self.path, self.reason)


@dataclass(frozen=True)
class Part:
    """An image or a label that is one of many in a file: an image's polygons in a JSON, a row of a table.

    A source derives its own from it, with what ``read_label`` needs. It is pickled, once, to the worker that
    reads it; what is large belongs here and not into the source, which every worker gets.
    """

    file: Path
    key: str
    """Says which part it is."""

    def __str__(self) -> str:
        return f"{self.file}: {self.key}"

    def read_bytes(self) -> bytes:
        """Return the bytes of the file; of the part, where a derived class can tell."""
        return read_regular(self.file)


class NotRegularError(OSError):
    """Something that a folder holds and that is no file of bytes: a named pipe, say, which is never at its end."""

    def __init__(self, path: Path, mode: int):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        super().__init__(errno.EINVAL, f"it is {kind}, not a file", str(path))


def read_regular(path: Path, *, most: int | None = None) -> bytes:
    """Return the content of a file.

    Args:
        path: A file; or a place on remote storage.
        most: Bytes that it may have.

    Raises:
        NotRegularError: Not a file of bytes. None of these is opened so that it waits for somebody, or for ever.
        OSError: It cannot be read, or is larger.

    Example:
        >>> read_regular(Path("street.jpg"))[:2] == bytes.fromhex("ffd8")
        True
    """
    if not isinstance(path, Path):  # remote storage, through fsspec
        return path.read_bytes()
    require_regular(path)
    # It may have become another since: a pipe opened like this has an end at once.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb") as file:  # noqa: PTH123
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise NotRegularError(path, status.st_mode)
        if most is not None and status.st_size > most:
            raise OSError(
                errno.EFBIG, f"{status.st_size:,} bytes, more than the {most:,} that it may have", str(path)
            )
        return file.read()


def require_regular(path: Path) -> None:
    """Refuse what is no file of bytes, for libraries that open files themselves.

    Raises:
        NotRegularError: As for `read_regular`.
        OSError: It is not there, or cannot be looked at.
    """
    if not stat.S_ISREG(mode := path.stat().st_mode):
        raise NotRegularError(path, mode)


def refuse_blame(path: Place, error: Exception) -> None:
    """Let no file be blamed for a lack of memory, in whatever words a library puts it.

    Args:
        path: What was read.
        error: What reading it raised.

    Raises:
        MemoryError: There is too little of it.

    Example:
        >>> refuse_blame(Path("a.png"), OSError("out of memory error when reading image file"))
        Traceback (most recent call last):
        MemoryError: a.png: out of memory error when reading image file
    """
    told = isinstance(error, OSError) and error.errno == errno.ENOMEM
    if told or isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        raise MemoryError(f"{path}: {error}") from error


def read_bytes(path: Place, *, is_image: bool = True) -> bytes:
    """Return the content of ``path``.

    Args:
        path: A file, or a part of one.
        is_image: Whether it may be no larger than an uncompressed image of the most pixels that are decoded.

    Raises:
        BadFileError: It cannot be read, or is empty.
    """
    try:
        data = (
            read_regular(path, most=_most_bytes() if is_image else None)
            if isinstance(path, Path)
            else path.read_bytes()
        )
    except OSError as error:
        refuse_blame(path, error)
        raise BadFileError(path, f"unreadable: {error.strerror or error}.") from error
    if not data:
        raise BadFileError(path, "empty file: 0 bytes.")
    return data


def _most_bytes() -> int | None:
    """Return how large a file may be: as an uncompressed image of the most pixels that are decoded."""
    return None if Image.MAX_IMAGE_PIXELS is None else 2 * Image.MAX_IMAGE_PIXELS * RGB + 2**20
