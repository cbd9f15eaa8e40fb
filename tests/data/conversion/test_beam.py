"""Conversion on Apache Beam: byte for byte what one machine writes, with several workers and on remote paths."""

import hashlib
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_convert import NAMES, contents, folder_source, image_of, label_of, make_folders, save, spoil

from kerseg.core.info import DatasetInfo, Shard, Skipped
from kerseg.data.conversion import accounts
from kerseg.data.conversion.accounts import LeftOut, WrittenShard
from kerseg.data.conversion.checks import Checked
from kerseg.data.conversion.convert import convert
from kerseg.data.conversion.manifest import FILE_NAME as MANIFEST
from kerseg.data.conversion.options import ConvertOptions
from kerseg.data.formats import places
from kerseg.data.sources.base import Pair
from kerseg.data.sources.folder import Folder
from kerseg.errors import ConfigError, DataError, KersegError

THREADS = "--runner=DirectRunner --direct_running_mode=multi_threading --direct_num_workers=2"


@pytest.fixture
def beam() -> None:
    pytest.importorskip("apache_beam", reason="Apache Beam is not installed: pip install 'kerseg[beam]'")
    logging.getLogger("apache_beam").setLevel(logging.ERROR)


@pytest.fixture
def remote(beam):
    """A folder in fsspec's memory, which threads share."""
    upath = pytest.importorskip(
        "upath", reason="universal_pathlib is not installed: pip install 'kerseg[beam]'"
    )
    folder = upath.UPath("memory://remote")
    yield folder
    if folder.exists():
        folder.fs.rm(folder.path, recursive=True)


def written(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(folder).items() if name != MANIFEST}


def test_several_workers_write_what_one_machine_writes(tmp_path, beam):
    for index in range(7):  # 0.4 MB each, two in a shard
        save(tmp_path / f"raw/train/i/{index}.png", image_of(index, 340, 400))
        save(tmp_path / f"raw/train/l/{index}.png", label_of(index, 340, 400))
        save(tmp_path / f"raw/val/i/{index}.png", image_of(index))
        save(tmp_path / f"raw/val/l/{index}.png", label_of(index))
    source = folder_source(tmp_path / "raw")
    here = convert(source, output=tmp_path / "here", shard_size=1, name="x")
    there = convert(source, output=tmp_path / "there", shard_size=1, name="x", workers=2, runner="beam")
    assert here == there == DatasetInfo.load(tmp_path / "there")
    assert [shard.records for shard in there.splits["train"].shards] == [2, 2, 2, 1]
    assert written(tmp_path / "here") == contents(tmp_path / "there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "raw", "there"]
    with pytest.raises(DataError, match="there: holds a converted data set"):
        convert(source, output=tmp_path / "there", runner="beam")


def test_faults_are_those_of_one_machine(tmp_path, beam):
    source = make_folders(tmp_path / "raw", train=6)
    for name, kind in (("a01b", "empty label"), ("a03", "value"), ("b", "no image")):
        spoil(tmp_path / "raw", kind, name)
    save(tmp_path / "raw/train/i/a00.jpg", image_of(0))
    for options in ({}, {"skip_bad": True}):
        outcomes = []
        for runner in ({}, {"runner": "beam", "beam_options": THREADS}):
            output = tmp_path / f"out{len(outcomes)}"
            try:
                outcomes.append(convert(source, output=output, name="x", **options, **runner))
            except DataError as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1]
        assert isinstance(outcomes[0], DatasetInfo) == bool(options)
    assert len(outcomes[0].splits["train"].skipped) == 5
    assert written(tmp_path / "out0") == contents(tmp_path / "out1")


def test_classes_without_names(tmp_path, beam):
    make_folders(tmp_path / "raw")
    source = folder_source(tmp_path / "raw", class_names=(), number_classes=True)
    convert(source, output=tmp_path / "here", name="x")
    convert(source, output=tmp_path / "there", name="x", runner="beam", beam_options=THREADS)
    assert written(tmp_path / "here") == contents(tmp_path / "there")


