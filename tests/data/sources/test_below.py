"""Images that annotations name outside their folder are refused, unless the user says which folder is meant."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerseg.core.info import DatasetInfo
from kerseg.data.conversion.convert import convert
from kerseg.data.sources.below import is_below
from kerseg.data.sources.coco_json import CocoJson
from kerseg.data.sources.cvat_xml import CvatXml
from kerseg.data.sources.folders import read_list
from kerseg.data.sources.huggingface import HuggingFace
from kerseg.data.sources.labelme import Labelme
from kerseg.data.sources.yolo_seg import YoloSeg
from kerseg.errors import DataError

SIZE = (6, 4)
POINTS = [[0, 0], [4, 0], [4, 3]]


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE, (9, 8, 7)).save(path)
    return path


def coco(root: Path, name: str, image_root: Path | None) -> CocoJson:
    document = {
        "images": [{"id": 1, "file_name": name, "width": 6, "height": 4}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 4, 0, 4, 3]]}],
    }
    (root / "a.json").write_text(json.dumps(document))
    return CocoJson(train_json=root / "a.json", background="ground", image_root=image_root)


def labelme(root: Path, name: str, image_root: Path | None) -> Labelme:
    document = {"imagePath": name, "imageWidth": 6, "imageHeight": 4}
    document["shapes"] = [{"label": "cat", "shape_type": "polygon", "points": POINTS}]
    (root / "a.json").write_text(json.dumps(document))
    return Labelme(train_path=root, background="ground", image_root=image_root)


def cvat(root: Path, name: str, image_root: Path | None) -> CvatXml:
    (root / "annotations.xml").write_text(
        "<annotations><meta><labels><label><name>cat</name></label></labels></meta>"
        f'<image id="0" name="{name}" width="6" height="4"><polygon label="cat" points="0,0;4,0;4,3"/></image>'
        "</annotations>"
    )
    return CvatXml(train_path=root, background="ground", image_root=image_root)


def yolo(root: Path, name: str, image_root: Path | None) -> YoloSeg:
    (root / "list.txt").write_text(name)
    (root / "data.yaml").write_text("train: list.txt\nnames: [cat]\n")
    (root / name).with_suffix(".txt").write_text("0 0 0 0.6 0 0.6 0.7")
    return YoloSeg(yaml=root / "data.yaml", background="ground", image_root=image_root)


SOURCES = {"coco": coco, "labelme": labelme, "cvat": cvat, "yolo": yolo}


@pytest.mark.parametrize("form", ["../private/a.png", "{}/private/a.png", "sub/../../private/a.png"])
@pytest.mark.parametrize("kind", SOURCES)
def test_an_image_outside_is_refused_unless_meant(tmp_path, kind, form):
    image(tmp_path / "private/a.png")
    root = tmp_path / "data"
    (root / "sub").mkdir(parents=True)
    name = form.format(tmp_path)
    source = SOURCES[kind](root, name, None)
    with pytest.raises(
        DataError, match=r"outside its folder: .*private/a\.png.* not below .*give `image_root`"
    ):
        convert(source, output=tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()
    info = convert(SOURCES[kind](root, name, tmp_path), output=tmp_path / "out", workers=1)
    assert info.splits["train"].records == 1
    from kerseg.data.formats.tfrecord import features, places, read

    shard = tmp_path / "out" / info.splits["train"].shards[0].file
    (place,) = places(shard)
    expected = "a" if kind == "labelme" else "private/a"
    assert features(read(shard, *place))["image/filename"].decode() == expected


@pytest.mark.parametrize("kind", SOURCES)
def test_an_image_below_is_taken_however_it_is_named(tmp_path, kind):
    image(tmp_path / "data/sub/a.png")
    (tmp_path / "data/other").mkdir()
    source = SOURCES[kind](tmp_path / "data", "other/../sub/a.png", None)
    assert convert(source, output=tmp_path / "out", workers=1).splits["train"].records == 1


def test_an_image_that_is_a_link_is_at_home_where_the_link_is(tmp_path):
    image(tmp_path / "disk/a.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.png").symlink_to(tmp_path / "disk/a.png")
    source = coco(tmp_path / "data", "a.png", None)
    assert convert(source, output=tmp_path / "out", workers=1).splits["train"].records == 1


def test_yolo_s_path_must_be_below_unless_the_root_is_given(tmp_path):
    image(tmp_path / "private/images/a.png")
    (tmp_path / "private/images/a.txt").write_text("0 0 0 0.6 0 0.6 0.7")
    (tmp_path / "data").mkdir()
    yaml = tmp_path / "data/data.yaml"
    yaml.write_text("path: ../private\ntrain: images\nnames: [cat]\n")
    (tmp_path / "private/labels").mkdir()
    shutil.move(tmp_path / "private/images/a.txt", tmp_path / "private/labels/a.txt")
    with pytest.raises(DataError, match=r"data\.yaml: outside its folder: 'path' is '\.\./private'"):
        YoloSeg(yaml=yaml, background="ground").splits()
    assert len(YoloSeg(yaml=yaml, root=tmp_path / "private", background="ground").splits()["train"]) == 1
    assert len(YoloSeg(yaml=yaml, image_root=tmp_path, background="ground").splits()["train"]) == 1


def test_hugging_face_s_tables(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

    image(tmp_path / "private/a.png")
    Image.fromarray(np.zeros(SIZE[::-1], np.uint8)).save(tmp_path / "private/l.png")
    (tmp_path / "data").mkdir()
    cells = {"image": ["../private/a.png"], "label": [str(tmp_path / "private/l.png")]}
    parquet.write_table(arrow.table(cells), tmp_path / "data/train.parquet")
    names = {"root": tmp_path / "data", "class_names": ("a", "b")}
    with pytest.raises(DataError, match=r"outside its folder: it names '\.\./private/a\.png'"):
        convert(HuggingFace(**names), output=tmp_path / "out", workers=1)
    info = convert(HuggingFace(**names, image_root=tmp_path), output=tmp_path / "out", workers=1)
    assert info == DatasetInfo.load(tmp_path / "out")


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b"])
def test_a_list_names_what_is_below(tmp_path, name):
    (tmp_path / "train.txt").write_text(f"1\n{name}\n")
    with pytest.raises(DataError, match=r"train\.txt: lists .*, which is no name below a folder\."):
        read_list(tmp_path / "train.txt")


def test_below_is_by_name(tmp_path):
    assert is_below(tmp_path / "a/../b", tmp_path)
    assert not is_below(tmp_path / "a/../../b", tmp_path)
    assert not is_below(tmp_path.with_name(tmp_path.name + "2"), tmp_path)
