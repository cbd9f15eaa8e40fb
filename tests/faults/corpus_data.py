"""Hostile data: images, arrays, labels, annotations, names, dataset.json, shards, archives; through every door."""

import gzip
import hashlib
import io
import json
import os
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from corpus import Case
from PIL import Image
from workers_here import workers_here

from kerseg.data import doctor
from kerseg.data.conversion import convert as conversion
from kerseg.data.doctor import mending
from kerseg.data.formats import volumes
from kerseg.data.formats.records import Record, encode_label, serialize
from kerseg.data.formats.tfrecord import frame
from kerseg.data.sources.base import Source
from kerseg.data.sources.coco_json import CocoJson
from kerseg.data.sources.cvat_xml import CvatXml
from kerseg.data.sources.folder import Folder
from kerseg.data.sources.labelme import Labelme
from kerseg.data.sources.yolo_seg import YoloSeg
from kerseg.download.unpack import unpack
from kerseg.errors import DataError

SIZE = (40, 32)
NAMES = ("a", "b", "c")
GOLDEN = Path(__file__).parents[1] / "v0_1" / "data"
CASES: dict[str, Case] = {}
Write = Callable[[Path], object]


# --- doors


@contextmanager
def inline() -> Iterator[None]:
    """Let the work of worker processes be done here: one process meets all inputs, and its memory is measured."""

    try:
        with workers_here(conversion, doctor, mending):
            yield
    finally:
        volumes._read.cache_clear()  # a worker's, which goes with it


def convert(source: Source, output: Path) -> None:
    with inline():
        conversion.convert(source, output=output, workers=1)
    shutil.rmtree(output)


def diagnose(path: Path) -> None:
    """Raise what the doctor finds."""
    with inline():
        found = doctor.diagnose(path, workers=1)
    if found.errors:
        raise DataError("\n".join(str(item) for finding in found.errors for item in finding.affected[:3]))


def read(folder: Path) -> None:
    """Open converted data and read all of it."""
    from kerseg.data.reading.pipeline import load

    data = load(folder)
    for split in data.info.splits:
        with data.naming_damage(split):
            for _ in data.examples(split):
                pass


def add(
    name: str, make: Callable[[Path], Callable[[], object]], *, says: str = "", sound: bool = False
) -> None:
    if name in CASES:
        raise ValueError(name)
    CASES[name] = Case(name, make, says, sound)


# --- images and labels


def encoded(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    (image or drawing()).save(buffer, kind, **options)
    return buffer.getvalue()


def drawing() -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (8, 10, 3), np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)


