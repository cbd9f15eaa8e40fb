"""What LabelMe writes: a JSON beside each image, with polygons, rectangles, circles and masks.

Source: https://github.com/wkentaro/labelme

Shapes are drawn in the order of the file, later ones upon earlier ones, as LabelMe's own export does. Outlines
become pixels as `kerseg.data.formats.shapes` says; LabelMe's export includes the pixels that an outline touches.
Points and lines have no area: they are left out, and counted. An image without a JSON has not been annotated,
and is no part of the data.

LabelMe's own ``labels.txt`` can be given as ``class_names``: its ``__ignore__`` is ignored, and its
``_background_`` is the background.
"""

import base64
import binascii
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from kerseg.data.formats.documents import corners, member, read_object, size
from kerseg.data.formats.files import BadFileError, Part, Place
from kerseg.data.formats.images import decode, upright_shape
from kerseg.data.formats.labels import Label
from kerseg.data.formats.shapes import Points, Region, box, ellipse, paint, polygon
from kerseg.data.formats.suffixes import IMAGE_SUFFIXES
from kerseg.data.sources.annotated import AnnotatedSource, note_without_area
from kerseg.data.sources.base import Pair
from kerseg.data.sources.below import Outside, below, is_below
from kerseg.data.sources.class_mapping import ClassMapping, class_mapping
from kerseg.data.sources.folders import hold_out, named_files
from kerseg.data.sources.palettes import read_names
from kerseg.errors import ConfigError, DataError

_AREAS = {"polygon": 3, "rectangle": 2, "oriented_rectangle": 4, "circle": 2, "mask": 2}
"""Shapes that are drawn, and how many points each needs."""
_NO_AREAS = ("point", "points", "line", "linestrip")
_IGNORE, _BACKGROUND = "__ignore__", "_background_"
_ADVICE = "Add it to `class_names`, or to `ignore_classes`."


@dataclass(frozen=True)
class EmbeddedImage(Part):
    """The image that a JSON holds."""

    def read_bytes(self) -> bytes:
        """Return the file that was embedded."""
        data = member(self, read_object(self.file), "imageData", str, "the document")
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error:
            raise BadFileError(self, "damaged: it is not base64.") from None


@dataclass(frozen=True)
class _Summary:
    """What of a JSON must be known before any is drawn."""

    path: Path
    image: Place | None
    labels: tuple[str, ...] = ()
    """Of the shapes that have an area."""
    without_area: tuple[str, ...] = ()
    """Types of those that have none."""
    broken: bool = False


@dataclass(frozen=True, kw_only=True)
class Labelme(AnnotatedSource):
    """LabelMe's JSON files, one an image, with polygons, rectangles, circles and masks."""

    train_path: Path | None = None
    """Folder of the training JSONs, sub-folders included; the images are where these say, or inside them."""
    val_path: Path | None = None
    """Folder of the validation JSONs."""
    test_path: Path | None = None
    """Folder of the test JSONs."""
    class_names: tuple[str, ...] = ()
    """Names of the classes in their order, or a text file with one on each line, such as LabelMe's labels.txt;
    by default all labels that occur, sorted."""

    def splits(self) -> dict[str, list[Pair]]:
        """Return a pair for each JSON of each folder that was given, by name.

        Raises:
            ConfigError: No folder was given.
            DataError: A folder is missing, or has no JSON.
        """
        return hold_out({split: self._pairs(split) for split in self._documents}, self.val_share)

    def read_label(self, path: Path) -> Label:
        """Draw the shapes of one JSON, in its order.

        Raises:
            BadFileError: The JSON is broken, or a shape is of no class, or does not fit the image.
        """
        document = read_object(path)
        shapes = member(path, document, "shapes", list, "the document")
        if document.get("imageHeight") and document.get("imageWidth"):
            height, width = size(
                path,
                member(path, document, "imageHeight", int, "the document"),
                member(path, document, "imageWidth", int, "the document"),
            )
        else:  # the oldest files do not have it
            height, width = upright_shape(_image(path, document, self._folder_of(path)))
        layers = []
        for number, shape in enumerate(shapes, start=1):
            label, owner = _named(path, shape, number)
            if _kind(shape) not in _NO_AREAS:
                region = self._region(path, shape, owner, height, width)
                layers.append((region, self._value(path, label, owner, among="the classes", advice=_ADVICE)))
        return paint(height, width, layers, outside=self._mapping.outside)

    @cached_property
    def _documents(self) -> dict[str, list[_Summary]]:
        given = {"train": self.train_path, "val": self.val_path, "test": self.test_path}
        if not any(given.values()):
            raise ConfigError("Give `train_path`, and `val_path` or `val_share`.")
        for split, folder in given.items():
            if folder and not folder.is_dir():
                raise DataError(f"{folder}: no such folder (`{split}_path`).")
        return {
            split: [_summary(path, self.image_root or folder) for _, path in named_files(folder, (".json",))]
            for split, folder in given.items()
            if folder
        }

    def _folder_of(self, path: Path) -> Path:
        """Return the folder that the image of a JSON must lie in."""
        given = [folder for folder in (self.train_path, self.val_path, self.test_path) if folder]
        return self.image_root or next((folder for folder in given if is_below(path, folder)), path.parent)

    @cached_property
    def _mapping(self) -> ClassMapping:
        found = {label for files in self._documents.values() for file in files for label in file.labels}
        names = read_names(self.class_names) or tuple(sorted(found))
        names += tuple(sorted(found & {*self.ignore_classes, _IGNORE} - {*names}))
        background = self.background or (_BACKGROUND if _BACKGROUND in names else "")
        return class_mapping(
            names, background=background, ignored={*self.ignore_classes, *({_IGNORE} & {*names})}
        )

    def _pairs(self, split: str) -> list[Pair]:
        files = self._documents[split]
        folder = getattr(self, f"{split}_path")
        note_without_area(folder, ((file.path, file.without_area) for file in files))
        files = self._with_shapes(folder, files, lambda file: bool(file.labels or file.broken), what="shapes")
        return [
            Pair(file.path.relative_to(folder).with_suffix("").as_posix(), file.image, file.path)
            for file in files
        ]

    def _region(self, path: Path, shape: dict[str, object], owner: str, height: int, width: int) -> Region:
        kind = _kind(shape)
        if kind not in _AREAS:
            raise BadFileError(
                path, f"unknown shape: {owner} is a {kind!r}. Known: {', '.join([*_AREAS, *_NO_AREAS])}."
            )
        points = corners(path, member(path, shape, "points", list, owner), owner, least=_AREAS[kind])
        if kind == "mask":
            return _mask(path, shape, points, owner, height, width)
        radius = float(np.hypot(*(points[1] - points[0]))) if kind == "circle" else 0
        if kind == "rectangle" and len(points) == 2:
            points = box(*points.min(axis=0), *points.max(axis=0))
        extent = np.concatenate([points[:1] - radius, points[:1] + radius]) if radius else points
        self._refuse_outside(path, extent, owner, (height, width))
        if kind == "circle":
            return ellipse(points[0], (radius, radius), height, width)
        return polygon(points, height, width)


