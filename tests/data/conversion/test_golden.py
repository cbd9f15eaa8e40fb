"""Records of raw files of each kind, held to those of the last `READERS_VERSION`.

The raw files lie in ``golden/``. What a record must hold is in ``golden.json``: a SHA-256 of the numbers, whatever
library packed them, and one of the bytes, which is compared where the libraries are those that it was made with.
``python tests/data/conversion/test_golden.py`` writes it anew, and new raw files if there are none.
"""

import hashlib
import io
import json
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerseg.data.conversion import manifest
from kerseg.data.conversion.checks import Checked, check_pair
from kerseg.data.formats.records import ARRAY
from kerseg.data.formats.tfrecord import features
from kerseg.data.sources.base import Source
from kerseg.data.sources.coco_json import CocoJson
from kerseg.data.sources.cvat_xml import CvatXml
from kerseg.data.sources.folder import Folder
from kerseg.data.sources.labelme import Labelme
from kerseg.data.sources.yolo_seg import YoloSeg

RAW = Path(__file__).with_name("golden")
FILE = RAW / "golden.json"
NAMES = ("a", "b", "c")

SOURCES: dict[str, Source] = {
    "images": Folder(train_image_path=RAW / "images", train_label_path=RAW / "labels", class_names=NAMES),
    "colours": Folder(
        train_image_path=RAW / "images",
        train_label_path=RAW / "colours",
        class_names=NAMES,
        palette=("#000000", "#800000", "#008000"),
    ),
    "arrays": Folder(
        train_image_path=RAW / "arrays",
        train_label_path=RAW / "array_labels",
        class_names=NAMES,
        value_range=(0, 4095),
    ),
    "coco": CocoJson(train_json=RAW / "coco.json", train_image_path=RAW / "images", background="ground"),
    "labelme": Labelme(train_path=RAW / "labelme", background="ground"),
    "cvat": CvatXml(train_path=RAW / "cvat", background="ground"),
    "yolo": YoloSeg(yaml=RAW / "yolo" / "data.yaml", background="ground"),
}


def records() -> Iterator[tuple[str, bytes, bytes]]:
    """Yield the name, the record and the image's file of each pair of each source that has both."""
    for kind, source in SOURCES.items():
        for pair in source.splits()["train"]:
            if pair.image and pair.label:
                found = check_pair(source, pair)
                assert isinstance(found, Checked), found
                file = getattr(pair.image, "file", pair.image)
                yield f"{kind}: {pair.name}", found.record, Path(file).read_bytes()


