"""PASCAL VOC 2012: 20 kinds of objects in photographs, and background.

Source: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/
Paper: Everingham et al., "The Pascal Visual Object Classes Challenge: A Retrospective", IJCV 2015.
The photographs are Flickr's, under its terms of use; the labels are for research.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kerseg.core.info import IGNORE_LABEL
from kerseg.data.formats.images import label_values, read_label
from kerseg.data.formats.labels import Classes, Label, map_values
from kerseg.data.sources import known
from kerseg.data.sources.base import Pair, Source
from kerseg.data.sources.folders import find_root, pair_names, read_list
from kerseg.download.release import Archive, Release

CLASSES = known.pascal_voc2012()
LISTS = "ImageSets/Segmentation"

_LAYOUT = (
    "It is the folder VOC2012 of VOCtrainval_11-May-2012.tar, with JPEGImages, SegmentationClass and "
    f"{LISTS}. Get it from http://host.robots.ox.ac.uk/pascal/VOC/voc2012/#devkit."
)
RELEASE = Release(
    "voc2012",
    terms="photographs under Flickr's terms of use, labels for research; http://host.robots.ox.ac.uk/pascal/VOC/.",
    layout=_LAYOUT,
    archives=(
        Archive(
            "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
            "md5:6cd6e144f989b92b3379bac3b3de84fd",
            size=1_999_639_040,
        ),
    ),
)
_TABLE = {**{index: index for index in range(len(CLASSES.names))}, 255: IGNORE_LABEL}


@dataclass(frozen=True, kw_only=True)
class Voc2012(Source):
    """PASCAL VOC 2012: 21 classes; 1,464 training and 1,449 validation images."""

    root: Path
    """Folder VOC2012 of the development kit, or VOCdevkit, which holds it."""
    lists: tuple[str, ...] = ("train", "val")
    """Lists in ImageSets/Segmentation, without .txt, each of which becomes a split of that name: also trainval,
    and test for who has its labels."""

    name: ClassVar[str] = "voc2012"
    releases: ClassVar[Mapping[str, Release]] = {"root": RELEASE}
    counts: ClassVar[Mapping[str, int]] = {"train": 1464, "val": 1449, "trainval": 2913}
    classes: ClassVar[Classes] = CLASSES

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of each list.

        Raises:
            DataError: The folder is not VOC 2012, or has no such list.
        """
        root = voc_root(self.root, self.lists)
        return {name: voc_pairs(root, voc_list(root, name)) for name in self.lists}

    def read_label(self, path: Path) -> Label:
        """Return the class index of each pixel: the index in the label's own palette.

        Raises:
            BadFileError: Not a label of VOC 2012.
        """
        return read_voc_label(path)


def voc_root(root: Path, lists: tuple[str, ...] = ("train", "val"), *, option: str = "`root`") -> Path:
    """Return the folder VOC2012, given it or one that holds it.

    Raises:
        DataError: There is none, or it lacks one of the lists.
    """
    holds = ["JPEGImages", "SegmentationClass", *(f"{LISTS}/{name}.txt" for name in lists)]
    within = ("VOC2012", "VOCdevkit/VOC2012")
    return find_root(root, holds, within=within, layout=_LAYOUT, option=option)


def voc_list(root: Path, name: str) -> list[str]:
    """Return the images of the list ``name``."""
    return read_list(root / LISTS / f"{name}.txt")


def voc_pairs(root: Path, names: list[str]) -> list[Pair]:
    """Return the pairs of these images."""
    return pair_names(names, root / "JPEGImages", root / "SegmentationClass")


def read_voc_label(path: Path) -> Label:
    """Return the class index of each pixel of a label of VOC 2012.

    Raises:
        BadFileError: Not such a label.
    """
    advice = "VOC's own labels are PNGs with a palette, whose indices are the classes."
    return map_values(path, label_values(path, read_label(path), advice=advice), _TABLE)
