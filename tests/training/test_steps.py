"""Runs counted in steps: the last epoch cut short, saves by steps, a part of the images."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerseg
from kerseg.config import TrainConfig
from kerseg.errors import ConfigError
from kerseg.training.run import Plan, Run

SMALL: dict[str, Any] = {
    "model": "unet",  # it has dropout, whose seeds resuming must bring back
    "model_options": {"width": 2},
    "crop_size": (16, 16),
    "batch_size": 2,  # five steps an epoch
    "previews": 0,
}


def history(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "history.csv").read_text().splitlines()))


@pytest.mark.parametrize(
    ("total", "epochs", "steps"),
    [(1, 1, [1]), (5, 1, [5]), (6, 2, [5, 1]), (10, 2, [5, 5]), (12, 3, [5, 5, 2])],
)
def test_a_plan_cuts_the_last_epoch(total: int, epochs: int, steps: list[int]) -> None:
    plan = Plan(epoch_steps=5, total=total)
    assert plan.epochs == epochs
    assert [plan.steps(epoch) for epoch in range(epochs)] == steps


def test_a_run_of_steps_ends_within_an_epoch_and_scores_there(tiny_data: Path, tmp_path: Path) -> None:
    result = kerseg.train(data_dir=tiny_data, output=tmp_path / "run", steps=7, learning_rate=1e-2, **SMALL)
    assert result.finished
    rows = history(result.path)
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "5"), ("2", "7")]
    assert all(row["val_mean_iou"] for row in rows)
    # poly over 7 steps: 1e-2 (2/7) ** 0.9 before the sixth, 0 at the end.
    assert float(rows[0]["learning_rate"]) == pytest.approx(1e-2 * (2 / 7) ** 0.9, rel=1e-5)
    assert float(rows[1]["learning_rate"]) == 0
    assert kerseg.config.load(TrainConfig, result.path / "config.yaml").steps == 7


def test_a_run_of_steps_goes_on_as_if_it_had_never_stopped(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = kerseg.train(data_dir=tiny_data, output=tmp_path / "whole", steps=7, **SMALL)

    saved = []
    save = Run.save_state

    def save_and_stop(self: Run, variables: dict[str, np.ndarray], progress: Any) -> None:
        save(self, variables, progress)
        saved.append((progress.epoch, progress.batch))
        if saved[-1] == (1, 1):
            raise SystemExit("the power failed")

    monkeypatch.setattr(Run, "save_state", save_and_stop)
    with pytest.raises(SystemExit):
        kerseg.train(data_dir=tiny_data, output=tmp_path / "cut", steps=7, save_steps=3, **SMALL)
    # Every third step of the run, and the end of an epoch.
    assert saved == [(0, 3), (1, 0), (1, 1)]
    monkeypatch.setattr(Run, "save_state", save)
    assert kerseg.train(resume=tmp_path / "cut").finished

    first, second = Run(whole.path).load_state()[0], Run(tmp_path / "cut").load_state()[0]
    assert first.keys() == second.keys()
    assert not [name for name in first if not np.array_equal(first[name], second[name])]


def test_a_part_of_the_images(tiny_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = kerseg.train(
        data_dir=tiny_data,
        output=tmp_path / "run",
        epochs=1,
        train_samples=4,
        val_samples=2,
        class_weights="median_frequency",
        **SMALL,
    )
    assert [row["step"] for row in history(result.path)] == ["2"]
    assert "tiny: 4 images, 3 classes, 2 steps an epoch" in capfd.readouterr().err
    scores = kerseg.modelfile.load(result.path)[1].scores
    assert sum(entry["pixels"] for entry in scores["classes"]) == 2 * 31 * 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, r"`steps` must be at least 1\. Received: 0"),
        ({"save_steps": 0}, r"`save_steps` must be at least 1\. Received: 0"),
        ({"train_samples": 0}, r"`train_samples` must be at least 1\. Received: 0"),
        ({"val_samples": -1}, r"`val_samples` must be at least 1\. Received: -1"),
    ],
)
def test_counts_of_less_than_one_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**options)


def test_a_warm_up_longer_than_the_steps_is_refused_before_anything_is_made(
    tiny_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        ConfigError, match=r"`warmup_epochs=2` is 10 steps, longer than the run \(`steps=7`\)"
    ):
        kerseg.train(data_dir=tiny_data, output=tmp_path / "run", steps=7, warmup_epochs=2.0, **SMALL)
    assert not (tmp_path / "run").exists()


def test_samples_are_by_split() -> None:
    assert TrainConfig().samples == {}
    assert TrainConfig(train_samples=3, val_samples=2, val_split="test").samples == {"train": 3, "test": 2}