def label() -> Image.Image:
    return Image.fromarray(np.kron(np.arange(80).reshape(8, 10) % 3, np.ones((4, 4))).astype(np.uint8))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, body: bytes, *more: tuple[bytes, bytes], kind: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    parts = ((b"IHDR", header), *more, (b"IDAT", zlib.compress(body)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def holding(data: bytes) -> Write:
    return lambda path: path.write_bytes(data)


def sparse(size: int) -> Write:
    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(size)

    return write


def _files() -> Iterator[tuple[str, Write]]:
    """Yield what may stand where an image or a label is looked for."""
    yield "empty", holding(b"")
    for name, data in {
        "text": b"not an image",
        "html": b"<html>404</html>",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(secret) print quit\n",
        "pdf": b"%PDF-1.7\n",
        "git lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "ppm": b"P6 40 32 255 " + bytes(40 * 32 * 3 - 1),
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "zip": b"PK\3\4" + bytes(100),
        "gzip": gzip.compress(bytes(1000)),
        "icns": b"icns" + bytes(100),
        "fits": b"SIMPLE  =                    T" + bytes(2880),
        "zeros": bytes(5000),
    }.items():
        yield name, holding(data)
    yield "pipe", os.mkfifo
    yield "folder", lambda path: path.mkdir()
    yield "device", lambda path: path.symlink_to("/dev/zero")
    yield "link round", lambda path: path.symlink_to(path)
    yield "dangling link", lambda path: path.symlink_to(path.with_name("gone"))
    yield "16 GB of nothing", sparse(2**34)
    whole = {
        "jpeg": encoded("JPEG", quality=90),
        "progressive": encoded("JPEG", quality=90, progressive=True),
        "png": encoded("PNG"),
        "bmp": encoded("BMP"),
        "gif": encoded("GIF", drawing().quantize(16)),
        "tiff": encoded("TIFF"),
        "tiff lzw": encoded("TIFF", compression="tiff_lzw"),
        "webp": encoded("WEBP"),
    }
    rng = np.random.default_rng(1)
    for kind, data in whole.items():
        for share in (0.02, 0.3, 0.5, 0.9):
            cut = data[: max(4, int(len(data) * share))]
            yield f"{kind} cut at {share:.0%}", holding(cut)
            if kind in ("jpeg", "progressive") and cut.count(b"\xff\xda"):
                yield f"{kind} cut at {share:.0%} and ended", holding(cut + b"\xff\xd9")
        yield f"{kind} of noise", holding(data[:30] + rng.bytes(3000))
    yield "png of 60000 x 60000", holding(png(60000, 60000, b""))
    yield "png of 2**31", holding(png(2**31 - 1, 2**31 - 1, b""))
    yield "png of no width", holding(png(0, 5, b""))
    yield "png without half its rows", holding(png(*SIZE, bytes([0] + [9] * 40) * 16))
    yield "png of other color type", holding(png(*SIZE, bytes(41 * 32), kind=5))
    text = zlib.compress(bytes(300 * 2**20))
    yield "png with a text of 300 MB", holding(png(*SIZE, b"\0" * 41 * 16, (b"zTXt", b"a\0\0" + text)))
    yield "png with a profile of 300 MB", holding(png(*SIZE, b"\0" * 41 * 16, (b"iCCP", b"a\0\0" + text)))
    yield "bmp of -1 x -1", holding(whole["bmp"][:18] + struct.pack("<ii", -1, -1) + whole["bmp"][26:])
    yield (
        "bmp of 2**31",
        holding(whole["bmp"][:18] + struct.pack("<ii", 2**31 - 1, 2**31 - 1) + whole["bmp"][26:]),
    )
    yield (
        "gif of several frames",
        holding(encoded("GIF", drawing().quantize(8), save_all=True, append_images=[label()])),
    )


def tree(root: Path) -> Path:
    """Write a sound raw tree of three pairs."""
    for folder in ("images/train", "masks/train"):
        (root / folder).mkdir(parents=True)
    for index in range(3):
        drawing().rotate(90 * index).save(root / f"images/train/{index}.png")
        label().rotate(180 * index).save(root / f"masks/train/{index}.png")
    return root


def folder_source(root: Path) -> Folder:
    return Folder(
        train_image_path=root / "images/train", train_label_path=root / "masks/train", class_names=NAMES
    )


def _raw(write: Write, role: str, door: str) -> Callable[[Path], Callable[[], object]]:
    def make(folder: Path) -> Callable[[], object]:
        root = tree(folder / "raw")
        path = root / role / "train/1.png"
        path.unlink()
        write(path)
        if door == "convert":
            return lambda: convert(folder_source(root), folder / "out")
        return lambda: diagnose(root)

    return make


for _name, _write in _files():
    for _role in ("images", "masks"):
        for _door in ("convert", "doctor"):
            add(f"{_door}: {_role}: {_name}", _raw(_write, _role, _door), says=r"1\.png")


# --- arrays


def _npy(shape: tuple[int, ...], dtype: str = "<u2") -> bytes:
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header


def _npz(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", data)
    return buffer.getvalue()


def _nifti(shape: tuple[int, ...], kind: int = 4) -> bytes:
    lengths = [len(shape), *shape, *(1,) * (7 - len(shape))]
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, *lengths)
    struct.pack_into("<hh", header, 70, kind, 16)
    struct.pack_into("<8f", header, 76, *(1.0,) * 8)
    struct.pack_into("<f", header, 108, 352.0)
    header[344:348] = b"n+1\0"
    return bytes(header)


ARRAYS: dict[str, tuple[str, bytes]] = {
    "npy of 2**40": (".npy", _npy((2**20, 2**20)) + bytes(100)),
    "npy of -1": (".npy", _npy((-1, 5)) + bytes(100)),
    "npy of objects": (".npy", _npy((2, 2), "|O") + b"cos\nsystem\n(S'true'\ntR."),
    "npy of text": (".npy", _npy((2, 2), "<U4") + bytes(100)),
    "npy cut": (".npy", _npy((32, 40)) + bytes(100)),
    "npy of 9 axes": (".npy", _npy((1,) * 9) + bytes(2)),
    "npy of a header that is code": (".npy", b"\x93NUMPY\1\0\x20\0" + b"__import__('os').system('true') \n"),
    "npz of 2**40": (".npz", _npz(_npy((2**20, 2**20)) + bytes(100))),
    "npz of zeros, 3 GB in 3 MB": (".npz", b""),
    "npz of nothing": (".npz", _npz(b"")),
    "npz that is none": (".npz", b"PK\3\4" + bytes(50)),
    "nii.gz of 30000**3": (".nii.gz", gzip.compress(_nifti((30000,) * 3) + bytes(100))),
    "nii of 30000**3": (".nii", _nifti((30000,) * 3) + bytes(100)),
    "nii of -5": (".nii", _nifti((-5, 4, 3)) + bytes(100)),
    "nii of no kind": (".nii", _nifti((4, 4, 3), kind=999) + bytes(100)),
    "nii of zeros": (".nii", bytes(400)),
    "tif of noise": (".tif", b"II*\0" + np.random.default_rng(2).bytes(500)),
    "tif that refers to itself": (
        ".tif",
        b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 256, 3, 1, 8) + b"\x08\0\0\0",
    ),
}


def _array(suffix: str, data: bytes) -> Callable[[Path], Callable[[], object]]:
    def make(folder: Path) -> Callable[[], object]:
        images, labels = folder / "i", folder / "l"
        images.mkdir()
        labels.mkdir()
        for name, content in ((f"a{suffix}", data), ("b.npy", None)):
            path = images / name
            if content is None:
                np.save(path, np.zeros((32, 40), np.uint16))
            elif content:
                path.write_bytes(content)
            else:
                with (
                    zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
                    archive.open("a.npy", "w", force_zip64=True) as held,
                ):
                    held.write(_npy((3 * 2**10, 2**19)))
                    for _ in range(3 * 2**10 // 16):
                        held.write(bytes(2**24))
            np.save(labels / f"{name.partition('.')[0]}.npy", np.zeros((32, 40), np.uint8))
        source = Folder(
            train_image_path=images,
            train_label_path=labels,
            class_names=NAMES,
            value_range=(0, 9),
            channel_names=("x",),
        )
        return lambda: convert(source, folder / "out")

    return make


for _name, (_suffix, _data) in ARRAYS.items():
    add(f"convert: arrays: {_name}", _array(_suffix, _data))


# --- annotations

JUNK: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    1e308,
    2**70,
    "",
    "x\x1b[2J\n",
    "../../x",
    "/etc/passwd",
    [],
    [[]],
    {},
    [{}],
    [1e400],
)
SHAPE = [[1, 1], [9, 2], [8, 9]]
COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 32}],
    "categories": [{"id": 1, "name": "cat"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 2, 8, 9]]},
        {"id": 2, "image_id": 1, "category_id": 1, "segmentation": {"size": [32, 40], "counts": [1000, 280]}},
    ],
}
LABELME = {
    "imagePath": "a.png",
    "imageWidth": 40,
    "imageHeight": 32,
    "shapes": [{"label": "cat", "shape_type": "polygon", "points": SHAPE}, {"label": "b", "points": SHAPE}],
}
YOLO = {"train": ".", "names": ["cat"], "nc": 1, "path": "."}


