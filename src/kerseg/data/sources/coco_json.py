"""Annotations in COCO's format, as most tools export them: one JSON a split, with the objects of all images.

Source: https://cocodataset.org/#format-data (object detection); run lengths as in the COCO API,
https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c

Objects become classes: all cats of an image are "cat". Where objects overlap, the smaller one (in pixels) is
drawn upon the larger, and of equal ones the later. Polygons become pixels as `kerseg.data.formats.shapes` says; the
COCO API rounds outlines to a fifth of a pixel, and differs where a centre lies that near to one. An object of
several polygons is all of them together, as in the COCO API: what has a hole comes as run lengths.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from kerseg.core.info import IGNORE_LABEL
from kerseg.data.formats.documents import corners, member, read_object, size
from kerseg.data.formats.files import BadFileError, Part
from kerseg.data.formats.labels import Label
from kerseg.data.formats.shapes import Region, largest_first, paint, polygon, runs, union
from kerseg.data.sources.annotated import AnnotatedSource
from kerseg.data.sources.base import Pair
from kerseg.data.sources.below import Outside, below, name_of
from kerseg.data.sources.folders import hold_out
from kerseg.errors import ConfigError, DataError


@dataclass(frozen=True)
class CocoLabel(Part):
    """The annotations of one image; ``key`` is its file name."""

    image: dict[str, object] = field(compare=False)
    """Its entry in ``images``."""
    annotations: tuple[dict[str, object], ...] = field(compare=False)


@dataclass(frozen=True, kw_only=True)
class CocoJson(AnnotatedSource):
    """A JSON in COCO's format for each split: polygons, run lengths and crowds become classes."""

    train_json: Path | None = None
    """Annotations of the training images, such as instances_train2017.json."""
    train_image_path: Path | None = None
    """Folder that the file names in this JSON start from; by default the one the JSON is in."""
    val_json: Path | None = None
    """Annotations of the validation images."""
    val_image_path: Path | None = None
    """Folder that the file names in this JSON start from; by default the one the JSON is in."""
    test_json: Path | None = None
    """Annotations of the test images."""
    test_image_path: Path | None = None
    """Folder that the file names in this JSON start from; by default the one the JSON is in."""
    crowd: Literal["class", "ignore"] = "class"
    """What becomes of objects marked iscrowd, regions of many that were outlined roughly: their category's
    class, or pixels to ignore."""

    def splits(self) -> dict[str, list[Pair]]:
        """Return the images of each JSON that was given, in its order.

        Raises:
            BadFileError: A JSON is broken, or holds annotations of images that it does not list.
            ConfigError: No JSON was given.
        """
        return hold_out({split: self._pairs(split) for split in self._documents}, self.val_share)

    def read_label(self, path: CocoLabel) -> Label:
        """Draw the objects of one image, the smaller upon the larger.

        Raises:
            BadFileError: An annotation is of no category, has no outline, or one that does not fit its image.
        """
        owner = f"image {path.key!r}"
        height, width = size(
            path,
            member(path, path.image, "height", int, owner),
            member(path, path.image, "width", int, owner),
        )
        layers = [
            (self._region(path, annotation, height, width), self._value_of(path, annotation))
            for annotation in path.annotations
        ]
        return paint(height, width, largest_first(layers), outside=self._mapping.outside)

    @cached_property
    def _documents(self) -> dict[str, tuple[Path, dict[str, object]]]:
        """Split -> its JSON and what that holds."""
        given = {"train": self.train_json, "val": self.val_json, "test": self.test_json}
        if not any(given.values()):
            raise ConfigError("Give `train_json`, and `val_json` or `val_share`.")
        return {split: (path, read_object(path)) for split, path in given.items() if path}

    @cached_property
    def _categories(self) -> dict[Path, dict[int, str]]:
        """JSON -> the names of its categories by their ids; the same name may have another id in each."""
        found: dict[Path, dict[int, str]] = {}
        for path, document in self._documents.values():
            categories = {}
            for entry in member(path, document, "categories", list, "the document"):
                number = member(path, entry, "id", int, "a category")
                categories[number] = member(path, entry, "name", str, f"category {number}")
            first, names = next(iter(found.items()), (path, categories))
            if unknown := [name for name in categories.values() if name not in names.values()]:
                raise BadFileError(
                    path,
                    f"other categories: {first} has no {', '.join(map(repr, unknown))}. It has: "
                    f"{', '.join(names.values())}. Export the splits with the same categories.",
                )
            found[path] = categories
        return found

    def _labels(self) -> dict[str, None]:
        """Return the categories by their ids, which may have gaps."""
        categories = next(iter(self._categories.values()))
        return dict.fromkeys(categories[number] for number in sorted(categories))

    def _pairs(self, split: str) -> list[Pair]:
        path, document = self._documents[split]
        images = getattr(self, f"{split}_image_path") or path.parent
        if not images.is_dir():
            raise DataError(f"{images}: no such folder (`{split}_image_path`).")
        of_image = _by_image(path, document)
        labels = []
        for number, image in _images(path, document).items():
            key = member(path, image, "file_name", str, f"image {number}")
            labels.append(CocoLabel(path, key, image, tuple(of_image.pop(number, ()))))
        if of_image:
            number, (annotation, *_) = next(iter(of_image.items()))
            raise BadFileError(
                path,
                f"unknown image: {_named(annotation)} is of image {number}, which 'images' does not list; "
                f"{len(of_image)} such image{'s' * (len(of_image) > 1)}. Export the data again.",
            )
        labels = self._with_shapes(path, labels, lambda label: bool(label.annotations), what="objects")
        folder = self.image_root or images
        places = [below(path, images, label.key, folder) for label in labels]
        if labels and not any(isinstance(place, Outside) or place.exists() for place in places):
            raise DataError(
                f"{images}: has none of the {len(labels)} images of {path}, such as {labels[0].key}. "
                f"Give `{split}_image_path`, the folder that these names start from."
            )
        return [
            Pair(name_of(images / label.key, images, folder), place, label)
            for label, place in zip(labels, places, strict=True)
        ]

    def _value_of(self, path: CocoLabel, annotation: dict[str, object]) -> int:
        number = member(path, annotation, "category_id", int, _named(annotation))
        categories = self._categories[path.file]
        if number not in categories:
            known = ", ".join(f"{key} ({categories[key]})" for key in sorted(categories)[:20])
            raise BadFileError(
                path, f"unknown category: {_named(annotation)} has category_id {number}. Known: {known}."
            )
        if self.crowd == "ignore" and annotation.get("iscrowd"):
            return IGNORE_LABEL
        return self._mapping.values[categories[number]]

    def _region(self, path: CocoLabel, annotation: dict[str, object], height: int, width: int) -> Region:
        owner = _named(annotation)
        outline = annotation.get("segmentation")
        if not outline:
            raise BadFileError(
                path,
                f"no outline: {owner} has no 'segmentation', only a box at most. Outline it, or remove it.",
            )
        if isinstance(outline, dict):
            return _runs(path, outline, owner, height, width)
        if not isinstance(outline, list) or not all(isinstance(part, list) for part in outline):
            raise BadFileError(
                path, f"wrong type: 'segmentation' of {owner} is no list of lists and no object."
            )
        regions = []
        for part in outline:
            points = corners(path, part, owner)
            self._refuse_outside(path, points, owner, (height, width))
            regions.append(polygon(points, height, width))
        return union(regions)


