"""In which type a run computes: measured where that is left open, kept, and told by 0.1's name too."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import kerseg
from kerseg import config as configs
from kerseg.config import TrainConfig
from kerseg.training import precision

LONG: Any = SimpleNamespace(total=precision.LEAST_STEPS)
DATA: Any = None


def taken(monkeypatch: pytest.MonkeyPatch, *, exact: float, half: float, promising: bool = True) -> list[str]:
    """Have steps take so many seconds; return the precisions that are measured."""
    measured: list[str] = []

    def step_seconds(config: TrainConfig, *_: object) -> float:
        measured.append(config.precision)
        return {"float32": exact, "bfloat16": half}[config.precision]

    monkeypatch.setattr(precision, "_step_seconds", step_seconds)
    monkeypatch.setattr(precision, "_is_promising", lambda: promising)
    return measured


@pytest.mark.parametrize(
    ("exact", "half", "chosen"), [(1.3, 0.5, "bfloat16"), (0.34, 0.53, "float32"), (1.0, 0.95, "float32")]
)
def test_the_faster_one_is_taken_and_both_are_told(monkeypatch, capfd, exact, half, chosen):
    taken(monkeypatch, exact=exact, half=half)
    assert precision.resolved(TrainConfig(), DATA, LONG).precision == chosen
    said = f"precision {chosen}: a step takes {exact:.2f} s in float32 and {half:.2f} s in bfloat16"
    assert said in capfd.readouterr().err


def test_what_is_asked_for_is_not_measured(monkeypatch):
    measured = taken(monkeypatch, exact=1.0, half=0.1)
    assert precision.resolved(TrainConfig(precision="float32"), DATA, LONG).precision == "float32"
    assert measured == []


def test_whether_this_machine_is_worth_a_measurement_is_measured():
    assert precision._is_promising() in (True, False)


@pytest.mark.parametrize(("total", "promising"), [(precision.LEAST_STEPS - 1, True), (10**6, False)])
def test_nothing_is_measured_in_vain(monkeypatch, total, promising):
    measured = taken(monkeypatch, exact=1.0, half=0.1, promising=promising)
    plan: Any = SimpleNamespace(total=total)
    assert precision.resolved(TrainConfig(), DATA, plan).precision == "float32"
    assert measured == []


def test_a_run_keeps_what_was_measured_and_is_what_it_would_be_without(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {
        "data_dir": tiny_data,
        "model": "unet",
        "model_options": {"width": 2},
        "crop_size": (16, 16),
        "batch_size": 2,
        "steps": 2,
        "previews": 0,
    }
    plain = kerseg.train(output=tmp_path / "plain", precision="float32", **options)
    monkeypatch.setattr(precision, "LEAST_STEPS", 1)
    monkeypatch.setattr(precision, "_is_promising", lambda: True)
    monkeypatch.setattr(precision, "GAIN", 1e9)  # both are measured, and float32 is taken
    run = kerseg.train(output=tmp_path / "run", **options)
    assert yaml.safe_load((run.path / "config.yaml").read_text())["precision"] == "float32"
    assert (run.path / "best.keras").read_bytes() == (plain.path / "best.keras").read_bytes()


@pytest.mark.parametrize(
    ("former", "today"), [("none", "float32"), ("bfloat16", "bfloat16"), ("float16", "float16")]
)
def test_recipes_of_0_1_say_it_with_another_word(tmp_path, former, today):
    (tmp_path / "recipe.yaml").write_text(f"mixed_precision: {former}\n")
    assert configs.load(TrainConfig, tmp_path / "recipe.yaml").precision == today