def changed(values: Any) -> Iterator[tuple[str, Any]]:
    """Yield the document with each of its parts replaced by each piece of junk, or gone."""
    places: list[tuple[Any, ...]] = [()]
    while places:
        place = places.pop()
        part = values
        for key in place:
            part = part[key]
        if isinstance(part, dict | list):
            places += [(*place, key) for key in (part if isinstance(part, dict) else range(len(part)))]
        for number, junk in enumerate((*JUNK, "gone")):
            if not place:
                copy = junk
            else:
                copy = json.loads(json.dumps(values))
                holder = copy
                for key in place[:-1]:
                    holder = holder[key]
                if junk == "gone":
                    del holder[place[-1]]
                else:
                    holder[place[-1]] = junk
            yield f"{'.'.join(map(str, place))} = {number}", copy


def _annotated(write: Callable[[Path], Source]) -> Callable[[Path], Callable[[], object]]:
    def make(folder: Path) -> Callable[[], object]:
        (folder / "d").mkdir()
        drawing().save(folder / "d/a.png")
        source = write(folder / "d")
        return lambda: convert(source, folder / "out")

    return make


def coco(data: bytes) -> Callable[[Path], Source]:
    def write(root: Path) -> Source:
        (root / "a.json").write_bytes(data)
        return CocoJson(train_json=root / "a.json", background="ground")

    return write