def decode_counts(text: str) -> list[int]:
    """Return the run lengths that the COCO API has packed into ``text``.

    Each number takes characters of 6 bits, offset by 48: 5 bits of the number, the lowest first, and a bit that
    says whether more follow; the highest bit of the last one is the sign. From the fourth on, a number is the
    difference to the one two before it.

    Raises:
        ValueError: A character is none of these, or the last number is incomplete.

    Example:
        >>> decode_counts("224")
        [2, 2, 4]
    """
    counts: list[int] = []
    number = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"{character!r} is no character of packed run lengths")
        number |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            number -= 1 << shift
        counts.append(number + (counts[-2] if len(counts) > 2 else 0))
        number = shift = 0
    if shift:
        raise ValueError("the last run length is incomplete")
    return counts


def _runs(path: CocoLabel, outline: dict[str, object], owner: str, height: int, width: int) -> Region:
    shape = member(path, outline, "size", list, f"'segmentation' of {owner}")
    if shape != [height, width]:
        raise BadFileError(
            path, f"size differs: run lengths of {owner} are for {shape}, its image is {[height, width]}."
        )
    counts = outline.get("counts")
    try:
        if isinstance(counts, str):
            lengths = decode_counts(counts)
        else:
            lengths = [
                int(count) for count in member(path, outline, "counts", list, f"'segmentation' of {owner}")
            ]
        return runs(lengths, height, width, order="columns")
    except (TypeError, ValueError) as error:
        raise BadFileError(path, f"bad run lengths: {owner}: {error}.") from None


def _images(path: Path, document: object) -> dict[int, dict[str, object]]:
    """Return id -> entry of ``images``."""
    found: dict[int, dict[str, object]] = {}
    for image in member(path, document, "images", list, "the document"):
        number = member(path, image, "id", int, "an image")
        if number in found:
            raise BadFileError(path, f"id twice: two of 'images' have the id {number}.")
        found[number] = image
    return found


def _by_image(path: Path, document: object) -> dict[int, list[dict[str, object]]]:
    """Return id of an image -> its annotations."""
    found: dict[int, list[dict[str, object]]] = defaultdict(list)
    for annotation in member(path, document, "annotations", list, "the document"):
        found[member(path, annotation, "image_id", int, "an annotation")].append(annotation)
    return found


def _named(annotation: dict[str, object]) -> str:
    return f"annotation {annotation.get('id', 'without id')}"
