"""ADE20K: scenes indoors and outdoors, 150 classes, as prepared for scene parsing or as released in full.

Sources: http://sceneparsing.csail.mit.edu and https://groups.csail.mit.edu/vision/datasets/ADE20K/
Paper: Zhou et al., "Semantic Understanding of Scenes through the ADE20K Dataset", IJCV 2019.
For non-commercial research and education; the labels and software under a BSD 3-clause licence.

The full releases of 2016 and of 2021 name more than 3,000 objects, by the same numbers. The benchmark's own table
says which of them are which of the 150 classes; all others are ignored. Images keep the size they were released
with, where the benchmark scales them down to 512 pixels on the shorter side.
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
from kerseg.data.sources import known
from kerseg.data.sources.base import Pair, Source
from kerseg.data.sources.folders import find_root, named_files, pair_folders
from kerseg.download.release import Archive, Release

_LAYOUT = (
    "It is ADEChallengeData2016, with images and annotations, from http://sceneparsing.csail.mit.edu, or the "
    "folder of a full release (ADE20K_2021_17_01), with images, from "
    "https://groups.csail.mit.edu/vision/datasets/ADE20K/."
)
_WITHIN = ("ADEChallengeData2016", "ADE20K_2021_17_01", "ADE20K_2016_07_26")
_FOLDERS = {"train": "training", "val": "validation"}
_FULL_TAIL = "_seg.png"
_TABLE = {0: IGNORE_LABEL, **{index + 1: index for index in range(150)}}

# Numbers of the objects that are the classes, in their order, and of objects that share a class with another:
# convertFromADE/mapFromADE.txt of https://github.com/CSAILVision/sceneparsing
# fmt: off
_OBJECTS = (
    2978, 312, 2420, 976, 2855, 447, 2131, 165, 3055, 1125, 350, 2377, 1831, 838, 774, 2684, 1610, 1910, 687, 471,
    401, 2994, 1735, 2473, 2329, 1276, 2264, 1564, 2178, 913, 57, 2272, 907, 724, 2138, 2985, 1395, 155, 2053, 689,
    137, 266, 581, 2380, 491, 627, 2212, 2388, 2423, 943, 2096, 1121, 1788, 2530, 2185, 420, 1948, 1869, 2251, 2531,
    2128, 294, 239, 212, 571, 2793, 978, 236, 1240, 181, 629, 2598, 1744, 1374, 591, 2679, 223, 123, 47, 1282,
    327, 2821, 1451, 2880, 2828, 480, 77, 2616, 246, 2733, 14, 738, 38, 1936, 1401, 120, 868, 1702, 249, 308,
    1969, 2526, 2928, 2337, 1023, 609, 389, 2989, 1930, 2668, 2586, 131, 146, 3016, 2739, 95, 1563, 642, 1708, 103,
    1002, 2569, 2704, 2833, 1551, 1981, 29, 187, 1393, 747, 2254, 206, 2262, 1260, 2243, 2932, 2836, 2850, 64, 894,
    1858, 3109, 1919, 1583, 318, 2356, 2046, 1098, 530, 954,
)
# fmt: on
_SHARING = {783: 14, 533: 35, 247: 88}


def _object_table() -> Label:
    """Return the class index, or 255, of each number that a label of a full release can hold."""
    table = np.full(26 * 256, IGNORE_LABEL, np.uint8)
    table[list(_OBJECTS)] = np.arange(len(_OBJECTS))
    table[list(_SHARING)] = list(_SHARING.values())
    return table


_OBJECT_TABLE = _object_table()


def _benchmark_classes() -> Classes:
    """Return the classes without the first of the known table, which is what the benchmark ignores."""
    classes = known.ade20k()
    return Classes(classes.names[1:], classes.palette[1:], void_colours=classes.palette[:1])


_RELEASE = Release(
    "ade20k",
    terms="for research and education, not for commerce; http://sceneparsing.csail.mit.edu.",
    layout=_LAYOUT,
    archives=(
        Archive(
            "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
            "sha256:7ff1be44964418441f542a7cc1e1a650e7dc0fc275f5d23252bc9bbdbc977b29",
            size=967_382_037,
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Ade20k(Source):
    """ADE20K, scene parsing or a full release: 150 classes; 20,210 training, 2,000 validation images."""

    root: Path
    """Folder ADEChallengeData2016, or that of a full release, or one that holds either."""

    name: ClassVar[str] = "ade20k"
    releases: ClassVar[Mapping[str, Release]] = {"root": _RELEASE}
    counts: ClassVar[Mapping[str, int]] = {"val": 2000}
    classes: ClassVar[Classes] = _benchmark_classes()

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of both splits.

        Raises:
            DataError: The folder is neither of them, or images are missing.
        """
        root = find_root(self.root, ["images"], within=_WITHIN, layout=_LAYOUT)
        images = root / "images/ADE" if (root / "images/ADE").is_dir() else root / "images"
        find_root(images, list(_FOLDERS.values()), layout=_LAYOUT)
        if (root / "annotations").is_dir():
            return {
                split: pair_folders(images / folder, root / "annotations" / folder)
                for split, folder in _FOLDERS.items()
            }
        return {split: _full_pairs(images / folder) for split, folder in _FOLDERS.items()}

    def read_label(self, path: Path) -> Label:
        """Return the class index of each pixel, 255 where there is none of the 150 classes.

        Raises:
            BadFileError: Not a label of ADE20K.
        """
        image = read_label(path)
        if not path.name.endswith(_FULL_TAIL):
            return map_values(path, label_values(path, image), _TABLE)
        if image.mode != "RGB":
            raise BadFileError(path, f"unusable label: pixels of type {image.mode!r}, not RGB as released.")
        # Red counts 256 objects for each 10, green the rest; blue tells instances apart.
        red, green, _ = np.moveaxis(np.asarray(image).astype(np.intp), -1, 0)
        return np.asarray(_OBJECT_TABLE[red // 10 * 256 + green])


def _full_pairs(folder: Path) -> list[Pair]:
    """Return the pairs of a full release, whose labels lie beside the images."""
    return [
        Pair(name, path, path.with_name(path.stem + _FULL_TAIL))
        for name, path in named_files(folder, (".jpg",))
    ]
