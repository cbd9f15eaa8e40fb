"""TFRecords that another program wrote: counted, named and checked without a dataset.json."""

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kerseg.data
from kerseg.config import Augment
from kerseg.core.info import DatasetInfo, Shard, Split, default_palette
from kerseg.data.formats.tfrecord import example, feature_names, frame, survey
from kerseg.data.reading.unconverted import read_info
from kerseg.data.sources.known import DATASETS, classes
from kerseg.errors import ConfigError, DataError


def pair(index: int, height: int = 20, width: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Return an image that is its own label, of VOC's values, with an ignored row."""
    label = np.random.default_rng(index).integers(0, 21, (height, width), np.uint8)
    label[0] = 255
    return np.repeat(label[..., None], 3, -1), label


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def deeplab(index: int, pixels: np.ndarray | None = None) -> bytes:
    """Return a record as build_TFRecord.py and DeepLab's converters write it."""
    image, label = pair(index)
    label = label if pixels is None else pixels
    height, width = label.shape
    return example(
        {
            "image/encoded": png(image[:height, :width]),
            "image/filename": f"./images/train/{index}.jpg".encode(),
            "image/format": b"jpg",
            "image/height": height,
            "image/width": width,
            "image/channels": 3,
            "image/segmentation/class/encoded": png(label),
            "image/segmentation/class/format": b"png",
        }
    )


def bare(index: int, pixels: np.ndarray | None = None) -> bytes:
    """Return a record of the second format."""
    image, label = pair(index)
    label = label if pixels is None else pixels
    height, width = label.shape
    raw = {"image_raw": image[:height, :width].tobytes(), "mask_raw": label.tobytes()}
    return example({"height": height, "width": width, **raw})


def write(folder: Path, files: dict[str, list[bytes]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, records in files.items():
        (folder / name).write_bytes(b"".join(map(frame, records)))
    return folder


def as_scripts_write(folder: Path, make=deeplab) -> Path:
    """Write five records of train in four files, the last one empty, and two of val."""
    records = [make(index) for index in range(7)]
    shares = {
        "train": (records[:2], records[2:4], records[4:5], []),
        "val": (records[5:6], records[6:], [], []),
    }
    return write(
        folder,
        {
            f"{split}-{number:05d}-of-00004.tfrecord": share
            for split, parts in shares.items()
            for number, share in enumerate(parts)
        },
    )


# --- the frames


def test_a_file_is_counted_without_its_data(tmp_path):
    path = write(tmp_path, {"a.tfrecord": [deeplab(0), bare(1), deeplab(2)]}) / "a.tfrecord"
    seen = survey(path)
    assert (seen.records, seen.bytes) == (3, path.stat().st_size)
    assert seen.keys == feature_names(deeplab(0))
    assert "image/segmentation/class/encoded" in seen.keys and len(seen.keys) == 8


def test_other_data_has_another_checksum(tmp_path):
    files = {"a": [b"12345"], "b": [b"12346"], "c": [b"12345"], "d": [b"1234", b"5"]}
    folder = write(tmp_path, files)
    sums = {name: survey(folder / name).checksum for name in files}
    assert sums["a"] == sums["c"]
    assert len(set(sums.values())) == 3


def test_a_file_that_was_changed_is_counted_again(tmp_path):
    path = write(tmp_path, {"a": [b"1"]}) / "a"
    assert survey(path).records == 1
    path.write_bytes(path.read_bytes() * 3)
    assert survey(path).records == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], r"record 1: the file ends within it\. Copy the file again\."),
        (
            lambda data: data + b"x",
            r"record 2: no TFRecord begins at byte 48\. The file is damaged, compressed",
        ),
        (lambda data: b"PK" + data, r"record 0: no TFRecord begins at byte 0\."),
    ],
)
def test_what_is_no_whole_tfrecord_file_is_named(tmp_path, change, message):
    path = write(tmp_path, {"a": [b"12345678", b"abcdefgh"]}) / "a"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=rf"^{path}: {message}"):
        survey(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=rf"^{tmp_path / 'a'}: cannot be read: No such file"):
        survey(tmp_path / "a")


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\x0a", b"\x0a\xff\xff\xff\xff\x0f", b"\x08\x01"])
def test_what_is_no_example_has_no_names(data):
    assert feature_names(data) == ()


def test_the_names_are_tensorflow_s():
    import tensorflow as tf

    features = {
        "ü": tf.train.Feature(float_list=tf.train.FloatList(value=[1.0] * 300)),
        "a/b": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"x" * 40_000])),
        "none": tf.train.Feature(),
    }
    data = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    assert feature_names(data) == ("a/b", "none", "ü")


# --- the description


