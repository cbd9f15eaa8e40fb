"""What CVAT exports as "CVAT for images 1.1": an XML with the shapes of all images, and a folder of these.

Source: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/ and
https://docs.cvat.ai/docs/other/xml_format/

    annotations.xml         labels with their colours; images with polygons, boxes, ellipses and masks
    images/a.jpg            as the XML names them; images/train/a.jpg in the export of a project with subsets

A shape with a higher ``z_order`` is drawn upon a lower one, of equal ones the later. Outlines become pixels as
`kerseg.data.formats.shapes` says. Points, polylines, tags, cuboids and skeletons have no area: they are left out,
and counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from kerseg.core.info import Colour
from kerseg.data.formats.documents import corners, read_xml, size
from kerseg.data.formats.files import BadFileError, Part
from kerseg.data.formats.labels import Label
from kerseg.data.formats.shapes import Points, Region, box, ellipse, paint, polygon, rotated, runs
from kerseg.data.sources.annotated import AnnotatedSource, note_without_area
from kerseg.data.sources.base import Pair
from kerseg.data.sources.below import Outside, below, name_of
from kerseg.data.sources.folders import hold_out
from kerseg.errors import ConfigError, DataError

FILE_NAME = "annotations.xml"
_AREAS = ("polygon", "box", "ellipse", "mask")
_NO_AREAS = ("points", "polyline", "tag", "cuboid", "skeleton")
_SUBSETS = {
    "": "train",
    "default": "train",
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Names of subsets, in lower case, and the splits that they are."""

Shape = tuple[str, dict[str, str]]
"""Tag and attributes."""


@dataclass(frozen=True)
class CvatLabel(Part):
    """The shapes of one image; ``key`` is its name."""

    image: dict[str, str] = field(compare=False)
    """Attributes of its ``image``."""
    shapes: tuple[Shape, ...] = field(compare=False)
    """Those that have an area, in the order of the file."""


