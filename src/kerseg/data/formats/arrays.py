"""Files of numbers: NumPy's, NIfTI, TIFF of any depth, and ordinary images; and which of their axes is which.

tifffile and nibabel, which read TIFF and NIfTI, are an extra. `kerseg.data.formats.volumes` cuts images out of
them.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from kerseg.core.info import Layout
from kerseg.data.formats.files import BadFileError, read_bytes, refuse_blame, require_regular
from kerseg.data.formats.images import decode
from kerseg.data.formats.suffixes import suffix_of
from kerseg.errors import ConfigError

Values = NDArray[Any]
"""(height, width, channels), any type."""

NIFTI = (".nii", ".nii.gz")
TIFF = (".tif", ".tiff")
SUFFIXES = (".npy", ".npz", *NIFTI)
"""Files that are read as numbers wherever they turn up; TIFF and other images are where a data set says so."""

MOST_BYTES = 2**31
"""Of a file that is unpacked at once. What is larger can be saved as .nii or .npy, of which slices are read."""
AXIAL = 2
"""Axis of a NIfTI volume, from right to left, from back to front and then from feet to head, that is cut unless the
user says otherwise."""


class Opened(NamedTuple):
    """A file whose header was read."""

    shape: tuple[int, ...]
    load: Callable[[], Values]
    """Gives the numbers, of ``shape``."""
    slice_axis: int | None
    channel_axis: int | None
    turned: bool
    """Whether images are to be turned to stand upright: NIfTI's rows run from feet to head."""

    @property
    def depth(self) -> int | None:
        """Number of slices; None for a single image."""
        return None if self.slice_axis is None else self.shape[self.slice_axis]


def need_readers(files: Iterable[Path]) -> None:
    """Refuse to start without the libraries that read these files.

    Raises:
        ConfigError: One is not installed.
    """
    suffixes = {suffix_of(file, (*NIFTI, *TIFF)) for file in files}
    for kind, library in ((TIFF, "tifffile"), (NIFTI, "nibabel")):
        if suffixes & {*kind}:
            _library(library)


def is_plain(file: Path) -> bool:
    """Whether a file is of a kind that Pillow reads: JPEG, PNG and the like."""
    return suffix_of(file, _READERS) is None


def open_array(file: Path, layout: Layout) -> Opened:
    """Read a file's header and say which of its axes is which.

    Raises:
        BadFileError: It cannot be read, or has more or fewer axes than an image or a volume.
        ConfigError: The library that reads it is not installed.
    """
    suffix = suffix_of(file, _READERS)
    try:
        require_regular(file)
        return _READERS[suffix](file, layout) if suffix else _image(file, layout)
    except (BadFileError, ConfigError):
        raise
    except OSError as error:
        refuse_blame(file, error)
        raise BadFileError(file, f"unreadable: {error.strerror or error}.") from error
    # These libraries raise whatever they stumble on in a damaged file.
    except Exception as error:
        refuse_blame(file, error)
        raise BadFileError(file, f"unreadable: no {suffix} file that can be read: {error}.") from error


def _npy(file: Path, layout: Layout) -> Opened:
    # Mapped and not read: a volume may be larger than what is needed of it.
    values = np.load(file, mmap_mode="r", allow_pickle=False)
    return _arranged(file, layout, values.shape, lambda: values)


def _npz(file: Path, layout: Layout) -> Opened:
    with np.load(file, allow_pickle=False) as archive:
        if len(archive.files) != 1:
            held = ", ".join(archive.files) or "nothing"
            raise BadFileError(file, f"unusable: an image or label is a .npz of one array. It holds {held}.")
        member = archive.zip.infolist()[0]
        with archive.zip.open(member) as held:
            version = np.lib.format.read_magic(held)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read(held)
            _refuse_size(file, shape, dtype.itemsize, most=min(MOST_BYTES, member.file_size))
        values = archive[archive.files[0]]
    return _arranged(file, layout, values.shape, lambda: values)


def _nifti(file: Path, layout: Layout) -> Opened:
    """Turn the axes to NIfTI's own, RAS: towards right, front and head, so that all files lie alike."""
    nibabel = _library("nibabel")
    image = nibabel.load(file)
    # Axes of length 1 fill up NIfTI's first three, and stand between them and the channels.
    shape = (*image.shape, 1, 1)[:3] + tuple(length for length in image.shape[3:] if length > 1)
    most = MOST_BYTES if file.name.lower().endswith(".gz") else file.stat().st_size
    _refuse_size(file, shape, max(image.get_data_dtype().itemsize, 1), most=most)
    turn = nibabel.orientations.io_orientation(image.affine)

    def load() -> Values:
        return np.asarray(
            nibabel.orientations.apply_orientation(np.asanyarray(image.dataobj).reshape(shape), turn)
        )

    axes = turn[:, 0].astype(int).tolist()
    turned = tuple(shape[axes.index(axis)] for axis in range(3)) + shape[3:]
    cut = AXIAL if layout.slice_axis is None else layout.slice_axis
    return _arranged(file, Layout(cut, layout.channel_axis), turned, load)._replace(turned=True)


