"""How large a pixel is, as the headers of NIfTI files and GeoTIFFs have it."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from kerseg.core.spacing import Size
from kerseg.data.formats.arrays import AXIAL, NIFTI, TIFF
from kerseg.data.formats.files import Place
from kerseg.data.formats.suffixes import suffix_of
from kerseg.data.formats.volumes import ArrayPart

_MILLIMETRES = {"mm": 1.0, "meter": 1000.0, "micron": 0.001}
"""Of the units that a NIfTI header knows. In one that names none, millimetres are meant: those of the standard's
own tools, and what all programs assume."""
_METRES = {9001: 1.0, 9002: 0.3048, 9003: 1200 / 3937}
"""Of GeoTIFF's linear units: metre, foot, US survey foot (GeoTIFF 1.0, section 6.3.1.3)."""
_PIXEL_SCALE, _TRANSFORM, _KEYS = 33550, 34264, 34735
_MODEL, _LINEAR_UNITS = 1024, 3076
_PROJECTED = 1


class Measured(NamedTuple):
    """Size of a pixel."""

    unit: str
    size: Size


def spacing_of(place: Place | None) -> Measured | None:
    """Return the size of an image's pixels, if its file says it.

    Args:
        place: Where the image is. Nothing is read but the header.

    Returns:
        Millimetres of a NIfTI file, the distance of the slices first; metres of a GeoTIFF that is projected. None
        of any other file, of a GeoTIFF in degrees, and of files that cannot be read, which others complain of.

    Example:
        >>> spacing_of(Path("scan.png")) is None
        True
    """
    file = place.file if isinstance(place, ArrayPart) else place
    if not isinstance(file, Path):
        return None
    try:
        if isinstance(place, ArrayPart) and suffix_of(file, NIFTI):
            return _nifti(file, place)
        if suffix_of(file, TIFF):
            return _geotiff(file)
    # These libraries raise whatever they stumble on in a damaged file; reading it says what is wrong.
    except Exception:
        return None
    return None


def _nifti(file: Path, part: ArrayPart) -> Measured | None:
    import nibabel

    image: Any = nibabel.load(file)
    turn = nibabel.orientations.io_orientation(image.affine)[:, 0].astype(int)
    zooms = np.zeros(3)
    # As `kerseg.data.formats.arrays` turns the axes: to right, front, head.
    zooms[turn] = np.abs(image.header.get_zooms()[:3])
    scale = _MILLIMETRES.get(str(image.header.get_xyzt_units()[0]), 1.0)
    cut = AXIAL if part.layout.slice_axis is None else part.layout.slice_axis
    if cut > 2:
        return None
    columns, rows = (axis for axis in range(3) if axis != cut)
    return _measured("mm", (zooms[cut], zooms[rows], zooms[columns]), scale)


def _geotiff(file: Path) -> Measured | None:
    tags = _tags(file)
    keys = np.reshape(tags.get(_KEYS, ()), (-1, 4))
    # Each key: number, place of its value (0: here), count, value.
    values = {int(key): int(value) for key, place, _, value in keys[1:] if place == 0}
    scale = _METRES.get(values.get(_LINEAR_UNITS, 0))
    if values.get(_MODEL) != _PROJECTED or scale is None:
        return None
    if _PIXEL_SCALE in tags:
        width, height = tags[_PIXEL_SCALE][:2]
    elif _TRANSFORM in tags:
        matrix = np.reshape(tags[_TRANSFORM], (4, 4))
        width, height = np.hypot(*matrix[:2, 0]), np.hypot(*matrix[:2, 1])
    else:
        return None
    return _measured("m", (height, width), scale)


def _tags(file: Path) -> Any:
    """Return the tags of a TIFF's first image, whatever its pixels are."""
    with file.open("rb") as opened:
        header = opened.read(8)
        if header[2:4] in (b"+\0", b"\0+"):  # BigTIFF, whose header is longer
            header += opened.read(8)
        tags = ImageFileDirectory_v2(header)
        opened.seek(tags.next)
        tags.load(opened)
        return dict(tags)


def _measured(unit: str, size: Any, scale: float) -> Measured | None:
    # As float32 headers have it: 0.7 and not 0.699999988.
    rounded = tuple(float(f"{float(each) * scale:.6g}") for each in size)
    return Measured(unit, rounded) if all(0 < each < np.inf for each in rounded) else None