def labelme(data: bytes) -> Callable[[Path], Source]:
    def write(root: Path) -> Source:
        (root / "a.json").write_bytes(data)
        return Labelme(train_path=root, background="ground")

    return write


def cvat(data: bytes) -> Callable[[Path], Source]:
    def write(root: Path) -> Source:
        (root / "annotations.xml").write_bytes(data)
        return CvatXml(train_path=root, background="ground")

    return write


def yolo(data: bytes, lines: bytes = b"0 0.1 0.1 0.5 0.1 0.5 0.5\n") -> Callable[[Path], Source]:
    def write(root: Path) -> Source:
        (root / "data.yaml").write_bytes(data)
        (root / "a.txt").write_bytes(lines)
        return YoloSeg(yaml=root / "data.yaml", background="ground")

    return write


for _kind, _values, _write_of in (("coco", COCO, coco), ("labelme", LABELME, labelme), ("yolo", YOLO, yolo)):
    for _name, _changed in changed(_values):
        _text = json.dumps(_changed).encode()  # which is YAML, too
        add(f"annotations: {_kind}: {_name}", _annotated(_write_of(_text)), sound=True)

DOCUMENTS = {
    "empty": b"",
    "nested": b"[" * 100_000,
    "nested objects": b'{"a":' * 100_000,
    "not UTF-8": b"\xff\xfe\x00",
    "a number of 5,000 digits": b"9" * 5000,
    "zeros": bytes(1000),
}
for _kind, _write_of in (("coco", coco), ("labelme", labelme), ("cvat", cvat), ("yolo", yolo)):
    for _name, _text in DOCUMENTS.items():
        add(f"annotations: {_kind}: {_name}", _annotated(_write_of(_text)))

LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha">' + b"".join(
    f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">'.encode() for i in range(12)
)
XML = (
    b"<annotations><meta><labels><label><name>cat</name></label></labels></meta>"
    b'<image id="0" name="%s" width="%s" height="%s">%s</image></annotations>'
)
for _name, _text in {
    "laughs": LAUGHS + b"]><annotations>&m;</annotations>",
    "an entity of a file": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotations>&a;</annotations>',
    "a mask of 2**40": XML
    % (
        b"a.png",
        b"40",
        b"32",
        b'<mask label="cat" left="0" top="0" width="9" height="9" rle="1099511627776"/>',
    ),
    "an image of 10**9": XML % (b"a.png", b"1000000000", b"1000000000", b""),
    "a size of nan": XML % (b"a.png", b"nan", b"inf", b'<box label="cat" xtl="1" ytl="1" xbr="5" ybr="5"/>'),
    "a point of 1e308": XML
    % (b"a.png", b"40", b"32", b'<polygon label="cat" points="1e308,1;-1e308,5;3,1e308"/>'),
    "an image outside": XML
    % (b"../../x.png", b"40", b"32", b'<box label="cat" xtl="1" ytl="1" xbr="5" ybr="5"/>'),
    "an image without name": XML % (b"", b"40", b"32", b""),
}.items():
    add(f"annotations: cvat: {_name}", _annotated(cvat(_text)))
