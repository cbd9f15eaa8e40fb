"""Conversion: what is written, what is refused and how it is said, and what is left after an accident."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from kerseg.core import staging
from kerseg.core.info import DatasetInfo
from kerseg.data.conversion.checks import Checked, check_pair
from kerseg.data.conversion.convert import convert
from kerseg.data.conversion.options import ConvertOptions
from kerseg.data.formats.images import BadFileError, read_label
from kerseg.data.formats.labels import Classes
from kerseg.data.sources.base import Pair, Source
from kerseg.data.sources.camvid import CamVid
from kerseg.data.sources.folder import Folder
from kerseg.errors import ConfigError, DataError, KersegError

NAMES = ("ground", "box", "ball")


def image_of(seed: int, height: int = 6, width: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def label_of(seed: int, height: int = 6, width: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array([0, 1, 2, 255], np.uint8), (height, width))


def save(path: Path, pixels: np.ndarray | Image.Image, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **options)
    return path


def make_folders(root: Path, train: int = 3, val: int = 2) -> Folder:
    """Write PNG pairs a00, a01 ... with images and labels drawn from their number."""
    for split, count in (("train", train), ("val", val)):
        for index in range(count):
            save(root / split / "i" / f"a{index:02}.png", image_of(index))
            save(root / split / "l" / f"a{index:02}.png", label_of(index))
    return folder_source(root)


def folder_source(root: Path, **options: object) -> Folder:
    paths = {
        f"{split}_{kind}_path": root / split / kind[0]
        for split in ("train", "val")
        for kind in ("image", "label")
    }
    return Folder(**paths, **{"class_names": NAMES, **options})


def read_back(folder: Path, split: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return name -> (image, label) as TensorFlow decodes them."""
    import tensorflow as tf

    from kerseg.data.formats.records import parse

    found = {}
    for shard in DatasetInfo.load(folder).splits[split].shards:
        for serialized in tf.data.TFRecordDataset(str(folder / shard.file)):
            fields = parse(serialized)
            image = tf.io.decode_image(fields["image"], channels=3).numpy()
            label = tf.io.decode_png(fields["label"], channels=1).numpy()[..., 0]
            assert image.shape[:2] == label.shape == (int(fields["height"]), int(fields["width"]))
            found[fields["name"].numpy().decode()] = (image, label)
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class TestRoundTrip:
    def test_every_pixel_comes_back(self, tmp_path):
        source = make_folders(tmp_path / "raw")
        # Sub-folders, names with dots and beyond ASCII, and kinds of file that are stored in another way.
        save(tmp_path / "raw/train/i/b/ç.v1.tif", image_of(7, 5, 4))
        save(tmp_path / "raw/train/l/b/ç.v1.bmp", label_of(7, 5, 4))
        save(tmp_path / "raw/train/i/c.bmp", image_of(8, 1, 1))
        save(tmp_path / "raw/train/l/c.gif", label_of(8, 1, 1))
        info = convert(source, output=tmp_path / "out", name="boxes")
        assert info == DatasetInfo.load(tmp_path / "out")
        assert (info.name, info.class_names, info.ignore_label) == ("boxes", NAMES, 255)
        train, val = read_back(tmp_path / "out", "train"), read_back(tmp_path / "out", "val")
        assert list(train) == ["a00", "a01", "a02", "b/ç.v1", "c"]
        assert list(val) == ["a00", "a01"]
        for name, seed, size in (("a02", 2, ()), ("b/ç.v1", 7, (5, 4)), ("c", 8, (1, 1))):
            np.testing.assert_array_equal(train[name][0], image_of(seed, *size))
            np.testing.assert_array_equal(train[name][1], label_of(seed, *size))

    def test_counts(self, tmp_path):
        save(tmp_path / "train/i/a.png", image_of(0, 2, 3))
        save(tmp_path / "train/l/a.png", np.array([[0, 0, 1], [1, 1, 255]], np.uint8))
        save(tmp_path / "train/i/b.png", image_of(1, 2, 2))
        save(tmp_path / "train/l/b.png", np.array([[1, 255], [255, 255]], np.uint8))
        save(tmp_path / "val/i/c.png", image_of(1, 2, 2))
        save(tmp_path / "val/l/c.png", np.full((2, 2), 255, np.uint8))
        info = convert(folder_source(tmp_path), output=tmp_path / "out")
        train, val = info.splits["train"], info.splits["val"]
        assert (train.records, val.records) == (2, 1)
        assert train.class_pixels == (2, 4, 0)
        assert train.class_image_pixels == (5, 6, 0)
        assert train.ignored_pixels == 4
        assert (val.class_pixels, val.class_image_pixels, val.ignored_pixels) == ((0, 0, 0), (0, 0, 0), 4)

    def test_record_is_what_records_writes(self, tmp_path):
        from kerseg.data.formats.records import Record, encode_label, serialize
        from kerseg.data.formats.tfrecord import frame

        image, label = save(tmp_path / "a.png", image_of(1)), save(tmp_path / "b.png", label_of(1))
        checked = check_pair(Folder(class_names=NAMES), Pair("x/a", image, label))
        record = Record("x/a", image.read_bytes(), "png", 6, 8, 3, encode_label(label_of(1)))
        assert checked.record == frame(serialize(record))

    def test_shards_are_cut_by_size_and_equal_for_any_number_of_workers(self, tmp_path):
        for index in range(5):  # noise of 0.4 MB each: PNG cannot shrink it
            save(tmp_path / f"raw/train/i/{index}.png", image_of(index, 340, 400))
            save(tmp_path / f"raw/train/l/{index}.png", label_of(index, 340, 400))
        for path in (tmp_path / "raw").rglob("*.png"):
            os.utime(path, (10**9, 10**9))  # what has just changed has no key in the manifest
        source = Folder(
            train_image_path=tmp_path / "raw/train/i",
            train_label_path=tmp_path / "raw/train/l",
            class_names=NAMES,
        )
        info = convert(source, output=tmp_path / "one", shard_size=1, workers=1, name="x")
        convert(source, output=tmp_path / "three", shard_size=1, workers=3, name="x")
        assert contents(tmp_path / "one") == contents(tmp_path / "three")
        assert [shard.records for shard in info.splits["train"].shards] == [2, 2, 1]
        for number, shard in enumerate(info.splits["train"].shards):
            data = (tmp_path / "one" / shard.file).read_bytes()
            assert shard.file == f"train-{number:05}-of-00003.tfrecord"
            assert (shard.bytes, shard.sha256) == (len(data), hashlib.sha256(data).hexdigest())
            assert len(data) <= 2**20
        assert list(read_back(tmp_path / "one", "train")) == ["0", "1", "2", "3", "4"]

    @pytest.mark.parametrize(("label_shape", "turned"), [((8, 6), True), ((6, 8), False)])
    def test_exif_images_lie_as_their_labels_do(self, tmp_path, label_shape, turned):
        exif = Image.Exif()
        exif[0x0112] = 6
        image = save(tmp_path / "raw/i/a.png", image_of(0), exif=exif)
        save(tmp_path / "raw/l/a.png", label_of(0, *label_shape))
        source = Folder(train_image_path=image.parent, train_label_path=tmp_path / "raw/l", class_names=NAMES)
        convert(source, output=tmp_path / "out")
        stored, label = read_back(tmp_path / "out", "train")["a"]
        expected = np.rot90(image_of(0), k=-1) if turned else image_of(0)
        np.testing.assert_array_equal(stored, expected)
        np.testing.assert_array_equal(label, label_of(0, *label_shape))

    def test_camvid(self, camvid, tmp_path):
        for split, count in (("train", 6), ("val", 2)):
            for folder in (split, f"{split}annot"):
                (tmp_path / "raw" / folder).mkdir(parents=True)
                for path in sorted((camvid / folder).iterdir())[:count]:
                    (tmp_path / "raw" / folder / path.name).symlink_to(path.resolve())
        info = convert(CamVid(root=tmp_path / "raw"), output=tmp_path / "out")
        assert (info.name, info.splits["train"].records, info.splits["val"].records) == ("camvid", 6, 2)
        total = sum(info.splits["train"].class_pixels) + info.splits["train"].ignored_pixels
        found = read_back(tmp_path / "out", "train")
        assert total == sum(label.size for _, label in found.values())
        for name, (image, label) in found.items():
            with Image.open(camvid / f"train/{name}.png") as raw:
                np.testing.assert_array_equal(image, np.asarray(raw))
            with Image.open(camvid / f"trainannot/{name}.png") as raw:
                values = np.asarray(raw)
            np.testing.assert_array_equal(label, np.where(values == 11, 255, values))


