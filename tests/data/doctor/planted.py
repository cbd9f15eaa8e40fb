"""A clean tree, and the faults that tests plant in copies of it."""

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

TRAIN, VAL = 24, 12
STREETS = ("sky", "building", "road", "pavement", "tree", "car", "person")


def image(root: Path, index: int, split: str = "train") -> Path:
    return root / split / "images" / f"street_{index:04}.jpg"


def label(root: Path, index: int, split: str = "train") -> Path:
    return root / split / "labels" / f"street_{index:04}.png"


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened)


def save(path: Path, array: np.ndarray, palette: list[int] | None = None) -> None:
    image = Image.fromarray(array)
    if palette:
        image.putpalette(palette)
    image.save(path)


def labels(root: Path) -> list[Path]:
    return sorted(root.glob("*/labels/*.png"))


def change(path: Path, function: Callable[[np.ndarray], np.ndarray]) -> None:
    save(path, function(pixels(path)).astype(np.uint8))


def change_all(root: Path, function: Callable[[np.ndarray], np.ndarray]) -> None:
    for path in labels(root):
        change(path, function)


def as_binary(root: Path, one: int = 1) -> None:
    """Make the tree one of two classes: road or not."""
    change_all(root, lambda values: np.where(values == 2, one, 0))


def as_jpeg(array: np.ndarray, quality: int = 75) -> np.ndarray:
    """Return the pixels once saved as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def smooth(array: np.ndarray) -> np.ndarray:
    """Return a label made small and large again with bilinear interpolation."""
    image = Image.fromarray(array)
    half = image.resize((image.width // 2, image.height // 2), Image.Resampling.BILINEAR)
    return np.asarray(half.resize(image.size, Image.Resampling.BILINEAR))


PALETTE = np.array([(70, 130, 180), (110, 80, 70), (128, 64, 128), (232, 160, 220), (86, 142, 35)])
PALETTE = np.concatenate([PALETTE, [(20, 40, 170), (220, 30, 60)], np.zeros((248, 3), int), [(0, 0, 0)]])


def coloured(values: np.ndarray) -> np.ndarray:
    return PALETTE[np.minimum(values, 255)].astype(np.uint8)


@dataclass(frozen=True)
class Fault:
    """What is planted, and what must be said of it."""

    code: str
    severity: str
    plant: Callable[[Path], None]
    files: tuple[str, ...]
    """Affected, relative to the tree; or what stands in their place."""
    share: float
    remedy: str
    options: dict[str, Any] = field(default_factory=dict)
    also: frozenset[str] = frozenset()
    """Codes that follow from the same fault."""
    mended: bool = True
    name: str = ""

    def __str__(self) -> str:
        return self.name or self.code


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _jpeg_mask(root: Path) -> None:
    """Save one mask as JPEG, in a tree of masks of 0 and 255."""
    as_binary(root, 255)
    values = pixels(label(root, 3))
    label(root, 3).unlink()
    Image.fromarray(values).save(label(root, 3).with_suffix(".jpg"), quality=75)


def _copy_label(root: Path) -> None:
    save(label(root, 3), np.asarray(Image.open(image(root, 3)).convert("RGB")))
    save(image(root, 3).with_suffix(".png"), pixels(image(root, 3)))
    image(root, 3).unlink()


def _exif(root: Path) -> None:
    """Store an image turned by a quarter, with the tag that turns it back; its label lies as it is shown."""
    with Image.open(image(root, 4)) as opened:
        stored = opened.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.save(image(root, 4), exif=exif, quality=95)
    with Image.open(image(root, 4)) as opened:
        assert ImageOps.exif_transpose(opened).size == (96, 64)


def _lost_exif(root: Path) -> None:
    with Image.open(image(root, 4)) as opened:
        opened.transpose(Image.Transpose.ROTATE_90).save(image(root, 4))


def _with_alpha(path: Path, to: Path, clear: int) -> None:
    with Image.open(path) as opened:
        image = opened.convert("RGBA")
    alpha = np.full((image.height, image.width), 255, np.uint8)
    alpha.flat[:clear] = 0
    image.putalpha(Image.fromarray(alpha))
    path.unlink()
    image.save(to)


def _indexed(root: Path, *numbers: int, shift: int = 0) -> None:
    for number in numbers:
        save(label(root, number), pixels(label(root, number)), np.roll(PALETTE, shift, 0).ravel().tolist())


def _near(root: Path) -> None:
    with Image.open(image(root, 3)) as opened:
        opened.crop((1, 1, 95, 63)).resize((96, 64)).save(image(root, 30, "val"), quality=60)
    shutil.copy(label(root, 3), label(root, 30, "val"))


def _film(root: Path) -> None:
    """Add a film of which train has the even and val the odd frames: a window that wanders over one scene."""
    random = np.random.default_rng(5)
    wide = Image.fromarray(random.integers(0, 256, (8, 40, 3), dtype=np.uint8)).resize(
        (480, 64), Image.BICUBIC
    )
    for frame in range(20):
        split = ("train", "val")[frame % 2]
        window = wide.crop((2 * frame, 0, 2 * frame + 96, 64))
        window.save(root / split / "images" / f"film_{frame:04}.jpg", quality=95)
        shutil.copy(label(root, frame, "train"), root / split / "labels" / f"film_{frame:04}.png")


def _named_twice(root: Path) -> None:
    save(image(root, 3).with_suffix(".png"), 255 - pixels(image(root, 3)))


def _labels(*numbers: int) -> tuple[str, ...]:
    return tuple(f"train/labels/street_{number:04}.png" for number in numbers)


def _images(*numbers: int, split: str = "train") -> tuple[str, ...]:
    return tuple(f"{split}/images/street_{number:04}.jpg" for number in numbers)


ALL = tuple(
    f"{split}/labels/street_{number:04}.png"
    for split, count in (("train", TRAIN), ("val", VAL))
    for number in range(count)
)
ONE = 1 / (TRAIN + VAL)
NAMES = {"class_names": STREETS}


def _val(root: Path, function: Callable[[np.ndarray], np.ndarray]) -> None:
    for number in range(VAL):
        change(label(root, number, "val"), function)


def _up(values: np.ndarray) -> np.ndarray:
    return np.where(values == 255, 255, values + 1)


FAULTS = (
    Fault("broken_image", "error", lambda r: _truncate(image(r, 3)), _images(3), ONE, "leaves its pair out"),
    Fault(
        "broken_image",
        "error",
        lambda r: image(r, 3).write_bytes(b""),
        _images(3),
        ONE,
        "again",
        name="empty_file",
    ),
    Fault("broken_label", "error", lambda r: _truncate(label(r, 3)), _labels(3), ONE, "leaves its pair out"),
    Fault("orphan_image", "error", lambda r: label(r, 3).unlink(), _images(3), ONE, "Add a label"),
    Fault("orphan_label", "error", lambda r: image(r, 3).unlink(), _labels(3), ONE, "Add the image"),
    Fault(
        "duplicate_name",
        "error",
        _named_twice,
        (*_images(3), "train/images/street_0003.png"),
        2 / 37,
        "Keep one of a.jpg and a.png",
    ),
    Fault(
        "size_mismatch",
        "error",
        lambda r: change(label(r, 3), lambda values: values[::2, ::2]),
        _labels(3),
        ONE,
        "at its image's size",
    ),
    Fault("size_mismatch", "error", _lost_exif, _labels(4), ONE, "at its image's size", name="lost_exif"),
    Fault("exif_orientation", "warning", _exif, _images(4), ONE, "as their label lies"),
    Fault(
        "alpha_image",
        "warning",
        lambda r: _with_alpha(image(r, 3), image(r, 3).with_suffix(".png"), 9),
        ("train/images/street_0003.png",),
        ONE,
        "without it",
    ),
    Fault(
        "alpha_label",
        "error",
        lambda r: _with_alpha(label(r, 3), label(r, 3), 9),
        _labels(3),
        ONE,
        "drops it",
    ),
    Fault(
        "blank_image",
        "warning",
        lambda r: Image.new("RGB", (96, 64)).save(image(r, 3)),
        _images(3),
        ONE,
        "was lost",
        mended=False,
    ),
    Fault(
        "label_is_image",
        "error",
        _copy_label,
        _labels(3),
        ONE,
        "right label",
        also=frozenset({"colour_masks"}),
    ),
    Fault(
        "jpeg_label",
        "error",
        _jpeg_mask,
        ("train/labels/street_0003.jpg",),
        ONE,
        "Save them as PNG",
        also=frozenset({"binary_255"}),
    ),
    Fault(
        "blended_values",
        "error",
        lambda r: (as_binary(r, 255), change(label(r, 3), smooth))[0],
        _labels(3),
        ONE,
        "nearest neighbour",
        also=frozenset({"binary_255"}),
    ),
    Fault(
        "blended_values",
        "error",
        lambda r: (
            as_binary(r, 255),
            change(label(r, 3), as_jpeg),
            change(label(r, 5), as_jpeg),
        )[0],
        _labels(3, 5),
        2 * ONE,
        "never through JPEG",
        also=frozenset({"binary_255"}),
        name="jpeg_to_png",
    ),
    Fault(
        "blended_edges",
        "error",
        lambda r: (change_all(r, lambda v: np.where(v == 255, 0, v)), change(label(r, 3), smooth))[0],
        _labels(3),
        ONE,
        "between classes 2 and 4 this made pixels of class 3",
    ),
    Fault(
        "colour_masks",
        "error",
        lambda r: change_all(r, coloured),
        ALL,
        1.0,
        "Give `palette=FILE`",
        mended=False,
    ),
    Fault(
        "value_outside",
        "error",
        lambda r: (change_all(r, coloured), change(label(r, 3), lambda v: np.full_like(v, 9)))[0],
        _labels(3),
        ONE,
        "leaves the pair out",
        options={"palette": [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in PALETTE[:7]] + ["#000000"]},
        name="colour_outside_palette",
    ),
    Fault(
        "palette_masks", "warning", lambda r: _indexed(r, 2, 3), _labels(2, 3), 2 * ONE, "takes their indices"
    ),
    Fault(
        "palette_differs",
        "error",
        lambda r: (_indexed(r, *range(TRAIN)), _indexed(r, 3, shift=1))[0],
        _labels(3),
        ONE,
        "give `palette`",
        also=frozenset({"palette_masks"}),
    ),
    Fault(
        "binary_255",
        "warning",
        lambda r: as_binary(r, 255),
        ALL,
        1.0,
        "`label_values=(0, 255)`",
        name="binary_255_all",
    ),
    Fault(
        "binary_255",
        "error",
        lambda r: (as_binary(r), change(label(r, 3), lambda v: v * 255))[0],
        _labels(3),
        ONE,
        "writes 1 for it",
    ),
    Fault(
        "spread_values",
        "warning",
        lambda r: change_all(r, lambda v: np.where(v == 255, 0, v * 40)),
        ALL,
        1.0,
        "`label_values=[0, 40, 80, 120, 160, 200, 240]`",
    ),
    Fault(
        "one_based", "warning", lambda r: change_all(r, _up), ALL, 1.0, "`label_values=[1, 2, 3, 4, 5, 6, 7]`"
    ),
    Fault(
        "one_based",
        "error",
        lambda r: change_all(r, _up),
        ALL,
        1.0,
        "`label_values=[1, 2, 3, 4, 5, 6, 7]`",
        options=NAMES,
        name="one_based_named",
    ),
    Fault(
        "off_by_one",
        "warning",
        lambda r: _val(r, _up),
        tuple(name for name in ALL if name.startswith("val")),
        VAL * ONE,
        "subtracts 1",
    ),
    Fault(
        "off_by_one",
        "error",
        lambda r: change(label(r, 3), _up),
        _labels(3),
        ONE,
        "subtracts 1",
        options=NAMES,
        name="off_by_one_file",
    ),
    Fault(
        "void_in_use",
        "warning",
        lambda r: change_all(r, lambda v: np.where(v == 255, 250, v)),
        ALL,
        1.0,
        "`ignore_values=(250, 255)`",
    ),
    Fault(
        "void_in_use",
        "error",
        lambda r: change_all(r, lambda v: np.where(v == 255, 7, v)),
        ALL,
        1.0,
        "`ignore_values=(7, 255)`",
        options=NAMES,
        mended=False,
        name="void_after_classes",
    ),
    Fault(
        "value_outside",
        "error",
        lambda r: change(label(r, 3), lambda v: np.where(v == 2, 99, v)),
        _labels(3),
        ONE,
        "`ignore_values`",
        options=NAMES,
    ),
    Fault(
        "empty_mask",
        "warning",
        lambda r: change(label(r, 3), lambda v: v * 0),
        _labels(3),
        ONE,
        "otherwise",
        mended=False,
    ),
    Fault(
        "class_never_occurs",
        "warning",
        lambda r: change_all(r, lambda v: np.where(v == 3, 2, v)),
        ("pavement",),
        1 / 7,
        "cannot be learnt",
        options=NAMES,
        mended=False,
    ),
    Fault(
        "class_in_one_split",
        "warning",
        lambda r: _val(r, lambda v: np.where(v == 3, 2, v)),
        ("pavement",),
        1 / 7,
        "learnt and not scored",
        options=NAMES,
        mended=False,
    ),
    Fault(
        "wrong_class_count",
        "error",
        lambda r: None,
        ("runs/enet",),
        1 / 7,
        "Train a model on this data",
        options={"model": "runs/enet"},
        mended=False,
    ),
    Fault(
        "duplicate_image",
        "warning",
        lambda r: (shutil.copy(image(r, 3), image(r, 50)), shutil.copy(label(r, 3), label(r, 50)))[0],
        _images(50),
        1 / 37,
        "keeps the first",
    ),
    Fault(
        "contradicting_labels",
        "warning",
        lambda r: (shutil.copy(image(r, 3), image(r, 50)), shutil.copy(label(r, 4), label(r, 50)))[0],
        _labels(50),
        1 / 37,
        "Keep the right one",
        also=frozenset({"duplicate_image"}),
    ),
    Fault(
        "leakage",
        "error",
        lambda r: (
            shutil.copy(image(r, 3), image(r, 30, "val")),
            shutil.copy(label(r, 3), label(r, 30, "val")),
        )[0],
        _images(30, split="val"),
        1 / 37,
        "remove it from one split",
    ),
    Fault("near_leakage", "error", _near, _images(30, split="val"), 1 / 37, "remove it from one split"),
    Fault(
        "neighbouring_frames",
        "warning",
        _film,
        tuple(f"val/images/film_{frame:04}.jpg" for frame in range(1, 20, 2)),
        10 / 56,
        "split by film",
        mended=False,
    ),
)