for _name, _text in {
    "aliases": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n".encode() for i in range(12)
    )
    + b"train: .\nnames: *m\n",
    "python": b"train: .\nnames: !!python/object/apply:os.system ['true']\n",
}.items():
    add(f"annotations: yolo: {_name}", _annotated(yolo(_text)))
for _name, _lines in {
    "a class of 5,000 digits": b"9" * 5000 + b" 0.1 0.1 0.5 0.1 0.5 0.5",
    "a point of 1e308": b"0 1e308 0 0 1e308 0.5 0.5",
    "nan": b"0 nan nan nan nan nan nan",
    "words": b"0 a b c d e f",
    "not UTF-8": b"\xff\xfe",
}.items():
    add(f"annotations: yolo lines: {_name}", _annotated(yolo(json.dumps(YOLO).encode(), _lines)))


# --- names


def _named(image: str, mask: str) -> Callable[[Path], Callable[[], object]]:
    def make(folder: Path) -> Callable[[], object]:
        root = tree(folder / "raw")
        (root / "images/train/1.png").rename(root / "images/train" / image)
        (root / "masks/train/1.png").rename(root / "masks/train" / mask)
        return lambda: convert(folder_source(root), folder / "out")

    return make


for _name in ("a\nb.png", "a\x1b[2Jb.png", "\u202egnp.png", os.fsdecode(b"\xff.png")):
    add(f"names: {_name!a}", _named(_name, _name), says="unusable name")
add("names: NFC and NFD", _named("caf\u00e9.png", "cafe\u0301.png"), says="looks the same")
for _name in ("a\nb", "a\x1b[2J", "a"):
    add(
        f"names: a class {_name!r}",
        lambda folder, name=_name: (
            lambda root: (
                lambda: convert(
                    Folder(
                        train_image_path=root / "images/train",
                        train_label_path=root / "masks/train",
                        class_names=("a", name, "c"),
                    ),
                    folder / "out",
                )
            )
        )(tree(folder / "raw")),
    )


# --- converted data


def _edited(values: Any, door: Callable[[Path], object]) -> Callable[[Path], Callable[[], object]]:
    def make(folder: Path) -> Callable[[], object]:
        (folder / "data").mkdir()
        for path in GOLDEN.glob("*.tfrecord"):
            (folder / "data" / path.name).write_bytes(path.read_bytes())
        (folder / "data/dataset.json").write_text(json.dumps(values))
        return lambda: door(folder / "data")

    return make


_DATASET = json.loads((GOLDEN / "dataset.json").read_text())
_SHORT = {**_DATASET, "class_names": _DATASET["class_names"][:7]}
_SHORT["splits"] = {
    name: {
        **split,
        "class_pixels": split["class_pixels"][:2],
        "class_image_pixels": split["class_image_pixels"][:2],
    }
    for name, split in _DATASET["splits"].items()
}
_SHORT |= {"class_names": ["a", "b"], "palette": [[0, 0, 0], [9, 9, 9]]}
for _name, _changed in changed(_SHORT):
    for _door_name, _door_of in (("read", read), ("doctor", diagnose)):
        add(f"{_door_name}: dataset.json: {_name}", _edited(_changed, _door_of), sound=True)


def _record(**changed_fields: Any) -> bytes:
    pixels = np.zeros(SIZE[::-1], np.uint8)
    fields = {
        "name": "a",
        "image": encoded("PNG"),
        "image_format": "png",
        "height": 32,
        "width": 40,
        "channels": 3,
        "label": encode_label(pixels),
        "dtype": "",
    }
    return serialize(Record(**{**fields, **changed_fields}))