@pytest.mark.parametrize("make", [deeplab, bare])
def test_what_the_scripts_wrote_is_described(tmp_path, make):
    info = read_info(as_scripts_write(tmp_path, make), "pascal_voc2012")
    assert (info.name, info.num_classes, info.ignore_label) == ("pascal_voc2012", 21, 255)
    assert info.class_names[:2] == ("background", "aeroplane")
    assert {name: split.records for name, split in info.splits.items()} == {"train": 5, "val": 2}
    assert [shard.records for shard in info.splits["train"].shards] == [2, 2, 1]
    assert info.splits["train"].class_pixels == ()


@pytest.mark.parametrize("make", [deeplab, bare])
def test_what_the_scripts_wrote_is_read(tmp_path, make):
    data = kerseg.data.load(as_scripts_write(tmp_path, make), dataset="pascal_voc2012")
    found = list(data.examples("train").as_numpy_iterator())
    for index, one in enumerate(found):
        image, label = pair(index)
        assert (one["image"] == image).all() and (one["label"] == label).all()
    assert len(found) == 5
    batches = data.train(crop_size=(20, 30), batch_size=2, augment=Augment(flip=0.0), epoch=0)
    for images, labels in batches.as_numpy_iterator():
        assert (images[..., 0] == labels).all()


@pytest.mark.parametrize(
    ("names", "split"),
    [
        (["train-00000-of-00002.tfrecord", "train-00001-of-00002.tfrecord"], "train"),
        (["train_aug-00000-of-00001"], "train_aug"),
        (["train.tfrecords"], "train"),
        (["train-first.tfrecord", "train-second.tfrecord"], "train"),
        (["pascal_train.record"], "pascal_train"),
        (["train-aug-00000-of-00001.tfrecord"], "train-aug"),
    ],
)
def test_splits_are_told_by_the_files_names(tmp_path, names, split):
    write(tmp_path, {name: [deeplab(0)] for name in names})
    (tmp_path / "model.ckpt.data-00000-of-00001").write_bytes(b"a checkpoint")
    (tmp_path / "README.md").write_text("notes")
    (tmp_path / "logs.tfrecord").mkdir()
    info = read_info(tmp_path, "pascal_voc2012")
    assert {name: found.records for name, found in info.splits.items()} == {split: len(names)}


def test_pixels_are_counted_when_asked_for(tmp_path):
    data = kerseg.data.load(as_scripts_write(tmp_path), dataset="pascal_voc2012")
    labels = np.stack([pair(index)[1] for index in range(5)])
    split = data.counted("train")
    assert split.class_pixels == tuple((labels == value).sum() for value in range(21))
    held = [[(label == value).any() for label in labels] for value in range(21)]
    assert split.class_image_pixels == tuple(19 * 30 * sum(each) for each in held)
    assert data.info.splits["train"].class_pixels == ()


def test_counts_that_are_there_are_not_made_again(tiny_data, monkeypatch):
    data = kerseg.data.load(tiny_data)
    monkeypatch.setattr("kerseg.data.reading.shards.Shards.pixels", None)
    assert data.counted("train") is data.info.splits["train"]


@pytest.mark.parametrize("make", [deeplab, bare])
@pytest.mark.parametrize("use", ["train", "examples", "counted"])
def test_a_label_of_other_values_is_refused_with_its_place(tmp_path, make, use):
    labels = np.full((8, 8), 18, np.uint8), np.full((8, 8), 33, np.uint8)
    files = {f"train-{i:05d}-of-00002.tfrecord": [make(i, label)] for i, label in enumerate(labels)}
    data = kerseg.data.load(write(tmp_path, files), dataset="cityscapes")
    message = (
        rf"^{tmp_path / 'train-00001-of-00002.tfrecord'}: record 0 cannot be read: the label holds 33, "
        r"none of the 19 classes \(0 to 18\) and not 255 \(ignored\)\."
    )
    with pytest.raises(DataError, match=message), data.naming_damage("train"):
        if use == "counted":
            data.counted("train")
        else:
            list(data.examples("train") if use == "examples" else data.train(crop_size=(8, 8), batch_size=1))


@pytest.mark.parametrize(
    ("files", "dataset", "message"),
    [
        (
            {},
            "pascal_voc2012",
            r"dataset\.json: the file does not exist\. It is what `kerseg convert` writes",
        ),
        (
            {"train.tfrecord": [b"1"]},
            None,
            r"though there are TFRecords\..* with `dataset`: pascal_voc2012, ",
        ),
        ({"train.tfrecord": [b"1"]}, "cityscapes", r"train\.tfrecord: its records are no tf\.train\.Example"),
        (
            {"train.tfrecord": [example({"image": b"", "label": 3})]},
            "cityscapes",
            r"train\.tfrecord: its records have the keys image, label\. kerseg reads records with "
            r"image/encoded, image/segmentation/class/encoded or height, image_raw, mask_raw, width: convert",
        ),
        ({"train.tfrecord": []}, "cityscapes", r": its TFRecord files hold no records\."),
    ],
)
def test_data_that_cannot_be_described(tmp_path, files, dataset, message):
    with pytest.raises(DataError, match=message):
        read_info(write(tmp_path, files), dataset)


