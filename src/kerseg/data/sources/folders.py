"""Where the files of a published data set lie: its root, its lists, its pairs, and what is held out."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeVar

from kerseg.data.formats.files import read_regular
from kerseg.data.formats.suffixes import IMAGE_SUFFIXES, LABEL_SUFFIXES, suffix_of
from kerseg.data.sources.base import Pair
from kerseg.errors import ConfigError, DataError

T = TypeVar("T")


def find_root(
    root: Path, holds: Sequence[str], *, within: Sequence[str] = (), layout: str, option: str = "`root`"
) -> Path:
    """Return the folder that a published data set was unpacked to: ``root``, or the one meant below it.

    Args:
        root: What the user gave.
        holds: Folders and files that must be there, with ``/``.
        within: Folders below ``root`` that may be the one meant, such as the one that the archive makes.
        layout: Sentences that say what ``root`` must be and where to get it, for the message.
        option: The option that gave ``root``.

    Raises:
        DataError: Neither ``root`` nor one of ``within`` has all of ``holds``.

    Example:
        >>> str(find_root(Path("street"), ["images", "labels"], within=["train"], layout="It is one split."))
        'street/train'
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder ({option}).")
    lacks: list[list[str]] = []
    for folder in (root, *(root / name for name in within)):
        lacks.append([name for name in holds if not (folder / name).exists()])
        if not lacks[-1]:
            return folder
    raise DataError(f"{root}: has no {' and no '.join(lacks[0])}. {layout}")


def read_list(path: Path) -> list[str]:
    """Return the names in a list of images: the first word of each line that has one and no ``#`` before it.

    Raises:
        DataError: The file cannot be read, lists nothing, or lists a name twice.
    """
    try:
        lines = read_regular(path).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: a list of images that cannot be read: {error}.") from error
    names = [words[0] for line in lines if (words := line.split()) and not words[0].startswith("#")]
    if not names:
        raise DataError(f"{path}: lists no images. Each line is the name of one.")
    if wrong := [name for name in names if not _is_below(name)]:
        raise DataError(f"{path}: lists {wrong[0]!r}, which is no name below a folder.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: lists {twice!r} more than once.")
    return names


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def pair_names(
    names: Iterable[str], images: Path, labels: Path, *, image_tail: str = ".jpg", label_tail: str = ".png"
) -> list[Pair]:
    """Return the pairs of these names; that their files are there is seen when they are read.

    Args:
        names: Names of a list, in its order.
        images: Folder of the images.
        labels: Folder of the labels.
        image_tail: What follows the name in an image's file name.
        label_tail: What follows the name in a label's.
    """
    return [Pair(name, images / f"{name}{image_tail}", labels / f"{name}{label_tail}") for name in names]


def pair_folders(
    images: Path,
    labels: Path,
    *,
    image_tail: str = "",
    label_tail: str = "",
    more_suffixes: tuple[str, ...] = (),
) -> list[Pair]:
    """Pair the images of one folder with the labels of another by relative path without suffix.

    Args:
        images: Folder of images, searched with its sub-folders.
        labels: Folder of labels.
        image_tail: Ending of the images' names that the pairs' lack: ``"_leftImg8bit"``.
        label_tail: Ending of the labels' names that the pairs' lack: ``"_mask"``.
        more_suffixes: Of images and labels, besides `IMAGE_SUFFIXES` and `LABEL_SUFFIXES`.

    Returns:
        Pairs sorted by name. A file without partner has a pair of its own. Several files of one name, such
        as ``a.jpg`` and ``a.png``, each have one, all with that name.

    Raises:
        DataError: A folder is missing, or has no images.

    Example:
        >>> pair = pair_folders(Path("street/train/images"), Path("street/train/labels"))[0]
        >>> pair.name, str(pair.image), str(pair.label)
        ('street_0000', 'street/train/images/street_0000.jpg', 'street/train/labels/street_0000.png')
    """
    for folder in (images, labels):
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder.")
    found: dict[str, tuple[list[Path], list[Path]]] = defaultdict(lambda: ([], []))
    for name, path in named_files(images, IMAGE_SUFFIXES + more_suffixes):
        found[name.removesuffix(image_tail)][0].append(path)
    for name, path in named_files(labels, LABEL_SUFFIXES + more_suffixes):
        found[name.removesuffix(label_tail)][1].append(path)
    pairs = []
    for name in sorted(found):
        image_files, label_files = found.pop(name)  # so that memory never holds both forms of a long list
        for i in range(max(len(image_files), len(label_files))):
            pairs.append(Pair(name, nth(image_files, i), nth(label_files, i)))
    return pairs