def _tiff(file: Path, layout: Layout) -> Opened:
    tifffile = _library("tifffile")
    with tifffile.TiffFile(file) as tiff:
        series = tiff.series[0]
        # Bits 1 and 4 mark reduced copies and masks of another page.
        if more := [other.shape for other in tiff.series[1:] if not other.keyframe.subfiletype & 5]:
            raise BadFileError(file, f"several images: {series.shape} and {more[0]}. Save each by itself.")
        shape, axes = series.shape, series.axes
        _refuse_size(file, shape, series.dtype.itemsize)
    rest = [i for i, axis in enumerate(axes) if axis not in "YX" and i != layout.slice_axis]
    # S: samples of a pixel, C: channels. Other axes, of pages, are channels where nothing else is.
    rest.sort(key=lambda i: "SC".find(axes[i]) % 3)
    return _arranged(file, layout, shape, lambda: _asarray(tifffile, file), rest[0] if rest else None)


def _refuse_size(file: Path, shape: Sequence[int], bytes_each: int, *, most: int = MOST_BYTES) -> None:
    """Refuse a file that claims more than is read at once, or than it can hold, before memory is set aside."""
    if (size := math.prod(shape) * bytes_each) > most:
        lengths = " x ".join(map(str, shape))
        raise BadFileError(
            file, f"too large: {lengths} are {size:,} bytes once unpacked, and no more than {most:,} can be."
        )


def _asarray(tifffile: Any, file: Path) -> Values:
    with tifffile.TiffFile(file) as tiff:
        return np.asarray(tiff.series[0].asarray())


def _image(file: Path, layout: Layout) -> Opened:
    """Read an ordinary image, upright: grey of 8 or 16 bits, or the channels it has."""
    data = read_bytes(file)
    image = decode(file, data)
    if image.format == "PNG" and data[24] == 16 and image.mode not in ("L", "I;16", "I"):
        raise BadFileError(
            file, "unusable image: Pillow reads 8 of the 16 bits of a colour PNG. Save it as TIFF."
        )
    if image.mode not in ("L", "LA", "RGB", "RGBA", "I", "I;16", "I;16B", "F"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    values = np.asarray(ImageOps.exif_transpose(image))
    if image.mode == "I" and image.format == "PNG":
        values = values.astype(np.uint16)  # which older versions of Pillow widen
    # Neither slices nor another order of axes: those are of arrays.
    return Opened(values.shape, lambda: values, None, 2 if values.ndim == 3 else None, turned=False)


_READERS: dict[str, Callable[[Path, Layout], Opened]] = {
    ".npy": _npy,
    ".npz": _npz,
    **dict.fromkeys(NIFTI, _nifti),
    **dict.fromkeys(TIFF, _tiff),
}


def _arranged(
    file: Path,
    layout: Layout,
    shape: Sequence[int],
    load: Callable[[], Values],
    channel_axis: int | None = None,
) -> Opened:
    """Return which axis is which: of (height, width), and of the slices and the channels if there are any."""
    cut, least = layout.slice_axis, 2 + (layout.slice_axis is not None)
    given = channel_axis if layout.channel_axis is None else layout.channel_axis
    lengths = " x ".join(map(str, shape))
    if len(shape) not in (least, least + 1) or 0 in shape:
        kind = (
            "image: (height, width) or with channels" if cut is None else "volume: slices, or with channels"
        )
        raise BadFileError(
            file,
            f"unusable shape: {lengths} is no {kind}. `slice_axis` and `channel_axis` say which axis is which.",
        )
    if len(shape) == least:
        given = None
    elif given is None:
        given = len(shape) - 1
    axes = [None if axis is None else axis % len(shape) for axis in (cut, given)]
    outside = [axis for axis in (cut, given) if axis is not None and not -len(shape) <= axis < len(shape)]
    if outside or (cut is not None and axes[0] == axes[1]):
        raise BadFileError(
            file,
            f"unusable shape: of {lengths}, axis {cut} cannot be the slices and axis {given} the channels.",
        )
    return Opened(tuple(shape), load, axes[0], axes[1], turned=False)


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"TIFF beyond 8-bit RGB and NIfTI are read with tifffile and nibabel; {name} is not installed. "
            "Install it: pip install 'kerseg[arrays]'"
        ) from error