def test_from_and_to_remote_storage(tmp_path, remote):
    make_folders(tmp_path / "raw", train=4)
    save(tmp_path / "raw/train/i/b/c.png", image_of(9))
    save(tmp_path / "raw/train/l/b/c.png", label_of(9))
    save(tmp_path / "raw/train/i/.hidden.png", image_of(9))
    for path in (tmp_path / "raw").rglob("*.png"):
        target = remote / "raw" / path.relative_to(tmp_path / "raw").as_posix()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    here, there = folder_source(tmp_path / "raw"), folder_source(remote / "raw")
    convert(here, output=tmp_path / "out", name="x")

    # From remote storage to this machine, and to remote storage; each twice.
    convert(there, output=tmp_path / "out2", name="x", runner="beam", beam_options=THREADS)
    assert written(tmp_path / "out") == contents(tmp_path / "out2")
    output = str(remote / "out")
    convert(there, output=output, name="x", runner="beam", beam_options=THREADS)
    assert contents(remote / "out") == written(tmp_path / "out")
    with pytest.raises(DataError, match=r"out: holds a converted data set\. Give another folder, or `over"):
        convert(there, output=output, runner="beam", beam_options=THREADS)

    # Faults leave the old data as it was, and nothing half-written; other files are never lost.
    (remote / "raw/val/i/a00.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"a00\.png: empty file"):
        convert(there, output=output, name="x", overwrite=True, runner="beam", beam_options=THREADS)
    assert contents(remote / "out") == written(tmp_path / "out")
    (remote / "raw/val/i/a00.png").write_bytes((tmp_path / "raw/val/i/a01.png").read_bytes())
    convert(there, output=output, name="x", overwrite=True, runner="beam", beam_options=THREADS)
    new = contents(remote / "out")
    assert new.keys() == written(tmp_path / "out").keys()
    assert new["dataset.json"] != (tmp_path / "out/dataset.json").read_bytes()
    (remote / "out/mine.txt").write_bytes(b"mine")
    with pytest.raises(
        DataError, match=r"holds files that kerseg convert did not write, such as 'mine\.txt'"
    ):
        convert(there, output=output, overwrite=True, runner="beam", beam_options=THREADS)


def test_folders_by_address(tmp_path, remote):
    make_folders(tmp_path / "raw")
    address = (tmp_path / "raw").as_uri()
    paths = {
        f"{split}_{kind}_path": places.as_place(f"{address}/{split}/{kind[0]}")
        for split in ("train", "val")
        for kind in ("image", "label")
    }
    convert(folder_source(tmp_path / "raw"), output=tmp_path / "here", name="x")
    # Processes see files by address too, without Beam.
    convert(Folder(**paths, class_names=NAMES), output=tmp_path / "there", name="x", workers=2)
    assert written(tmp_path / "here") == written(tmp_path / "there")
    with pytest.raises(ConfigError, match=r"^nosuch://a: fsspec cannot open it: "):
        places.as_place("nosuch://a")
    assert places.as_place("a/b") == Path("a/b")


def test_a_pipeline_that_fails_says_so(tmp_path, beam):
    with pytest.raises(KersegError, match=r"^Apache Beam: the pipeline failed: "):
        convert(
            make_folders(tmp_path / "raw"),
            output=tmp_path / "out",
            runner="beam",
            beam_options="--runner=NoSuchRunner",
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]


def test_options_that_do_not_fit(tmp_path):
    with pytest.raises(ConfigError, match=r"^`runner='beam'` converts everything: leave out `update`\.$"):
        ConvertOptions(output=tmp_path, runner="beam", update=True)
    with pytest.raises(ConfigError, match=r"^`beam_options` are for `runner='beam'`\.$"):
        ConvertOptions(output=tmp_path, beam_options=THREADS)


def test_without_beam_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.delitem(sys.modules, "kerseg.data.conversion.beam", raising=False)
    monkeypatch.delattr("kerseg.data.conversion.beam", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'kerseg\[beam\]'$"):
        convert(make_folders(tmp_path / "raw"), output=tmp_path / "out", runner="beam")
    monkeypatch.setitem(sys.modules, "upath", None)
    with pytest.raises(ConfigError, match=r"^gs://bucket/a: remote paths need .* 'kerseg\[beam\]'$"):
        places.as_place("gs://bucket/a")


# --- engines that do a step again


DASK = """
import sys
from pathlib import Path

from distributed import LocalCluster

from kerseg.data.conversion.convert import convert
from kerseg.data.sources.folder import Folder

if __name__ == "__main__":
    root = Path(sys.argv[1])
    source = Folder(
        train_image_path=root / "raw/train/i",
        train_label_path=root / "raw/train/l",
        val_image_path=root / "raw/val/i",
        val_label_path=root / "raw/val/l",
        class_names=sys.argv[2:],
    )
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        runner = "--runner=apache_beam.runners.dask.dask_runner.DaskRunner"
        words = f"{runner} --dask_client_address={cluster.scheduler_address}"
        convert(source, output=root / "there", shard_size=1, name="x", runner="beam", beam_options=words)
"""


def test_dask_on_two_processes_writes_what_one_machine_writes(tmp_path, beam):
    pytest.importorskip("distributed", reason="Dask is not installed: pip install dask distributed")
    for index in range(5):  # 0.4 MB each, two in a shard
        for split in ("train", "val"):
            save(tmp_path / f"raw/{split}/i/{index}.png", image_of(index, 340, 400))
            save(tmp_path / f"raw/{split}/l/{index}.png", label_of(index, 340, 400))
    convert(folder_source(tmp_path / "raw"), output=tmp_path / "here", shard_size=1, name="x", workers=1)
    (tmp_path / "script.py").write_text(DASK)
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path), *NAMES]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert written(tmp_path / "here") == contents(tmp_path / "there")


