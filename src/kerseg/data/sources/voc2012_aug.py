"""PASCAL VOC 2012 with SBD's labels for training, as most papers train on it.

Sources and papers: those of ``voc2012`` and ``sbd``. The training images are those of VOC's train and SBD's train
and val without VOC's val, 10,582; the list is that of DeepLab's train_aug.txt (Chen et al., "Semantic Image
Segmentation with Deep Convolutional Nets and Fully Connected CRFs", ICLR 2015).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kerseg.data.formats.labels import Classes, Label
from kerseg.data.sources.base import Pair, Source
from kerseg.data.sources.folders import find_root, named_files, pair_names
from kerseg.data.sources.sbd import RELEASE as SBD
from kerseg.data.sources.sbd import read_sbd_label, sbd_list, sbd_pairs, sbd_root
from kerseg.data.sources.voc2012 import CLASSES, read_voc_label, voc_list, voc_pairs, voc_root
from kerseg.data.sources.voc2012 import RELEASE as VOC
from kerseg.download.release import Release

_PNG = "SegmentationClassAug"
_LAYOUT = (
    f"Give `sbd`, the folder of SBD's labels, or put them as PNG into {_PNG}. SBD is at "
    "http://home.bharathh.info/pubs/codes/SBD/download.html."
)


@dataclass(frozen=True, kw_only=True)
class Voc2012Aug(Source):
    """PASCAL VOC 2012 with SBD's labels: 21 classes; 10,582 training and 1,449 validation images."""

    voc: Path
    """Folder VOC2012 of VOC's development kit, or VOCdevkit, which holds it."""
    sbd: Path | None = None
    """Folder dataset of SBD's archive, or one that holds it: benchmark_RELEASE, or the folder around that. By
    default its labels are taken as PNG from a folder SegmentationClassAug in VOC2012."""

    name: ClassVar[str] = "voc2012_aug"
    releases: ClassVar[Mapping[str, Release]] = {"voc": VOC, "sbd": SBD}
    counts: ClassVar[Mapping[str, int]] = {"train": 10_582, "val": 1449}
    classes: ClassVar[Classes] = CLASSES

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of both splits.

        Raises:
            DataError: A folder is not what it must be, or SciPy is not installed.
        """
        if self.sbd is None:
            return self._from_png()
        both = VocAndSbd(self.voc, self.sbd)
        val = both.voc_val
        return {"train": both.pairs((both.voc_train | both.sbd_all) - val), "val": both.pairs(val)}

    def read_label(self, path: Path) -> Label:
        """Return the class index of each pixel of a label of VOC or of SBD.

        Raises:
            BadFileError: Neither.
        """
        return read_either(path)

    def _from_png(self) -> dict[str, list[Pair]]:
        """Return the pairs of both splits, with SBD's labels as others have converted them."""
        root = voc_root(self.voc, option="`voc`")
        labels = find_root(root, [_PNG], layout=_LAYOUT, option="`voc`") / _PNG
        train, val = voc_list(root, "train"), sorted(voc_list(root, "val"))
        theirs = {name for name, _ in named_files(labels, (".png",))} - {*train, *val}
        pairs = voc_pairs(root, train) + pair_names(theirs, root / "JPEGImages", labels)
        return {"train": sorted(pairs, key=lambda pair: pair.name), "val": voc_pairs(root, val)}


class VocAndSbd:
    """The lists of both data sets.

    Args:
        voc: What ``voc`` gave.
        sbd: What ``sbd`` gave.

    Raises:
        DataError: A folder is not what it must be, or SciPy is not installed.
    """

    def __init__(self, voc: Path, sbd: Path):
        self.voc, self.sbd = voc_root(voc, option="`voc`"), sbd_root(sbd, option="`sbd`")
        self.voc_train, self.voc_val = set(voc_list(self.voc, "train")), set(voc_list(self.voc, "val"))
        self.sbd_train = set(sbd_list(self.sbd, "train"))
        self.sbd_all = self.sbd_train | set(sbd_list(self.sbd, "val"))

    def pairs(self, names: set[str]) -> list[Pair]:
        """Return the pairs of ``names``, by name; VOC's labels, where it has one, are the finer ones."""
        theirs = names & (self.voc_train | self.voc_val)
        pairs = voc_pairs(self.voc, sorted(theirs)) + sbd_pairs(self.sbd, sorted(names - theirs))
        return sorted(pairs, key=lambda pair: pair.name)


def read_either(path: Path) -> Label:
    """Return the class index of each pixel: SBD's labels are ``.mat`` files, VOC's are images."""
    return read_sbd_label(path) if path.suffix == ".mat" else read_voc_label(path)
