"""ISIC 2018, task 1: outlines of skin lesions in photographs through a dermatoscope.

Source: https://challenge.isic-archive.com/data/#2018
Paper: Codella et al., "Skin Lesion Analysis Toward Melanoma Detection 2018", 2019, https://arxiv.org/abs/1902.03368
CC BY-NC 4.0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from kerseg.data.formats.images import label_values, read_label
from kerseg.data.formats.labels import Classes, Label, map_values
from kerseg.data.sources.base import Pair, Source
from kerseg.data.sources.folders import find_root, pair_folders
from kerseg.download.release import Archive, Release

_PARTS = {"train": "Training", "val": "Validation", "test": "Test"}
_IMAGES, _LABELS = "ISIC2018_Task1-2_{}_Input", "ISIC2018_Task1_{}_GroundTruth"
_LAYOUT = (
    f"It is the folder that the archives of task 1 were unpacked into, with {_IMAGES.format('Training')}, "
    f"{_LABELS.format('Training')} and, if you have them, the same of Validation and Test. Get them from "
    "https://challenge.isic-archive.com/data/#2018."
)
_PLACE = "https://isic-challenge-data.s3.amazonaws.com/2018/"
_CHECKSUMS = {
    _IMAGES.format("Training"): "80f98572347a2d7a376227fa9eb2e4f7459d317cb619865b8b9910c81446675f",
    _IMAGES.format("Validation"): "0ea920fcfe512d12a6e620b50b50233c059f67b10146e1479c82be58ff15a797",
    _IMAGES.format("Test"): "e59ae1f69f4ed16f09db2cb1d76c2a828487b63d28f6ab85997f5616869b127d",
    _LABELS.format("Training"): "99f8b2bb3c4d6af483362010715f7e7d5d122d9f6c02cac0e0d15bef77c7604c",
    _LABELS.format("Validation"): "f6911e9c0a64e6d687dd3ca466ca927dd5e82145cb2163b7a1e5b37d7a716285",
    _LABELS.format("Test"): "2e8f6edce454a5bdee52485e39f92bd6eddf357e81f39018d05512175238ef82",
}
_RELEASE = Release(
    "isic2018",
    terms="CC BY-NC 4.0, not for commerce; https://challenge.isic-archive.com/data/#2018.",
    layout=_LAYOUT,
    archives=tuple(Archive(f"{_PLACE}{name}.zip", f"sha256:{digest}") for name, digest in _CHECKSUMS.items()),
)
_BLACK_AND_WHITE = {0: 0, 255: 1}


@dataclass(frozen=True, kw_only=True)
class Isic2018(Source):
    """ISIC 2018, skin lesions: 2 classes; 2,594 training, 100 validation and 1,000 test images."""

    root: Path
    """Folder that holds ISIC2018_Task1-2_Training_Input, ISIC2018_Task1_Training_GroundTruth and, if you have them,
    the same of Validation and Test."""

    name: ClassVar[str] = "isic2018"
    releases: ClassVar[Mapping[str, Release]] = {"root": _RELEASE}
    counts: ClassVar[Mapping[str, int]] = {"train": 2594, "val": 100, "test": 1000}
    classes: ClassVar[Classes] = Classes(("skin", "lesion"), ((0, 0, 0), (255, 255, 255)))

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of each part that is there.

        Raises:
            DataError: The folder is not ISIC 2018, or a part has images and no labels, or labels and no images.
        """
        root = find_root(self.root, [_IMAGES.format("Training"), _LABELS.format("Training")], layout=_LAYOUT)
        pairs = {}
        for split, part in _PARTS.items():
            images, labels = root / _IMAGES.format(part), root / _LABELS.format(part)
            if images.exists() or labels.exists():
                pairs[split] = pair_folders(images, labels, label_tail="_segmentation")
        return pairs

    def read_label(self, path: Path) -> Label:
        """Return 1 where there is a lesion.

        Raises:
            BadFileError: Not a label of ISIC 2018.
        """
        return map_values(path, label_values(path, read_label(path)), _BLACK_AND_WHITE)
