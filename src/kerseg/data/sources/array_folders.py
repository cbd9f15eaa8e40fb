"""Pairs of images that are not 8-bit RGB: arrays, volumes cut into slices, a channel a file."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kerseg.core.info import Layout
from kerseg.data.formats.arrays import SUFFIXES, TIFF, need_readers
from kerseg.data.formats.files import Place
from kerseg.data.formats.suffixes import IMAGE_SUFFIXES, LABEL_SUFFIXES, suffix_of
from kerseg.data.formats.volumes import ArrayPart, parts, siblings, slice_names
from kerseg.data.sources.base import Pair
from kerseg.data.sources.folders import named_files, nth


def pair_arrays(images: Path, labels: Path, layout: Layout, *, label_tail: str = "") -> list[Pair]:
    """Pair the images of one folder with the labels of another, as `pair_folders` does; volumes slice by slice.

    Args:
        images: Folder of images and volumes, searched with its sub-folders.
        labels: Folder of labels; the same one if the labels' names end in ``label_tail``.
        layout: How the images lie in their files.
        label_tail: Ending of the labels' names that the pairs' lack.

    Returns:
        Pairs sorted by name, with an `ArrayPart` for each image. Slice 42 of a volume ``a`` is ``a/042``.

    Raises:
        DataError: A folder is missing, or has no images.
        ConfigError: The library that reads the files is not installed.
    """
    same = images.samefile(labels)
    files_of_images = _by_name(images, IMAGE_SUFFIXES + SUFFIXES, layout.tails or ("",), only=same)
    masks = _by_name(labels, LABEL_SUFFIXES + SUFFIXES, (label_tail,), only=same)
    need_readers(file for found in (files_of_images, masks) for files in found.values() for file in files)
    pairs: list[Pair] = []
    for name in sorted(files_of_images.keys() | masks.keys()):
        groups = [*dict.fromkeys(siblings(file, layout.tails) for file in files_of_images[name])]
        # Several files of one name each have a pair, all with that name: that is a fault of theirs.
        for i in range(max(len(groups), len(masks[name]))):
            pairs += _slices(name, nth(groups, i) or (), nth(masks[name], i), layout)
    return pairs


def label_place(label: Path, image: ArrayPart | None = None) -> Place:
    """Return where a label is: an `ArrayPart` if it is an array, or if its image is one in its own format.

    Args:
        label: Its file.
        image: Its image, where that is an array: the slice of a volume has that slice of the label.
    """
    is_slice = image is not None and bool(image.key)
    kinds = SUFFIXES if image is None else (*SUFFIXES, *TIFF)
    if not is_slice and suffix_of(label, kinds) is None:
        return label
    if image is None:
        return ArrayPart(label, "")
    return replace(image, file=label, others=(), layout=image.layout.of_labels)


def _by_name(
    folder: Path, suffixes: tuple[str, ...], tails: Sequence[str], *, only: bool
) -> defaultdict[str, list[Path]]:
    """Return the files of each name without tail; those without one keep their names, unless ``only`` is set."""
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for name, path in named_files(folder, suffixes):
        tail = max((tail for tail in tails if name.endswith(tail)), key=len, default=None)
        if tail is not None or not only:
            found[name.removesuffix(tail or "")].append(path)
    return found


def _slices(name: str, files: Sequence[Path], label: Path | None, layout: Layout) -> list[Pair]:
    """Return the pairs of an image or a volume: one, or one a slice."""
    if not files:
        return [Pair(name, None, label)]
    found = parts(files, layout)
    if label is None:
        return [Pair(name, found[0], None)]
    names = slice_names(name, found)
    return [Pair(n, part, label_place(label, part)) for n, part in zip(names, found, strict=True)]
