"""Images and labels in files of numbers: whole ones, slices of a volume, channels that have a file each.

Whatever the order of the axes in the files, they come out as (height, width, channels) of the type in the file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kerseg.core.info import STORED, Layout
from kerseg.data.formats.arrays import SUFFIXES, Opened, Values, open_array
from kerseg.data.formats.files import BadFileError, Part, refuse_blame
from kerseg.data.formats.suffixes import suffix_of

UNKNOWN = -1
"""Depth of a file that cannot be opened, which reading it says; and of its label, which is not to blame."""


@dataclass(frozen=True)
class ArrayPart(Part):
    """An image or a label in a file of numbers, or in several: a channel or more in each.

    Example:
        >>> np.save("scan.npy", np.zeros((240, 200)))
        >>> ArrayPart(Path("scan.npy"), "").read().shape
        (240, 200, 1)
    """

    layout: Layout = STORED
    others: tuple[Path, ...] = ()
    """The files of the channels after those of ``file``."""
    index: int = 0
    """Place along the slice axis."""
    depth: int | None = None
    """Slices that the file must have, as its image; None where it is no volume; or `UNKNOWN`."""

    def __str__(self) -> str:
        return f"{self.file}: {self.key}" if self.key else str(self.file)

    @property
    def files(self) -> tuple[Path, ...]:
        """All files, in the order of the channels."""
        return self.file, *self.others

    def read(self) -> Values:
        """Return (height, width, channels), as the files have them.

        Raises:
            BadFileError: A file is missing or damaged, or has other axes, another depth or size than it must have.
        """
        found = _read(self.files, self.layout, tuple(_stamp(file) for file in self.files))
        parts = [self._cut(file, *one) for file, one in zip(self.files, found, strict=True)]
        for file, part in zip(self.others, parts[1:], strict=True):
            if part.shape[:2] != parts[0].shape[:2]:
                raise BadFileError(
                    file, f"size differs: {_size(part)}, {self.file} is {_size(parts[0])} (width x height)."
                )
        return np.concatenate(parts, -1) if self.others else parts[0]

    def _cut(self, file: Path, opened: Opened, values: Values) -> Values:
        if self.depth not in (opened.depth, UNKNOWN):
            has, needs = (f"{count} slices" if count else "no slices" for count in (opened.depth, self.depth))
            raise BadFileError(file, f"depth differs: it has {has}, its image {needs}.")
        slices, channels = opened.slice_axis, opened.channel_axis
        if channels is not None:
            values = np.moveaxis(values, channels, -1)
        if slices is not None:
            # The channels' axis has gone to the end, and no longer counts if it was before.
            values = np.take(values, self.index, slices - (channels is not None and channels < slices))
        values = values if channels is not None else values[..., np.newaxis]
        return np.ascontiguousarray(np.rot90(values) if opened.turned else values)


def label_values(part: ArrayPart) -> NDArray[np.integer]:
    """Return the values of a label that is an array: integers of any type, or whole numbers saved as others.

    Returns:
        (height, width).

    Raises:
        BadFileError: It cannot be read, has channels, or holds other numbers.
    """
    values = part.read()
    if values.shape[-1] != 1:
        raise BadFileError(part, f"unusable label: it has {values.shape[-1]} channels. A label has one.")
    values = values[..., 0]
    if values.dtype.kind == "f":
        whole = np.rint(values) if np.isfinite(values).all() else values[:0]
        # Segmentation tools save NIfTI labels as floating point, too.
        if not np.array_equal(whole, values):
            raise BadFileError(
                part, f"unusable label: values of type {values.dtype} that are no whole numbers."
            )
        return whole.astype(np.int64)
    if values.dtype.kind not in "biu":
        raise BadFileError(part, f"unusable label: values of type {values.dtype}. Save it as integers.")
    return values.astype(np.uint8) if values.dtype.kind == "b" else values


def parts(files: Sequence[Path], layout: Layout) -> list[ArrayPart]:
    """Return the images in files: one, or the slices of a volume; that they can be read is seen when they are.

    Args:
        files: One, or those of the channels of one image.
        layout: Where their axes are.

    Example:
        >>> np.save("volume.npy", np.zeros((8, 8, 2)))
        >>> [str(part) for part in parts([Path("volume.npy")], Layout(slice_axis=2))]
        ['volume.npy: slice 0', 'volume.npy: slice 1']
    """
    file, others = files[0], tuple(files[1:])
    try:
        depth = open_array(file, layout).depth
    except BadFileError:
        depth = UNKNOWN
    if depth is None or depth == UNKNOWN:
        return [ArrayPart(file, "", layout, others, depth=depth)]
    return [ArrayPart(file, f"slice {i}", layout, others, i, depth) for i in range(depth)]


def siblings(file: Path, tails: Sequence[str]) -> tuple[Path, ...]:
    """Return the files of the channels of an image, one of which is ``file``; whether they exist is not asked.

    Args:
        file: Its name without suffix ends in one of ``tails``.
        tails: One a channel, in their order.

    Returns:
        As many files as tails; ``file`` alone if it ends in none of them.

    Example:
        >>> [str(file) for file in siblings(Path("a_flair.nii.gz"), ("_t1", "_flair"))]
        ['a_t1.nii.gz', 'a_flair.nii.gz']
    """
    suffix = suffix_of(file, SUFFIXES) or file.suffix
    stem = file.name[: len(file.name) - len(suffix)]
    own = max((tail for tail in tails if stem.endswith(tail)), key=len, default="")
    if not own:
        return (file,)
    return tuple(file.with_name(f"{stem.removesuffix(own)}{tail}{suffix}") for tail in tails)


def slice_names(name: str, found: Sequence[ArrayPart]) -> list[str]:
    """Return a name for each of ``parts``: ``name`` itself, or ``name/042`` for slices.

    Example:
        >>> slice_names("scan", [ArrayPart(Path("scan.nii"), f"slice {i}", index=i) for i in range(2)])
        ['scan/000', 'scan/001']
    """
    if not found[0].key:
        return [name]
    digits = max(3, len(str(len(found) - 1)))
    return [f"{name}/{part.index:0{digits}}" for part in found]


@lru_cache(maxsize=2)  # an image's and its label's: their next slices are what is read next
def _read(
    files: tuple[Path, ...], layout: Layout, stamps: tuple[tuple[int, int], ...]
) -> tuple[tuple[Opened, Values], ...]:
    """Return header and numbers of each file; ``stamps`` tell whether a file is still the one that is kept."""
    found = []
    for file in files:
        opened = open_array(file, layout)
        try:
            found.append((opened, opened.load()))
        except Exception as error:
            refuse_blame(file, error)
            raise BadFileError(file, f"damaged: {error}.") from error
    return tuple(found)


def _stamp(file: Path) -> tuple[int, int]:
    try:
        seen = file.stat()
    except OSError as error:
        raise BadFileError(file, f"unreadable: {error.strerror or error}.") from error
    return seen.st_mtime_ns, seen.st_size


def _size(values: Values) -> str:
    return f"{values.shape[1]} x {values.shape[0]}"
