"""A data set that version 0.1 converted, with its raw files: it opens, ``--update`` keeps it, nothing is wrong."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from kerseg.core.info import DatasetInfo
from kerseg.data.conversion import manifest
from kerseg.data.conversion.convert import convert
from kerseg.data.sources.folder import Folder

HERE = Path(__file__).parents[1] / "v0_1"
LIBRARIES = ["12.3.0", "2.4.6", "1.2.13"]
"""Pillow, NumPy and zlib of that conversion."""
CHANGED = 1_795_000_000
"""When the raw files changed, seconds: long before they were converted."""


def source(raw: Path) -> Folder:
    lines = [line.split() for line in (raw / "classes.txt").read_text().splitlines()]
    return Folder(
        train_image_path=raw / "train/images",
        train_label_path=raw / "train/labels",
        val_image_path=raw / "val/images",
        val_label_path=raw / "val/labels",
        class_names=tuple(name for *_, name in lines),
        palette=tuple("#{:02x}{:02x}{:02x}".format(*map(int, colour)) for *colour, _ in lines),
    )


@pytest.fixture
def old(tmp_path, monkeypatch) -> Path:
    """A copy with the keys that 0.1 would have written here: they hold the absolute paths of the raw files."""
    shutil.copytree(
        HERE, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("finished", "interrupted")
    )
    *lines, last = map(json.loads, (HERE / "data/manifest.jsonl").read_text().splitlines())
    text = b""
    for line in lines:
        parts: list[object] = [line["name"]]
        for kind, suffix in (("images", "jpg"), ("labels", "png")):
            file = tmp_path / "raw" / line["split"] / kind / f"{line['name']}.{suffix}"
            os.utime(file, (CHANGED, CHANGED))
            parts += [str(file), file.stat().st_size, CHANGED * 10**9]
        line["key"] = hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
        text += json.dumps(line, separators=(",", ":")).encode() + b"\n"
    last["lines"] = hashlib.sha256(text).hexdigest()
    (tmp_path / "data/manifest.jsonl").write_bytes(text + json.dumps(last).encode() + b"\n")
    monkeypatch.setattr(manifest, "_libraries", lambda: LIBRARIES)
    return tmp_path


def test_its_manifest_counts_as_current():
    last = json.loads((HERE / "data/manifest.jsonl").read_text().splitlines()[-1])
    assert last["made_by"] == "8e9a8c01902db177af8a0c526887cce8"


def test_update_keeps_every_pair(old, capsys):
    before = {path.name: path.read_bytes() for path in (old / "data").iterdir()}
    convert(source(old / "raw"), output=old / "data", update=True, workers=1)
    assert "Update: 8 pairs kept, 0 converted, 0 removed." in capsys.readouterr().err
    after = {path.name: path.read_bytes() for path in (old / "data").iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"manifest.jsonl"}
    convert(source(old / "raw"), output=old / "data", update=True, workers=1)
    assert "Update: 8 pairs kept, 0 converted, 0 removed." in capsys.readouterr().err


@pytest.mark.parametrize("change", ["readers", "options", "libraries"])
def test_update_converts_all_anew_where_0_1_would_have_other_records(old, capsys, monkeypatch, change):
    of_now = source(old / "raw")
    if change == "readers":  # the next version's records are no longer those of 0.1
        monkeypatch.setattr(manifest, "_READERS_OF_0_1", "another")
    elif change == "options":
        of_now = Folder(**{**vars(of_now), "ignore_values": (254, 255)})
    else:
        monkeypatch.setattr(manifest, "_libraries", lambda: ["13.0.0", *LIBRARIES[1:]])
    convert(of_now, output=old / "data", update=True, workers=1)
    assert "Update: 0 pairs kept, 8 converted" in capsys.readouterr().err


def test_raw_files_give_the_same_records_still(old):
    # Images keep their bytes; labels are packed by zlib, whose versions may differ.
    convert(source(old / "raw"), output=old / "new", name="data", workers=1)
    ours, theirs = DatasetInfo.load(old / "new"), DatasetInfo.load(HERE / "data")
    assert ours.class_names == theirs.class_names and ours.palette == theirs.palette
    for name in ("train", "val"):
        assert ours.splits[name].class_pixels == theirs.splits[name].class_pixels
        if LIBRARIES[2] == manifest.zlib.ZLIB_RUNTIME_VERSION:
            assert ours.splits[name].shards == theirs.splits[name].shards


def test_it_opens_and_reads():
    from kerseg.data.reading.pipeline import load

    data = load(HERE / "data")
    names = [example["name"].numpy().decode() for example in data.examples("train")]
    assert names == [f"street_{number:04}" for number in range(6)]
    image, label = next(iter(data.val()))
    assert image.shape[0] == label.shape[0] == 1 and image.shape[-1] == 3
    assert set(np.unique(label)) <= {*range(7), 255}


def test_the_doctor_finds_no_fault_in_it(inline):
    from kerseg.data.doctor import diagnose

    assert not diagnose(HERE / "data", workers=1).errors