def _jpeg_bytes(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG")
    return buffer.getvalue()


def _cut(path: Path, count: int) -> Path:
    path.write_bytes(path.read_bytes()[:-count])
    return path


def _replace(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _rename(path: Path, name: str) -> Path:
    return path.rename(path.with_name(name))


def _relabel(path: Path, pixels: np.ndarray | Image.Image, **options: object) -> Path:
    return save(path, pixels, **options)


def _damage(path: Path, offset: int) -> Path:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    return _replace(path, bytes(data))


def _jpeg_image(path: Path, cut: int) -> Path:
    path.unlink()
    return _replace(path.with_suffix(".jpg"), _jpeg_bytes(image_of(0))[:-cut])


def _frames(path: Path, suffix: str) -> Path:
    path.unlink()
    frames = [Image.fromarray(image_of(seed)) for seed in range(3)]
    return save(path.with_suffix(suffix), frames[0], save_all=True, append_images=frames[1:])


def _turned(image: Path, label: Path) -> Path:
    exif = Image.Exif()
    exif[0x0112] = 8
    save(image, image_of(0), exif=exif)
    return save(label, label_of(0, 5, 5))


def _unlink(path: Path, other: Path) -> Path:
    path.unlink()
    return other


def _dangling(path: Path) -> Path:
    path.unlink()
    path.symlink_to(path.with_name("gone.png"))
    return path


def _transparent(path: Path) -> Path:
    image = Image.fromarray(image_of(0))
    image.putalpha(Image.fromarray(np.array([[255] * 7 + [254]] * 6, np.uint8)))
    return save(path, image)


# kind -> (spoils the image i and the mask m and returns the file at fault, what is said of it)
BAD: dict[str, tuple[Callable[[Path, Path], Path], str]] = {
    "no label": (lambda i, m: _unlink(m, i), "no label: no label file of the name 'a' belongs to it."),
    "no image": (lambda i, m: _unlink(i, m), "no image: no image file of the name 'a' belongs to it."),
    "empty image": (lambda i, m: _replace(i, b""), "empty file: 0 bytes."),
    "empty label": (lambda i, m: _replace(m, b""), "empty file: 0 bytes."),
    "text": (
        lambda i, m: _replace(i, b"<html>404"),
        "unreadable: not an image of a kind that is read (JPEG, PNG, BMP, GIF, TIFF, WEBP, PPM): it is XML, SVG or "
        "HTML.",
    ),
    "dangling link": (lambda i, m: _dangling(i), "unreadable: No such file or directory."),
    "half a png": (lambda i, m: _cut(i, 100), "truncated: "),
    "png without its end": (
        lambda i, m: _cut(i, 12),
        "truncated: the PNG ends within or before a chunk, after ",
    ),
    "png without its last byte": (
        lambda i, m: _cut(i, 1),
        "truncated: the PNG ends within or before a chunk",
    ),
    "truncated label": (lambda i, m: _cut(m, 14), "truncated: "),
    "damaged png": (lambda i, m: _damage(i, 60), "damaged: "),
    "damaged end of png": (
        lambda i, m: _damage(i, -1),
        "damaged: wrong checksum in the IEND chunk of the PNG.",
    ),
    "half a jpeg": (lambda i, m: _jpeg_image(i, 30), "truncated: the end marker of the JPEG is missing."),
    "jpeg without its end": (lambda i, m: _jpeg_image(i, 2), "truncated: "),
    "animation": (
        lambda i, m: _frames(i, ".gif"),
        "several frames: 3 in one file. Save the one that is meant by",
    ),
    "pages": (lambda i, m: _frames(i, ".tif"), "several frames: 3 in one file."),
    "floating-point image": (
        lambda i, m: _unlink(i, save(i.with_suffix(".tif"), np.zeros((6, 8), np.float32))),
        "unusable image: pixels of type 'F'. Save it as 8-bit RGB or grey.",
    ),
    "sizes": (
        lambda i, m: _relabel(m, label_of(0, 3, 4)),
        "size differs: the label is 4 x 3, its image {image} is 8 x 6 (width x height).",
    ),
    "sizes with exif": (
        _turned,
        "size differs: the label is 5 x 5, its image {image} is 8 x 6 before its EXIF orientation 8 is",
    ),
    "value": (
        lambda i, m: _relabel(m, np.full((6, 8), 7, np.uint8)),
        "value outside the classes: 7 (48 pixels). Known: 0 to 2, 255 (ignored). Name a class for it",
    ),
    "16-bit value": (
        lambda i, m: _relabel(m, np.full((6, 8), 1000, np.uint16)),
        "value outside the classes: 1000 (48 pixels). Known: 0 to 2, 255 (ignored).",
    ),
    "jpeg label": (
        lambda i, m: _replace(_rename(m, f"{m.stem}.jpg"), _jpeg_bytes(label_of(0))),
        "JPEG label: labels saved as JPEG are blurred by compression",
    ),
    "jpeg label called png": (lambda i, m: _replace(m, _jpeg_bytes(label_of(0))), "JPEG label: "),
    "colour label": (
        lambda i, m: _relabel(m, np.full((6, 8, 3), (9, 0, 3), np.uint8)),
        "colour label without a palette: its pixels are colours, not class indices. Found 9 0 3 (48 pixels).",
    ),
    "transparent label": (lambda i, m: _transparent(m), "transparent label: 6 pixels are not opaque."),
    "floating-point label": (
        lambda i, m: _unlink(m, save(m.with_suffix(".tif"), np.zeros((6, 8), np.float32))),
        "unusable label: pixels of type 'F'. Save it as 8-bit grey PNG of class indices.",
    ),
}


def spoil(root: Path, kind: str, name: str) -> tuple[Path, str]:
    """Write a spoilt training pair called ``name``; return the file at fault and its reason."""
    image = save(root / f"train/i/{name}.png", image_of(0))
    label = save(root / f"train/l/{name}.png", label_of(0))
    spoiling, reason = BAD[kind]
    return spoiling(image, label), reason.format(image=image).replace("'a'", f"{name!r}")


class TestBadFiles:
    @pytest.mark.parametrize("kind", BAD)
    def test_each_kind_is_reported_with_path_and_reason(self, tmp_path, kind):
        path, reason = spoil(tmp_path, kind, "a")
        image, label = (next((tmp_path / "train" / folder).iterdir(), None) for folder in "il")
        pair = Pair("a", image, label)
        faults = check_pair(Folder(class_names=NAMES), pair)
        assert [(fault.path, fault.reason.startswith(reason)) for fault in faults] == [(str(path), True)], (
            faults
        )

    def test_all_kinds_at_once_are_all_reported_and_nothing_is_left(self, tmp_path):
        source = make_folders(tmp_path / "raw")
        expected = [spoil(tmp_path / "raw", kind, f"bad{number}") for number, kind in enumerate(BAD)]
        save(tmp_path / "raw/train/i/a00.jpg", image_of(0))
        save(tmp_path / "raw/val/l/a01.bmp", label_of(0))
        with pytest.raises(DataError) as error:
            convert(source, output=tmp_path / "made/for/it", workers=2)
        *lines, last = str(error.value).splitlines()
        for path, reason in expected:
            assert any(line.startswith(f"{path}: {reason}") for line in lines), (path, reason, lines)
        raw = tmp_path / "raw"
        for one, other, name in (
            (raw / "train/i/a00.jpg", raw / "train/i/a00.png", "a00"),
            (raw / "train/i/a00.png", raw / "train/i/a00.jpg", "a00"),
            (raw / "val/l/a01.bmp", raw / "val/l/a01.png", "a01"),
            (raw / "val/l/a01.png", raw / "val/l/a01.bmp", "a01"),
        ):
            assert f"{one}: duplicate name: {name!r} is also {other}. Keep one." in lines
        assert len(lines) == len(expected) + 4
        kinds = [line.split(": ")[1] for line in lines]
        assert kinds == sorted(kinds, key=kinds.index)  # grouped
        assert last.startswith(f"{len(lines)} faults in {5 + len(expected) + 2} pairs: ")
        assert "4 x duplicate name" in last and "2 x empty file" in last
        assert last.endswith(
            "Nothing was written. Mend or remove these files, or leave out their pairs with `skip_bad=True`."
        )
        assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]

    def test_both_files_of_a_pair_are_reported(self, tmp_path):
        image = _replace(save(tmp_path / "a.png", image_of(0)), b"")
        label = _cut(save(tmp_path / "b.png", label_of(0)), 20)
        faults = check_pair(Folder(class_names=NAMES), Pair("a", image, label))
        assert [fault.path for fault in faults] == [str(image), str(label)]
        alone = check_pair(Folder(class_names=NAMES), Pair("a", None, label))
        assert [fault.reason.partition(":")[0] for fault in alone] == ["no image", "truncated"]

    def test_skip_bad_leaves_them_out_and_lists_them(self, tmp_path):
        source = make_folders(tmp_path / "raw")
        expected = [spoil(tmp_path / "raw", kind, f"A{number}") for number, kind in enumerate(BAD)]
        good = convert(make_folders(tmp_path / "good"), output=tmp_path / "good/out").splits["train"]
        info = convert(source, output=tmp_path / "out", skip_bad=True)
        assert info == DatasetInfo.load(tmp_path / "out")
        train = info.splits["train"]
        assert sorted(entry.path for entry in train.skipped) == sorted(str(path) for path, _ in expected)
        assert all(entry.reason for entry in train.skipped)
        assert (train.shards[0].sha256, train.class_pixels) == (good.shards[0].sha256, good.class_pixels)
        assert list(read_back(tmp_path / "out", "train")) == ["a00", "a01", "a02"]

    def test_skip_bad_must_leave_something(self, tmp_path):
        source = make_folders(tmp_path / "raw", val=1)
        path = _replace(tmp_path / "raw/val/i/a00.png", b"")
        with pytest.raises(DataError) as error:
            convert(source, output=tmp_path / "out", skip_bad=True)
        assert str(error.value) == (
            f"{path}: empty file: 0 bytes.\n1 fault in 4 pairs: 1 x empty file. Nothing was written. "
            "Without these, split 'val' has no pairs."
        )
        assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]

    def test_masks_of_0_and_255_are_not_taken_for_one_class(self, tmp_path):
        for name in "ab":
            save(tmp_path / f"raw/train/i/{name}.png", image_of(0, 2, 2))
            save(tmp_path / f"raw/train/l/{name}.png", np.array([[0, 255], [255, 0]], np.uint8))
        paths = {"train_image_path": tmp_path / "raw/train/i", "train_label_path": tmp_path / "raw/train/l"}
        with pytest.raises(
            DataError, match=r"every pixel is 'a' or ignored \(4 pixels\).*`label_values=\(0, 255\)`"
        ):
            convert(Folder(**paths, class_names=("a", "b")), output=tmp_path / "out")
        assert not (tmp_path / "out").exists()
        info = convert(
            Folder(**paths, class_names=("a", "b"), label_values=(0, 255)), output=tmp_path / "out"
        )
        assert (info.splits["train"].class_pixels, info.splits["train"].ignored_pixels) == ((4, 4), 0)

    def test_classes_without_names_are_as_many_as_the_labels_show(self, tmp_path):
        for split, values in (("train", [[0, 2], [2, 255]]), ("val", [[5, 0], [0, 0]])):
            save(tmp_path / f"raw/{split}/i/a.png", image_of(0, 2, 2))
            save(tmp_path / f"raw/{split}/l/a.png", np.array(values, np.uint8))
        source = folder_source(tmp_path / "raw", class_names=(), number_classes=True)
        info = convert(source, output=tmp_path / "out", workers=2)
        assert info == DatasetInfo.load(tmp_path / "out")
        assert info.class_names == ("0", "1", "2", "3", "4", "5")
        assert info.is_numbered and len(info.palette) == 6
        train, val = info.splits["train"], info.splits["val"]
        assert (train.class_pixels, train.ignored_pixels) == ((1, 0, 2, 0, 0, 0), 1)
        assert (train.class_image_pixels, val.class_pixels) == ((3, 0, 3, 0, 0, 0), (3, 0, 0, 0, 0, 1))

    @pytest.mark.parametrize(
        "options", [{"class_names": ("a",)}, {"palette": ("#000000",)}, {"label_values": (0, 255)}]
    )
    def test_classes_are_numbered_or_described(self, tmp_path, options):
        option = next(iter(options))
        with pytest.raises(ConfigError, match=f"^`number_classes=True` .* as they are: leave out `{option}`"):
            convert(Folder(number_classes=True, **options), output=tmp_path / "out")

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets file names be any bytes")
    def test_names_that_are_not_utf8_are_reported_in_print(self, tmp_path):
        image = save(tmp_path / os.fsdecode(b"caf\xe9.png"), image_of(0))
        faults = check_pair(
            Folder(class_names=NAMES), Pair(image.stem, image, save(tmp_path / "b.png", label_of(0)))
        )
        assert faults[0].path == f"{tmp_path}/caf\\xe9.png"
        assert faults[0].reason == "unusable name: it is not UTF-8. Rename the file."


