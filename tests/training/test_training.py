"""Training end to end on a tiny set: what a run leaves, and what it refuses."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kerseg
from kerseg import modelfile
from kerseg.errors import ConfigError, DataError
from kerseg.training import learner
from kerseg.training.run import Run
from tiny import write_tiny_dataset
from tiny_runs import SMALL, history


def test_a_run_leaves_all_it_promises(unbroken: Path, tiny_data: Path) -> None:
    rows = history(unbroken)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [row["step"] for row in rows] == ["5", "10", "15"]
    # poly: the rate of step 15 of 15 is 0, that of step 10 is 2e-3 * (1/3) ** 0.9.
    assert float(rows[1]["learning_rate"]) == pytest.approx(2e-3 * (1 / 3) ** 0.9, rel=1e-5)
    environment = json.loads((unbroken / "environment.json").read_text())
    assert environment["versions"]["keras"] == keras.__version__
    assert environment["seed"] == 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", environment["begun"])
    assert environment["begun_by"] == kerseg.__version__
    assert len(environment["data_checksum"]) == 64
    best = max(float(row["val_mean_iou"]) for row in rows)
    model, card = modelfile.load(unbroken)
    assert card.class_names == ("ground", "box", "ball")
    assert card.scores["mean_iou"] == pytest.approx(best, rel=1e-6)
    assert model.output_shape == (None, None, None, 3)
    for name in ("last-1.png", "last-4.png", "best-1.png"):
        assert (unbroken / "previews" / name).stat().st_size > 500
    assert (unbroken / "report" / "curves.png").stat().st_size > 5000
    assert list((unbroken / "tensorboard").glob("events.*"))
    assert not list(unbroken.rglob("*partial*"))


def test_the_reported_score_is_the_evaluated_one(unbroken: Path, tiny_data: Path) -> None:
    _, card = modelfile.load(unbroken)
    scores = kerseg.evaluate(unbroken, tiny_data, split="val", batch_size=1)
    assert scores.mean_iou == pytest.approx(card.scores["mean_iou"], abs=1e-6)


def test_a_unet_learns_the_tiny_set(tmp_path: Path) -> None:
    # Many images and few epochs: an epoch takes longer than its steps.
    result = kerseg.train(
        data_dir=write_tiny_dataset(tmp_path / "data", train=100),
        output=tmp_path / "unet",
        model="unet",
        model_options={"width": 8, "dropout": 0.0},
        crop_size=(32, 40),
        batch_size=2,
        epochs=3,
        learning_rate=3e-3,
        previews=0,
    )
    # 0.63 was seen; without learning it stays at 0.29, where all is ground.
    assert result.best is not None
    assert result.best > 0.5


def test_early_stop_ends_a_run_that_no_longer_improves(
    tiny_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = kerseg.train(
        data_dir=tiny_data, output=tmp_path / "stale", epochs=9, learning_rate=1e-30, early_stop=2, **SMALL
    )
    assert result.finished
    assert Run(result.path).load_state()[1].epoch == 3
    assert "Stopped early: no better mean IoU in 2 epochs" in capfd.readouterr().err


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_a_run_in_half_precision_is_scored_and_saved_in_float32(
    tiny_data: Path, tmp_path: Path, precision: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    build = learner.build
    monkeypatch.setattr(learner, "build", lambda *arguments: built.append(build(*arguments)) or built[-1])
    result = kerseg.train(data_dir=tiny_data, output=tmp_path / "run", epochs=1, precision=precision, **SMALL)
    [learned] = built
    assert {weight.dtype for weight in learned.training.trainable_weights} == {"float32"}
    assert {layer.compute_dtype for layer in learned.training.layers} == {precision, "float32"}
    assert {output.dtype for output in learned.training.outputs} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"

    model, _ = modelfile.load(result.path)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    for saved, own in zip(model.trainable_weights, learned.training.trainable_weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (saved, own)))
    assert kerseg.evaluate(result.path, tiny_data, output=tmp_path / "scores.json").mean_iou == pytest.approx(
        result.best, abs=1e-6
    )
    assert keras.backend.standardize_dtype(model(np.zeros((1, 16, 16, 3), "uint8")).dtype) == "float32"


def test_a_run_overwrites_nothing(unbroken: Path, tiny_data: Path) -> None:
    with pytest.raises(
        ConfigError, match=rf"{unbroken}: already exists.*kerseg\.train\(resume='{unbroken}'\)"
    ):
        kerseg.train(data_dir=tiny_data, output=unbroken, epochs=1)


def test_resume_takes_no_other_option(unbroken: Path) -> None:
    with pytest.raises(ConfigError, match="`resume` repeats the run's own options: give it alone"):
        kerseg.train(resume=unbroken, epochs=9)


def test_resume_of_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is not a run folder: it has no config\.yaml"):
        kerseg.train(resume=tmp_path)
    with pytest.raises(ConfigError, match=r"nothing: does not exist"):
        kerseg.train(resume=tmp_path / "nothing")


@pytest.mark.parametrize("split", ["train", "val"])
def test_labels_that_are_all_ignored_are_refused_before_anything_is_made(
    tiny_data: Path, tmp_path: Path, split: str
) -> None:
    data = Path(shutil.copytree(tiny_data, tmp_path / "data"))
    info = json.loads((data / "dataset.json").read_text())
    info["splits"][split] |= {"class_pixels": [0, 0, 0], "class_image_pixels": [0, 0, 0]}
    (data / "dataset.json").write_text(json.dumps(info))
    with pytest.raises(DataError, match=rf"^{data}: split '{split}' has not one labelled pixel"):
        kerseg.train(data_dir=data, output=tmp_path / "run", epochs=1, **SMALL)
    assert not (tmp_path / "run").exists()


def test_a_mistake_is_found_before_anything_is_made(tiny_data: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    with pytest.raises(ConfigError, match=r"Did you mean 'enet'"):
        kerseg.train(data_dir=tiny_data, model="enett", output=output)
    with pytest.raises(ConfigError, match=r"model 'unet' has no such option\. Did you mean 'width'"):
        kerseg.train(data_dir=tiny_data, model="unet", model_options={"widht": 4}, output=output)
    with pytest.raises(ConfigError, match="`data_dir` is missing"):
        kerseg.train(output=output)
    with pytest.raises(DataError, match=r"nowhere.dataset\.json: the folder does not exist"):
        kerseg.train(data_dir=tmp_path / "nowhere", output=output)
    with pytest.raises(DataError, match=r"has no split 'training'\. It has: train, val"):
        kerseg.train(data_dir=tiny_data, train_split="training", output=output)
    assert not output.exists()
