"""Runs that are stopped, killed, diverge, or lose their disk or data: what they leave, and how they go on."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerseg
from kerseg import modelfile
from kerseg.errors import ConfigError, DataError, KersegError
from kerseg.training.monitor import Monitor
from kerseg.training.run import Run, RunProgress
from kerseg.training.trainer import Trainer
from tiny_runs import OPTIONS, SMALL, assert_same_state, history

# Trains from a recipe, is asked to stop after the 3rd save, goes on, and kills itself after the 4th from there.
BROKEN = """
import os, signal, sys
import kerseg
from kerseg.training.run import Run

real, calls = Run.save_state, []

def save_state(self, *arguments):
    real(self, *arguments)
    calls.append(None)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGHUP)
    if len(calls) == 4 + 4:
        os.kill(os.getpid(), signal.SIGKILL)

Run.save_state = save_state
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
recipe, output = sys.argv[1:]
assert not kerseg.train(recipe, output=output).finished
assert len(calls) == 4  # once more when it stops
kerseg.train(resume=output)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGHUP")
def test_a_run_that_was_stopped_and_killed_ends_bit_for_bit_as_an_unbroken_one(
    unbroken: Path, tmp_path: Path
) -> None:
    path = tmp_path / "broken"
    command = [sys.executable, "-c", BROKEN, str(unbroken / "config.yaml"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert re.search(r"Stopped at epoch 1, step 4 of 5; everything is saved", done.stderr)
    assert f"`kerseg.train(resume={str(path)!r})`" in done.stderr
    assert "Going on from epoch 1, step 4 of 5" in done.stderr
    assert "Traceback" not in done.stderr
    state = Run(path).load_state()[1]
    assert (state.epoch, state.batch) == (1, 2), "the kill is to fall within an epoch"

    assert kerseg.train(resume=path).finished
    assert_same_state(path, unbroken)
    assert len(history(path)) == 3
    # Its card and weights, and all that Keras writes with them.
    assert (path / "best.keras").read_bytes() == (unbroken / "best.keras").read_bytes()


def test_a_loss_that_becomes_nan_stops_with_advice_and_keeps_the_last_good_state(
    tiny_data: Path, tmp_path: Path
) -> None:
    path = tmp_path / "diverges"
    with pytest.raises(KersegError) as error:
        kerseg.train(
            data_dir=tiny_data,
            output=path,
            epochs=9,
            optimizer="sgd",
            learning_rate=1e-3,
            schedule="step",
            step_epochs=1.0,
            step_factor=1e30,
            **SMALL,
        )
    message = str(error.value)
    assert re.match(r"Training diverged in epoch [2-4], step [12] of 2: ", message)
    assert f"The last good state is {path / 'last' / 'state.npz'}" in message
    assert "Try a lower `learning_rate` (now 0.001)" in message
    variables, progress = Run(path).load_state()
    assert progress.epoch >= 1
    assert all(np.all(np.isfinite(value)) for value in variables.values())
    assert modelfile.load(path)


def test_weights_that_diverge_with_the_last_step_are_not_called_the_best(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit_and_diverge(self: Trainer, interrupt: Any) -> None:
        fit(self, interrupt)
        if self.progress.epoch == diverging:
            self.model.trainable_variables[0].assign(self.model.trainable_variables[0] * np.inf)

    fit = Trainer._fit
    monkeypatch.setattr(Trainer, "_fit", fit_and_diverge)
    # Without validation, which would have scored the model and not called it the best.
    options = SMALL | {"epochs": 2, "val_split": "none"}
    path, diverging = tmp_path / "first", 0
    with pytest.raises(KersegError) as error:
        kerseg.train(data_dir=tiny_data, output=path, **options)
    assert re.match(
        r"Training diverged in epoch 1, step 2 of 2: the weight .* holds NaN or", str(error.value)
    )
    assert "Nothing was saved." in str(error.value)
    assert not path.exists()

    path, diverging = tmp_path / "second", 1
    with pytest.raises(KersegError) as error:
        kerseg.train(data_dir=tiny_data, output=path, **options)
    assert str(error.value).startswith("Training diverged in epoch 2, step 2 of 2: the weight ")
    assert f"The last good state is {path / 'last' / 'state.npz'}, the best model" in str(error.value)
    assert modelfile.load(path)[1].scores == {}
    assert len(history(path)) == Run(path).load_state()[1].epoch == 1


def test_resume_on_changed_data_is_refused(copied: Path) -> None:
    environment = json.loads((copied / "environment.json").read_text())
    (copied / "environment.json").write_text(json.dumps(environment | {"data_checksum": "0" * 64}))
    with pytest.raises(
        DataError, match=r"the data has changed since .* began \(checksum .*, was 000000000000\)"
    ):
        kerseg.train(resume=copied)


def test_data_that_changes_under_a_training_stops_it(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, path = Path(shutil.copytree(tiny_data, tmp_path / "data")), tmp_path / "run"
    real = Monitor.report

    def report(self: Monitor, progress: RunProgress) -> None:
        real(self, progress)
        if progress.epoch == 2:  # as `kerseg convert --update` would do it
            info = json.loads((data / "dataset.json").read_text())
            (data / "dataset.json").write_text(json.dumps(info))

    monkeypatch.setattr(Monitor, "report", report)
    with pytest.raises(DataError, match=rf"^{data}: the data was changed while {path} trained on it"):
        kerseg.train(data_dir=data, output=path, epochs=4, **SMALL)
    state = Run(path).load_state()[1]
    assert (state.epoch, state.batch) == (2, 0)
    with pytest.raises(DataError, match=r"the data has changed since .* began"):
        kerseg.train(resume=path)


def test_data_that_changes_within_an_epoch_is_not_saved(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, path = Path(shutil.copytree(tiny_data, tmp_path / "data")), tmp_path / "run"
    real, calls = Run.save_state, []

    def save_state(self: Run, *arguments: Any) -> None:
        real(self, *arguments)
        calls.append(None)
        (data / "dataset.json").write_text((data / "dataset.json").read_text() + "\n")

    monkeypatch.setattr(Run, "save_state", save_state)
    with pytest.raises(DataError, match=r"the data was changed while"):
        kerseg.train(data_dir=data, output=path, epochs=1, save_steps=1, **(SMALL | {"batch_size": 2}))
    assert len(calls) == 1
    assert not (path / "best.keras").exists()


def test_what_a_kill_kept_from_being_reported_is_reported_on_opening(copied: Path, unbroken: Path) -> None:
    rows = (copied / "history.csv").read_text()
    (copied / "history.csv").write_text("".join(rows.splitlines(keepends=True)[:-1]))
    for name in ("report/curves.png", "previews/last-1.png"):
        (copied / name).unlink()
    (copied / "last" / ".state-0a1b2c3d.partial.npz").write_bytes(b"half")
    kerseg.train(resume=copied)
    assert (copied / "history.csv").read_text() == rows
    for name in ("report/curves.png", "previews/last-1.png"):
        assert (copied / name).read_bytes() == (unbroken / name).read_bytes()
    assert not list(copied.rglob("*partial*"))


def test_two_cannot_train_in_one_folder(copied: Path) -> None:
    with (
        Run.opened(copied),
        pytest.raises(
            ConfigError, match=rf"^{copied}: process {os.getpid()} on .* is training in this folder"
        ),
    ):
        kerseg.train(resume=copied)


def test_a_full_disk_is_a_message_and_the_run_goes_on_from_where_it_was_saved(
    tiny_data: Path, tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real, calls = tmp_path / "run", Run.save_state, []

    def save_state(self: Run, *arguments: Any) -> None:
        calls.append(None)
        if len(calls) == 7:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(self, *arguments)

    monkeypatch.setattr(Run, "save_state", save_state)
    said = rf"^{path}: No space left on device\. Make room on the disk\. Then go on with: `kerseg\.train\(resume="
    with pytest.raises(KersegError, match=said):
        kerseg.train(data_dir=tiny_data, output=path, **OPTIONS)
    assert kerseg.train(resume=path).finished
    assert_same_state(path, unbroken)


def test_a_folder_that_cannot_be_made_is_a_message(tiny_data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KersegError, match=r"file/run/last: Not a directory\. Give a place below a folder\.$"):
        kerseg.train(data_dir=tiny_data, output=tmp_path / "file" / "run", **SMALL)
    with pytest.raises(KersegError, match=r"File name too long\. Give a shorter name\.$"):
        kerseg.train(data_dir=tiny_data, output=tmp_path / "new" / ("n" * 300), **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