def _mask(path: Path, shape: object, points: Points, owner: str, height: int, width: int) -> Region:
    """Return a mask that is a PNG; its two points are its first and its last pixel."""
    try:
        data = base64.b64decode(member(path, shape, "mask", str, owner), validate=True)
    except binascii.Error:
        raise BadFileError(path, f"damaged: the mask of {owner} is not base64.") from None
    mask = np.asarray(decode(path, data).convert("L")) > 0
    (left, top), (right, bottom) = points.astype(np.int64)
    if mask.shape != (bottom - top + 1, right - left + 1):
        raise BadFileError(
            path,
            f"size differs: the mask of {owner} is {mask.shape[1]} x {mask.shape[0]}, its points are those of "
            f"{right - left + 1} x {bottom - top + 1} (width x height).",
        )
    if top < 0 or left < 0 or bottom >= height or right >= width:
        raise BadFileError(
            path,
            f"outside the image: the mask of {owner} is at x {left} to {right}, y {top} to {bottom}; the image "
            f"is {width} x {height} (width x height).",
        )
    return Region(mask, int(top), int(left))


def _summary(path: Path, folder: Path) -> _Summary:
    try:
        document = read_object(path)
        shapes = [
            (_named(path, shape, number)[0], _kind(shape))
            for number, shape in enumerate(member(path, document, "shapes", list, "the document"), start=1)
        ]
        image = _image(path, document, folder)
    except BadFileError:
        # Reading the label will say what is wrong. The image is most likely the one that is named like it.
        likely = (path.with_suffix(suffix) for suffix in IMAGE_SUFFIXES)
        return _Summary(path, next((file for file in likely if file.exists()), None), broken=True)
    return _Summary(
        path,
        image,
        labels=tuple(dict.fromkeys(label for label, kind in shapes if kind not in _NO_AREAS)),
        without_area=tuple(kind for _, kind in shapes if kind in _NO_AREAS),
    )


def _image(path: Path, document: dict[str, object], folder: Path) -> Place:
    """Return the file that a JSON names, or the image inside it if that file is not there."""
    name = member(path, document, "imagePath", str, "the document").replace("\\", "/")
    named = below(path, path.parent, name, folder)
    if document.get("imageData") and (isinstance(named, Outside) or not named.exists()):
        return EmbeddedImage(path, "imageData")
    return named


def _named(path: Path, shape: object, number: int) -> tuple[str, str]:
    """Return the label of a shape, and how messages call it."""
    label = member(path, shape, "label", str, f"shape {number}")
    return label, f"shape {number} ({label!r})"


def _kind(shape: dict[str, object]) -> str:
    # The oldest files know polygons only, and do not say so.
    return str(shape.get("shape_type") or "polygon")
