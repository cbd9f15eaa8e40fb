"""``--skip-bad`` for training and evaluation: damaged shards are named, left out, counted and reported."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

import kerseg
import kerseg.data
from kerseg import modelfile
from kerseg.core.info import DatasetInfo
from kerseg.data.conversion.checks import Checked
from kerseg.data.conversion.split_writer import SplitWriter
from kerseg.data.formats.records import Record, serialize
from kerseg.data.formats.tfrecord import frame
from kerseg.data.reading.integrity import damaged
from kerseg.errors import DataError
from tiny import TINY_CLASSES, TINY_PALETTE, png, tiny_pair

FIRST, SECOND = (f"train-{number:05}-of-00003.tfrecord" for number in (0, 1))


def record(index: int) -> Checked:
    image, label = tiny_pair(index)
    made = Record(f"{index:03d}", png(image), "png", 32, 40, 3, png(label))
    return Checked(frame(serialize(made)), np.bincount(label.ravel(), minlength=256))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Nine training pairs in three shards and four validation pairs in two."""
    path, splits = tmp_path / "data", {}
    path.mkdir()
    for split, indices, each in (("train", range(9), 3), ("val", range(100, 104), 2)):
        size = max(len(record(index).record) for index in indices)
        with SplitWriter(path, split, each * size + 200, 3) as writer:
            for index in indices:
                writer.write(record(index))
            splits[split] = writer.finish()
    assert [[s.records for s in split.shards] for split in splits.values()] == [[3, 3, 3], [2, 2]]
    DatasetInfo("tiny", TINY_CLASSES, TINY_PALETTE, splits).save(path)
    return path


def flip(path: Path) -> None:
    """Damage one bit of the second record."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def names(folder: Path, split: str, **options: object) -> list[str]:
    data = kerseg.data.load(folder, **options)
    return [example["name"].decode() for example in data.examples(split).as_numpy_iterator()]


def test_damage_is_found_whatever_it_is(folder):
    info = DatasetInfo.load(folder)
    assert damaged(folder, info) == []
    flip(folder / FIRST)
    (folder / SECOND).unlink()
    val = folder / "val-00001-of-00002.tfrecord"
    size = val.stat().st_size
    val.write_bytes(val.read_bytes()[:-7])
    found = damaged(folder, info)
    assert [(damage.split, damage.file, damage.records) for damage in found] == [
        ("train", FIRST, 3),
        ("train", SECOND, 3),
        ("val", val.name, 2),
    ]
    was = info.splits["train"].shards[0].sha256[:12]
    assert re.fullmatch(
        rf"its SHA-256 is [0-9a-f]{{12}}\.\.\., dataset\.json says {was}\.\.\.", found[0].reason
    )
    assert found[1].reason == "it is missing or cannot be read"
    assert found[2].reason == f"it has {size - 7} bytes, dataset.json says {size}"


def test_damaged_shards_are_left_out(folder):
    flip(folder / FIRST)
    data = kerseg.data.load(folder, skip_bad=True)
    assert [damage.file for damage in data.left_out] == [FIRST]
    assert names(folder, "train", skip_bad=True) == ["003", "004", "005", "006", "007", "008"]
    assert names(folder, "train", skip_bad=True, samples={"train": 4}) == ["003", "004", "005", "006"]
    assert names(folder, "val", skip_bad=True) == ["100", "101", "102", "103"]
    # What is left is counted anew; a split that lost nothing keeps its counts.
    labels = np.stack([tiny_pair(index)[1] for index in range(3, 9)])
    assert data.counted("train").class_pixels == tuple((labels == value).sum() for value in range(3))
    assert data.info.splits["val"] == DatasetInfo.load(folder).splits["val"]


def test_without_the_flag_the_shard_is_named_and_the_flag_too(folder):
    flip(folder / FIRST)
    data = kerseg.data.load(folder)
    said = rf"^{folder / FIRST}: record 1 cannot be read: corrupted record at \d+.*with `skip_bad=True`\.$"
    with pytest.raises(DataError, match=said), data.naming_damage("train"):
        list(data.examples("train"))
    (folder / FIRST).unlink()
    with pytest.raises(
        DataError, match=rf"^{folder / FIRST}: this shard .* is missing\. .* with `skip_bad=True`\.$"
    ):
        kerseg.data.load(folder)


def test_a_split_without_an_intact_shard_is_an_error(folder):
    for path in folder.glob("val-*"):
        flip(path)
    with pytest.raises(
        DataError, match=r"not one shard of split 'val' is intact, so `skip_bad=True` would leave"
    ):
        kerseg.data.load(folder, skip_bad=True)


def test_checksums_come_from_dataset_json(folder):
    (folder / "dataset.json").unlink()
    with pytest.raises(
        DataError, match=r"dataset\.json: `skip_bad=True` needs this file, which holds the shards' ch"
    ):
        kerseg.data.load(folder, dataset="camvid", skip_bad=True)


def test_training_and_evaluation_on_the_rest(folder, tmp_path, capsys):
    """A run on damaged data is, to the bit, one on a data set of the intact shards, and goes on only with these."""
    options = {
        "model": "unet",
        "model_options": {"width": 2},
        "crop_size": (24, 32),
        "batch_size": 2,
        "epochs": 1,
    }
    rest = shutil.copytree(folder, tmp_path / "rest")
    info = DatasetInfo.load(rest)
    splits = {name: split.without({FIRST}) for name, split in info.splits.items()}
    replace(info, splits=splits).save(rest)
    expected = kerseg.train(data_dir=rest, output=tmp_path / "expected", previews=0, **options)

    good = (folder / FIRST).read_bytes()
    flip(folder / FIRST)
    capsys.readouterr()
    run = kerseg.train(data_dir=folder, output=tmp_path / "run", previews=0, skip_bad=True, **options)
    said = capsys.readouterr().err
    assert f"{folder / FIRST}: left out with its 3 images: its SHA-256 is " in said
    assert said.count("Damaged and left out: 1 of the shards, with 3 images.") == 1
    assert "tiny: 6 images" in said
    first, second = (modelfile.load(result.path / "best.keras")[0] for result in (run, expected))
    for one, other in zip(first.weights, second.weights, strict=True):
        assert np.array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other)), one.path
    (entry,) = json.loads((run.path / "environment.json").read_text())["left_out"]
    assert (entry["split"], entry["file"], entry["records"]) == ("train", FIRST, 3)

    assert kerseg.train(resume=run.path).finished
    (folder / FIRST).write_bytes(good)
    with pytest.raises(
        DataError, match=rf"damaged shards are not those that .* left out when it began: {FIRST}\."
    ):
        kerseg.train(resume=run.path)

    flip(folder / "val-00001-of-00002.tfrecord")
    flip(folder / FIRST)
    kerseg.evaluate(run.path, folder, skip_bad=True)
    assert "Damaged and left out: 1 of the shards, with 2 images." in capsys.readouterr().err
    report = json.loads((run.path / "report/val.json").read_text())
    assert report["images"] == 2
    assert [(entry["file"], entry["records"]) for entry in report["left_out"]] == [
        ("val-00001-of-00002.tfrecord", 2)
    ]
