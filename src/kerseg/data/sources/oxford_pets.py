"""Oxford-IIIT Pet: cats and dogs of 37 breeds, each with an outline.

Source: https://www.robots.ox.ac.uk/~vgg/data/pets/
Paper: Parkhi et al., "Cats and Dogs", CVPR 2012.
CC BY-SA 4.0; the images belong to their owners.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from kerseg.core.info import IGNORE_LABEL
from kerseg.data.formats.images import label_values, read_label
from kerseg.data.formats.labels import Classes, Label, map_values
from kerseg.data.sources.base import Pair, Source
from kerseg.data.sources.folders import find_root, hold_out, pair_names, read_list
from kerseg.download.release import Archive, Release

_LAYOUT = (
    "It is the folder that images.tar.gz and annotations.tar.gz were unpacked into, with images and annotations. "
    "Get them from https://www.robots.ox.ac.uk/~vgg/data/pets/."
)
_LISTS = {"train": "annotations/trainval.txt", "test": "annotations/test.txt"}
_COLOURS = {"background": (0, 0, 0), "pet": (128, 0, 0), "outline": (224, 224, 192)}
# What a trimap's values mean: annotations/README. The data set has no colours of its own.
_PET, _BACKGROUND, _OUTLINE = 1, 2, 3
_RELEASE = Release(
    "oxford_pets",
    terms="CC BY-SA 4.0; https://www.robots.ox.ac.uk/~vgg/data/pets/.",
    layout=_LAYOUT,
    archives=(
        Archive(
            "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz",
            "sha256:67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d",
            size=791_918_971,
        ),
        Archive(
            "https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz",
            "sha256:52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91",
            size=19_173_078,
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class OxfordPets(Source):
    """Oxford-IIIT Pet, trimaps: 2 or 3 classes; 3,680 training and 3,669 test images."""

    root: Path
    """Folder that holds images and annotations."""
    outline: Literal["ignore", "class"] = "ignore"
    """The band around each animal that the data set calls not classified: ignore it, or make it a third class."""
    val_share: float = 0.0
    """Share of the training images that becomes val, of which the data set has none; 0 to 1, chosen by name."""

    name: ClassVar[str] = "oxford_pets"
    releases: ClassVar[Mapping[str, Release]] = {"root": _RELEASE}
    counts: ClassVar[Mapping[str, int]] = {"train": 3680, "test": 3669}

    @property
    def classes(self) -> Classes:
        """Background, pet and, if it is a class, outline."""
        names = tuple(_COLOURS)[: 3 if self.outline == "class" else 2]
        return Classes(names, tuple(_COLOURS[name] for name in names))

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of both lists.

        Raises:
            DataError: The folder is not this data set, or lacks a list.
            ConfigError: ``val_share`` is out of range.
        """
        holds = ["images", "annotations/trimaps", *_LISTS.values()]
        root = find_root(self.root, holds, within=("oxford-iiit-pet",), layout=_LAYOUT)
        pairs = {
            split: pair_names(read_list(root / file), root / "images", root / "annotations/trimaps")
            for split, file in _LISTS.items()
        }
        return hold_out(pairs, self.val_share)

    def read_label(self, path: Path) -> Label:
        """Return the class index of each pixel.

        Raises:
            BadFileError: Not a trimap.
        """
        table = {_BACKGROUND: 0, _PET: 1, _OUTLINE: 2 if self.outline == "class" else IGNORE_LABEL}
        return map_values(path, label_values(path, read_label(path)), table)
