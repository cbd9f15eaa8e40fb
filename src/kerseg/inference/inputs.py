"""Which images to predict, and what to call each result."""

import glob
import gzip
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from kerseg.core.info import Layout
from kerseg.core.signed_png import is_signed
from kerseg.data.formats import volumes
from kerseg.data.formats.arrays import need_readers
from kerseg.data.formats.suffixes import IMAGE_SUFFIXES, suffix_of
from kerseg.errors import DataError

RASTERS = (".vrt", ".jp2")
"""What more is looked at in a folder where rasterio is installed."""
VIDEOS = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v")
_SIGNED = (".json", ".geojson", ".xml", ".npz", ".tif")
SOFTWARE = "kerseg predict"
"""Under "Software" in every PNG that `kerseg predict` writes: its results are not images to predict."""


@dataclass(frozen=True)
class Input:
    """One image to predict."""

    path: Path
    result: PurePath
    """Relative path of its results, ``"city/a.png"``, below each kind's folder."""
    part: volumes.ArrayPart | None = None
    """What of the file it is, for models that take other channels than RGB."""


@dataclass(frozen=True)
class Failure:
    """An image, or what was given as one, without a result."""

    path: Path
    reason: str


def collect(
    given: Sequence[str | Path], suffixes: tuple[str, ...] = IMAGE_SUFFIXES
) -> tuple[list[Input], list[Failure]]:
    """Find the images that are meant, each once, and give every result a name of its own.

    A file is itself; a folder stands for the images in it at any depth, hidden ones left out; a pattern
    (``*``, ``?``, ``[]``, ``**`` for any depth) for what it matches. Results of earlier predictions are
    left out.

    A result is called like its image, with the suffix ``.png``, in the same sub-folder of the given folder.
    Where that would be one name for two images, both keep their own suffix (``a.jpg.png``, ``a.png.png``);
    where that is one name too, both take the folders in which they differ (``left/a.png``, ``right/a.png``).

    Args:
        given: Files, folders and patterns.
        suffixes: What counts as an image in a folder.

    Returns:
        The images, in the order given and sorted within a folder, and what of ``given`` stands for nothing.

    Raises:
        DataError: There is no image at all; the message lists what was given.
    """
    found: dict[Path, tuple[Path, PurePath]] = {}
    failures: list[Failure] = []
    for item in given:
        images = [(path, name) for path, name in _expand(item, suffixes) if not is_result(path)]
        if not images:
            failures.append(Failure(Path(item), _why_nothing(Path(item))))
        for path, name in images:
            # Not resolve(): behind two links with two names there may be one file.
            found.setdefault(Path(os.path.normpath(path.absolute())), (path, name))
    if not found:
        lines = [f"{failure.path}: {failure.reason}" for failure in failures]
        raise DataError("\n".join(["There is no image to predict. Received:", *(lines or ["nothing"])]))
    results = _distinct(list(found), [name for _, name in found.values()], suffixes)
    return [Input(path, result) for (path, _), result in zip(found.values(), results, strict=True)], failures


def cut(images: Sequence[Input], layout: Layout) -> list[Input]:
    """Return the images that are in files of other channels than RGB.

    A volume's are its slices, ``scan/042.png``; where each channel has a file of its own, these are one image,
    named without their tails.

    Args:
        images: From `collect`.
        layout: How the images that a model was trained on lie in their files.

    Raises:
        ConfigError: The library that reads the files is not installed.
    """
    need_readers(image.path for image in images)
    found: dict[tuple[Path, ...], list[Input]] = {}
    for image in images:
        files = volumes.siblings(image.path, layout.tails)
        if files in found:
            continue
        name = image.result.with_suffix("").as_posix()
        if len(files) > 1:
            name = name.removesuffix(max((t for t in layout.tails if name.endswith(t)), key=len, default=""))
        parts = volumes.parts(files, layout)
        found[files] = [
            Input(files[0], PurePath(f"{one}.png"), part)
            for one, part in zip(volumes.slice_names(name, parts), parts, strict=True)
        ]
    return [one for group in found.values() for one in group]


