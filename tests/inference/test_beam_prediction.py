"""Prediction on Apache Beam: the bytes of one machine, a model loaded once, nothing done twice."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_prediction import CARD, LABEL, contents, image, nearest_colour

from kerseg import modelfile
from kerseg.errors import ConfigError, KersegError
from kerseg.inference.prediction import predict

pytest.importorskip("apache_beam", reason="Apache Beam is not installed: pip install 'kerseg[beam]'")
from kerseg.inference import beam

THREADS = "--runner=DirectRunner --direct_running_mode=multi_threading --direct_num_workers=2"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    beam._loaded.clear()
    yield
    beam._loaded.clear()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    modelfile.save(nearest_colour(), folder / "best.keras", CARD)
    return folder


@pytest.fixture
def pics(tmp_path: Path) -> Path:
    """Seven images in two folders and of two sizes, and one that is none."""
    for index in range(7):
        place = tmp_path / "pics" / ("city" if index % 2 else "") / f"{index}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        image(np.roll(LABEL, index, axis=1)[: 20 - 5 * (index == 6)]).save(place)
    (tmp_path / "pics" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    return tmp_path / "pics"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count the models that are loaded by workers, and the parts that they do; let the fourth fail if asked."""
    counts = {"models": 0, "parts": 0, "fail_at": 0}
    begin, do = beam._Worker.__init__, beam._Worker.do

    def counting_begin(self: Any, *arguments: Any) -> None:
        counts["models"] += 1
        begin(self, *arguments)

    def counting_do(self: Any, part: Any) -> Any:
        counts["parts"] += 1
        if counts["parts"] == counts["fail_at"]:
            raise RuntimeError("the machine is gone")
        return do(self, part)

    monkeypatch.setattr(beam._Worker, "__init__", counting_begin)
    monkeypatch.setattr(beam._Worker, "do", counting_do)
    return counts


def options(output: Path) -> dict[str, Any]:
    return {
        "output": output,
        "save": ("index", "colour", "overlay", "probabilities", "polygons"),
        "polygon_format": "labelme",
    }


def test_workers_write_what_one_machine_writes(
    run: Path, pics: Path, tmp_path: Path, counted: dict[str, int]
):
    here = predict(run, pics, **options(tmp_path / "here"))
    there = predict(run, pics, **options(tmp_path / "there"), runner="beam", beam_options=THREADS)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    assert len(contents(tmp_path / "there")) == 7 * 5
    assert [one.image for one in there.written] == [one.image for one in here.written]
    assert [one.index and one.index.name for one in there.written] == [
        f"{i}.png" for i in (0, 2, 4, 6, 1, 3, 5)
    ]
    assert there.failed == here.failed
    assert counted == {"models": 1, "parts": 8, "fail_at": 0}


def test_after_a_stop_only_the_rest_is_done(
    run: Path, pics: Path, tmp_path: Path, counted: dict[str, int], capsys: pytest.CaptureFixture[str]
):
    (pics / "broken.jpg").unlink()
    counted["fail_at"] = 4
    one = "--runner=DirectRunner --direct_running_mode=in_memory"
    with pytest.raises(KersegError, match=r"Apache Beam: the pipeline failed: .*the machine is gone"):
        predict(run, pics, **options(tmp_path / "out"), runner="beam", beam_options=one)
    done = counted["parts"]
    results = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "index").rglob("*.png")}
    assert len(results) == 3
    counted.update(parts=0, fail_at=0)
    capsys.readouterr()
    report = predict(run, pics, **options(tmp_path / "out"), runner="beam", beam_options=one)
    assert done >= 4
    assert counted["parts"] == 4
    assert "3 of 7 parts were done before." in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in results} == results
    assert len(report.written) == 7
    predict(run, pics, **options(tmp_path / "here"))
    # All done, nothing is left of the stop.
    assert contents(tmp_path / "out") == contents(tmp_path / "here")
    # A prediction that came to its end is made anew, as on one machine.
    counted.update(parts=0)
    predict(run, pics, **options(tmp_path / "out"), runner="beam", beam_options=one)
    assert counted["parts"] == 7


