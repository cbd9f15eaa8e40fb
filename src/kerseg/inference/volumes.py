"""Labels of a volume's slices put together again: NIfTI out where NIfTI came in, with its affine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerseg.core.files import whole
from kerseg.data.formats.arrays import Opened, open_array
from kerseg.data.formats.volumes import ArrayPart
from kerseg.inference.inputs import SOFTWARE

SUFFIXES = (".nii", ".nii.gz")


def is_slice(part: ArrayPart | None) -> bool:
    """Return whether an image is one slice of a NIfTI volume."""
    return (
        part is not None and bool(part.depth and part.depth > 0) and part.file.name.lower().endswith(SUFFIXES)
    )


@dataclass
class _Open:
    file: Path
    opened: Opened
    labels: NDArray[Any]
    missing: int


class LabelVolumes:
    """Writes the volumes whose slices all came; they come one volume after the other."""

    def __init__(self) -> None:
        self._current: _Open | None = None

    def add(self, part: ArrayPart, label: NDArray[Any], path: Path) -> None:
        """Take the label of a slice; with the last one write the volume.

        Args:
            part: The slice.
            label: Class indices (height, width), as the slice was shown to the model.
            path: The volume to write, ``.nii.gz``.
        """
        if self._current is None or self._current.file != part.file:
            opened = open_array(part.file, part.layout)
            axes = [size for axis, size in enumerate(opened.shape) if axis != opened.channel_axis]
            self._current = _Open(part.file, opened, np.zeros(axes, label.dtype), opened.depth or 0)
        volume, opened = self._current, self._current.opened
        axis, channels = opened.slice_axis or 0, opened.channel_axis
        axis -= channels is not None and channels < axis
        # As `ArrayPart` cuts, the other way round.
        np.moveaxis(volume.labels, axis, 0)[part.index] = np.rot90(label, -1) if opened.turned else label
        volume.missing -= 1
        if volume.missing == 0:
            _save(volume, path)
            self._current = None


def _save(volume: _Open, path: Path) -> None:
    import nibabel

    source: Any = nibabel.load(volume.file)
    labels = volume.labels if volume.labels.dtype == np.uint8 else volume.labels.astype(np.int16)
    # The reader turned the axes to right, front, top: back to where the file has them.
    upright, own = np.array([[0, 1], [1, 1], [2, 1]]), nibabel.io_orientation(source.affine)
    labels = nibabel.apply_orientation(labels, nibabel.orientations.ornt_transform(upright, own))
    image = nibabel.Nifti1Image(labels, source.affine)
    image.header.set_xyzt_units(*source.header.get_xyzt_units())
    image.set_sform(source.affine, int(source.header["sform_code"]) or 1)
    image.set_qform(source.affine, int(source.header["qform_code"]), strip_shears=True)
    image.header["descrip"] = SOFTWARE
    with whole(path, durable=False) as temporary:
        # whole() keeps the last suffix alone, by which nibabel would not know what to write.
        temporary.write_bytes(_compressed(image.to_bytes()))


def _compressed(data: bytes) -> bytes:
    import gzip

    return gzip.compress(data, 1, mtime=0)