def hold_out(splits: dict[str, list[Pair]], share: float) -> dict[str, list[Pair]]:
    """Make a part of the training images the validation split: the ``share`` of them with the lowest hashes.

    Names and their number alone decide. Whatever the order of the images, the same ones are held out, and one
    image that comes or goes moves at most one other across.

    Args:
        splits: Pairs of each split.
        share: Of the training images, 0 to 1 (below 1); 0 changes nothing. It is rounded to whole images, of
            which at least one is held out and at least one is not.

    Raises:
        ConfigError: There is a split ``val`` already, or the share is out of range, or there are not two images.

    Example:
        >>> {name: len(pairs) for name, pairs in hold_out({"train": pairs}, 0.25).items()}
        {'train': 6, 'val': 2}
    """
    if not share:
        return splits
    if not 0 < share < 1:
        raise ConfigError(f"`val_share` is between 0 and 1. Received: {share:g}.")
    if "val" in splits or not splits.get("train"):
        raise ConfigError("`val_share` takes a part of train for val: it needs a split train, and none val.")
    # Pairs that share a name, which is a fault, stay together, so that it is found.
    names = sorted({pair.name for pair in splits["train"]}, key=_digest)
    if len(names) < 2:
        raise ConfigError(
            f"`val_share={share:g}`: of 1 image, none can be held out. Give the splits themselves."
        )
    held = set(names[: min(max(round(share * len(names)), 1), len(names) - 1)])
    parts: dict[bool, list[Pair]] = {False: [], True: []}
    for pair in splits["train"]:
        parts[pair.name in held].append(pair)
    return {"train": parts[False], "val": parts[True], **{k: v for k, v in splits.items() if k != "train"}}


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()


def named_files(folder: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Yield name (relative path without suffix) and path of each file with one of ``suffixes``."""
    found = False
    for path in _files(folder):
        if suffix := suffix_of(path, suffixes):
            found = True
            yield path.relative_to(folder).as_posix()[: -len(suffix)], path
    if not found:
        raise DataError(f"{folder}: no files that end in {' '.join(suffixes)}.")


def _files(folder: Path) -> Iterator[Path]:
    """Yield all files below ``folder``, also through links; none that are hidden (``._a.png``, ``.git``)."""
    if not isinstance(folder, Path):  # remote storage, through fsspec
        parts = len(folder.parts)
        for path in sorted(folder.rglob("*"), key=str):
            if path.is_file() and not any(part.startswith(".") for part in path.parts[parts:]):
                yield path
        return
    seen = set()
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_unreadable):
        # A link to a folder above would lead round in circles.
        real = os.path.realpath(parent)
        folders[:] = [] if real in seen else sorted(name for name in folders if not name.startswith("."))
        if real not in seen:
            yield from (Path(parent, name) for name in sorted(files) if not name.startswith("."))
        seen.add(real)


def _unreadable(error: OSError) -> None:
    # `os.walk` would pass over a folder that it may not read, and its images would be missing unnoticed.
    raise DataError(f"{error.filename}: unreadable: {error.strerror}.") from error


def nth(paths: Sequence[T], index: int) -> T | None:
    """Return ``paths[index]``, the last path if there are fewer, None if there are none."""
    return paths[min(index, len(paths) - 1)] if paths else None
