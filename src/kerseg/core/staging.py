"""A folder is written whole or not at all, as `kerseg.core.files.whole` does for a file.

It is filled under a hidden name beside its place, ``.camvid.partial-<process id>``, and renamed at the end.
"""

import ctypes
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kerseg.core.files import remove_empty, sync
from kerseg.core.interrupt import stopped_politely
from kerseg.errors import DataError


@contextmanager
def whole_folder(folder: Path, *, overwrite: bool, ours: Callable[[str], bool]) -> Iterator[Path]:
    """Give an empty folder to fill; move it to ``folder`` if the block ends well, else delete it.

    It is deleted after an exception, after Ctrl-C and after ``kill``. After ``kill -9`` it stays, hidden,
    until the next run for the same ``folder`` finds that its process is gone.

    Args:
        folder: Where the result belongs.
        overwrite: Whether a finished result that is there already may be replaced. It stays in place, and
            usable, until the new one is whole.
        ours: Whether a file name is one that results have. Other files are somebody's, and never deleted.

    Raises:
        DataError: ``folder`` holds something that must not be replaced, or is a place that cannot be.

    Example:
        >>> with whole_folder(Path("data/whole"), overwrite=False, ours={"a.json"}.__contains__) as temporary:
        ...     _ = (temporary / "a.json").write_text("{}")
    """
    # The folder that a link leads to is replaced, not the link.
    folder = folder.resolve()
    _recover(folder)
    _refuse(folder, overwrite, ours)
    temporary = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    parents = [parent for parent in folder.parents if not parent.exists()]
    done = False
    with stopped_politely():
        try:
            temporary.mkdir(parents=True)
            yield temporary
            _refuse(folder, overwrite, ours)
            for path in (*temporary.rglob("*"), temporary):
                sync(path)  # so that a power cut, too, leaves the whole folder or none
            _move(temporary, folder)
            done = True
            with suppress(OSError):  # it is there, whatever the disk says of its name
                sync(folder.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            if not done:
                remove_empty(parents)


def _refuse(folder: Path, overwrite: bool, ours: Callable[[str], bool]) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise DataError(f"{folder}: is a file. `output` takes a folder.")
    if os.path.ismount(folder):
        raise DataError(
            f"{folder}: is the root of a disk or volume, which cannot be replaced. Give a folder in it."
        )
    found = sorted(path.name for path in folder.iterdir())
    if foreign := [name for name in found if not ours(name)]:
        raise DataError(
            f"{folder}: holds files that kerseg convert did not write, such as {foreign[0]!r}. They would be "
            "lost: give a new folder, or move them away."
        )
    if found and not overwrite:
        raise DataError(
            f"{folder}: holds a converted data set. Give another folder, `update=True` to convert only what "
            "changed, or `overwrite=True` to replace it."
        )


def _move(temporary: Path, folder: Path) -> None:
    """Move ``temporary`` to ``folder``; what is there ends up at ``temporary``, or beside it as `_old`."""
    if not folder.exists():
        temporary.rename(folder)
    elif not _exchange(temporary, folder):
        old = _old(folder)
        folder.rename(old)
        try:
            temporary.rename(folder)
        except OSError:
            old.rename(folder)
            raise
        shutil.rmtree(old)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step, so that no moment is without either; False where the system cannot."""
    if sys.platform != "linux":
        return False
    # renameat2(2): paths relative to the working directory (AT_FDCWD), flag RENAME_EXCHANGE.
    # https://man7.org/linux/man-pages/man2/rename.2.html
    at_fdcwd, rename_exchange = -100, 2
    try:
        call = ctypes.CDLL(None).renameat2
    except (OSError, AttributeError):
        return False
    return bool(call(at_fdcwd, os.fsencode(one), at_fdcwd, os.fsencode(other), rename_exchange) == 0)


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced-by-kerseg")


def _recover(folder: Path) -> None:
    """Clean up after runs that were killed: delete what is unfinished, put back what was being replaced."""
    if not folder.parent.is_dir():
        return
    prefix = f".{folder.name}.partial-"
    for path in folder.parent.iterdir():
        process = path.name.removeprefix(prefix)
        if path.name.startswith(prefix) and process.isdigit() and not runs(int(process)):
            shutil.rmtree(path, ignore_errors=True)
    old = _old(folder)
    if old.exists() and folder.exists():
        shutil.rmtree(old, ignore_errors=True)
    elif old.exists():
        old.rename(folder)


def runs(process: int) -> bool:
    """Whether another process of this number runs; this one's number was left by an earlier process."""
    if process == os.getpid():
        return False
    # Windows has no harmless signal: there nothing is known to be gone, and nothing is deleted.
    if sys.platform == "win32":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
