"""A label, written as polygons and read by kerseg's own readers of these formats, is the label."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerseg.data.formats.outlines import outlines
from kerseg.data.formats.polygons import Annotated, Coco, Cvat, geojson, labelme
from kerseg.data.sources.coco_json import CocoJson
from kerseg.data.sources.cvat_xml import CvatXml
from kerseg.data.sources.labelme import Labelme

NAMES = ("road", "sky & <sun>", "car", "tree", "pole", "sign")
PALETTE = ((128, 64, 128), (70, 130, 180), (0, 0, 142), (107, 142, 35), (153, 153, 153), (220, 220, 0))


def label(seed: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Discs upon and within one another."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    found = np.zeros((height, width), np.uint8)
    for value in (1, 2, 3, 0, 4, 5, 1, 2):
        row, column, radius = random.integers(0, height), random.integers(0, width), random.integers(2, 16)
        found[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = value
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images, one in a sub-folder, where CVAT's exports have them."""
    for name in ("a.png", "b/c.png"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 48)).save(path)
    return tmp_path


LABELS = {"a.png": label(0), "b/c.png": label(1)}


def annotated(folder: Path, **options) -> list[Annotated]:
    return [
        Annotated(folder / "images" / name, name, 48, 64, outlines(values, **options))
        for name, values in LABELS.items()
    ]


def read(source) -> dict[str, np.ndarray]:
    """Return the labels of a source by the classes of the test, whatever its own order."""
    order = np.array([NAMES.index(name) for name in source.classes.names], np.uint8)
    pairs = [pair for split in source.splits().values() for pair in split]
    assert all(pair.image.exists() for pair in pairs)
    return {pair.name: order[source.read_label(pair.label)] for pair in pairs}


def check(found: dict[str, np.ndarray]) -> None:
    assert set(found) == {"a", "b/c"}
    for name, values in LABELS.items():
        assert (found[name.removesuffix(".png")] == values).mean() > 0.995


def test_coco(folder: Path):
    with Coco(folder / "coco.json", NAMES, program="a test") as writer:
        for each in annotated(folder):
            writer.add(each, folder)
    check(read(CocoJson(train_json=folder / "coco.json", train_image_path=folder / "images")))
    document = json.loads((folder / "coco.json").read_text())
    assert document["info"] == {"software": "a test"}
    first = document["annotations"][0]
    left, top, width, height = first["bbox"]
    points = np.array(first["segmentation"][0]).reshape(-1, 2)
    assert points.min(axis=0).tolist() == [left, top]
    assert points.max(axis=0).tolist() == [left + width, top + height]


def test_coco_as_its_own_library_reads_it(folder: Path):
    mask = pytest.importorskip("pycocotools.mask")
    with Coco(folder / "coco.json", NAMES, program="a test") as writer:
        for each in annotated(folder):
            writer.add(each, folder)
    document = json.loads((folder / "coco.json").read_text())
    for image in document["images"]:
        found = np.full((48, 64), 255, np.uint8)
        own = [entry for entry in document["annotations"] if entry["image_id"] == image["id"]]
        for entry in sorted(own, key=lambda entry: -entry["area"]):
            coded = mask.merge(mask.frPyObjects(entry["segmentation"], 48, 64))
            found[mask.decode(coded).astype(bool)] = entry["category_id"] - 1
        assert (found == LABELS[image["file_name"]]).mean() > 0.97  # it rounds outlines to a fifth of a pixel


def test_cvat(folder: Path):
    with Cvat(folder / "annotations.xml", NAMES, PALETTE, program="a test") as writer:
        for each in annotated(folder):
            writer.add(each, folder)
    source = CvatXml(train_path=folder)
    assert source.classes.names == NAMES
    assert source.classes.palette == PALETTE
    check(read(source))


def test_labelme(folder: Path):
    with labelme(NAMES, program="a test") as writer:
        for each in annotated(folder):
            writer.add(each, folder / "json" / Path(each.name).with_suffix(".json"))
    document = json.loads((folder / "json" / "b" / "c.json").read_text())
    assert document["imagePath"] == "../../images/b/c.png"
    check(read(Labelme(train_path=folder / "json", class_names=NAMES, image_root=folder)))


def test_geojson(folder: Path):
    with geojson(
        NAMES, program="a test", coordinates=lambda points: points * (2, -2), crs="EPSG:25832"
    ) as writer:
        for each in annotated(folder):
            writer.add(each, folder / Path(each.name).with_suffix(".geojson"))
    document = json.loads((folder / "a.geojson").read_text())
    assert document["crs"]["properties"]["name"] == "EPSG:25832"
    total = 0.0
    for feature in document["features"]:
        assert NAMES[feature["properties"]["value"]] == feature["properties"]["class"]
        rings = feature["geometry"]["coordinates"]
        assert all(ring[0] == ring[-1] for ring in rings)
        areas = [signed(np.array(ring)) for ring in rings]
        # In coordinates that go up: anticlockwise outside, clockwise inside.
        assert areas[0] > 0
        assert all(hole < 0 for hole in areas[1:])
        total += sum(areas)
    assert total == pytest.approx(4 * 48 * 64)


def signed(ring: np.ndarray) -> float:
    (x, y), (x1, y1) = ring[:-1].T, ring[1:].T
    return float((x * y1 - x1 * y).sum() / 2)


def test_what_fails_leaves_nothing(folder: Path):
    before = set(folder.rglob("*"))
    with pytest.raises(KeyError), Coco(folder / "coco.json", NAMES, program="a test") as writer:
        writer.add(annotated(folder)[0], folder)
        raise KeyError
    assert set(folder.rglob("*")) == before
