"""Conversion on Apache Beam: byte for byte what one machine writes, with several workers and on remote paths."""

import logging
import sys
from pathlib import Path

import pytest
from test_convert import NAMES, contents, folder_source, image_of, label_of, make_folders, save, spoil

from kerseg.core.info import DatasetInfo
from kerseg.data.conversion.convert import convert
from kerseg.data.conversion.manifest import FILE_NAME as MANIFEST
from kerseg.data.conversion.options import ConvertOptions
from kerseg.data.formats import places
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
    with pytest.raises(DataError, match=r"out: holds a converted data set\. Give another folder, or --over"):
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
    with pytest.raises(ConfigError, match=r"^--runner beam converts everything: leave out --update\.$"):
        ConvertOptions(output=tmp_path, runner="beam", update=True)
    with pytest.raises(ConfigError, match=r"^--beam-options are for --runner beam\.$"):
        ConvertOptions(output=tmp_path, beam_options=THREADS)


def test_without_beam_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.delitem(sys.modules, "kerseg.data.conversion.beam", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'kerseg\[beam\]'$"):
        convert(make_folders(tmp_path / "raw"), output=tmp_path / "out", runner="beam")
    monkeypatch.setitem(sys.modules, "upath", None)
    with pytest.raises(ConfigError, match=r"^gs://bucket/a: remote paths need .* 'kerseg\[beam\]'$"):
        places.as_place("gs://bucket/a")