RECORDS: dict[str, bytes] = {
    "of noise": np.random.default_rng(3).bytes(500),
    "empty": b"",
    "of an endless number": b"\xff" * 50,
    "without image": _record(image=b""),
    "with a TIFF": _record(image=encoded("TIFF")),
    "with half a JPEG": _record(image=encoded("JPEG")[:400], image_format="jpeg"),
    "of another size": _record(height=31),
    "of size 0": _record(height=0, width=0),
    "of size 2**31": _record(height=2**31, width=2**31),
    "of size 2**63": _record(height=2**62),
    "with an image of 60000 x 60000": _record(image=png(60000, 60000, b""), height=60000, width=60000),
    "with a label of 16 bits": _record(label=encoded("PNG", Image.new("I;16", SIZE))),
    "with a label in colours": _record(label=encoded("PNG")),
    "with a label of another size": _record(label=encode_label(np.zeros((5, 5), np.uint8))),
    "with a label that is a JPEG": _record(label=encoded("JPEG", label())),
    "of format raw": _record(image_format="raw"),
}


def _shard(
    data: bytes, records: int, door: Callable[[Path], object]
) -> Callable[[Path], Callable[[], object]]:
    def make(folder: Path) -> Callable[[], object]:
        (folder / "data").mkdir()
        name = "train-00000-of-00001.tfrecord"
        (folder / "data" / name).write_bytes(data)
        shard = {
            "file": name,
            "records": records,
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        split = {
            "shards": [shard],
            "class_pixels": [1280],
            "class_image_pixels": [1280],
            "ignored_pixels": 0,
            "skipped": [],
        }
        values = {
            "name": "x",
            "class_names": ["a"],
            "palette": [[0, 0, 0]],
            "splits": {"train": split},
            "ignore_label": 255,
        }
        (folder / "data/dataset.json").write_text(json.dumps(values))
        return lambda: door(folder / "data")

    return make


_GOOD = frame(_record())
SHARDS: dict[str, bytes] = {
    "empty": b"",
    "cut in its head": _GOOD[:7],
    "cut in its data": _GOOD[:100],
    "cut in its CRC": _GOOD[:-2],
    "with a bit turned": _GOOD[:200] + bytes([_GOOD[200] ^ 1]) + _GOOD[201:],
    "of noise": np.random.default_rng(4).bytes(1000),
    "of zeros": bytes(1000),
    "of a record of 2**60": struct.pack("<Q", 2**60) + _GOOD[8:],
    "with more behind": _GOOD + b"more",
    "packed": gzip.compress(_GOOD),
}
for _door_name, _door_of in (("read", read), ("doctor", diagnose)):
    for _name, _data in SHARDS.items():
        add(f"{_door_name}: a shard {_name}", _shard(_data, 1, _door_of))
    for _name, _data in RECORDS.items():
        add(f"{_door_name}: a record {_name}", _shard(frame(_data), 1, _door_of))


# --- archives


def _tar(*members: tuple[str, bytes, dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data, more in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for key, value in more.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "a link and what follows it": lambda: _tar(
        ("d", b"", {"type": tarfile.SYMTYPE, "linkname": "../.."}), ("d/x", b"1", {})
    ),
    "a hard link": lambda: _tar(("d", b"", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"})),
    "names that climb": lambda: _tar(("../x", b"1", {})),
    "a name of 5,000 letters": lambda: _tar(("x" * 5000, b"1", {})),
    "a bomb": lambda: gzip.compress(_tar(("x", bytes(200 * 2**20), {}))),
    "a header of 1 GB": lambda: gzip.compress(
        (lambda info: info.tobuf(tarfile.USTAR_FORMAT))(
            (lambda info: (setattr(info, "type", tarfile.XHDTYPE), setattr(info, "size", 2**30), info)[2])(
                tarfile.TarInfo("x")
            )
        )
        + bytes(2**20)
    ),
    "cut": lambda: _tar(("a", b"1" * 512, {}), ("b", b"2" * 512, {}))[:1024],
    "gzip of nothing": lambda: gzip.compress(b""),
    "noise": lambda: np.random.default_rng(5).bytes(10_000),
    "empty": lambda: b"",
}


def _archive(data: Callable[[], bytes]) -> Callable[[Path], Callable[[], object]]:
    def make(folder: Path) -> Callable[[], object]:
        (folder / "a").write_bytes(data())

        def call() -> None:
            target = folder.with_name(folder.name + "-out")
            unpack(folder / "a", target)

        return call

    return make


for _name, _bytes in ARCHIVES.items():
    add(f"archives: {_name}", _archive(_bytes))
