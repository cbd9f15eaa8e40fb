"""What a source is, and the parts that several sources share.

A new data set is one file like ``loveda.py`` and one line in ``SOURCES``. Its dataclass says where the files
are (`splits`), what the classes are (`classes`) and how to read one label (`read_label`): a picture of
indices, a colour picture, polygons, a ``.mat`` file. Checking, counting and writing are `convert`'s.
"""

import hashlib
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from kerseg.data.info import IGNORE_LABEL, Channels, Colour
from kerseg.data.pictures import BadFileError, Place, colour_codes, describe_colours, describe_counts
from kerseg.errors import ConfigError, DataError

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp")
# Labels saved as JPEG cannot be used, but are listed, so that they are reported as such and not as missing.
LABEL_SUFFIXES = (".png", ".bmp", ".gif", ".tif", ".tiff", ".jpg", ".jpeg")

T = TypeVar("T")
Label = NDArray[np.uint8]
"""``(height, width)``: class index, 255 = ignore."""


@dataclass(frozen=True)
class Pair:
    """A picture and its label, either of which may be missing: that is reported, not raised."""

    name: str
    """Unique within the split; with ``/`` where the files lie in sub-folders."""
    image: Place | None
    """A path, or a `Part` whose ``read_bytes`` gives the encoded picture."""
    label: Place | None
    """A path, or whatever else the source's ``read_label`` understands, such as a `Part`."""


@dataclass(frozen=True)
class Part:
    """A picture or a label that is one of many in a file: a picture's polygons in a JSON, a row of a table.

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
        return self.file.read_bytes()


@dataclass(frozen=True)
class Classes:
    """The classes of a data set, in the order of their indices."""

    names: tuple[str, ...]
    palette: tuple[Colour, ...]
    """One colour a class."""
    void_colours: tuple[Colour, ...] = ()
    """Colours of pixels to ignore, for labels saved as colours."""
    open_ended: bool = False
    """Whether there are as many as the labels show: those above the highest that occurs are dropped."""


class Source(Protocol):
    """A raw data set: a frozen dataclass whose fields are its options, with a line of help under each.

    Instances are pickled, once for each worker process. A source whose pictures are not 8-bit RGB has a further
    member ``channels``; see `channels_of`.
    """

    @property
    def name(self) -> str:
        """Default name of the converted data set; ``""`` if only its user can name it."""

    @property
    def classes(self) -> Classes:
        """Names and colours of the classes."""

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of each split, in the order in which they are written.

        Raises:
            DataError: The files are not where they must be.
        """

    def read_label(self, path: Any, /) -> Label:
        """Return the class index of each pixel, 255 where it is to be ignored.

        Args:
            path: The label of a pair that `splits` returned; its type is the source's affair.

        Raises:
            DataError: The label cannot be used; the path comes first.
        """


def channels_of(source: Source) -> Channels | None:
    """Return what a source's pictures are made of, ``None`` for 8-bit RGB: its member ``channels``, if it has one.

    Where there are channels, the pictures of its pairs are each a `kerseg.data.arrays.ArrayPart`.
    """
    found: Channels | None = getattr(source, "channels", None)
    return found


