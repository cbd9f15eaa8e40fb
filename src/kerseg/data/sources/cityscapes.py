"""Cityscapes: streets of 50 cities, 2048 x 1024, 19 of 35 classes scored.

Source: https://www.cityscapes-dataset.com; file names, ids and how polygons are drawn:
https://github.com/mcordts/cityscapesScripts
Paper: Cordts et al., "The Cityscapes Dataset for Semantic Urban Scene Understanding", CVPR 2016.
Licence: https://www.cityscapes-dataset.com/license/, for non-commercial use; to be had after registration.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from PIL import Image, ImageDraw

from kerseg.core.info import IGNORE_LABEL
from kerseg.data.formats.files import BadFileError, read_bytes
from kerseg.data.formats.images import label_values, read_label
from kerseg.data.formats.labels import Classes, Label, map_values
from kerseg.data.sources import known
from kerseg.data.sources.base import Pair, Source
from kerseg.data.sources.folders import find_root, named_files
from kerseg.download.release import Release

_LAYOUT = (
    "It is the folder that leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip (or gtCoarse.zip and "
    "leftImg8bit_trainextra.zip) were unpacked into, with leftImg8bit and gtFine (or gtCoarse). Get them from "
    "https://www.cityscapes-dataset.com/downloads/."
)
_SPLITS = {"gtFine": ("train", "val"), "gtCoarse": ("train", "train_extra", "val")}
_IMAGE_TAIL = "_leftImg8bit"
_CLASSES = known.cityscapes()
# Ids that are no class: labels.py of cityscapesScripts. A licence plate has none, and is not drawn.
_OTHERS = {
    "unlabeled": 0,
    "ego vehicle": 1,
    "rectification border": 2,
    "out of roi": 3,
    "static": 4,
    "dynamic": 5,
    "ground": 6,
    "parking": 9,
    "rail track": 10,
    "guard rail": 14,
    "bridge": 15,
    "tunnel": 16,
    "polegroup": 18,
    "caravan": 29,
    "trailer": 30,
}
_CLASS_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
_UNDRAWN = "license plate"
_ID_TABLE = {
    **dict.fromkeys(_OTHERS.values(), IGNORE_LABEL),
    **{value: index for index, value in enumerate(_CLASS_IDS)},
}
_TRAIN_ID_TABLE = {**{index: index for index in range(len(_CLASS_IDS))}, 255: IGNORE_LABEL}
_NAME_TABLE = {
    **dict.fromkeys(_OTHERS, IGNORE_LABEL),
    **{name: index for index, name in enumerate(_CLASSES.names)},
}
_RELEASE = Release(
    "cityscapes",
    terms="it is given out after registration, for non-commercial use.",
    layout=_LAYOUT,
)


@dataclass(frozen=True, kw_only=True)
class Cityscapes(Source):
    """Cityscapes, fine or coarse: 19 classes; finely labelled 2,975 training, 500 validation images."""

    root: Path
    """Folder that holds leftImg8bit and gtFine or gtCoarse."""
    annotations: Literal["gtFine", "gtCoarse"] = "gtFine"
    """Fine labels of train and val, or coarse ones of train, train_extra and val, whichever are there."""
    labels: Literal["labelIds", "labelTrainIds", "polygons"] = "labelIds"
    """Files to read: ids as released, the ids of the 19 classes that cityscapesScripts makes, or JSON."""

    name: ClassVar[str] = "cityscapes"
    releases: ClassVar[Mapping[str, Release]] = {"root": _RELEASE}
    counts: ClassVar[Mapping[str, int]] = {"train": 2975, "val": 500}
    classes: ClassVar[Classes] = _CLASSES

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of each split that has labels.

        Raises:
            DataError: The folder is not Cityscapes, or images or labels are missing.
        """
        root = find_root(self.root, ["leftImg8bit", self.annotations], layout=_LAYOUT)
        labels = root / self.annotations
        there = [split for split in _SPLITS[self.annotations] if (labels / split).is_dir()]
        if not there:
            find_root(labels, ["train"], layout=_LAYOUT)
        return {split: self._pairs(root / "leftImg8bit" / split, labels / split) for split in there}

    def read_label(self, path: Path) -> Label:
        """Return the class index of each pixel, 255 for what is not scored.

        Raises:
            BadFileError: Not a label of Cityscapes.
        """
        if path.suffix == ".json":
            return _draw(path)
        trained = path.stem.endswith("labelTrainIds")
        return map_values(
            path, label_values(path, read_label(path)), _TRAIN_ID_TABLE if trained else _ID_TABLE
        )

    def _pairs(self, images: Path, labels: Path) -> list[Pair]:
        """Return a pair for each image; every one has a label, which is missing where it cannot be read."""
        find_root(images.parent, [images.name], layout=_LAYOUT)
        tail = f"_{self.annotations}_{self.labels}{'.json' if self.labels == 'polygons' else '.png'}"
        names = [name.removesuffix(_IMAGE_TAIL) for name, _ in named_files(images, (".png",))]
        return [Pair(name, images / f"{name}{_IMAGE_TAIL}.png", labels / f"{name}{tail}") for name in names]


def _draw(path: Path) -> Label:
    """Draw the polygons of a JSON file, the first one lowest, as the labels in the release were drawn."""
    try:
        content = json.loads(read_bytes(path))
        # Pillow's polygons, which include their outlines, are those of cityscapesScripts.
        image = Image.new("L", (content["imgWidth"], content["imgHeight"]), IGNORE_LABEL)
        pen = ImageDraw.Draw(image)
        for item in content["objects"]:
            if not item.get("deleted") and item["label"] != _UNDRAWN:
                pen.polygon([tuple(point) for point in item["polygon"]], fill=_class(path, item))
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, BadFileError):
            raise
        raise BadFileError(path, f"damaged: not polygons as Cityscapes has them: {error!r}.") from error
    return np.asarray(image)


def _class(path: Path, item: dict[str, object]) -> int:
    """Return the class index of a polygon; several cars that cannot be told apart are a ``cargroup``."""
    name = str(item["label"])
    single = name if name in _NAME_TABLE else name.removesuffix("group")
    if single not in _NAME_TABLE:
        raise BadFileError(path, f"unknown label: {name!r}. Known: {', '.join(_NAME_TABLE)}.")
    return _NAME_TABLE[single]
