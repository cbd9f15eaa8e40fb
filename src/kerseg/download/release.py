"""``download``: what a published data set consists of, fetched and unpacked where its terms allow it.

A source says under ``releases``, for each of its options that takes a folder, what belongs there. The folder
appears when everything is unpacked, and not before; until then the archives lie beside it, in
``.NAME.download``, where the next run finds them, whole or in part.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import urlsplit

from kerseg.core.console import note
from kerseg.core.lock import lock
from kerseg.core.staging import whole_folder
from kerseg.errors import ConfigError, DataError

VARIABLE = "KERSEG_DATA"
"""Environment variable: folder that downloaded data sets go to, in place of the user's cache."""


@dataclass(frozen=True)
class Archive:
    """A file to fetch and unpack."""

    url: str
    checksum: str = ""
    """``"sha256:..."`` or ``"md5:..."``; ``""`` where none has been published."""
    size: int | None = None
    """Bytes; None where it is not known."""
    into: str = ""
    """Folder to unpack into, below that of the release."""

    @property
    def name(self) -> str:
        """Its file name."""
        return PurePosixPath(urlsplit(self.url).path).name


@dataclass(frozen=True)
class Release:
    """What belongs into one folder."""

    name: str
    """Of the folder, where the user gives none."""
    terms: str
    """Under which it may be used, in a sentence; or why no program may fetch it."""
    layout: str
    """What the folder must look like and where to get it by hand, in sentences."""
    archives: tuple[Archive, ...] = ()
    """None: it is not to be had without registration, or nowhere that lasts."""

    def default_folder(self) -> Path:
        """Return where it goes if the user names no folder: into that of `VARIABLE`, or the user's cache."""
        from platformdirs import user_cache_path

        return Path(os.environ.get(VARIABLE) or user_cache_path("kerseg")) / self.name


class Downloadable(Protocol):
    """A source some of whose options take a folder that is published."""

    @property
    def releases(self) -> Mapping[str, Release]:
        """Name of the option's field -> what belongs there."""


def download(source: Downloadable) -> None:
    """Fetch what the folders of a source lack: those that are not there, or empty, are filled.

    Folders that hold something are taken as they are; nothing in them is changed. Fields that are None are left
    alone.

    Args:
        source: Such as ``Voc2012(root=Path("voc"))``.

    Raises:
        ConfigError: A folder is missing that no program may fill.
        DataError: A server refuses, or sends something else; or the disk is full. What has arrived stays.

    Example:
        >>> source = Voc2012(root=Path("raw/voc2012"))  # doctest: +SKIP
        >>> download(source)  # doctest: +SKIP
        >>> convert(source, output=Path("data/voc2012"))  # doctest: +SKIP
    """
    for field, release in source.releases.items():
        if (folder := getattr(source, field)) is not None:
            fill(release, folder, option=f"`{field}`")


def fill(release: Release, folder: Path, *, option: str = "`root`") -> None:
    """Fetch and unpack a release, unless ``folder`` holds something.

    Args:
        release: What to fetch.
        folder: To make; the archives lie beside it until all are unpacked.
        option: The option that gives ``folder``, for messages.

    Raises:
        ConfigError, DataError: As for `download`.
    """
    if folder.is_file():
        raise DataError(f"{folder}: is a file. {option} takes a folder.")
    if folder.is_dir() and any(folder.iterdir()):
        note(f"{folder}: is there and is taken as it is; nothing is downloaded.")
        return
    if not release.archives:
        raise ConfigError(
            f"{release.name} cannot be downloaded by a program: {release.terms} Get it by hand and give {option}. "
            f"{release.layout}"
        )
    note(f"{release.name}: {release.terms}")
    try:
        _fill(release, folder)
    except DataError as error:
        raise DataError(f"{error}\nOr get it by hand and give {option}. {release.layout}") from error
    except KeyboardInterrupt:
        note("What has arrived is kept: the same command goes on with it.")
        raise


def _fill(release: Release, folder: Path) -> None:
    from kerseg.download.transfer import fetch
    from kerseg.download.unpack import unpack

    folder = folder.resolve()
    store = folder.with_name(f".{folder.name}.download")
    with _alone(store):
        try:
            _need_room(release, store)
            for archive in release.archives:
                fetch(archive.url, store / archive.name, size=archive.size, checksum=archive.checksum)
                if not archive.checksum:
                    note(
                        f"{archive.name}: no checksum is known: checked is only that it unpacks without fault."
                    )
            with whole_folder(folder, overwrite=False, ours=lambda name: False) as temporary:
                for archive in release.archives:
                    try:
                        unpack(store / archive.name, temporary / archive.into)
                    except DataError as error:
                        (store / archive.name).unlink()
                        raise DataError(
                            f"{error} It was deleted: the same command fetches it again."
                        ) from error
        except OSError as error:
            raise DataError(
                f"{error.filename or folder}: cannot be written: {error.strerror}. What has arrived is kept."
            ) from error
        shutil.rmtree(store)


@contextmanager
def _alone(store: Path) -> Iterator[None]:
    """Make the folder of the archives and keep other processes out of it: two would write into one file."""

    def busy(holder: str) -> DataError:
        return DataError(f"{store}: {holder} is filling it. Wait until that is done.")

    try:
        store.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{error.filename or store}: cannot be written: {error.strerror}.") from error
    with lock(store / "process", busy):
        yield


def _need_room(release: Release, store: Path) -> None:
    """Refuse to start a download that the disk cannot hold, archives and content together, as far as is known."""
    here = sum(path.stat().st_size for path in store.iterdir())
    # Photographs are compressed already: what is unpacked is as large as the archive.
    needed = 2 * sum(archive.size or 0 for archive in release.archives) - here
    if needed > (free := shutil.disk_usage(store).free):
        raise DataError(
            f"{store.parent}: too little room: {release.name} needs {needed / 1e9:.1f} GB, of which the archives, "
            f"half, are deleted at the end; {free / 1e9:.1f} GB are free."
        )