def is_result(path: Path) -> bool:
    """Return whether ``path`` is a file that `kerseg predict` wrote: each says so, at its beginning or end."""
    if not path.is_file():  # to open a pipe waits for somebody to write to it
        return False
    suffix = suffix_of(path, (*_SIGNED, *VIDEOS, ".nii.gz"))
    if suffix is None:
        return is_signed(path, SOFTWARE)
    try:
        if suffix == ".nii.gz":
            with gzip.open(path) as header:
                return SOFTWARE.encode() in header.read(348)
        with path.open("rb") as file:
            beginning = file.read(2**20)
            file.seek(max(path.stat().st_size - 2**16, 0))
            return SOFTWARE.encode() in beginning or SOFTWARE.encode() in file.read()
    except (OSError, EOFError):
        return False


def _expand(item: str | Path, suffixes: tuple[str, ...]) -> Iterable[tuple[Path, PurePath]]:
    """Return the files that ``item`` stands for, each with its name relative to what was given."""
    path = Path(item)
    if path.is_dir():
        return _images_in(path, suffixes)
    if path.exists():
        return [(path, PurePath(path.name))]
    # Names are kept from the first part that is a pattern: of "data/*/left/*.jpg", "city/left/a.jpg".
    fixed = path
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    if fixed == path:
        return []
    files: list[Path] = []
    for match in sorted(fixed.glob(str(path.relative_to(fixed)))):
        files += [file for file, _ in _images_in(match, suffixes)] if match.is_dir() else [match]
    return _shown([(file, file.relative_to(fixed)) for file in files])


def _images_in(folder: Path, suffixes: tuple[str, ...]) -> list[tuple[Path, PurePath]]:
    files = [path for path in sorted(folder.rglob("*")) if suffix_of(path, suffixes) and path.is_file()]
    return _shown([(path, path.relative_to(folder)) for path in files])


def _shown(pairs: list[tuple[Path, PurePath]]) -> list[tuple[Path, PurePath]]:
    """Leave out what is hidden: thumbnails and half-written files of other programs."""
    return [(path, name) for path, name in pairs if not any(part.startswith(".") for part in name.parts)]


def _why_nothing(path: Path) -> str:
    if path.is_dir():
        return "a folder without images"
    if path.exists():
        return "a result of kerseg predict, not an image"
    return "a pattern that matches no file" if glob.has_magic(str(path)) else "does not exist"


def _distinct(paths: Sequence[Path], names: Sequence[PurePath], suffixes: tuple[str, ...]) -> list[PurePath]:
    """Return one result name an image, no two alike even where upper and lower case are the same."""
    common = Path(os.path.commonpath([path.parent for path in paths]))
    below = [PurePath(path.relative_to(common)) for path in paths]
    forms: list[Callable[[int], PurePath]] = [
        lambda i: _as_png(names[i], suffixes),
        lambda i: names[i].with_name(names[i].name + ".png"),
        lambda i: _as_png(below[i], suffixes),
        lambda i: below[i].with_name(below[i].name + ".png"),
    ]
    levels = [0] * len(paths)
    while True:
        results = [forms[level](i) for i, level in enumerate(levels)]
        groups: dict[str, list[int]] = defaultdict(list)
        for i, result in enumerate(results):
            groups[str(result).casefold()].append(i)
        clashing = [i for group in groups.values() if len(group) > 1 for i in group if levels[i] < 3]
        if not clashing:
            return results
        for i in clashing:
            levels[i] += 1


def _as_png(name: PurePath, suffixes: tuple[str, ...]) -> PurePath:
    return name.with_name(name.name[: len(name.name) - len(suffix_of(name, suffixes) or "")] + ".png")