def numbers(record: bytes, file: bytes) -> str:
    """Return the SHA-256 of what a record means: what was packed anew is unpacked."""
    found = features(record[12:-4])
    data = found.pop("image/encoded")
    if data == file:
        image = [data]
    elif found["image/format"] == ARRAY.encode():
        image = [zlib.decompress(data)]
    else:
        pixels = Image.open(io.BytesIO(data))
        image = [pixels.mode.encode(), str(pixels.size).encode(), pixels.tobytes()]
    label = Image.open(io.BytesIO(found.pop("image/segmentation/class/encoded")))
    assert (label.format, label.mode) == ("PNG", "L")
    parts = [*image, np.asarray(label).tobytes(), repr(sorted(found.items())).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def measured() -> dict[str, object]:
    """Return what ``golden.json`` should hold."""
    every = list(records())
    return {
        "readers": manifest.READERS_VERSION,
        "libraries": manifest._libraries(),
        "numbers": {name: numbers(record, file) for name, record, file in every},
        "bytes": {name: hashlib.sha256(record).hexdigest() for name, record, _ in every},
    }


def test_records_are_those_of_this_version_of_the_readers():
    for library in ("nibabel", "tifffile"):
        pytest.importorskip(library)
    golden, found = json.loads(FILE.read_text()), measured()
    advice = (
        "raise READERS_VERSION in kerseg/data/conversion/manifest.py, and run this file to write golden.json"
    )
    assert found["readers"] == golden["readers"], "golden.json is of another READERS_VERSION: run this file"
    kinds = ["numbers", "bytes"] if found["libraries"] == golden["libraries"] else ["numbers"]
    for kind in kinds:
        assert found[kind].keys() == golden[kind].keys(), "golden/ has other files: run this file"
        other = [name for name, digest in found[kind].items() if digest != golden[kind][name]]
        assert not other, f"other {kind} than before: {', '.join(other)}; {advice}"


def draw() -> None:
    """Write the raw files."""
    import base64

    import nibabel
    import tifffile

    rng = np.random.default_rng(7)
    height, width = 12, 16
    small = Image.fromarray(rng.integers(0, 256, (3, 4, 3), np.uint8))
    image = small.resize((width, height), Image.Resampling.BICUBIC)
    label = np.kron(rng.integers(0, 3, (3, 4)), np.ones((4, 4))).astype(np.uint8)
    label[0] = 255
    for folder in ("images", "labels", "colours", "arrays", "array_labels", "labelme", "cvat/images"):
        (RAW / folder).mkdir(parents=True, exist_ok=True)
    turned = Image.Exif()
    turned[0x0112] = 6
    files = {
        "rgb.jpg": (image, {}),
        "progressive.jpg": (image, {"progressive": True}),
        "grey.jpg": (image.convert("L"), {}),
        "cmyk.jpg": (image.convert("CMYK"), {}),
        "turned.jpg": (image.transpose(Image.Transpose.ROTATE_90), {"exif": turned.tobytes()}),
        "colour.png": (image, {}),
        "alpha.png": (image.convert("RGBA"), {}),
        "grey16.png": (Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257), {}),
        "indexed.png": (image.quantize(16), {}),
        "onebit.png": (image.convert("1"), {}),
        "plain.bmp": (image, {}),
        "indexed.bmp": (image.quantize(16), {}),
        "one.gif": (image.quantize(16), {}),
        "lzw.tif": (image, {"compression": "tiff_lzw"}),
        "lossless.webp": (image, {"lossless": True}),
    }
    for name, (picture, options) in files.items():
        picture.save(RAW / "images" / name, **options)
    grey = Image.fromarray(label)
    palette = Image.fromarray(label)
    palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [9] * 759)
    suffixes = {"rgb": ".bmp", "colour": ".tif", "grey": ".tif"}
    for name in files:
        stem = name.partition(".")[0]
        if name != "indexed.bmp":
            grey.save(RAW / "labels" / f"{stem}{suffixes.get(stem, '.png')}")
    palette.save(RAW / "labels" / "alpha.png")
    (RAW / "images" / "indexed.bmp").rename(RAW / "images" / "indexed8.bmp")
    grey.save(RAW / "labels" / "indexed8.png")
    colours = Image.fromarray(np.where(label == 255, 0, label))
    colours.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    colours.convert("RGB").save(RAW / "colours" / "rgb.png")
    colours.convert("RGB").save(RAW / "colours" / "colour.gif")
    values = rng.integers(0, 4096, (height, width, 2)).astype(np.uint16)
    np.save(RAW / "arrays" / "plain.npy", values)
    np.savez_compressed(RAW / "arrays" / "packed.npz", values.astype(np.float64))
    tifffile.imwrite(
        RAW / "arrays" / "real.tif",
        values.astype(np.float32),
        photometric="minisblack",
        planarconfig="contig",
    )
    volume = np.moveaxis(np.stack([values.astype(np.int16)] * 2, axis=2), 1, 0)[:, ::-1]
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), RAW / "arrays" / "volume.nii.gz")
    for name in ("plain.npy", "packed.npy", "real.npy"):
        np.save(RAW / "array_labels" / name, label)
    stack = np.stack([label.astype(np.uint8)] * 2, axis=2).swapaxes(0, 1)[:, ::-1]
    nibabel.save(nibabel.Nifti1Image(stack, np.eye(4)), RAW / "array_labels" / "volume.nii.gz")
    polygon = [1, 1, 9.5, 2, 8, 10, 2.5, 8]
    runs = {"size": [height, width], "counts": [100, 20, 72]}
    coco = {
        "images": [{"id": 3, "file_name": "rgb.jpg", "height": height, "width": width}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 7, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 3, "category_id": 7, "segmentation": [polygon]},
            {"id": 2, "image_id": 3, "category_id": 1, "segmentation": runs, "iscrowd": 1},
        ],
    }
    (RAW / "coco.json").write_text(json.dumps(coco))
    points = [polygon[i : i + 2] for i in range(0, 8, 2)]
    rgb = (RAW / "images" / "rgb.jpg").read_bytes()
    labelme = {
        "imagePath": "rgb.jpg",
        "imageData": base64.b64encode(rgb).decode(),
        "imageHeight": height,
        "imageWidth": width,
        "shapes": [
            {"label": "cat", "shape_type": "polygon", "points": points},
            {"label": "dog", "shape_type": "circle", "points": [[11, 6], [13, 7]]},
            {"label": "cat", "shape_type": "rectangle", "points": [[12, 1], [15, 3]]},
        ],
    }
    (RAW / "labelme" / "rgb.json").write_text(json.dumps(labelme))
    (RAW / "cvat" / "images" / "rgb.jpg").write_bytes(rgb)
    (RAW / "cvat" / "annotations.xml").write_text(
        "<annotations><meta><job><labels><label><name>cat</name><color>#ff0000</color></label>"
        "<label><name>dog</name><color>#00ff00</color></label></labels></job></meta>"
        f'<image id="0" name="rgb.jpg" width="{width}" height="{height}">'
        '<polygon label="cat" z_order="1" points="1,1;9.5,2;8,10;2.5,8"/>'
        '<ellipse label="dog" z_order="0" cx="8" cy="6" rx="5" ry="3" rotation="30"/>'
        '<mask label="dog" z_order="2" left="1" top="9" width="4" height="2" rle="1,3,2,2"/></image></annotations>'
    )
    for folder in ("images", "labels"):
        (RAW / "yolo" / folder).mkdir(parents=True, exist_ok=True)
    (RAW / "yolo" / "images" / "rgb.jpg").write_bytes(rgb)
    (RAW / "yolo" / "labels" / "rgb.txt").write_text("1 0.1 0.1 0.6 0.2 0.5 0.8\n0 0.5 0.5 0.9 0.5 0.9 0.9\n")
    (RAW / "yolo" / "data.yaml").write_text("train: images\nnames: [cat, dog]\n")


if __name__ == "__main__":
    if not any(RAW.iterdir()):
        draw()
    FILE.write_text(json.dumps(measured(), indent=1) + "\n")
    sys.stdout.write(f"{FILE}\n")
