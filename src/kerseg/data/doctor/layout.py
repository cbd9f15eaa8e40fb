"""Which images and labels of a raw tree belong together, told by the names of its folders.

    images/train  masks/train        train/images  train/masks
    train  trainannot                images_train  masks_train         images  masks

``images`` and ``masks`` have the other names below, too, and the splits may be called valid or testing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kerseg.data.sources.base import Pair
from kerseg.data.sources.folder import common_tail
from kerseg.data.sources.folders import pair_folders
from kerseg.errors import ConfigError, DataError

IMAGES = ("images", "image", "imgs", "img", "images", "photos", "leftimg8bit")
LABELS = (
    *("labels", "label", "masks", "mask", "annotations", "annotation", "annots", "annot"),
    *("segmentations", "segmentation", "ground_truth", "groundtruth", "gt", "targets"),
)
SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
WHOLE = "all"
"""Name of the split of a tree that has none."""


@dataclass(frozen=True)
class Branch:
    """One split of a raw tree."""

    split: str
    images: Path
    labels: Path
    label_tail: str = ""
    """Ending of the labels' names that the images' lack."""

    def pairs(self) -> list[Pair]:
        """Return its pairs; a file without partner has one of its own."""
        return pair_folders(self.images, self.labels, label_tail=self.label_tail)


def find(
    root: Path, *, images: Path | None = None, labels: Path | None = None, label_tail: str = ""
) -> list[Branch]:
    """Return the splits of a raw tree.

    Args:
        root: Its folder.
        images: Folder of the images, where ``root`` does not show it; with sub-folders named like splits,
            or without.
        labels: Folder of the labels, likewise.
        label_tail: Ending of the labels' names that the images' lack; by default one that most have.

    Raises:
        DataError: No folders of images and labels are found; the message says what was looked for.
        ConfigError: Only one of ``images`` and ``labels`` is given.

    Example:
        >>> [branch.split for branch in find(Path("street"))]
        ['train', 'val']
    """
    if (images is None) != (labels is None):
        raise ConfigError("`images` and `labels` go together. Give both, or neither.")
    if not root.is_dir():
        raise DataError(f"{root}: no such folder.")
    if images and labels:
        for folder in (images, labels):
            if not folder.is_dir():
                raise DataError(f"{folder}: no such folder.")
        found = list(_below(images, labels)) or [Branch(WHOLE, images, labels)]
    else:
        found = _guess(root)
    return [_with_tail(branch, label_tail) for branch in found]


def _guess(root: Path) -> list[Branch]:
    folders = _folders(root)
    images, masks = _first(folders, IMAGES), _first(folders, LABELS)
    found = list(_below(images, masks)) if images and masks else []
    found = found or list(_within(folders)) or list(_beside(folders))
    if not found and images and masks:
        found = [Branch(WHOLE, images, masks)]
    if found:
        return found
    held = ", ".join(sorted(path.name for path in folders.values())) or "no folders"
    raise DataError(
        f"{root}: cannot tell images from labels: it holds {held}. Looked for: images/train + masks/train, "
        "train/images + train/masks, train + trainannot (or train_masks), images_train + masks_train, images + "
        f"masks, where images is one of {', '.join(IMAGES)} and masks one of {', '.join(LABELS)}; and for "
        "dataset.json of converted data. Give `images=DIR` `labels=DIR`. Volumes and arrays are checked by `kerseg "
        "convert`: give the data that it made of them."
    )


def _below(images: Path, masks: Path) -> Iterator[Branch]:
    """``images/train`` and ``masks/train``."""
    ours, theirs = _folders(images), _folders(masks)
    for split, names in SPLITS.items():
        one, other = _first(ours, names), _first(theirs, names)
        if one and other:
            yield Branch(split, one, other)


def _within(folders: dict[str, Path]) -> Iterator[Branch]:
    """``train/images`` and ``train/masks``."""
    for split, names in SPLITS.items():
        if top := _first(folders, names):
            below = _folders(top)
            images, masks = _first(below, IMAGES), _first(below, LABELS)
            if images and masks:
                yield Branch(split, images, masks)


def _beside(folders: dict[str, Path]) -> Iterator[Branch]:
    """``train`` or ``train_images``, and ``trainannot`` or ``train_masks`` or ``masks_train``."""
    for split, names in SPLITS.items():
        images = _first(folders, [*_joined(names, IMAGES), *names])
        masks = _first(folders, _joined(names, LABELS))
        if images and masks:
            yield Branch(split, images, masks)


def _joined(splits: tuple[str, ...], kinds: tuple[str, ...]) -> list[str]:
    return [
        name
        for split in splits
        for kind in kinds
        for gap in ("", "_", "-")
        for name in (f"{split}{gap}{kind}", f"{kind}{gap}{split}")
    ]


def _with_tail(branch: Branch, tail: str) -> Branch:
    if not tail:
        pairs = branch.pairs()
        paired = any(pair.image and pair.label for pair in pairs)
        tail = "" if paired else common_tail(pairs) or ""
    return Branch(branch.split, branch.images, branch.labels, tail)


def _folders(parent: Path) -> dict[str, Path]:
    """Return the folders in ``parent`` by their names in lower case."""
    return {path.name.lower(): path for path in sorted(parent.iterdir()) if path.is_dir()}


def _first(folders: dict[str, Path], names: tuple[str, ...] | list[str]) -> Path | None:
    return next((folders[name] for name in names if name in folders), None)