def checked(text: bytes) -> Checked:
    return Checked(text, np.bincount([0, 1], minlength=256))


def test_records_that_come_twice_count_once(tmp_path, beam):
    from kerseg.data.conversion.beam import _cut, _write

    sizes = [(2, 60), (0, 50), (1, 50), (0, 50), (2, 60), (1, 50)]
    assert _cut(("train", sizes), 100) == ("train", [0, 2])
    records = [(1, checked(b"b")), (0, checked(b"a")), (1, checked(b"b")), (0, checked(b"a"))]
    entry = _write((("train", 0), records), tmp_path, 2, {"train": [0, 2]})
    assert (entry.shard.records, entry.class_pixels) == (2, (2, 2))
    assert contents(tmp_path) == {"train-00000-of-00002.tfrecord": b"ab"}


def test_a_shard_that_is_written_again_is_the_same(tmp_path, beam):
    from kerseg.data.conversion.beam import _write

    one, other = (_write((("val", 0), [(0, checked(b"a"))]), tmp_path, 2, {"val": [0]}) for _ in range(2))
    assert one == other and contents(tmp_path) == {"val-00000-of-00001.tfrecord": b"a"}


PAIRS = {"train": [Pair("a", None, None), Pair("b", None, None)]}
LEFT = LeftOut("train", 1, (Skipped("b.png", "empty file: 0 bytes."),))


def entry(number: int = 0, records: int = 1, data: bytes = b"a") -> WrittenShard:
    name = f"train-{number:05}-of-00001.tfrecord"
    shard = Shard(name, records, len(data), hashlib.sha256(data).hexdigest())
    return WrittenShard("train", number, shard, (1, 1), (2, 2), 0)


@pytest.mark.parametrize(
    "entries, why",
    [
        ([entry()], "train has 1 records of 2 pairs; 0 were left out"),
        ([entry(records=2), LEFT], "train has 2 records of 2 pairs; 1 were left out"),
        ([entry(1), LEFT], "train has the shards train-00001"),
        (
            [entry(data=b"abc"), LEFT],
            "train-00000-of-00001.tfrecord has 1 bytes, and was written with another",
        ),
        ([entry(), entry(data=b"c"), LEFT], "two attempts at train-00000-of-00001.tfrecord differ"),
        (
            [entry(), LEFT, LeftOut("train", 1, (Skipped("b.png", "truncated: x."),))],
            "two attempts at b.png differ",
        ),
    ],
)
def test_what_was_written_is_compared_with_what_was_listed(tmp_path, entries, why):
    (tmp_path / "train-00000-of-00001.tfrecord").write_bytes(b"a")
    accounts.write_summary(entries, tmp_path)
    with pytest.raises(KersegError, match=rf"^Apache Beam: {why}.* Nothing was kept\.$"):
        accounts.check(accounts.read_summary(tmp_path), PAIRS, tmp_path)


def test_summaries_of_several_attempts_are_one_and_what_they_left_goes(tmp_path):
    (tmp_path / "train-00000-of-00001.tfrecord").write_bytes(b"a")
    (tmp_path / "train-00000-of-00001.tfrecord.attempt-1").write_bytes(b"half")
    for entries in ([entry(), LEFT], [LEFT, entry(), entry(), LEFT], [entry()]):
        accounts.write_summary(entries, tmp_path)
    summary = accounts.read_summary(tmp_path)
    assert summary == accounts.Summary((entry(),), (LEFT,))
    accounts.check(summary, PAIRS, tmp_path)
    assert contents(tmp_path) == {"train-00000-of-00001.tfrecord": b"a"}
    (tmp_path / "train-00000-of-00001.tfrecord").unlink()
    with pytest.raises(KersegError, match=r"train-00000-of-00001\.tfrecord was written, and is not there\."):
        accounts.check(summary, PAIRS, tmp_path)
