"""``--update``: the same data as a conversion from scratch, with the records of old where nothing changed."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_convert import NAMES, contents, folder_source, image_of, label_of, make_folders, save

from kerseg.core.info import DatasetInfo
from kerseg.data.conversion import manifest
from kerseg.data.conversion.convert import convert
from kerseg.data.conversion.options import ConvertOptions
from kerseg.data.sources.base import Pair, files_of
from kerseg.data.sources.drive import Drive
from kerseg.data.sources.folder import Folder
from kerseg.data.sources.yolo_seg import YoloLabel
from kerseg.errors import ConfigError, DataError


def settle(root: Path) -> None:
    """Make every file an hour old: what was written a moment ago is not trusted."""
    for path in root.rglob("*"):
        status = path.stat()
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - 3600 * 10**9))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    make_folders(tmp_path / "raw", train=6, val=2)
    settle(tmp_path / "raw")
    return tmp_path / "raw"


def written(folder: Path) -> dict[str, object]:
    """Return what is in a folder, but for keys and their checksum: which files count as settled, the clock says."""
    found: dict[str, object] = dict(contents(folder))
    lines = [json.loads(line) for line in found.pop(manifest.FILE_NAME).splitlines()]
    return found | {
        "manifest": [{k: v for k, v in line.items() if k not in ("key", "lines")} for line in lines]
    }


def update(root: Path, source: Folder, capsys: pytest.CaptureFixture[str], **options: object) -> str:
    """Update ``root/out``, hold it to a conversion from scratch, and return what was said of it."""
    capsys.readouterr()
    convert(source, output=root / "out", update=True, name="x", workers=2, **options)
    said = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("Update: "))
    convert(source, output=root / "new", name="x", workers=1, **options)
    assert written(root / "out") == written(root / "new")
    shutil.rmtree(root / "new")
    return said


def test_changed_new_and_removed_pairs(tmp_path, raw, capsys):
    source = folder_source(raw)
    convert(source, output=tmp_path / "out", name="x")
    assert update(tmp_path, source, capsys) == "Update: 8 pairs kept, 0 converted, 0 removed."
    save(raw / "train/l/a01.png", label_of(50))
    save(raw / "train/i/a00b.png", image_of(60))
    save(raw / "train/l/a00b.png", label_of(60))
    (raw / "val/i/a00.png").unlink()
    (raw / "val/l/a00.png").unlink()
    assert update(tmp_path, source, capsys) == "Update: 6 pairs kept, 2 converted, 1 removed."
    assert DatasetInfo.load(tmp_path / "out").splits["train"].records == 7
    # Two pairs were written a moment before they were read, which is not trusted.
    assert update(tmp_path, source, capsys) == "Update: 6 pairs kept, 2 converted, 0 removed."
    # A pair that moves to another split is where its files are.
    for kind in "il":
        (raw / f"train/{kind}/a05.png").rename(raw / f"val/{kind}/a05.png")
    settle(raw)
    convert(source, output=tmp_path / "out", update=True, name="x")
    assert update(tmp_path, source, capsys) == "Update: 8 pairs kept, 0 converted, 0 removed."


def test_only_what_changed_is_read_again(tmp_path, raw, capsys):
    source = folder_source(raw)
    convert(source, output=tmp_path / "out", name="x")
    before = contents(tmp_path / "out")
    # An image spoilt without a trace, size and time as before, is proof that it is not read.
    path = raw / "train/i/a03.png"
    status = path.stat()
    path.write_bytes(b"x" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    convert(source, output=tmp_path / "out", update=True, name="x")
    assert contents(tmp_path / "out") == before
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(DataError, match=r"a03\.png: unreadable: not an image"):
        convert(source, output=tmp_path / "out", update=True, name="x")


def test_shard_boundaries_move_as_from_scratch(tmp_path, capsys):
    for index in range(6):  # 0.4 MB each
        save(tmp_path / f"raw/train/i/{index}.png", image_of(index, 340, 400))
        save(tmp_path / f"raw/train/l/{index}.png", label_of(index, 340, 400))
    settle(tmp_path / "raw")
    paths = {"train_image_path": tmp_path / "raw/train/i", "train_label_path": tmp_path / "raw/train/l"}
    source = Folder(**paths, class_names=NAMES)
    convert(source, output=tmp_path / "out", name="x", shard_size=1)
    (tmp_path / "raw/train/i/1.png").unlink()
    (tmp_path / "raw/train/l/1.png").unlink()
    assert update(tmp_path, source, capsys, shard_size=1) == "Update: 5 pairs kept, 0 converted, 1 removed."
    assert [s.records for s in DatasetInfo.load(tmp_path / "out").splits["train"].shards] == [2, 2, 1]
    assert update(tmp_path, source, capsys, shard_size=2) == "Update: 5 pairs kept, 0 converted, 0 removed."


def test_a_damaged_shard_gives_nothing(tmp_path, raw, capsys):
    source = folder_source(raw)
    convert(source, output=tmp_path / "out", name="x")
    shard = tmp_path / "out/train-00000-of-00001.tfrecord"
    data = bytearray(shard.read_bytes())
    data[200] ^= 1
    shard.write_bytes(data)
    assert update(tmp_path, source, capsys) == (
        "Update: 2 pairs kept, 6 converted, 0 removed; damaged old shards: 1."
    )
    shard.unlink()
    assert "2 pairs kept, 6 converted" in update(tmp_path, source, capsys)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda out: (out / "manifest.jsonl").unlink(), "manifest.jsonl is missing"),
        (lambda out: _cut_last_line(out / "manifest.jsonl"), "manifest.jsonl is damaged"),
        (lambda out: (out / "manifest.jsonl").write_text("{}\n"), "manifest.jsonl is damaged"),
        (lambda out: _edit(out / "manifest.jsonl", '"start":0', '"start":1'), "manifest.jsonl is damaged"),
    ],
)
def test_without_a_manifest_all_is_converted(tmp_path, raw, capsys, change, why):
    convert(folder_source(raw), output=tmp_path / "out", name="x")
    change(tmp_path / "out")
    said = update(tmp_path, folder_source(raw), capsys)
    assert said.startswith("Update: 0 pairs kept, 8 converted, ")
    assert said.endswith(f"; nothing could be kept, because {why}.")


def _edit(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new, 1))


def _cut_last_line(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def test_other_options_or_code_convert_all(tmp_path, raw, capsys, monkeypatch):
    convert(folder_source(raw), output=tmp_path / "out", name="x")
    other = folder_source(raw, ignore_values=(255, 7))
    why = "; nothing could be kept, because options, classes, kerseg or a library are others than they were."
    assert update(tmp_path, other, capsys) == f"Update: 0 pairs kept, 8 converted, 0 removed{why}"
    assert update(tmp_path, other, capsys) == "Update: 8 pairs kept, 0 converted, 0 removed."
    monkeypatch.setattr(manifest.PIL, "__version__", "0")
    assert update(tmp_path, other, capsys).endswith(why)


def test_faulty_pairs_are_looked_at_each_time(tmp_path, raw, capsys):
    (raw / "train/i/a03.png").write_bytes(b"")
    settle(raw)
    source = folder_source(raw)
    convert(source, output=tmp_path / "out", name="x", skip_bad=True)
    before = contents(tmp_path / "out")
    assert update(tmp_path, source, capsys, skip_bad=True) == "Update: 7 pairs kept, 1 converted, 0 removed."
    with pytest.raises(DataError, match=r"a03\.png: empty file: 0 bytes\.\n1 fault in 8 pairs"):
        convert(source, output=tmp_path / "out", update=True, name="x")
    assert contents(tmp_path / "out") == before
    save(raw / "train/i/a03.png", image_of(3))
    assert update(tmp_path, source, capsys) == "Update: 7 pairs kept, 1 converted, 0 removed."


def test_labels_up_to_the_highest_that_occurs(tmp_path, raw, capsys):
    source = folder_source(raw, class_names=(), number_classes=True)
    convert(source, output=tmp_path / "out", name="x")
    assert update(tmp_path, source, capsys) == "Update: 8 pairs kept, 0 converted, 0 removed."


def test_a_first_update_is_a_conversion(tmp_path, raw):
    convert(folder_source(raw), output=tmp_path / "out", update=True, name="x")
    convert(folder_source(raw), output=tmp_path / "new", name="x")
    assert contents(tmp_path / "out") == contents(tmp_path / "new")


def test_update_or_overwrite(tmp_path):
    with pytest.raises(
        ConfigError, match=r"^`update` keeps what did not change, `overwrite` nothing: give one"
    ):
        ConvertOptions(output=tmp_path, update=True, overwrite=True)


def test_the_files_of_a_pair(tmp_path):
    image, label = tmp_path / "a.jpg", tmp_path / "a.txt"
    assert files_of(Folder(), Pair("a", image, label)) == [image, label]
    assert files_of(Folder(), Pair("a", image, None)) == [image]
    assert files_of(Folder(), Pair("a", image, YoloLabel(label, image))) == [image, label, image]
    drawn = tmp_path / "training/1st_manual/21_manual1.gif"
    mask = tmp_path / "training/mask/21_training_mask.gif"
    assert files_of(Drive(root=tmp_path), Pair("21_training", image, drawn)) == [image, drawn, mask]


def test_the_manifest_says_where_each_record_is(tmp_path, raw):
    convert(folder_source(raw), output=tmp_path / "out", name="x")
    *lines, last = map(json.loads, (tmp_path / "out/manifest.jsonl").read_text().splitlines())
    assert [(line["split"], line["name"]) for line in lines] == [
        *(("train", f"a{index:02}") for index in range(6)),
        *(("val", f"a{index:02}") for index in range(2)),
    ]
    info = DatasetInfo.load(tmp_path / "out")
    assert last["shards"]["val"] == [[info.splits["val"].shards[0].file, info.splits["val"].shards[0].sha256]]
    ends = np.cumsum([line["bytes"] for line in lines[:6]])
    assert [line["start"] for line in lines[:6]] == [0, *ends[:-1]]
    assert ends[-1] == info.splits["train"].shards[0].bytes
    values, counts = np.unique(label_of(4), return_counts=True)
    assert lines[4]["labels"] == {str(value): count for value, count in zip(values, counts, strict=True)}