@dataclass(frozen=True)
class Odd(Source):
    """A source that misbehaves in the way it is told to."""

    root: Path
    way: str
    name: ClassVar[str] = "odd"
    classes: ClassVar[Classes] = Classes(("a", "b"), ((0, 0, 0), (9, 9, 9)))

    def splits(self) -> dict[str, list[Pair]]:
        if self.way == "empty":
            return {"train": []}
        return {
            "train": [Pair("a", self.root / "a.png", self.root / "l.png")] * (2 if self.way == "twice" else 1)
        }

    def read_label(self, path: Path) -> np.ndarray:
        label = np.asarray(read_label(path)) % 2
        match self.way:
            case "raises":
                raise ZeroDivisionError("oh")
            case "values":
                return label + np.uint8(1)
            case "type":
                return label.astype(np.int64)
            case "data error":
                raise DataError(f"{path}: polygon 3 has two corners.")
            case "imports" if modules := {"tensorflow", "keras"} & set(sys.modules):
                raise BadFileError(path, f"a worker imported {modules}")
            case "dies":
                os._exit(1)
        return label


def test_a_source_is_derived_from_source(tmp_path):
    class Likeness:
        classes = Odd.classes

    with pytest.raises(
        ConfigError, match=r"derived from kerseg.data.sources.base.Source. Received: a Likeness\."
    ):
        convert(Likeness(), output=tmp_path / "out")


