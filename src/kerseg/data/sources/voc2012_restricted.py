"""PASCAL VOC 2012 with SBD's labels, for models whose weights have seen SBD's training images.

Sources and papers: those of ``voc2012`` and ``sbd``. Validation is on those images of VOC's val that are not in
SBD's train, 904; every other image that VOC (train, val) or SBD (train, val) has a label for is for training,
11,127. The protocol is known as RV-VOC12:
https://github.com/warmspringwinds/tf-image-segmentation
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kerseg.data.formats.labels import Classes, Label
from kerseg.data.sources.base import Pair, Source
from kerseg.data.sources.sbd import RELEASE as SBD
from kerseg.data.sources.voc2012 import CLASSES
from kerseg.data.sources.voc2012 import RELEASE as VOC
from kerseg.data.sources.voc2012_aug import VocAndSbd, read_either
from kerseg.download.release import Release


@dataclass(frozen=True, kw_only=True)
class Voc2012Restricted(Source):
    """PASCAL VOC 2012 and SBD, RV-VOC12: 21 classes; 11,127 training and 904 validation images."""

    voc: Path
    """Folder VOC2012 of VOC's development kit, or VOCdevkit, which holds it."""
    sbd: Path
    """Folder dataset of SBD's archive, or one that holds it: benchmark_RELEASE, or the folder around that."""

    name: ClassVar[str] = "voc2012_restricted"
    releases: ClassVar[Mapping[str, Release]] = {"voc": VOC, "sbd": SBD}
    counts: ClassVar[Mapping[str, int]] = {"train": 11_127, "val": 904}
    classes: ClassVar[Classes] = CLASSES

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of both splits.

        Raises:
            DataError: A folder is not what it must be, or SciPy is not installed.
        """
        both = VocAndSbd(self.voc, self.sbd)
        val = both.voc_val - both.sbd_train
        return {
            "train": both.pairs((both.voc_train | both.voc_val | both.sbd_all) - val),
            "val": both.pairs(val),
        }

    def read_label(self, path: Path) -> Label:
        """Return the class index of each pixel of a label of VOC or of SBD.

        Raises:
            BadFileError: Neither.
        """
        return read_either(path)
