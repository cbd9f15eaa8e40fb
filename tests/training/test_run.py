"""The run folder's files, also damaged ones."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

import kerseg
from kerseg.config import TrainConfig
from kerseg.errors import DataError, WeightsError
from kerseg.training.run import Run, RunProgress


@pytest.mark.parametrize("made", [(), ("last",), ("last", "last/lock", ".config-a1b2c3d4.partial.yaml")])
def test_a_run_begins_where_one_was_killed_before_its_first_file(
    tmp_path: Path, made: tuple[str, ...]
) -> None:
    (tmp_path / "run").mkdir()
    for name in made:
        (tmp_path / "run" / name).mkdir() if name == "last" else (tmp_path / "run" / name).touch()
    config = TrainConfig(data_dir=tmp_path, output=tmp_path / "run")
    with pytest.raises(KeyError), Run.created(config) as run:
        assert run.config_file.exists()
        raise KeyError  # before the first state
    assert [path.name for path in tmp_path.iterdir()] == ["run"] and not list(
        (tmp_path / "run").glob("*.yaml")
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "Object missing required field `versions`"),
        (b'{"data_checksum": 3}', r"data_checksum: Expected `str`, got `int` \(it is 3\)"),
        (b"{", "not JSON"),
    ],
)
def test_a_damaged_environment_is_named(copied: Path, content: bytes, said: str) -> None:
    (copied / "environment.json").write_bytes(content)
    with pytest.raises(DataError, match=rf"^{copied / 'environment.json'}: {said}"):
        kerseg.train(resume=copied)


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.save_state({"a": np.ones(1000)}, RunProgress(epoch=3, batch=2))
    variables, progress = run.load_state()
    assert (progress.epoch, progress.batch, variables["a"].sum()) == (3, 2, 1000)
    run.state_file.write_bytes(run.state_file.read_bytes()[:500])
    with pytest.raises(WeightsError, match=r"state\.npz: the training state cannot be read"):
        run.load_state()


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (b'{"epoch": -1}', r"epoch: Expected `int` >= 0 \(it is -1\)"),
        (b'{"epoch": "1"}', "epoch: Expected `int`, got `str`"),
        (b'{"history": [{"loss": null}]}', r"history\[0\].*: Expected `int \| float`, got `null`"),
        (b"\xff", "not JSON"),
    ],
)
def test_a_state_with_a_wrong_progress(tmp_path: Path, progress: bytes, said: str) -> None:
    run = Run(tmp_path)
    run.state_file.parent.mkdir()
    np.savez(run.state_file, progress=np.frombuffer(progress, np.uint8))
    with pytest.raises(WeightsError, match=rf"state\.npz: its progress: {said}"):
        run.load_state()


def test_a_state_that_is_larger_than_its_file(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.state_file.parent.mkdir()
    np.savez_compressed(run.state_file, a=np.zeros(10**6))
    with pytest.raises(WeightsError, match=r"cannot be read \(a\.npy is packed"):
        run.load_state()
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with zipfile.ZipFile(run.state_file, "w") as archive:
        archive.writestr("a.npy", header.getvalue())
    with pytest.raises(WeightsError, match=r"a\.npy has 128 bytes, its array 8,000,000,000,128"):
        run.load_state()