@dataclass(frozen=True, kw_only=True)
class CvatXml(AnnotatedSource):
    """An export of CVAT, "CVAT for images 1.1": polygons, boxes, ellipses and masks become classes."""

    root: Path | None = None
    """Export of a project, unpacked: the folder with annotations.xml, whose subsets (Train, Validation, Test)
    are the splits. What is in no subset is train."""
    train_path: Path | None = None
    """Instead of `root`: export of the training images, whatever its subsets."""
    val_path: Path | None = None
    """Export of the validation images."""
    test_path: Path | None = None
    """Export of the test images."""

    def splits(self) -> dict[str, list[Pair]]:
        """Return the images of each split, in the order of the XML.

        Raises:
            BadFileError: The XML is broken, or has subsets that are no splits.
            ConfigError: No export was given, or both kinds of option.
        """
        found: dict[str, list[Pair]] = {"train": [], "val": [], "test": []}
        for split, (path, document) in self._documents.items():
            labels = self._kept(path, [_label(path, image) for image in document.iter("image")])
            folder = self.image_root or path.parent
            places = [_image(path, label.image, folder) for label in labels]
            if labels and not any(isinstance(place, Outside) or place.exists() for place in places):
                raise DataError(
                    f"{path}: none of its {len(labels)} images is there, such as {places[0]}. Export with "
                    "'Save images', or put them there."
                )
            for label, place in zip(labels, places, strict=True):
                pair = Pair(name_of(path.parent / label.key, path.parent, folder), place, label)
                found[split or _split(path, label)].append(pair)
        return hold_out({split: pairs for split, pairs in found.items() if pairs}, self.val_share)

    def read_label(self, path: CvatLabel) -> Label:
        """Draw the shapes of one image, the lowest first.

        Raises:
            BadFileError: A shape is of no label, or does not fit its image.
        """
        owner = f"image {path.key!r}"
        height, width = size(
            path,
            int(_number(path, path.image, "height", owner)),
            int(_number(path, path.image, "width", owner)),
        )
        layers = []
        for number, (kind, attributes) in enumerate(path.shapes, start=1):
            owner = f"{kind} {number} ({attributes.get('label')!r})"
            order = _number(path, attributes, "z_order", owner, default=0)
            region = self._region(path, kind, attributes, owner, height, width)
            value = self._value(path, attributes.get("label", ""), owner, among="the XML's labels")
            layers.append((order, region, value))
        layers.sort(key=lambda layer: layer[0])
        return paint(height, width, [layer[1:] for layer in layers], outside=self._mapping.outside)

    @cached_property
    def _documents(self) -> dict[str, tuple[Path, Element]]:
        """Split, or ``""`` where subsets say, -> path and content of the XML."""
        given = {"train": self.train_path, "val": self.val_path, "test": self.test_path}
        if bool(self.root) == any(given.values()):
            raise ConfigError("Give `root`, or `train_path` and `val_path`: one of the two.")
        paths = {split: path for split, path in {"": self.root, **given}.items() if path}
        return {split: _read(path, split) for split, path in paths.items()}

    def _labels(self) -> dict[str, Colour | None]:
        """Return the labels of the XML in its order, with its colours."""
        (first, document), *others = self._documents.values()
        colours = _labels(first, document)
        for path, other in others:
            if unknown := [name for name in _labels(path, other) if name not in colours]:
                raise BadFileError(
                    path,
                    f"other labels: {first} has no {', '.join(map(repr, unknown))}. It has: "
                    f"{', '.join(colours)}. Export the splits of one project.",
                )
        return colours

    def _kept(self, path: Path, labels: list[tuple[CvatLabel, list[str]]]) -> list[CvatLabel]:
        """Return the images that are part of the data, and say what is not."""
        note_without_area(path, ((label.key, kinds) for label, kinds in labels))
        every = [label for label, _ in labels]
        return self._with_shapes(path, every, lambda label: bool(label.shapes), what="shapes")

    def _region(
        self, path: CvatLabel, kind: str, attributes: Mapping[str, str], owner: str, height: int, width: int
    ) -> Region:
        def number(key: str, default: float | None = None) -> float:
            return _number(path, attributes, key, owner, default=default)

        if kind == "mask":
            return _mask(path, attributes, owner, height, width)
        degrees = number("rotation", 0)
        if kind == "ellipse":
            centre, radii = np.array([number("cx"), number("cy")]), (number("rx"), number("ry"))
            points = _extent(centre, radii, degrees)
        elif kind == "box":
            points = box(number("xtl"), number("ytl"), number("xbr"), number("ybr"))
            points = rotated(points, points.mean(axis=0), degrees) if degrees else points
        else:
            pairs = attributes.get("points", "").split(";")
            points = corners(path, [pair.split(",") for pair in pairs], owner)
        self._refuse_outside(path, points, owner, (height, width))
        if kind == "ellipse":
            return ellipse(centre, radii, height, width, degrees=degrees)
        return polygon(points, height, width)


def _read(path: Path, split: str) -> tuple[Path, Element]:
    """Return path and content of the XML that an option gives, by itself or by its folder."""
    file = path / FILE_NAME if path.is_dir() else path
    if not file.exists():
        option = f"`{split}_path`" if split else "`root`"
        raise DataError(f"{file}: no such file ({option}). It is what CVAT exports as 'CVAT for images 1.1'.")
    document = read_xml(file)
    if document.tag != "annotations":
        raise BadFileError(file, f"not CVAT's: it holds <{document.tag}>, not <annotations>.")
    if document.find("image") is None:
        tracks = (
            " It holds tracks: export it as 'CVAT for images 1.1'."
            if document.find("track") is not None
            else ""
        )
        raise BadFileError(file, f"no images: it has no <image>.{tracks}")
    return file, document