class TestOtherSources:
    @pytest.mark.parametrize(
        ("way", "message"),
        [
            ("raises", "l.png: unexpected ZeroDivisionError: oh."),
            ("values", "l.png: value outside the classes: 2 ("),
            ("type", "l.png: unexpected TypeError: read_label gave int64 (6, 8), not uint8 (height, width)."),
            ("data error", "l.png: polygon 3 has two corners."),
            ("twice", "a.png: duplicate name: 'a' occurs 2 times."),
            ("empty", "out: cannot be made, because split 'train' of the source has no pairs."),
            ("dies", "A worker process ended without an answer: most likely the machine ran out of memory."),
        ],
    )
    def test_what_a_source_may_do_wrong(self, tmp_path, way, message):
        save(tmp_path / "a.png", image_of(0))
        save(tmp_path / "l.png", label_of(0))
        with pytest.raises(KersegError) as error:
            convert(Odd(tmp_path, way), output=tmp_path / "out", workers=1)
        assert message in str(error.value)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "l.png"]

    def test_workers_never_import_tensorflow(self, tmp_path):
        import tensorflow  # noqa: F401  in this process, which must not matter to the workers

        save(tmp_path / "a.png", image_of(0))
        save(tmp_path / "l.png", label_of(0))
        assert convert(Odd(tmp_path, "imports"), output=tmp_path / "out").splits["train"].records == 1


