"""Archives, unpacked so that nothing is written outside the folder that was meant."""

import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from kerseg.core.progress import Progress, track
from kerseg.errors import DataError


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or tar archive into ``folder``.

    Args:
        archive: ``.zip``, ``.tar``, ``.tar.gz`` and so on; what it is, its content says and not its name.
        folder: Made if it is not there.

    Raises:
        DataError: It is no archive, is damaged, or holds a member that would be written elsewhere.
        OSError: ``folder`` cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if zipfile.is_zipfile(archive):
            _unzip(archive, folder)
        elif tarfile.is_tarfile(archive):
            _untar(archive, folder)
        else:
            with archive.open("rb") as file:
                begin = file.read(20)
            raise DataError(f"{archive}: damaged, or neither zip nor tar: it begins with {begin!r}.")
    # NotImplementedError and RuntimeError: ways of compressing or encrypting that Python's zipfile has not.
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise DataError(f"{archive}: damaged archive: {error}.") from error


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as source:
        members = source.infolist()
        for member in members:
            if _leads_out(member.filename):
                raise _refusal(archive, member.filename)
        for member in track(members, f"unpack {archive.name}", unit="files"):
            source.extract(member, folder)


def _untar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as source, Progress(f"unpack {archive.name}", unit="files") as progress:
        for member in source:
            try:
                source.extract(member, folder, filter="data")
            except tarfile.FilterError as error:
                raise _refusal(archive, member.name) from error
            progress.advance()


def _leads_out(name: str) -> bool:
    """Whether a name is absolute or climbs, on any system; `zipfile` would write it to another place."""
    paths = PurePosixPath(name), PureWindowsPath(name)
    return any(path.is_absolute() or path.drive or ".." in path.parts for path in paths)


def _refusal(archive: Path, name: str) -> DataError:
    return DataError(
        f"{archive}: refused: its member {name!r} would be written outside the folder, or is no plain file."
    )