def _labels(path: Path, document: Element) -> dict[str, Colour | None]:
    """Return the labels that can have an area, with their colours, in the order of the XML."""
    found: dict[str, Colour | None] = {}
    for label in document.iterfind("./meta//labels/label"):
        name, colour = label.findtext("name") or "", label.findtext("color") or ""
        if label.findtext("type") not in _NO_AREAS:
            digits = colour.removeprefix("#")
            is_colour = len(digits) == 6 and all(digit in "0123456789abcdefABCDEF" for digit in digits)
            found[name] = (*bytes.fromhex(digits),) if is_colour else None
    if not found:
        raise BadFileError(path, "no labels: its <meta> lists none that have an area.")
    return found


def _label(path: Path, image: Element) -> tuple[CvatLabel, list[str]]:
    """Return what is drawn of an image, and the kinds of what is not."""
    if not image.get("name"):
        raise BadFileError(path, f"incomplete: image {image.get('id')} has no 'name'.")
    shapes = [(shape.tag, dict(shape.attrib)) for shape in image]
    areas = tuple(shape for shape in shapes if shape[0] in _AREAS)
    left = [kind for kind, _ in shapes if kind not in _AREAS]
    return CvatLabel(path, image.attrib["name"], dict(image.attrib), areas), left


def _image(path: Path, image: Mapping[str, str], folder: Path) -> Path | Outside:
    """Return where the image is: where a project's export has it, or a task's, or beside the XML."""
    images = path.parent / "images"
    places: list[Path] = []
    for start in (images / image.get("subset", ""), images, path.parent):
        place = below(path, start, image["name"], folder)
        if isinstance(place, Outside):
            return place
        places.append(place)
    return next((place for place in places if place.exists()), places[1])


def _split(path: Path, label: CvatLabel) -> str:
    subset = label.image.get("subset", "")
    if subset.lower() not in _SUBSETS:
        raise BadFileError(
            path,
            f"unknown subset: {label.key!r} is in {subset!r}. Known: Train, Validation, Test, in CVAT's words. "
            "Rename it there, or export each subset, and give `train_path` and `val_path`.",
        )
    return _SUBSETS[subset.lower()]


def _mask(path: CvatLabel, attributes: Mapping[str, str], owner: str, height: int, width: int) -> Region:
    """Return a mask: run lengths along the rows of a window."""
    left, top, columns, rows = (
        int(_number(path, attributes, key, owner)) for key in ("left", "top", "width", "height")
    )
    if left < 0 or top < 0 or left + columns > width or top + rows > height:
        raise BadFileError(
            path,
            f"outside the image: {owner} is {columns} x {rows} at x {left}, y {top}; the image is {width} x "
            f"{height} (width x height).",
        )
    try:
        counts = [int(count) for count in attributes.get("rle", "").split(",")]
        return Region(runs(counts, rows, columns, order="rows").mask, top, left)
    except ValueError as error:
        raise BadFileError(path, f"bad run lengths: {owner}: {error}.") from None


def _extent(centre: Points, radii: tuple[float, float], degrees: float) -> Points:
    """Return the upper left and lower right corner of the box around a turned ellipse."""
    sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
    reach = np.array(
        [np.hypot(radii[0] * cosine, radii[1] * sine), np.hypot(radii[0] * sine, radii[1] * cosine)]
    )
    return np.stack([centre - reach, centre + reach])


def _number(
    path: CvatLabel, attributes: Mapping[str, str], key: str, owner: str, *, default: float | None = None
) -> float:
    """Return an attribute that is a number.

    Raises:
        BadFileError: It is none, or is missing and has no ``default``.
    """
    if key not in attributes:
        if default is None:
            raise BadFileError(path, f"incomplete: {owner} has no {key!r}.")
        return default
    try:
        value = float(attributes[key])
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise BadFileError(path, f"wrong type: {key!r} of {owner} is {attributes[key]!r}, not a number.")
    return value