class TestOutput:
    def test_a_converted_data_set_is_kept_unless_told_otherwise(self, tmp_path):
        out = tmp_path / "out"
        convert(make_folders(tmp_path / "one"), output=out)
        before = contents(out)
        with pytest.raises(DataError) as error:
            convert(make_folders(tmp_path / "two", train=5), output=out)
        assert str(error.value) == (
            f"{out}: holds a converted data set. Give another folder, `update=True` to convert only what changed, "
            "or `overwrite=True` to replace it."
        )
        assert contents(out) == before
        (tmp_path / "two/train/i/a00.png").write_bytes(b"")
        with pytest.raises(DataError):
            convert(folder_source(tmp_path / "two"), output=out, overwrite=True)
        assert contents(out) == before
        make_folders(tmp_path / "two", train=5)
        assert (
            convert(folder_source(tmp_path / "two"), output=out, overwrite=True).splits["train"].records == 5
        )
        assert DatasetInfo.load(out).splits["train"].records == 5
        assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "out", "two"]

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_files_of_others_are_never_lost(self, tmp_path, overwrite):
        source, out = make_folders(tmp_path / "raw"), tmp_path / "out"
        convert(source, output=out)
        (out / "notes.txt").write_text("mine")
        with pytest.raises(
            DataError, match=r"out: holds files that kerseg convert did not write, such as 'notes.txt'"
        ):
            convert(source, output=out, overwrite=overwrite)
        assert (out / "notes.txt").read_text() == "mine"
        with pytest.raises(DataError, match=r"notes\.txt: is a file\. `output` takes a folder\.$"):
            convert(source, output=out / "notes.txt", overwrite=overwrite)

    def test_an_empty_folder_and_a_link_to_one_are_filled(self, tmp_path):
        source = make_folders(tmp_path / "raw")
        (tmp_path / "far").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "far")
        convert(source, output=tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert DatasetInfo.load(tmp_path / "far").name == "far"

    def test_without_an_atomic_exchange_the_old_is_still_put_back(self, tmp_path, monkeypatch):
        out = tmp_path / "out"
        convert(make_folders(tmp_path / "one"), output=out)
        monkeypatch.setattr(staging, "_exchange", lambda one, other: False)
        convert(make_folders(tmp_path / "two", train=5), output=out, overwrite=True)
        assert DatasetInfo.load(out).splits["train"].records == 5
        # As after a kill between the two renames.
        out.rename(tmp_path / ".out.replaced-by-kerseg")
        with pytest.raises(DataError, match="holds a converted data set"):
            convert(make_folders(tmp_path / "one"), output=out)
        assert DatasetInfo.load(out).splits["train"].records == 5
        assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "out", "two"]

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes")
    def test_a_full_disk(self, tmp_path):
        import resource

        source = make_folders(tmp_path / "raw", train=30)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        try:
            with pytest.raises(DataError) as error:
                convert(source, output=tmp_path / "out")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert str(error.value) == f"{tmp_path / 'out'}: File too large. Nothing was kept."
        assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]

    def test_options_are_checked(self, tmp_path):
        with pytest.raises(ConfigError, match=r"^`shard_size` must be at least 1\. Received: 0\.$"):
            ConvertOptions(output=tmp_path, shard_size=0)
        with pytest.raises(ConfigError, match=r"^`workers` must be at least 1\. Received: -2\.$"):
            convert(Odd(tmp_path, ""), output=tmp_path, workers=-2)


