"""Files are written whole or not at all: to a temporary name beside the target, synced, then renamed.

What a killed writer left is deleted at the next write into the folder, and an error of the system is said in words.
"""

import errno
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from kerseg.core.lock import is_free
from kerseg.errors import DataError, KersegError

_PARTIAL = re.compile(r"\.(.*)-\w{8}\.partial(\.\w+)?")
_PARTIAL_FOLDER = re.compile(r"\.(.+)\.partial-\d+")  # of kerseg.core.staging
_REMEDIES = {
    errno.ENOSPC: "Make room on the disk",
    errno.EDQUOT: "Make room in your quota",
    errno.EROFS: "Give a place that can be written to",
    errno.EACCES: "Ask for permission, or give another place",
    errno.EPERM: "Ask for permission, or give another place",
    errno.EMFILE: "Allow more open files (ulimit -n)",
    errno.ENFILE: "Close other programs: the whole system has too many files open",
    errno.ENOTDIR: "Give a place below a folder",
    errno.ENAMETOOLONG: "Give a shorter name",
}
"""What mends an error of the system; the others speak for themselves."""


@contextmanager
def whole(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it to ``path`` if the block ends well, else delete it.

    The temporary name keeps the suffix of ``path``, because writers such as Keras choose a format by it.

    Args:
        path: The file to write; its folder is made if it is missing.
        durable: Whether a power cut, too, leaves the old file or the new one. That waits for the disk;
            what is quickly made again, by the hundred, does without.

    Raises:
        DataError: A folder, a device or a pipe is in the place.

    Example:
        >>> with whole(Path("scores.json")) as temporary:
        ...     _ = temporary.write_text("{}")
    """
    if path.exists() and not path.is_file():
        # A rename would put a file in the place of a device, such as /dev/null, or of a pipe.
        raise DataError(f"{path}: is there, and is no regular file. Give another place.")
    path.parent.mkdir(parents=True, exist_ok=True)
    _clean_once(path.parent)
    suffix = f".partial{path.suffix}"
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=suffix)
    temporary = Path(name)
    try:
        is_free(handle)  # so that no other process takes it for a dead one's
        yield temporary
        # mkstemp makes files for their owner alone; what the user keeps follows the umask like others.
        temporary.chmod(0o666 & ~_umask())
        if durable:
            sync(temporary)
        temporary.replace(path)
        if durable:
            sync(path.parent)
    finally:
        os.close(handle)
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` in UTF-8, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if sys.platform == "win32" and path.is_dir():
        return  # which Windows cannot open
    handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems do not sync folders, and say so.
        if not (path.is_dir() and error.errno in (errno.EINVAL, errno.ENOTSUP)):
            raise
    finally:
        os.close(handle)


def clean(folder: Path) -> None:
    """Delete the partial files in ``folder`` that killed writers left; those of living ones stay."""
    if sys.platform == "win32":
        return  # no lock tells the dead from the living
    with suppress(OSError):
        for path in folder.iterdir():
            if _PARTIAL.fullmatch(path.name) and path.is_file():
                _delete_if_dead(path)


def remove_empty(folders: Sequence[Path]) -> None:
    """Remove the folders that are empty, the innermost being first."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _delete_if_dead(path: Path) -> None:
    with suppress(OSError), path.open("rb") as file:
        if is_free(file.fileno()):
            path.unlink()


_cleaned: set[Path] = set()
_cleaning = threading.Lock()


def _clean_once(folder: Path) -> None:
    """Clean a folder before the first file that this process writes there."""
    with _cleaning:
        if folder not in _cleaned:
            _cleaned.add(folder)
            clean(folder)


def failure(error: OSError, place: Path | None = None, remedy: str = "") -> str:
    """Return an error of the system as a sentence: the path, the reason, what to do.

    Args:
        error: What was raised.
        place: The path to blame where the error names none: what was being written.
        remedy: What else to do, a sentence.

    Example:
        >>> failure(OSError(errno.ENOSPC, "No space left on device"), Path("runs/enet"))
        'runs/enet: No space left on device. Make room on the disk.'
    """
    path = place if error.filename is None else _target(Path(os.fsdecode(error.filename)))
    reason = error.strerror or str(error) or type(error).__name__
    parts = [f"{path}: " if path else "", f"{reason.rstrip('.')}."]
    parts += [f" {_REMEDIES[error.errno]}."] if error.errno in _REMEDIES else []
    return "".join(parts) + (f" {remedy}" if remedy else "")


@contextmanager
def explained(place: Path, remedy: str = "") -> Iterator[None]:
    """Raise an error of the system inside the block as the sentence that `failure` makes of it.

    Raises:
        KersegError: A file could not be read or written.

    Example:
        >>> with explained(Path("runs/enet"), "Go on with `resume`."):
        ...     Path("/dev/full").write_text("x" * 9999)
        Traceback (most recent call last):
        kerseg.errors.KersegError: runs/enet: No space left on device. Make room on the disk. Go on with `resume`.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # nobody reads what the program prints: not about a file
    except OSError as error:
        raise KersegError(failure(error, place, remedy)) from error


def _target(path: Path) -> Path:
    """Return the file that a partial one was to become, or the folder: hidden names say nothing to anyone."""
    for hidden in (path, *path.parents):
        if folder := _PARTIAL_FOLDER.fullmatch(hidden.name):
            return hidden.with_name(folder[1])
    match = _PARTIAL.fullmatch(path.name)
    return path.with_name(match[1] + (match[2] or "")) if match else path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
