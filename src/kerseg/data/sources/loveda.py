"""LoveDA: land cover of three Chinese cities and the country around them from above, 0.3 m a pixel, 1024 x 1024.

Source: https://github.com/Junjue-Wang/LoveDA, https://zenodo.org/records/5706578
Paper: Wang et al., "LoveDA: A Remote Sensing Land-Cover Dataset for Domain Adaptive Semantic Segmentation", NeurIPS
Datasets and Benchmarks 2021.
CC BY-NC-SA 4.0; for research.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

from kerseg.core.info import IGNORE_LABEL
from kerseg.data.formats.images import label_values, read_label
from kerseg.data.formats.labels import Classes, Label, map_values
from kerseg.data.sources.base import Pair, Source
from kerseg.data.sources.folders import find_root, pair_folders
from kerseg.download.release import Archive, Release

_COLOURS = {
    "background": (255, 255, 255),
    "building": (255, 0, 0),
    "road": (255, 255, 0),
    "water": (0, 0, 255),
    "barren": (159, 129, 183),
    "forest": (0, 255, 0),
    "agricultural": (255, 195, 128),
}
_TABLE = {0: IGNORE_LABEL, **{index + 1: index for index in range(len(_COLOURS))}}
_LAYOUT = (
    "It is the folder that Train.zip and Val.zip were unpacked into, with Train and Val, each of them with Urban "
    "and Rural, each with images_png and masks_png. Get them from https://zenodo.org/records/5706578."
)
_RELEASE = Release(
    "loveda",
    terms="CC BY-NC-SA 4.0, for research, not for commerce; https://github.com/Junjue-Wang/LoveDA.",
    layout=_LAYOUT,
    archives=(
        Archive(
            "https://zenodo.org/records/5706578/files/Train.zip",
            "md5:de2b196043ed9b4af1690b3f9a7d558f",
            size=4_021_669_263,
        ),
        Archive(
            "https://zenodo.org/records/5706578/files/Val.zip",
            "md5:84cae2577468ff0b5386758bb386d31d",
            size=2_425_958_254,
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class LoveDA(Source):
    """LoveDA, land cover from above: 7 classes; 2,522 training and 1,669 validation images."""

    root: Path
    """Folder that holds Train and Val."""
    domains: tuple[Literal["Urban", "Rural"], ...] = (
        "Urban",
        "Rural",
    )
    """Parts to take."""

    name: ClassVar[str] = "loveda"
    releases: ClassVar[Mapping[str, Release]] = {"root": _RELEASE}
    classes: ClassVar[Classes] = Classes(tuple(_COLOURS), tuple(_COLOURS.values()), void_colours=((0, 0, 0),))

    @property
    def counts(self) -> Mapping[str, int]:
        """Published number of images of both parts together."""
        return {"train": 2522, "val": 1669} if len(set(self.domains)) == 2 else {}

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of train and val, whose names begin with their part: ``Urban/1366``.

        Raises:
            DataError: The folder is not LoveDA, or images or labels are missing.
        """
        parts = {split: split.title() for split in ("train", "val")}
        holds = [f"{part}/{domain}/images_png" for part in parts.values() for domain in self.domains]
        root = find_root(self.root, holds, layout=_LAYOUT)
        return {
            split: [
                replace(pair, name=f"{domain}/{pair.name}")
                for domain in self.domains
                for pair in pair_folders(
                    root / part / domain / "images_png", root / part / domain / "masks_png"
                )
            ]
            for split, part in parts.items()
        }

    def read_label(self, path: Path) -> Label:
        """Return the class index of each pixel, 255 where there is no data.

        Raises:
            BadFileError: Not a label of LoveDA.
        """
        return map_values(path, label_values(path, read_label(path)), _TABLE)
