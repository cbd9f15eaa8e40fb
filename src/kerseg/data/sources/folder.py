"""Any data set that is a folder of images and a folder of labels: your own, most likely.

Images may be more than 8-bit RGB: TIFF of any depth, NIfTI, NumPy's arrays. `array_folders` pairs them.

A label is an image of the same name and size: grey or indexed colour (its values are the classes, or what
``label_values`` says), or colours (``palette`` says which colour is which class).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kerseg.core.info import IGNORE_LABEL, STORED, Channels, Layout, default_palette
from kerseg.data.formats.arrays import SUFFIXES
from kerseg.data.formats.channels import declare
from kerseg.data.formats.files import BadFileError, Place
from kerseg.data.formats.images import label_values, read_label
from kerseg.data.formats.labels import Classes, Label, map_colours, map_values
from kerseg.data.formats.suffixes import IMAGE_SUFFIXES, suffix_of
from kerseg.data.formats.volumes import ArrayPart
from kerseg.data.formats.volumes import label_values as array_values
from kerseg.data.sources.array_folders import label_place, pair_arrays
from kerseg.data.sources.base import Pair, Source
from kerseg.data.sources.folders import named_files, pair_folders
from kerseg.data.sources.palettes import read_names, read_palette
from kerseg.errors import ConfigError, DataError

_GLANCE = 8
"""Labels looked at to say what the classes might be."""
_MANY = 64
"""More values than this in one label, most of them not classes, are no list of classes."""


@dataclass(frozen=True, kw_only=True)
class Folder(Source):
    """Folders of images and of labels; the two are matched by file name, sub-folders included."""

    train_image_path: Path | None = None
    """Folder of the training images: jpg, png, bmp, gif, tif, webp, ppm, pgm, npy, npz, nii or nii.gz."""
    train_label_path: Path | None = None
    """Folder of their labels: png, bmp, gif, tif, npy, npz, nii or nii.gz, each named like its image."""
    val_image_path: Path | None = None
    """Folder of the validation images."""
    val_label_path: Path | None = None
    """Folder of their labels."""
    test_image_path: Path | None = None
    """Folder of the test images."""
    test_label_path: Path | None = None
    """Folder of their labels."""
    class_names: tuple[str, ...] = ()
    """Names of the classes in the order of their values, or a text file with one name on each line."""
    number_classes: bool = False
    """Do without names: a class for each value from 0 to the highest in the labels, 255 ignored."""
    palette: tuple[str, ...] = ()
    """Colour of each class: a file (R G B or #rrggbb on each line, then the class name; 'ignore' for colours
    to leave out), the name of a source, or the colours themselves: '#000000' '#800000'."""
    label_values: tuple[int, ...] = ()
    """Values of the classes in grey labels, in the order of the class names; by default 0 1 2 and so on."""
    ignore_values: tuple[int, ...] | None = None
    """Values in grey labels that stand for no class; by default 255, unless it is one of the label values."""
    label_tail: str = ""
    """Ending of the labels' names that the images' lack: _mask if a.jpg belongs to a_mask.png."""
    value_range: tuple[float, ...] = ()
    """Values that become 0 and 255 in images that are not 8-bit: LOW HIGH for all channels, or for each."""
    channel_names: tuple[str, ...] = ()
    """Names of the images' channels; with them, or with a value range, images keep all their channels."""
    channel_tails: tuple[str, ...] = ()
    """Endings of the files that are the channels of one image: _0000 _0001, for a_0000.nii and a_0001.nii."""
    channel_axis: int | None = None
    """Axis of the channels in arrays and TIFF; by default the last, and what a TIFF says."""
    slice_axis: int | None = None
    """Axis along which volumes are cut into images; by default 2, from feet to head, for NIfTI; else none."""

    name: ClassVar[str] = ""

    @cached_property
    def classes(self) -> Classes:
        """Names and colours as given; colours of PASCAL VOC if none are.

        Raises:
            ConfigError: There are no names, or as many names, colours and values as do not fit each other.
        """
        if self.number_classes:
            return self._numbered()
        given = read_palette(self.palette) if self.palette else Classes((), ())
        names = read_names(self.class_names) or given.names
        if not names:
            raise ConfigError(f"`class_names` is missing. {self._what_labels_hold(given)}")
        if len(names) > IGNORE_LABEL:
            raise ConfigError(
                f"At most {IGNORE_LABEL} classes fit into 8-bit labels. Received: {len(names)} names."
            )
        palette = given.palette or default_palette(len(names))
        if len(palette) != len(names):
            raise ConfigError(
                f"`palette` has {len(palette)} colours for {len(names)} classes. Give one colour for each "
                "class, and in a palette file the name 'ignore' to each colour that is none."
            )
        if len({*palette, *given.void_colours}) < len(palette) + len(given.void_colours):
            raise ConfigError("`palette` gives one colour to two classes. Each needs its own.")
        self._values(len(names))
        return Classes(names, palette, given.void_colours)

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of each split that was given.

        Raises:
            ConfigError: No split was given, or half of one.
            DataError: A folder is missing or empty, or the names of images and labels do not fit.
        """
        return {
            split: self._pairs(images, labels, arrays=self._arrays)
            for split, (images, labels) in self._folders().items()
        }

    @cached_property
    def channels(self) -> Channels | None:
        """What the images are made of, if they are arrays or an option says so; None for 8-bit RGB.

        Raises:
            ConfigError: The options do not fit the images, or ``value_range`` is missing.
        """
        if not self._arrays:
            return None  # without listing a large data set once more
        images = (pair.image for pairs in self.splits().values() for pair in pairs)
        arrays = [image for image in images if isinstance(image, ArrayPart)]
        return declare(arrays, self._layout, self.channel_names, self.value_range) if arrays else None

    def read_label(self, path: Place) -> Label:
        """Return the class index of each pixel, from values or from colours.

        Raises:
            BadFileError: Not a label of these classes.
        """
        if isinstance(path, ArrayPart):
            return map_values(path, array_values(path), self.table, advise=_advise)
        image = read_label(path)
        if self._is_colour_coded(image):
            advice = "Add it to `palette`; in a palette file, call it 'ignore' if it is no class."
            if image.mode == "P":
                advice += " Or leave out `palette`, to take the indices of this indexed image."
            return map_colours(path, np.asarray(image.convert("RGB")), self.classes, advice=advice)
        values = label_values(path, image, advice="Give `palette` with the colour of each class.")
        if image.mode == "1" and 255 in self.table and 1 not in self.table:
            # The same mask saved with 1 bit or with 8 must not differ: white is 1 here and 255 there.
            values = values * np.uint8(255)
        return map_values(path, values, self.table, advise=_advise)

    def _numbered(self) -> Classes:
        """Return all classes that labels can hold; which of them they do is seen when all have been read."""
        for option in ("class_names", "palette", "label_values", "ignore_values"):
            if getattr(self, option):
                raise ConfigError(
                    f"`number_classes=True` takes the labels' values as they are: leave out `{option}`."
                )
        names = tuple(map(str, range(IGNORE_LABEL)))
        return Classes(names, default_palette(IGNORE_LABEL), open_ended=True)

    @cached_property
    def table(self) -> dict[int, int]:
        """What the value of a grey label stands for: value -> class index, 255 for pixels to ignore."""
        return self._values(len(self.classes.names))

    def _values(self, count: int) -> dict[int, int]:
        """Return value of a grey label -> class index or 255, for ``count`` classes."""
        ignored = self.ignore_values
        if ignored is None:
            ignored = () if IGNORE_LABEL in self.label_values else (IGNORE_LABEL,)
        values = self.label_values or tuple(
            itertools.islice((value for value in itertools.count() if value not in ignored), count)
        )
        if len(values) != count:
            raise ConfigError(
                f"`label_values` has {len(values)} values for {count} classes. Give one for each."
            )
        if len({*values, *ignored}) < len(values) + len(ignored):
            raise ConfigError(
                "`label_values` and `ignore_values` name a value twice. It can mean only one thing."
            )
        return {value: index for index, value in enumerate(values)} | dict.fromkeys(ignored, IGNORE_LABEL)

    def _is_colour_coded(self, image: Image.Image) -> bool:
        """Whether pixels are colours of the palette; those of a grey label are if the whole palette is."""
        if not self.palette or image.mode not in ("L", "P", "RGB"):
            return False
        colours = self.classes.palette + self.classes.void_colours
        return image.mode != "L" or all(len(set(colour)) == 1 for colour in colours)

    @property
    def _layout(self) -> Layout:
        return Layout(self.slice_axis, self.channel_axis, self.channel_tails)

    @cached_property
    def _arrays(self) -> bool:
        """Whether images keep their channels: an option says so, or there are files that cannot be RGB."""
        if self.value_range or self.channel_names or self._layout != STORED:
            return True
        folders = (images for images, _ in self._folders().values())
        files = (path for folder in folders for _, path in named_files(folder, IMAGE_SUFFIXES + SUFFIXES))
        return any(suffix_of(path, SUFFIXES) for path in files)

    def _folders(self) -> dict[str, tuple[Path, Path]]:
        """Return the folders of images and labels of each split that was given; raises as `splits`."""
        given = {
            "train": (self.train_image_path, self.train_label_path),
            "val": (self.val_image_path, self.val_label_path),
            "test": (self.test_image_path, self.test_label_path),
        }
        if not any(path for folders in given.values() for path in folders):
            raise ConfigError("Give `train_image_path` and `train_label_path`, and the same for val.")
        missing = []
        for split, folders in given.items():
            options = f"`{split}_image_path`", f"`{split}_label_path`"
            if (folders[0] is None) != (folders[1] is None):
                here, absent = options if folders[0] else options[::-1]
                raise ConfigError(f"{here} needs {absent}: images and labels come in pairs.")
            missing += [
                f"{folder}: no such folder ({option})."
                for folder, option in zip(folders, options, strict=True)
                if folder is not None and not folder.is_dir()
            ]
        if missing:
            raise DataError("\n".join(missing))
        return {split: (images, labels) for split, (images, labels) in given.items() if images and labels}

    def _pairs(self, images: Path, labels: Path, *, arrays: bool) -> list[Pair]:
        if images.samefile(labels) and not (self.channel_tails and self.label_tail):
            raise ConfigError(
                f"{images}: holds images and labels at once. Move the labels to a folder of their own."
            )
        if arrays:
            pairs = pair_arrays(images, labels, self._layout, label_tail=self.label_tail)
        else:
            pairs = pair_folders(images, labels, label_tail=self.label_tail, more_suffixes=SUFFIXES)
            for place, pair in enumerate(pairs):  # in place: memory never holds two lists of a large data set
                if pair.label and suffix_of(cast(Path, pair.label), SUFFIXES):
                    pairs[place] = replace(pair, label=label_place(cast(Path, pair.label)))
        if not any(pair.image and pair.label for pair in pairs) and (tail := common_tail(pairs)):
            raise DataError(
                f"{labels}: no label is named like its image: the labels' names end in {tail!r}. "
                f"Give `label_tail={tail!r}`."
            )
        return pairs

    def _what_labels_hold(self, given: Classes) -> str:
        """Return the advice that follows "no class names": what to give, judged by a few labels."""
        if given.palette:
            return f"Give one for each of the {len(given.palette)} colours of `palette`."
        return what_labels_hold(
            [pair.label for pairs in self.splits().values() for pair in pairs if pair.label]
        )


def what_labels_hold(labels: Sequence[Place]) -> str:
    """Return sentences that say which values or colours labels hold, judged by a few, and what to give."""
    looked_at = labels[:: max(1, len(labels) // _GLANCE)][:_GLANCE]
    values: set[int] = set()
    for path in looked_at:
        try:
            if isinstance(path, ArrayPart):
                found: NDArray[np.integer] = array_values(path)
            else:
                found = label_values(path, read_label(path))
            values.update(np.unique(found).tolist())
        except BadFileError as error:
            if error.reason.startswith("colour label"):
                return f"Labels are colours: give `palette`, a file of lines like '128 64 128 road'. {error}"
    held = f"{len(looked_at)} of {len(labels)} labels hold the values {', '.join(map(str, sorted(values)))}."
    if values <= {0, 255}:
        return (
            f"{held} If they are masks, give `class_names=('background', 'object')` `label_values=(0, 255)`."
        )
    return f"{held} Give one name for each value from 0 on, such as `class_names=('road', 'car')`; 255 is ignored."


def _advise(unique: list[int]) -> str:
    """Return what to do about a label of these values, some of which are outside the classes."""
    if set(unique) <= {0, 255}:
        return "Only 0 and 255 occur, as in a mask of two classes: give `label_values=(0, 255)`."
    if len(unique) > _MANY:
        return f"{len(unique)} values in one label come from smooth scaling or JPEG: save it from its source."
    return "Name a class for it in `class_names`, map it with `label_values`, or give it to `ignore_values`."


def common_tail(pairs: list[Pair]) -> str | None:
    """Return the ending that turns the names of most images into those of labels, if there is one."""
    images = sorted(pair.name for pair in pairs if pair.image)
    labels = {pair.name for pair in pairs if pair.label}
    for label in sorted(labels):
        tail = label.removeprefix(images[0])
        if tail != label and 2 * sum(image + tail in labels for image in images) > len(images):
            return tail
    return None