def find_root(
    root: Path, holds: Sequence[str], *, within: Sequence[str] = (), layout: str, option: str = "--root"
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
        >>> find_root(Path("VOCdevkit"), ["JPEGImages"], within=["VOC2012"], layout="It is VOC2012.")
        Path('VOCdevkit/VOC2012')
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
    """Return the names in a list of pictures: the first word of each line that has one and no ``#`` before it.

    Raises:
        DataError: The file cannot be read, lists nothing, or lists a name twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: a list of pictures that cannot be read: {error}.") from error
    names = [words[0] for line in lines if (words := line.split()) and not words[0].startswith("#")]
    if not names:
        raise DataError(f"{path}: lists no pictures. Each line is the name of one.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: lists {twice!r} more than once.")
    return names


def pair_names(
    names: Iterable[str], images: Path, labels: Path, *, image_tail: str = ".jpg", label_tail: str = ".png"
) -> list[Pair]:
    """Return the pairs of these names; that their files are there is seen when they are read.

    Args:
        names: Names of a list, in its order.
        images: Folder of the pictures.
        labels: Folder of the labels.
        image_tail: What follows the name in a picture's file name.
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
    """Pair the pictures of one folder with the labels of another by relative path without suffix.

    Args:
        images: Folder of pictures, searched with its sub-folders.
        labels: Folder of labels.
        image_tail: Ending of the pictures' names that the pairs' lack: ``"_leftImg8bit"``.
        label_tail: Ending of the labels' names that the pairs' lack: ``"_mask"``.
        more_suffixes: Of pictures and labels, besides `PICTURE_SUFFIXES` and `LABEL_SUFFIXES`.

    Returns:
        Pairs sorted by name. A file without partner has a pair of its own. Several files of one name, such
        as ``a.jpg`` and ``a.png``, each have one, all with that name.

    Raises:
        DataError: A folder is missing, or has no pictures.

    Example:
        >>> pair_folders(Path("images"), Path("masks"))[0]
        Pair(name='lyon/0001', image=Path('images/lyon/0001.jpg'), label=Path('masks/lyon/0001.png'))
    """
    for folder in (images, labels):
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder.")
    found: dict[str, tuple[list[Path], list[Path]]] = defaultdict(lambda: ([], []))
    for name, path in named_files(images, PICTURE_SUFFIXES + more_suffixes):
        found[name.removesuffix(image_tail)][0].append(path)
    for name, path in named_files(labels, LABEL_SUFFIXES + more_suffixes):
        found[name.removesuffix(label_tail)][1].append(path)
    pairs = []
    for name, (pictures, masks) in sorted(found.items()):
        for i in range(max(len(pictures), len(masks))):
            pairs.append(Pair(name, nth(pictures, i), nth(masks, i)))
    return pairs


def hold_out(splits: dict[str, list[Pair]], share: float) -> dict[str, list[Pair]]:
    """Make a part of the training pictures the validation split.

    A picture's name alone decides, so that it stays where it is when others come or go.

    Args:
        splits: Pairs of each split.
        share: Of the training pictures, 0 to 1 (below 1); 0 changes nothing.

    Raises:
        ConfigError: There is a split ``val`` already, or the share is out of range or leaves a split empty.

    Example:
        >>> {name: len(pairs) for name, pairs in hold_out({"train": pairs}, 0.2).items()}
        {'train': 803, 'val': 197}
    """
    if not share:
        return splits
    if not 0 < share < 1:
        raise ConfigError(f"--val-share is between 0 and 1. Received: {share:g}.")
    if "val" in splits or not splits.get("train"):
        raise ConfigError("--val-share takes a part of train for val: it needs a split train, and none val.")
    parts: dict[bool, list[Pair]] = {False: [], True: []}
    for pair in splits["train"]:
        digest = hashlib.sha256(pair.name.encode("utf-8", "surrogateescape")).digest()
        parts[int.from_bytes(digest[:8]) < share * 2**64].append(pair)
    if not all(parts.values()):
        raise ConfigError(
            f"--val-share {share:g}: of {len(splits['train'])} pictures, that leaves no "
            f"{'val' if parts[False] else 'train'}. Give another share, or the splits themselves."
        )
    return {"train": parts[False], "val": parts[True], **{k: v for k, v in splits.items() if k != "train"}}


def note(text: str) -> None:
    """Tell the user what a source leaves out though nothing is wrong with it, on the standard error stream."""
    print(text, file=sys.stderr)


def map_values(
    path: Place,
    values: NDArray[np.integer],
    table: Mapping[int, int],
    *,
    advise: Callable[[list[int]], str] = lambda unique: "",
) -> Label:
    """Turn a label's own values into class indices.

    Args:
        path: The label's file, for messages.
        values: ``(height, width)``.
        table: Value in the file -> class index, or 255 for pixels to ignore.
        advise: Given all values of the label, says what to do if some are not in ``table``.

    Raises:
        BadFileError: The label holds other values; they are listed with their pixel counts.

    Example:
        >>> map_values(Path("mask.png"), np.array([[0, 255]]), {0: 0, 255: 1})
        array([[0, 1]], dtype=uint8)
    """
    if values.dtype == np.uint8:
        counts = np.bincount(values.ravel(), minlength=256)
        unique = np.flatnonzero(counts)
        counts = counts[unique]
    else:
        unique, counts = np.unique(values, return_counts=True)
    unknown = np.array([value not in table for value in unique.tolist()])
    if unknown.any():
        raise BadFileError(
            path,
            f"value outside the classes: {describe_counts(unique[unknown], counts[unknown])}. "
            f"Known: {_ranges(table)}. {advise(unique.tolist())}".rstrip(),
        )
    known = np.array([table[value] for value in unique.tolist()], np.uint8)
    if values.dtype != np.uint8:
        return np.asarray(known[np.searchsorted(unique, values)])
    lookup = np.zeros(256, np.uint8)
    lookup[unique] = known
    return np.asarray(lookup[values])


def map_colours(
    path: Place, colours: NDArray[np.uint8], classes: Classes | Mapping[Colour, int], *, advice: str = ""
) -> Label:
    """Turn a colour-coded label into class indices.

    Args:
        path: The label's file, for messages.
        colours: ``(height, width, 3)``, RGB.
        classes: Their palette and void colours are the colours allowed; or colour -> class index or 255.
        advice: What to do about other colours.

    Raises:
        BadFileError: The label holds other colours; they are listed with their pixel counts.
    """
    if isinstance(classes, Classes):
        void = dict.fromkeys(classes.void_colours, IGNORE_LABEL)
        classes = {**{colour: index for index, colour in enumerate(classes.palette)}, **void}
    indices = np.array(list(classes.values()), np.uint8)
    codes = colour_codes(np.array(list(classes), np.uint8))
    order = np.argsort(codes)
    codes, indices = codes[order], indices[order]
    pixels = colour_codes(colours)
    places = np.searchsorted(codes, pixels).clip(max=len(codes) - 1)
    unknown = codes[places] != pixels
    if unknown.any():
        raise BadFileError(
            path,
            f"colour outside the palette: {describe_colours(colours[unknown])}.{' ' * bool(advice)}{advice}",
        )
    return np.asarray(indices[places])


def suffix_of(path: Path, suffixes: Iterable[str]) -> str | None:
    """Return which of ``suffixes`` a file's name ends in, in upper or lower case; ``.nii.gz`` may be one."""
    return next((suffix for suffix in suffixes if path.name.lower().endswith(suffix)), None)


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
    seen = set()
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_unreadable):
        # A link to a folder above would lead round in circles.
        real = os.path.realpath(parent)
        folders[:] = [] if real in seen else sorted(name for name in folders if not name.startswith("."))
        if real not in seen:
            yield from (Path(parent, name) for name in sorted(files) if not name.startswith("."))
        seen.add(real)


def _unreadable(error: OSError) -> None:
    # `os.walk` would pass over a folder that it may not read, and its pictures would be missing unnoticed.
    raise DataError(f"{error.filename}: unreadable: {error.strerror}.") from error


def nth(paths: Sequence[T], index: int) -> T | None:
    """Return ``paths[index]``, the last path if there are fewer, None if there are none."""
    return paths[min(index, len(paths) - 1)] if paths else None


def _ranges(table: Mapping[int, int]) -> str:
    """Return ``"0 to 10, 255 (ignored)"`` for the values of ``table``."""
    parts: list[list[int]] = []
    for value in sorted(table):
        # A run goes on while the value is the next one and has the same meaning, class or ignored.
        ignored = table[value] == IGNORE_LABEL
        if parts and value == parts[-1][1] + 1 and ignored == (table[parts[-1][1]] == IGNORE_LABEL):
            parts[-1][1] = value
        else:
            parts.append([value, value])
    return ", ".join(
        (f"{low}" if low == high else f"{low} to {high}") + " (ignored)" * (table[low] == IGNORE_LABEL)
        for low, high in parts
    )
