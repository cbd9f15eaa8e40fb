"""Instance segmentation in the format of Ultralytics YOLO: ``data.yaml``, images, and a text file for each.

Source: https://docs.ultralytics.com/datasets/segment/

    data.yaml               names: {0: cat, 1: dog}; train: images/train; val: images/val; path: (optional)
    images/train/a.jpg
    labels/train/a.txt      an object on each line: class x1 y1 x2 y2 x3 y3 ..., shares of width and height

Objects become classes. Where they overlap, the smaller one (in pixels) is drawn upon the larger, and of equal
ones the later. Polygons become pixels as `kerseg.data.formats.shapes` says. An image without a text file, or
with an empty one, has no objects.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kerseg.data.formats.documents import corners, read_lines, read_yaml
from kerseg.data.formats.files import BadFileError, read_regular
from kerseg.data.formats.images import upright_shape
from kerseg.data.formats.labels import Label
from kerseg.data.formats.shapes import Region, largest_first, paint, polygon
from kerseg.data.formats.suffixes import IMAGE_SUFFIXES
from kerseg.data.sources.annotated import AnnotatedSource
from kerseg.data.sources.base import Pair
from kerseg.data.sources.below import Outside, below, name_of
from kerseg.data.sources.folders import hold_out, named_files


@dataclass(frozen=True)
class YoloLabel:
    """A text file and the image whose size its coordinates are shares of."""

    path: Path
    image: Path

    def __str__(self) -> str:
        return str(self.path)

    def read_bytes(self) -> bytes:
        """Return the text; none if there is no file."""
        return read_regular(self.path) if self.path.exists() else b""


@dataclass(frozen=True, kw_only=True)
class YoloSeg(AnnotatedSource):
    """Ultralytics YOLO's format for segmentation: a data.yaml, and polygons in text files."""

    yaml: Path
    """The data.yaml, which names the classes and says where the images of each split are."""
    root: Path | None = None
    """Folder that the paths in data.yaml start from; by default its 'path', or else the one it is in."""

    def splits(self) -> dict[str, list[Pair]]:
        """Return the images of each split that data.yaml has, by name.

        Raises:
            BadFileError: It has none, or a folder is not there.
        """
        given = {split: self._document.get(split) for split in ("train", "val", "test")}
        if not any(given.values()):
            raise BadFileError(self.yaml, "no splits: it has no 'train', no 'val' and no 'test'.")
        pairs = {split: self._pairs(split, entry) for split, entry in given.items() if entry}
        return hold_out(pairs, self.val_share)

    def read_label(self, path: YoloLabel) -> Label:
        """Draw the objects of one image, the smaller upon the larger.

        Raises:
            BadFileError: A line is not a class and a polygon, or does not fit the image; it is numbered.
        """
        height, width = upright_shape(path.image)
        lines = read_lines(path.path) if path.path.exists() else []
        layers = [
            (
                self._region(path, words, f"line {number}", height, width),
                self._value_of(path, words[0], number),
            )
            for number, words in enumerate(map(str.split, lines), start=1)
            if words
        ]
        return paint(height, width, largest_first(layers), outside=self._mapping.outside)

    @cached_property
    def _document(self) -> dict[str, object]:
        document = read_yaml(self.yaml)
        if not isinstance(document, dict):
            raise BadFileError(self.yaml, "wrong type: it is no list of 'key: value', as a data.yaml is.")
        return document

    @cached_property
    def _names(self) -> dict[int, str]:
        """Return number -> name of each class."""
        names = self._document.get("names")
        names = dict(enumerate(names)) if isinstance(names, list) else names
        if not isinstance(names, dict) or not names or not all(isinstance(key, int) for key in names):
            raise BadFileError(
                self.yaml, "no names: 'names' must be a list of class names, or have a number for each."
            )
        count = self._document.get("nc", len(names))
        if count != len(names):
            raise BadFileError(
                self.yaml, f"names do not fit: 'nc' is {count}, and there are {len(names)} names."
            )
        return {key: str(names[key]) for key in sorted(names)}

    def _labels(self) -> dict[str, None]:
        return dict.fromkeys(self._names.values())

    @cached_property
    def _root(self) -> Path:
        beside = self.yaml.parent
        # Ultralytics takes 'path' from the folder of its settings. A data set that was moved is where its file is.
        name = str(self._document.get("path") or "")
        if self.root or not (beside / name).is_dir():
            return self.root or beside
        return self._below(beside, name, f"'path' is {name!r}")

    def _below(self, start: Path, name: str, what: str) -> Path:
        """Return the place that data.yaml or a list of images names, if it may be read."""
        folder = self.image_root or self.root or self.yaml.parent
        if isinstance(found := below(self.yaml, start, name, folder), Outside):
            raise BadFileError(
                self.yaml,
                f"outside its folder: {what}, which is not below {folder}. If that is meant, give `image_root`, a "
                "folder that holds all images, or `root`.",
            )
        return found

    def _pairs(self, split: str, entry: object) -> list[Pair]:
        entries = entry if isinstance(entry, list) else [entry]
        pairs = []
        for place in map(str, entries):
            for image, name in self._images(split, place, alone=len(entries) == 1):
                pairs.append(Pair(name, image, YoloLabel(_label_path(image), image)))
        labels = [pair.label.path for pair in pairs if isinstance(pair.label, YoloLabel)]
        if labels and not any(label.exists() for label in labels):
            raise BadFileError(
                self.yaml,
                f"no labels: none of the {len(pairs)} images of {split!r} has one; that of {pairs[0].image} "
                f"would be {labels[0]}.",
            )
        return self._with_shapes(self.yaml, pairs, _has_text, what="objects", of=f" of {split!r}")

    def _images(self, split: str, place: str, *, alone: bool) -> Iterator[tuple[Path, str]]:
        """Yield the path and the name of each image of a folder or of a list of images."""
        path = self._root / place
        if not path.exists() and place.startswith("../"):
            place = place.removeprefix("../")  # as Roboflow writes it, and Ultralytics reads it
        path = self._below(self._root, place, f"{split!r} is {place!r}")
        if path.is_dir():
            start = path if alone else self._root
            for _, image in named_files(path, IMAGE_SUFFIXES):
                yield image, name_of(image, start, self.image_root or self._root)
        elif path.is_file():
            for line in filter(None, map(str.strip, read_lines(path))):
                image = self._below(path.parent, line, f"{path.name} lists {line!r}")
                yield image, name_of(image, self._root, self.image_root or self._root)
        else:
            raise BadFileError(
                self.yaml,
                f"no such folder: {split!r} is {place!r}, and there is no {path}. Give `root`, the folder that "
                "the paths start from.",
            )

    def _value_of(self, path: YoloLabel, word: str, line: int) -> int:
        names = self._names
        # Some tools write 3.0 for 3.
        number = word.removesuffix(".0")
        if not number.isdecimal() or int(number) not in names:
            known = ", ".join(f"{key} ({names[key]})" for key in list(names)[:20])
            raise BadFileError(path, f"unknown class: line {line} begins with {word!r}. Known: {known}.")
        return self._mapping.values[names[int(number)]]

    def _region(self, path: YoloLabel, words: list[str], line: str, height: int, width: int) -> Region:
        if len(words) == 5:
            raise BadFileError(
                path,
                f"box: {line} has 4 numbers after the class, a box of YOLO detection. Outline the object.",
            )
        shares = corners(path, words[1:], line)
        points = shares * [width, height]
        if (abs(shares) > 2).any():
            advice = "Numbers are shares of width and height, 0 to 1."
            self._refuse_outside(path, points, line, (height, width), advice)
        self._refuse_outside(path, points, line, (height, width))
        return polygon(points, height, width)


def _has_text(pair: Pair) -> bool:
    path = _label_path(pair.image) if isinstance(pair.image, Path) else None
    return path is not None and path.exists() and path.stat().st_size > 0


def _label_path(image: Path) -> Path:
    """Return where the label of ``image`` is: ``labels`` for the last ``images`` of its path, or beside it."""
    parts = list(image.parts)
    if "images" in parts[:-1]:
        parts[len(parts) - 2 - parts[-2::-1].index("images")] = "labels"
    return Path(*parts).with_suffix(".txt")
