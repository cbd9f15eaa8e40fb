"""PASCAL-Context: every pixel of PASCAL VOC 2010's images, 59 classes of objects and surroundings.

Source: https://cs.stanford.edu/~roozbeh/pascal-context/, images and lists: http://host.robots.ox.ac.uk/pascal/VOC/voc2010/
Paper: Mottaghi et al., "The Role of Context for Object Detection and Semantic Segmentation in the Wild", CVPR 2014.
The photographs are Flickr's, under its terms of use; the labels are for research.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kerseg.core.info import IGNORE_LABEL
from kerseg.data.formats.images import label_values, read_label
from kerseg.data.formats.labels import Classes, Label, map_values
from kerseg.data.formats.matlab import need_scipy, read_values
from kerseg.data.sources import known
from kerseg.data.sources.base import Pair, Source
from kerseg.data.sources.folders import find_root, pair_names, read_list
from kerseg.download.release import Archive, Release

_LAYOUT = (
    "It is the folder VOC2010 of VOCtrainval_03-May-2010.tar, with JPEGImages and ImageSets/Main. Get it from "
    "http://host.robots.ox.ac.uk/pascal/VOC/voc2010/."
)
_LABEL_LAYOUT = (
    "It is the folder of .mat files of trainval.tar.gz or that of .png files of 59_context_labels.tar.gz. Get "
    "either from https://cs.stanford.edu/~roozbeh/pascal-context/."
)
_TERMS = "photographs under Flickr's terms of use, labels for research; https://cs.stanford.edu/~roozbeh/pascal-context/."
_IMAGES = Release(
    "voc2010",
    terms=_TERMS,
    layout=_LAYOUT,
    archives=(
        Archive(
            "http://host.robots.ox.ac.uk/pascal/VOC/voc2010/VOCtrainval_03-May-2010.tar",
            "md5:da459979d0c395079b5c75ee67908abb",
        ),
    ),
)
_LABELS = Release(
    "pascal_context",
    terms=_TERMS,
    layout=_LABEL_LAYOUT,
    archives=(
        Archive(
            "https://cs.stanford.edu/~roozbeh/pascal-context/trainval.tar.gz",
            "md5:df034edb2c12aa7d33b42b20bb1796e3",
        ),
    ),
)
_ALL = known.pascal_context()
# Values of the 59 classes, in their order, among the 459 of the full release: labels.txt in trainval.tar.gz.
# fmt: off
_VALUES = (
    2, 23, 25, 31, 34, 45, 59, 65, 72, 98, 397, 113, 207, 258, 284, 308, 347, 368, 416, 427,
    9, 18, 22, 33, 44, 46, 68, 80, 85, 104, 115, 144, 158, 159, 162, 187, 189, 220, 232, 259,
    260, 105, 296, 355, 295, 324, 326, 349, 354, 360, 366, 19, 415, 420, 424, 440, 445, 454, 458,
)
# fmt: on


@dataclass(frozen=True, kw_only=True)
class PascalContext(Source):
    """PASCAL-Context: 59 classes; 4,998 training and 5,105 validation images."""

    root: Path
    """Folder VOC2010 of VOC's development kit, or VOCdevkit, which holds it."""
    labels: Path
    """Folder of the labels: .mat files of the full release (trainval, or the one around it), or .png files of
    its 59 classes."""
    background: bool = False
    """Make what is none of the 59 classes a class, the first, instead of ignoring it: 60 classes."""

    name: ClassVar[str] = "pascal_context"
    releases: ClassVar[Mapping[str, Release]] = {"root": _IMAGES, "labels": _LABELS}
    counts: ClassVar[Mapping[str, int]] = {"train": 4998, "val": 5105}

    @property
    def classes(self) -> Classes:
        """Names, and VOC's colours."""
        return _ALL if self.background else Classes(_ALL.names[1:], _ALL.palette[1:], _ALL.palette[:1])

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of VOC 2010's train and val that have labels.

        Raises:
            DataError: A folder is not what it must be, or SciPy is not installed.
        """
        lists = {split: f"ImageSets/Main/{split}.txt" for split in ("train", "val")}
        within = ("VOC2010", "VOCdevkit/VOC2010")
        root = find_root(self.root, ["JPEGImages", *lists.values()], within=within, layout=_LAYOUT)
        labels = find_root(self.labels, [], layout=_LABEL_LAYOUT, option="`labels`")
        labels = labels / "trainval" if (labels / "trainval").is_dir() else labels
        names = {split: read_list(root / file) for split, file in lists.items()}
        tail = self._tail(labels, names["train"][0])
        return {
            split: pair_names(listed, root / "JPEGImages", labels, label_tail=tail)
            for split, listed in names.items()
        }

    def read_label(self, path: Path) -> Label:
        """Return the class index of each pixel, 255 or 0 where there is none of the 59 classes.

        Raises:
            BadFileError: Not a label of PASCAL-Context.
        """
        first, other = (1, 0) if self.background else (0, IGNORE_LABEL)
        if path.suffix == ".mat":
            table = dict.fromkeys(range(460), other)
            table |= {value: first + index for index, value in enumerate(_VALUES)}
            return map_values(path, read_values(path, "LabelMap"), table)
        table = {0: other, **{1 + index: first + index for index in range(len(_VALUES))}}
        return map_values(path, label_values(path, read_label(path)), table)

    def _tail(self, labels: Path, name: str) -> str:
        """Return the suffix of the labels, judged by that of the first image."""
        if (labels / f"{name}.mat").is_file():
            need_scipy(labels)
            return ".mat"
        find_root(labels, [f"{name}.png"], layout=_LABEL_LAYOUT, option="`labels`")
        return ".png"