def test_a_result_that_somebody_else_has_replaced_is_not_done(
    run: Path, pics: Path, tmp_path: Path, counted: dict[str, int]
):
    (pics / "broken.jpg").unlink()
    counted["fail_at"] = 7
    one = "--runner=DirectRunner --direct_running_mode=in_memory"
    with pytest.raises(KersegError):
        predict(run, pics, **options(tmp_path / "out"), runner="beam", beam_options=one)
    modelfile.save(nearest_colour(), tmp_path / "other.keras", CARD)
    predict(tmp_path / "other.keras", pics, output=tmp_path / "out")
    counted.update(parts=0, fail_at=0)
    predict(run, pics, **options(tmp_path / "out"), runner="beam", beam_options=one)
    assert counted["parts"] == 7


def test_batches_of_a_part_and_videos(run: Path, pics: Path, tmp_path: Path, counted: dict[str, int]):
    av = pytest.importorskip("av", reason="PyAV is not installed")
    one = "--runner=DirectRunner --direct_running_mode=in_memory"
    for number in range(3):
        (tmp_path / "frames").mkdir(exist_ok=True)
        image(np.roll(LABEL, number, axis=1)).save(tmp_path / "frames" / f"{number}.png")
    given = [pics, tmp_path / "frames" / "%d.png"]
    report = predict(run, given, output=tmp_path / "out", batch_size=4, runner="beam", beam_options=one)
    assert counted["parts"] == 3  # of 8 images two, and the frames
    assert len(report.written) == 8
    assert report.written[-1].image == tmp_path / "frames" / "%d.png"
    with av.open(str(tmp_path / "out" / "video" / "frames.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 3


def test_refuses_what_many_machines_cannot_do(run: Path, pics: Path, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"`polygon_format='coco'` is one file of all images, .*'labelme'"):
        predict(run, pics, output=tmp_path, save=("polygons",), runner="beam")
    with pytest.raises(ConfigError, match=r"`runner='beam'` takes a run folder or a \.keras file"):
        predict(nearest_colour(), pics, output=tmp_path, runner="beam")
    with pytest.raises(ConfigError, match=r"`beam_options` are for `runner='beam'`"):
        predict(run, pics, output=tmp_path, beam_options="--x")


DASK = """
import sys

from distributed import LocalCluster

import kerseg

if __name__ == "__main__":
    run, pics, output = sys.argv[1:]
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        runner = "--runner=apache_beam.runners.dask.dask_runner.DaskRunner"
        words = f"{runner} --dask_client_address={cluster.scheduler_address}"
        kerseg.predict(run, pics, output=output, runner="beam", beam_options=words)
"""


def test_a_dask_cluster_of_two_processes_writes_what_one_machine_writes(
    run: Path, pics: Path, tmp_path: Path
):
    pytest.importorskip("distributed", reason="Dask is not installed: pip install dask distributed")
    predict(run, pics, output=tmp_path / "here")
    (tmp_path / "script.py").write_text(DASK)
    command = [sys.executable, str(tmp_path / "script.py"), str(run), str(pics), str(tmp_path / "there")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    assert len(contents(tmp_path / "there")) == 7 * 3


def test_volumes_come_back_whole(tmp_path: Path):
    nibabel = pytest.importorskip("nibabel", reason="NIfTI needs nibabel")
    import dataclasses

    import keras

    from kerseg.core.info import Channels

    given = keras.Input((None, None, 1))
    network = keras.Model(given, keras.layers.Conv2D(2, 1)(given))
    card = dataclasses.replace(
        CARD,
        class_names=("a", "b"),
        palette=((0, 0, 0), (9, 9, 9)),
        channels=Channels(("ct",), ((0.0, 100.0),)),
    )
    modelfile.save(network, tmp_path / "ct.keras", card)
    values = np.arange(6 * 8 * 4, dtype=np.int16).reshape(6, 8, 4)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "scan.nii.gz")
    for name, more in (
        ("here", {}),
        ("there", {"runner": "beam", "beam_options": THREADS}),
    ):
        predict(
            tmp_path / "ct.keras", tmp_path / "scan.nii.gz", output=tmp_path / name, save=("index",), **more
        )
    assert contents(tmp_path / "here") == contents(tmp_path / "there")
    assert "index/scan.nii.gz" in contents(tmp_path / "there")
    with Image.open(tmp_path / "there" / "index" / "scan" / "000.png") as first:
        assert first.size == (6, 8)
