"""Archives, unpacked so that nothing is written outside the folder that was meant, and no more than was promised.

Plain files and folders only: a link could lead what follows it out of the folder, in ways that Python's own filter
has not always seen (CVE-2025-4517). Nothing that is published needs one.
"""

import bz2
import errno
import gzip
import io
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, BinaryIO, cast

from kerseg.core.progress import Progress, track
from kerseg.errors import DataError

RATIO = 20
"""How many times its own size an archive may hold. Images are compressed already: those of published data sets hold
1 to 3 times theirs."""
SLACK = 64 * 2**20
"""Bytes that any archive may hold."""
_BLOCK = 4096
"""Bytes that even an empty file takes on most disks."""
_CHUNK = 2**16
_MOST_AT_ONCE = 2**22
"""Bytes of a tar's header that are read: names are shorter."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar archive into ``folder``.

    Args:
        archive: ``.zip``, ``.tar``, ``.tar.gz`` and so on; what it is, its content says and not its name.
        folder: Made if it is not there.

    Raises:
        DataError: It is no archive, is damaged or cut, or holds what is no plain file, would be written elsewhere,
            or is more than such an archive can be meant to hold, or than the disk has room for.
        OSError: ``folder`` cannot be written.

    Example:
        >>> import tempfile, zipfile
        >>> with tempfile.TemporaryDirectory() as name:
        ...     with zipfile.ZipFile(Path(name, "a.zip"), "w") as archive:
        ...         archive.writestr("b.txt", "1")
        ...     unpack(Path(name, "a.zip"), Path(name, "a"))
        ...     Path(name, "a", "b.txt").read_text()
        '1'
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, folder)
        else:
            _untar(archive, folder)
    # NotImplementedError and RuntimeError: ways of compressing or encrypting that Python's zipfile has not.
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        NotImplementedError,
        RuntimeError,
        UnicodeError,
    ) as error:
        raise DataError(f"{archive}: damaged archive: {error}.") from error
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        name = Path(str(error.filename)).name
        raise DataError(f"{archive}: damaged archive: {name!r} is a file in it and a folder.") from error
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise DataError(f"{archive}: refused: it holds a name that is too long for the disk.") from error


class _Room:
    """What an archive may still hold.

    Args:
        archive: The file.
        folder: Where it is unpacked.
    """

    def __init__(self, archive: Path, folder: Path):
        self._archive, self._folder = archive, folder
        self._most = RATIO * archive.stat().st_size + SLACK
        self._taken = 0

    def take(self, size: int) -> None:
        """Count a member of so many bytes.

        Raises:
            DataError: It is too much.
        """
        self._taken += max(1, -(-size // _BLOCK)) * _BLOCK
        if size < 0 or self._taken > self._most:
            raise DataError(
                f"{self._archive}: refused: unpacked it would take more than {self._most:,} bytes, {RATIO} times "
                "its own size. No published data set does."
            )
        if size > (free := shutil.disk_usage(self._folder).free):
            raise DataError(
                f"{self._folder}: too little room: {size:,} bytes are to come, {free:,} are free."
            )


def _unzip(archive: Path, folder: Path) -> None:
    room = _Room(archive, folder)
    with zipfile.ZipFile(archive) as source:
        members = source.infolist()
        for member in members:  # all of them, before any is written
            mode = member.external_attr >> 16
            if _leads_out(member.filename) or stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refusal(archive, member.filename)
            room.take(member.file_size)
        _Room(archive, folder).take(sum(member.file_size for member in members))
        for member in track(members, f"unpack {archive.name}", unit="files"):
            source.extract(member, folder)


def _untar(archive: Path, folder: Path) -> None:
    room = _Room(archive, folder)
    with archive.open("rb") as raw:
        begin = raw.read(20)
    with _opened(archive, begin) as file, _Bounded(file) as stream:
        try:
            source = tarfile.TarFile(fileobj=cast(BinaryIO, stream))
        except tarfile.TarError as error:
            raise DataError(
                f"{archive}: damaged, or neither zip nor tar: it begins with {begin!r}."
            ) from error
        with source, Progress(f"unpack {archive.name}", unit="files") as progress:
            for member in source:
                if _leads_out(member.name) or not (
                    member.isdir() or (member.isreg() and not member.issparse())
                ):
                    raise _refusal(archive, member.name)
                room.take(member.size)
                _extract(source, member, folder)
                progress.advance()
            _check_end(stream, source.offset, room)


def _opened(archive: Path, begin: bytes) -> IO[bytes]:
    """Return the content of a tar, unpacked if it is packed."""
    if begin.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.open(archive))
    if begin.startswith(b"BZh"):
        return cast(IO[bytes], bz2.open(archive))
    if begin.startswith(b"\xfd7zXZ\0"):
        return cast(IO[bytes], lzma.open(archive))
    return archive.open("rb")


def _extract(source: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    path = folder / PurePosixPath(member.name)
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    held = source.extractfile(member)
    if held is None:
        raise tarfile.ReadError(f"{member.name!r} has no content")
    with held, path.open("wb") as target:
        shutil.copyfileobj(held, target, _CHUNK)
        if target.tell() != member.size:
            raise tarfile.ReadError(f"it ends within {member.name!r}")
    with suppress(OSError, OverflowError, ValueError):  # of a time that no file has
        os.utime(path, (member.mtime, member.mtime))


def _check_end(stream: "_Bounded", place: int, room: _Room) -> None:
    """Read what follows the last member: zeros that end a tar, and the checksum of what packed it."""
    stream.seek(place)
    end = stream.read(tarfile.BLOCKSIZE)
    if len(end) < tarfile.BLOCKSIZE or any(end):
        raise tarfile.ReadError("it ends without the zeros that mark its end, or goes on with something else")
    while chunk := stream.read(_CHUNK):
        room.take(len(chunk))


class _Bounded(io.RawIOBase):
    """A file that is never read by more than `_MOST_AT_ONCE`, and whose errors are those of a damaged archive."""

    def __init__(self, file: IO[bytes]):
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Return up to ``size`` bytes."""
        if not 0 <= size <= _MOST_AT_ONCE:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        try:
            return self._file.read(size)
        except OSError as error:  # as gzip and bz2 say that a checksum is wrong
            raise tarfile.ReadError(str(error)) from error

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        """Go to ``place``."""
        return self._file.seek(place, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()


def _leads_out(name: str) -> bool:
    """Whether a name is absolute or climbs, on any system; `zipfile` would write it to another place."""
    paths = PurePosixPath(name), PureWindowsPath(name)
    return any(path.is_absolute() or path.drive or ".." in path.parts for path in paths)


def _refusal(archive: Path, name: str) -> DataError:
    return DataError(
        f"{archive}: refused: its member {name!r} would be written outside the folder, or is no plain file."
    )
