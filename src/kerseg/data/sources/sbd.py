"""SBD, the Semantic Boundaries Dataset: labels of PASCAL VOC's 20 kinds of objects for 11,355 images of VOC 2011.

Source: http://home.bharathh.info/pubs/codes/SBD/download.html
Paper: Hariharan et al., "Semantic Contours from Inverse Detectors", ICCV 2011.
The photographs are Flickr's, under its terms of use; the labels are for research.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kerseg.data.formats.labels import Classes, Label, map_values
from kerseg.data.formats.matlab import need_scipy, read_values
from kerseg.data.sources.base import Pair, Source
from kerseg.data.sources.folders import find_root, pair_names, read_list
from kerseg.data.sources.voc2012 import CLASSES
from kerseg.download.release import Archive, Release

_LAYOUT = (
    "It is the folder benchmark_RELEASE/dataset of benchmark.tgz, with img, cls, train.txt and val.txt. Get it "
    "from http://home.bharathh.info/pubs/codes/SBD/download.html."
)
RELEASE = Release(
    "sbd",
    terms="photographs under Flickr's terms of use, labels for research; "
    "http://home.bharathh.info/pubs/codes/SBD/download.html.",
    layout=_LAYOUT,
    archives=(
        Archive(
            "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
            "md5:82b4d87ceb2ed10f6038a1cba92111cb",
        ),
    ),
)
_TABLE = {index: index for index in range(len(CLASSES.names))}


@dataclass(frozen=True, kw_only=True)
class Sbd(Source):
    """Semantic Boundaries Dataset: VOC's 21 classes; 8,498 training and 2,857 validation images."""

    root: Path
    """Folder dataset of the archive, or one that holds it: benchmark_RELEASE, or the folder around that."""
    lists: tuple[str, ...] = ("train", "val")
    """Lists, without .txt, each of which becomes a split of that name."""

    name: ClassVar[str] = "sbd"
    releases: ClassVar[Mapping[str, Release]] = {"root": RELEASE}
    counts: ClassVar[Mapping[str, int]] = {"train": 8498, "val": 2857}
    classes: ClassVar[Classes] = CLASSES

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of each list.

        Raises:
            DataError: The folder is not SBD, has no such list, or SciPy is not installed.
        """
        root = sbd_root(self.root, self.lists)
        return {name: sbd_pairs(root, sbd_list(root, name)) for name in self.lists}

    def read_label(self, path: Path) -> Label:
        """Return the class index of each pixel; SBD ignores none.

        Raises:
            BadFileError: Not a label of SBD.
        """
        return read_sbd_label(path)


def sbd_root(root: Path, lists: tuple[str, ...] = ("train", "val"), *, option: str = "`root`") -> Path:
    """Return the folder ``dataset`` of SBD, given it or one that holds it.

    Raises:
        DataError: There is none, it lacks one of the lists, or SciPy is not installed.
    """
    holds = ["img", "cls", *(f"{name}.txt" for name in lists)]
    within = ("dataset", "benchmark_RELEASE/dataset")
    found = find_root(root, holds, within=within, layout=_LAYOUT, option=option)
    need_scipy(found / "cls")
    return found


def sbd_list(root: Path, name: str) -> list[str]:
    """Return the images of the list ``name``."""
    return read_list(root / f"{name}.txt")


def sbd_pairs(root: Path, names: list[str]) -> list[Pair]:
    """Return the pairs of these images."""
    return pair_names(names, root / "img", root / "cls", label_tail=".mat")


def read_sbd_label(path: Path) -> Label:
    """Return the class index of each pixel of a label of SBD.

    Raises:
        BadFileError: Not such a label.
    """
    return map_values(path, read_values(path, "GTcls", "Segmentation"), _TABLE)