# A script without `if __name__ == "__main__"`. Its source is Folder, so the workers need nothing of it.
SCRIPT = """
import sys
from pathlib import Path
import kerseg
from kerseg.data.sources.folder import Folder

print("ran", flush=True)
root = Path(sys.argv[1])
names = "a", "b", "c"
source = Folder(train_image_path=root / "train/i", train_label_path=root / "train/l", class_names=names)
kerseg.convert(source, output=root / "out", overwrite=True, workers=2)
print(sorted({"tensorflow", "keras"} & set(sys.modules)))
"""

# As above, but with a source of its own, that takes its time.
SLOW_SCRIPT = """
import sys, time
from pathlib import Path
import kerseg
from kerseg.data.sources.folder import Folder

class Slow(Folder):
    def read_label(self, path):
        time.sleep(0.05)
        return super().read_label(path)

if __name__ == "__main__":
    root = Path(sys.argv[1])
    names = "a", "b", "c"
    source = Slow(train_image_path=root / "train/i", train_label_path=root / "train/l", class_names=names)
    kerseg.convert(source, output=root / "out", overwrite=True, workers=2)
"""


def run_script(folder: Path, script: str) -> subprocess.Popen[str]:
    (folder / "script.py").write_text(script)
    return subprocess.Popen(
        [sys.executable, str(folder / "script.py"), str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell starts what it runs in the background with SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


class TestScriptsAndAccidents:
    def test_a_script_without_a_main_guard_runs_once(self, tmp_path):
        make_folders(tmp_path)
        output, _ = run_script(tmp_path, SCRIPT).communicate(timeout=60)
        assert output.splitlines()[0] == "ran" and output.count("ran") == 1, output
        assert output.splitlines()[-1] == "[]"
        assert DatasetInfo.load(tmp_path / "out").splits["train"].records == 3

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
    @pytest.mark.parametrize("finished_before", [False, True])
    @pytest.mark.parametrize("number", ["SIGKILL", "SIGTERM", "SIGINT"])
    def test_killed_in_the_middle(self, tmp_path, number, finished_before):
        source, out = make_folders(tmp_path, train=80), tmp_path / "out"
        if finished_before:
            convert(source, output=out, workers=1)
        before = contents(out) if finished_before else None
        process = run_script(tmp_path, SLOW_SCRIPT)
        deadline = time.monotonic() + 30
        while not any(path.stat().st_size for path in tmp_path.glob(".out.partial-*/*.tfrecord")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        if number == "SIGINT":
            os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to the workers too
        else:
            os.kill(process.pid, getattr(signal, number))
        # The workers hold the pipe as well: that it closes shows that none is left.
        output, _ = process.communicate(timeout=20)
        assert process.returncode == {"SIGKILL": -9, "SIGTERM": 128 + 15, "SIGINT": -2}[number], output
        partial = list(tmp_path.glob(".out.*"))
        assert len(partial) == (1 if number == "SIGKILL" else 0)
        assert (contents(out) if out.exists() else None) == before
        # The next run cleans up, and goes through.
        convert(source, output=out, overwrite=True)
        assert DatasetInfo.load(out).splits["train"].records == 80
        assert list(tmp_path.glob(".out.*")) == []

    def test_partial_folders_of_running_processes_are_left_alone(self, tmp_path):
        source = make_folders(tmp_path / "raw")
        running, other = tmp_path / f".out.partial-{os.getppid()}", tmp_path / ".out.partial-x1"
        running.mkdir()
        other.mkdir()
        convert(source, output=tmp_path / "out")
        assert running.exists() and other.exists()


def test_dataset_json_is_plain_and_complete(tmp_path):
    convert(make_folders(tmp_path / "raw"), output=tmp_path / "out")
    values = json.loads((tmp_path / "out/dataset.json").read_text())
    assert values["palette"] == [[0, 0, 0], [128, 0, 0], [0, 128, 0]]
    assert values["name"] == "out"
    assert isinstance(check_pair(Folder(class_names=NAMES), Pair("a", None, None)), list)
    assert not isinstance(values, Checked)