def test_an_unknown_data_set_is_refused_before_a_file_is_read(tmp_path):
    with pytest.raises(ConfigError, match=r"no known data set 'cityscape'\. Did you mean 'cityscapes'\?"):
        read_info(tmp_path, "cityscape")


# --- names for a dataset.json


def converted(folder: Path, names: tuple[str, ...]) -> Path:
    count = len(names)
    split = Split((Shard("train.tfrecord", 3, 9, "0" * 64),), (5,) * count, (9,) * count)
    folder.mkdir(exist_ok=True)
    DatasetInfo("mine", names, default_palette(count), {"train": split}).save(folder)
    return folder


def test_numbered_classes_take_the_names_of_the_data_set(tmp_path):
    converted(tmp_path, tuple(map(str, range(18))))
    assert read_info(tmp_path).class_names[17] == "17"
    info = read_info(tmp_path, "cityscapes")
    assert info.class_names == classes("cityscapes").names
    assert info.palette == classes("cityscapes").palette
    assert info.splits["train"].class_pixels == (5,) * 18 + (0,)
    assert info.splits["train"].class_image_pixels == (9,) * 18 + (0,)


def test_names_that_are_there_stay(tmp_path):
    names = tuple(f"kind {index}" for index in range(19))
    assert read_info(converted(tmp_path, names), "cityscapes").class_names == names


@pytest.mark.parametrize("names", [("road", "car"), tuple(map(str, range(34)))])
def test_another_number_of_classes_is_refused(tmp_path, names):
    held = f"{len(names)} classes, {names[0]} to {names[-1]}"
    message = rf"dataset\.json: {held}, where `dataset='cityscapes'` has 19\. Leave out `dataset` to take"
    with pytest.raises(ConfigError, match=message):
        read_info(converted(tmp_path, names), "cityscapes")


# --- the first of the records


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
def test_no_more_records_are_used_than_asked_for(tmp_path, count):
    folder = as_scripts_write(tmp_path)
    data = kerseg.data.load(folder, dataset="pascal_voc2012", samples={"train": count})
    expected = [pair(index)[1].tobytes() for index in range(min(count, 5))]
    assert [one["label"].tobytes() for one in data.examples("train").as_numpy_iterator()] == expected
    assert data.steps(batch_size=1) == len(expected) == len(data.examples("train"))
    passes = data.train(crop_size=(20, 30), batch_size=1, augment=Augment(flip=0.0), epoch=0)
    assert sorted(label[0].tobytes() for _, label in passes.as_numpy_iterator()) == sorted(expected)
    data.check("train")
    assert data.info.splits["val"].records == 2


def test_the_counts_of_a_shortened_split_are_its_own(tmp_path):
    data = kerseg.data.load(as_scripts_write(tmp_path), dataset="pascal_voc2012", samples={"train": 3})
    assert sum(data.counted("train").class_pixels) == 3 * 19 * 30


def test_a_shortened_converted_split_forgets_its_counts(tiny_data):
    info = DatasetInfo.load(tiny_data)
    assert info.first({"train": 10}) == info
    split = info.first({"train": 4}).splits["train"]
    assert (split.records, split.class_pixels, split.ignored_pixels) == (4, (), 0)
    assert sum(kerseg.data.load(tiny_data, samples={"train": 4}).counted("train").class_pixels) == 4 * 31 * 40


# --- the lists of classes


@pytest.mark.parametrize(
    ("name", "count", "some"),
    [
        ("pascal_voc2012", 21, {0: "background", 11: "diningtable", 15: "person", 20: "tvmonitor"}),
        ("cityscapes", 19, {0: "road", 10: "sky", 13: "car", 18: "bicycle"}),
        ("ade20k", 151, {0: "other", 1: "wall", 13: "person", 150: "flag"}),
        ("ADE20K", 151, {7: "road"}),
        ("camvid", 11, {3: "road"}),
    ],
)
def test_the_known_classes(name, count, some):
    found = classes(name)
    assert len(found.names) == len(found.palette) == len(set(found.names)) == count
    assert {index: found.names[index] for index in some} == some


def test_voc_s_colours_are_those_of_its_formula():
    # The scripts had 92 for 192 in the colour of class 11.
    assert classes("pascal_voc2012").palette == default_palette(21)
    assert classes("pascal_voc2012").palette[11] == (192, 128, 0)


def test_every_known_data_set_says_what_it_is():
    assert all(DATASETS.summary(name) for name in DATASETS)


def test_a_description_can_be_written(tmp_path):
    info = read_info(as_scripts_write(tmp_path / "data"), "pascal_voc2012")
    info.save(tmp_path)
    assert DatasetInfo.load(tmp_path) == info
    assert json.loads((tmp_path / "dataset.json").read_text())["splits"]["val"]["class_pixels"] == []
    assert dataclasses.asdict(info)["ignore_label"] == 255
