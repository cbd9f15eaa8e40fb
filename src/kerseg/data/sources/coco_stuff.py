"""COCO-Stuff: the images of COCO 2017 with 80 kinds of things and 91 kinds of stuff, pixel by pixel.

Source: https://github.com/nightrome/cocostuff (stuffthingmaps_trainval2017.zip), images: https://cocodataset.org
Paper: Caesar et al., "COCO-Stuff: Thing and Stuff Classes in Context", CVPR 2018.
Labels under CC BY 4.0; the images are Flickr's, under its terms of use.
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
from kerseg.data.sources.folders import find_root, pair_folders
from kerseg.download.release import Archive, Release

_LAYOUT = (
    "It is the folder that train2017.zip and val2017.zip of https://cocodataset.org/#download were unpacked into "
    "(or the one above, where that is called images); stuffthingmaps_trainval2017.zip of "
    "https://github.com/nightrome/cocostuff goes into a folder stuffthingmaps beside them."
)
_SPLITS = {"train": "train2017", "val": "val2017"}
# Ids of things that COCO has no labels of: street sign, hat, shoe, eye glasses, plate, mirror, window, desk,
# door, blender, hair brush. https://github.com/nightrome/cocostuff/blob/master/labels.md
_REMOVED = frozenset((12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91))
_ALL = known.coco_stuff()
_IDS = tuple(id_ for id_ in range(1, 183) if id_ not in _REMOVED)
_CURATED = Classes(tuple(_ALL.names[id_ - 1] for id_ in _IDS), tuple(_ALL.palette[id_ - 1] for id_ in _IDS))
_RELEASE = Release(
    "coco_stuff",
    terms="annotations under CC BY 4.0, photographs under Flickr's terms of use; https://cocodataset.org/#termsofuse.",
    layout=_LAYOUT,
    archives=(
        Archive(
            "http://images.cocodataset.org/zips/train2017.zip",
            "sha256:69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
            size=19_336_861_798,
        ),
        Archive(
            "http://images.cocodataset.org/zips/val2017.zip",
            "sha256:4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
            size=815_585_330,
        ),
        Archive(
            "http://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset/stuffthingmaps_trainval2017.zip",
            into="stuffthingmaps",
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class CocoStuff(Source):
    """COCO-Stuff, 164k: 171 classes; 118,287 training and 5,000 validation images."""

    root: Path
    """Folder that holds train2017, val2017 (or images with both) and stuffthingmaps, which has two such folders."""
    all_ids: bool = False
    """Make a class of each of COCO's 182 ids, of which eleven never occur, so that class index + 1 is the id."""

    name: ClassVar[str] = "coco_stuff"
    releases: ClassVar[Mapping[str, Release]] = {"root": _RELEASE}
    counts: ClassVar[Mapping[str, int]] = {"train": 118287, "val": 5000}

    @property
    def classes(self) -> Classes:
        """Names, and colours by id."""
        return _ALL if self.all_ids else _CURATED

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of both splits.

        Raises:
            DataError: The folder is not COCO with COCO-Stuff, or a folder has no images.
        """
        root = find_root(self.root, ["stuffthingmaps"], within=("annotations",), layout=_LAYOUT)
        labels = find_root(root / "stuffthingmaps", list(_SPLITS.values()), layout=_LAYOUT)
        images = find_root(self.root, list(_SPLITS.values()), within=("images",), layout=_LAYOUT)
        return {split: pair_folders(images / folder, labels / folder) for split, folder in _SPLITS.items()}

    def read_label(self, path: Path) -> Label:
        """Return the class index of each pixel: labels hold id - 1, and 255 for what has no label.

        Raises:
            BadFileError: Not a label of COCO-Stuff.
        """
        ids = range(1, 183) if self.all_ids else _IDS
        table = {**{id_ - 1: index for index, id_ in enumerate(ids)}, 255: IGNORE_LABEL}
        return map_values(path, label_values(path, read_label(path)), table)
