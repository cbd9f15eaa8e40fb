"""ISBI 2012 challenge: membranes of nerve cells under the electron microscope, 30 slices of 512 x 512.

Source: http://brainiac2.mit.edu/isbi_challenge/
Papers: Arganda-Carreras et al., "Crowdsourcing the Creation of Image Segmentation Algorithms for Connectomics",
Frontiers in Neuroanatomy 2015; Cardona et al., "An Integrated Micro- and Macroarchitectural Analysis of the
Drosophila Brain", PLoS Biology 2010.
For research; U-Net's first data set.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from PIL import Image

from kerseg.data.formats.files import Part, Place, require_regular
from kerseg.data.formats.images import label_values, read_label
from kerseg.data.formats.labels import Classes, Label, map_values
from kerseg.data.sources.base import Pair, Source
from kerseg.data.sources.folders import find_root, hold_out, pair_folders
from kerseg.download.release import Release
from kerseg.errors import DataError

_STACKS = ("train-volume.tif", "train-labels.tif")
_LAYOUT = (
    f"It is the folder that holds {_STACKS[0]} and {_STACKS[1]}, or folders images and labels with a file for each "
    "slice. Get the stacks from http://brainiac2.mit.edu/isbi_challenge/."
)
_TABLE = {0: 0, 255: 1}
_RELEASE = Release(
    "isbi2012",
    terms="the challenge has ended, and there is no lasting address of its files.",
    layout=_LAYOUT,
)


@dataclass(frozen=True, kw_only=True)
class Isbi2012(Source):
    """ISBI 2012, cells under the electron microscope: 2 classes; 30 slices, which have no split of their own."""

    root: Path
    """Folder that holds train-volume.tif and train-labels.tif, or images and labels with a file for each slice."""
    val_share: float = 0.0
    """Share of the slices that becomes val; 0 to 1, chosen by name."""

    name: ClassVar[str] = "isbi2012"
    releases: ClassVar[Mapping[str, Release]] = {"root": _RELEASE}
    counts: ClassVar[Mapping[str, int]] = {"train": 30}
    classes: ClassVar[Classes] = Classes(("membrane", "cell"), ((0, 0, 0), (255, 255, 255)))

    def splits(self) -> dict[str, list[Pair]]:
        """Return all slices as train, but those that are held out.

        Raises:
            DataError: The folder is not this data set, or the stacks do not fit.
            ConfigError: ``val_share`` is out of range.
        """
        if (self.root / "images").is_dir():
            root = find_root(self.root, ["labels"], layout=_LAYOUT)
            pairs = pair_folders(root / "images", root / "labels")
        else:
            root = find_root(self.root, _STACKS, layout=_LAYOUT)
            pairs = _slices(*(root / name for name in _STACKS))
        return hold_out({"train": pairs}, self.val_share)

    def read_label(self, path: Place) -> Label:
        """Return 0 for membrane (black) and 1 for cell (white).

        Raises:
            BadFileError: Not a label of this data set.
        """
        return map_values(path, label_values(path, read_label(path)), _TABLE)


@dataclass(frozen=True)
class Slice(Part):
    """One slice of a stack."""

    index: int

    def read_bytes(self) -> bytes:
        """Return the slice as a PNG.

        Raises:
            OSError: The stack cannot be read.
        """
        require_regular(self.file)
        buffer = io.BytesIO()
        with Image.open(self.file, formats=["TIFF"]) as stack:
            stack.seek(self.index)
            stack.save(buffer, "PNG")
        return buffer.getvalue()


def _slices(images: Path, labels: Path) -> list[Pair]:
    """Return the pairs of two stacks of the same depth."""
    counts = [_depth(file) for file in (images, labels)]
    if counts[0] != counts[1]:
        raise DataError(f"{labels}: has {counts[1]} slices, {images} has {counts[0]}. Each needs its label.")
    return [
        Pair(
            f"slice_{index:02}",
            *(Slice(file, f"slice {index}", index) for file in (images, labels)),
        )
        for index in range(counts[0])
    ]


def _depth(file: Path) -> int:
    try:
        require_regular(file)
        with Image.open(file, formats=["TIFF"]) as stack:
            return int(getattr(stack, "n_frames", 1))
    # Pillow's readers raise whatever they stumble on in a damaged file.
    except Exception as error:
        raise DataError(f"{file}: unreadable: not a stack of TIFF slices: {error}.") from error
