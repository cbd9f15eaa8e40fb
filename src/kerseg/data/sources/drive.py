"""DRIVE: vessels in images of the retina, 565 x 584.

Source: https://drive.grand-challenge.org
Paper: Staal et al., "Ridge-based Vessel Segmentation in Color Images of the Retina", IEEE TMI 2004.
For research and education; to be had after registration.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from kerseg.core.info import IGNORE_LABEL
from kerseg.data.formats.files import BadFileError
from kerseg.data.formats.images import label_values, read_label
from kerseg.data.formats.labels import Classes, Label, map_values
from kerseg.data.sources.base import Pair, Source
from kerseg.data.sources.folders import find_root, hold_out, named_files
from kerseg.download.release import Release

_LAYOUT = (
    "It is the folder that training.zip and test.zip were unpacked into, with training, in which are images, "
    "1st_manual and mask. Get them from https://drive.grand-challenge.org."
)
_LABELS = "1st_manual"
_BLACK_AND_WHITE = {0: 0, 255: 1}
_RELEASE = Release(
    "drive",
    terms="it is given out after registration.",
    layout=_LAYOUT,
)


@dataclass(frozen=True, kw_only=True)
class Drive(Source):
    """DRIVE, vessels of the retina: 2 classes; 20 training and, if they have labels, 20 test images."""

    root: Path
    """Folder that holds training and, if it is there, test."""
    whole_picture: bool = False
    """Count the black corners as background. By default what lies outside the field of view is ignored, as it is
    in published scores."""
    val_share: float = 0.0
    """Share of the training images that becomes val, of which the data set has none; 0 to 1, chosen by name."""

    name: ClassVar[str] = "drive"
    releases: ClassVar[Mapping[str, Release]] = {"root": _RELEASE}
    counts: ClassVar[Mapping[str, int]] = {"train": 20, "test": 20}
    classes: ClassVar[Classes] = Classes(("background", "vessel"), ((0, 0, 0), (255, 255, 255)))

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of training, and of test in the releases that have its labels.

        Raises:
            DataError: The folder is not DRIVE.
            ConfigError: ``val_share`` is out of range.
        """
        holds = ["training/images", f"training/{_LABELS}"]
        root = find_root(self.root, holds, within=("DRIVE",), layout=_LAYOUT)
        pairs = {"train": _pairs(root / "training")}
        if (root / "test" / _LABELS).is_dir():
            pairs["test"] = _pairs(root / "test")
        return hold_out(pairs, self.val_share)

    def read_label(self, path: Path) -> Label:
        """Return 1 where the first observer saw a vessel, 255 outside the field of view.

        Raises:
            BadFileError: Not a label of DRIVE, or its mask is missing or of another size.
        """
        label = _black_and_white(path)
        if self.whole_picture:
            return label
        file = _mask(path)
        view = _black_and_white(file)
        if view.shape != label.shape:
            raise BadFileError(file, f"size differs: {view.shape}, the label's is {label.shape}.")
        return np.where(view == 1, label, np.uint8(IGNORE_LABEL))

    def besides(self, label: Path) -> list[Path]:
        """Return the files that a label is read from besides its own."""
        return [_mask(label)]


def _mask(label: Path) -> Path:
    """Return the file that shows the field of view of a label's image."""
    part = label.parent.parent
    return part / "mask" / f"{_number(label.stem)}_{part.name}_mask.gif"


def _pairs(part: Path) -> list[Pair]:
    return [
        Pair(name, path, part / _LABELS / f"{_number(name)}_manual1.gif")
        for name, path in named_files(part / "images", (".tif",))
    ]


def _number(name: str) -> str:
    """Return the number that an image, its label and its mask share: ``21_training`` and ``21_manual1``."""
    return name.partition("_")[0]


def _black_and_white(path: Path) -> Label:
    return map_values(path, label_values(path, read_label(path)), _BLACK_AND_WHITE)
