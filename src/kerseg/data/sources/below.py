"""Files that annotations name: they lie below the folder that is meant, or are not read.

Annotations come from elsewhere more often than not. One that names ``../../.ssh/key.png`` or ``/home/me/scan.png``
would bring into the shards what nobody meant to give away.
"""

import os
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from kerseg.data.formats.files import BadFileError, Part


@dataclass(frozen=True)
class Outside(Part):
    """An image that annotations name where it may not lie; ``key`` is the name."""

    folder: Path
    """Below which it had to be."""

    def read_bytes(self) -> bytes:
        """Refuse.

        Raises:
            BadFileError: In any case.
        """
        raise BadFileError(
            self.file,
            f"outside its folder: it names {self.key!r}, which is not below {self.folder}. If that is meant, give "
            "`image_root`, a folder that holds all images.",
        )


def below(file: Path, start: Path, name: str, folder: Path) -> Path | Outside:
    """Return the file that annotations name, or what refuses to be read if it is none below ``folder``.

    What a link leads to is not looked at: who put it there is at home in the folder.

    Args:
        file: Of the annotations.
        start: Folder that names start from.
        name: Relative to it, or absolute.
        folder: That the file must lie in.

    Example:
        >>> below(Path("a.json"), Path("images"), "1.jpg", Path("images"))
        PosixPath('images/1.jpg')
        >>> below(Path("a.json"), Path("images"), "../1.jpg", Path("images"))
        Outside(file=PosixPath('a.json'), key='../1.jpg', folder=PosixPath('images'))
    """
    path = start / name
    return path if is_below(path, folder) and not PureWindowsPath(name).drive else Outside(file, name, folder)


def is_below(path: Path, folder: Path) -> bool:
    """Whether a path, with its ``..`` resolved by name, is in a folder or is that folder."""
    return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder))  # noqa: PTH100


def name_of(path: Path, start: Path, folder: Path) -> str:
    """Return the name of the pair of an image: its path from ``start`` without suffix, or from ``folder``.

    Example:
        >>> name_of(Path("images/a/1.jpg"), Path("images"), Path("images"))
        'a/1'
    """
    path, start, folder = (Path(os.path.abspath(place)) for place in (path, start, folder))  # noqa: PTH100
    places = [place for place in (start, folder) if path.is_relative_to(place)]
    # That of an image outside of both is in messages only: it is refused.
    name = path.relative_to(places[0]) if places else Path(path.name)
    # That of an empty name is the folder's: it is refused when it is read.
    return (name if name.name else Path(path.name)).with_suffix("").as_posix()
