"""Evaluation against counts made by hand; the report; what is refused."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from kerseg import modelfile
from kerseg.core.info import DatasetInfo, Shard, Split
from kerseg.errors import ConfigError, DataError, WeightsError
from kerseg.inference.confusion import confusion
from kerseg.inference.crf_options import CrfOptions
from kerseg.inference.evaluation import evaluate
from kerseg.inference.predictor import Predictor
from kerseg.metrics import ConfusionMatrix, archive
from kerseg.modelfile import ModelCard
from tiny import TINY_CLASSES, TINY_PALETTE, tiny_pair, write_tiny_dataset

COLOURS = ((128, 128, 128), (140, 100, 110), (0, 128, 192))
"""What the model takes for the classes: near enough to the tiny set's to be right often, not always."""


def nearest_colour(palette: Any = COLOURS) -> keras.Model:
    """Return a model whose class is the nearest colour: logit c = 2 x c - c c."""
    colours = np.asarray(palette, np.float32)
    image = keras.Input((None, None, 3))
    conv = keras.layers.Conv2D(len(colours), 1)
    model = keras.Model(image, conv(image), name="nearest")
    conv.set_weights([2 * colours.T[None, None], -(colours**2).sum(axis=1)])
    return model


def expected_counts(pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the confusion matrix of the nearest colour, in plain NumPy."""
    counts = np.zeros((3, 3), int)
    for image, label in pairs:
        distance = ((image[..., None, :].astype(int) - np.array(COLOURS)) ** 2).sum(-1)
        guess = distance.argmin(-1)
        for i in range(3):
            for j in range(3):
                counts[i, j] += ((label == i) & (guess == j)).sum()
    return counts


def saved(folder: Path, **changes: Any) -> Path:
    card = {"architecture": "enet", "class_names": TINY_CLASSES, "palette": TINY_PALETTE, **changes}
    modelfile.save(
        nearest_colour(COLOURS[: len(card["class_names"])]), folder / "best.keras", ModelCard(**card)
    )
    return folder


VAL = [tiny_pair(100 + i) for i in range(4)]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_counts_are_those_of_numpy(tiny_data: Path, batch_size: int):
    import kerseg.data

    counts = confusion(nearest_colour(), kerseg.data.load(tiny_data), "val", batch_size=batch_size).counts
    assert (counts == expected_counts(VAL)).all()
    assert counts.sum() == 4 * 31 * 40  # the last row of each is ignored


def test_images_of_several_sizes_at_their_own_size():
    pairs = [tiny_pair(i, *size) for i, size in enumerate([(32, 40), (32, 40), (40, 32), (30, 50), (32, 40)])]
    examples = [{"name": b"a", "image": image, "label": label} for image, label in pairs]
    split = Split((Shard("a", len(pairs), 0, ""),), (), ())
    data = SimpleNamespace(
        folder=Path("mixed"),
        info=DatasetInfo("mixed", TINY_CLASSES, TINY_PALETTE, {"val": split}),
        examples=lambda split: SimpleNamespace(as_numpy_iterator=lambda: iter(examples)),
        naming_damage=lambda split: nullcontext(),
    )
    assert (confusion(Predictor(nearest_colour()), data, batch_size=4).counts == expected_counts(pairs)).all()


def test_run_folder_and_its_report(tiny_data: Path, tmp_path: Path):
    scores = evaluate(saved(tmp_path / "run"), tiny_data, batch_size=2)
    matrix = ConfusionMatrix(3)
    matrix.counts += expected_counts(VAL)
    assert scores == matrix.scores(TINY_CLASSES)
    assert 0.5 < scores.mean_iou < 1

    report = json.loads((tmp_path / "run" / "report" / "val.json").read_text())
    assert report["mean_iou"] == scores.mean_iou
    assert report["classes"][1]["name"] == "box"
    assert report["confusion_matrix"] == {
        "rows": "truth",
        "columns": "prediction",
        "pixels": expected_counts(VAL).tolist(),
    }
    expected = {
        "model": str(tmp_path / "run" / "best.keras"),
        "architecture": "enet",
        "dataset": "tiny",
        "data_dir": str(tiny_data),
        "split": "val",
        "images": 4,
        "labelled_pixels": 4 * 31 * 40,
        "batch_size": 2,
        "absent": [],
    }
    assert {name: report[name] for name in expected} == expected
    assert report["seconds"] > 0


def test_what_was_measured_of_each_image_is_kept(
    tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    scores = evaluate(
        saved(tmp_path / "run"),
        tiny_data,
        batch_size=3,
        metrics=["boundary_iou", "calibration_error"],
        metric_options={"boundary_iou": {"dilation_ratio": 0.05}},
    )
    found = archive.load(tmp_path / "run" / "report" / "val.npz")
    assert found.names == ("100", "101", "102", "103")
    for index, pair in enumerate(VAL):
        assert (found.counts(index) == expected_counts([pair])).all()
    report = json.loads((tmp_path / "run" / "report" / "val.json").read_text())
    assert report["data_checksum"] == found.checksum
    assert report["bootstrap"] == {"resamples": 2000, "level": 0.95, "of": "images"}
    measure = scores.measures["mean_iou"]
    assert measure.value == pytest.approx(scores.mean_iou)
    assert measure.interval is not None
    assert measure.interval.low <= scores.mean_iou <= measure.interval.high
    assert report["metrics"]["boundary_iou"]["options"] == {"dilation_ratio": 0.05}
    assert 0 < report["metrics"]["boundary_iou"]["value"] < scores.mean_iou
    assert report["metrics"]["boundary_iou"]["seconds"] > 0
    assert report["metrics"]["mean_iou"]["seconds"] is None
    assert len(report["metrics"]["calibration_error"]["parts"]) == 15
    assert report["seconds_of"]["predicting"] > 0
    said = capsys.readouterr().err
    assert "Warning: 4 images are few: below 50, intervals are narrower than they should be." in said
    assert "boundary_iou: measured in 0." in said


def test_a_report_and_suspects_are_written(tiny_data: Path, tmp_path: Path):
    run = saved(tmp_path / "run")
    (run / "config.yaml").write_text("")
    (run / "history.csv").write_text("epoch,loss,val_mean_iou\n1,0.9,0.4\n2,0.5,0.6\n")
    plain = evaluate(nearest_colour(), tiny_data)
    assert evaluate(run, tiny_data, report=True, suspects=True) == plain
    written = {path.name for path in (run / "report").iterdir()}
    files = {"val.json", "val.npz", "val.html", "val.suspects.json", "val.suspects.coco.json"}
    assert files <= written <= {*files, "val.suspects.png"}
    html = (run / "report" / "val.html").read_text()
    assert "<title>kerseg report: run on tiny, val</title>" in html
    assert "mean IoU, best 0.600 in epoch 2" in html
    assert "src=http" not in html.replace('"', "")
    found = json.loads((run / "report" / "val.suspects.json").read_text())
    assert {image["name"] for image in found["images"]} == {"100", "101", "102", "103"}
    with pytest.raises(ConfigError, match=r"`report=True` writes beside the JSON file: give `output`"):
        evaluate(nearest_colour(), tiny_data, report=True)


def test_probabilities_give_the_same_labels(tiny_data: Path):
    plain = evaluate(nearest_colour(), tiny_data)
    assert evaluate(nearest_colour(), tiny_data, metrics=["calibration_error"]) == plain


def test_where_the_report_goes(tiny_data: Path, tmp_path: Path):
    file = saved(tmp_path / "run") / "best.keras"
    evaluate(file, tiny_data, split="train")
    assert json.loads((tmp_path / "run" / "best.train.json").read_text())["images"] == 10
    evaluate(file, tiny_data, output=tmp_path / "new" / "scores.json")
    evaluate(file, tiny_data, output=tmp_path)
    assert (tmp_path / "new" / "scores.json").is_file()
    assert (tmp_path / "val.json").is_file()
    assert not (tmp_path / "run" / "report").exists()


def test_model_object_writes_nothing_unless_told(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    scores = evaluate(nearest_colour(), tiny_data)
    assert list(tmp_path.iterdir()) == []
    assert evaluate(nearest_colour(), tiny_data, output="scores.json") == scores
    assert json.loads(Path("scores.json").read_text())["model"] == "nearest"


def test_another_number_of_classes(tiny_data: Path, tmp_path: Path):
    run = saved(tmp_path, class_names=("a", "b"), palette=TINY_PALETTE[:2])
    with pytest.raises(
        ConfigError, match=r"best\.keras: the model has 2 classes, and data set 'tiny' has 3\."
    ):
        evaluate(run, tiny_data)


def test_other_class_names_are_a_warning(tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    evaluate(saved(tmp_path / "same"), tiny_data)
    assert "classes differently" not in capsys.readouterr().err
    evaluate(saved(tmp_path / "other", class_names=("ground", "ball", "[box]")), tiny_data)
    assert (
        "Warning: model and data name 2 classes differently (model / data): 1: ball / box, 2: [box] / ball."
        in capsys.readouterr().err
    )


def test_numbered_names_of_a_foreign_file_are_none(
    tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    nearest_colour().save(tmp_path / "foreign.keras")
    evaluate(tmp_path / "foreign.keras", tiny_data)
    assert "classes differently" not in capsys.readouterr().err


def test_unknown_split_and_batch_size(tiny_data: Path):
    with pytest.raises(DataError, match=r"Data set 'tiny' has no split 'test'\. It has: train, val\."):
        evaluate(nearest_colour(), tiny_data, split="test")
    with pytest.raises(ConfigError, match=r"`batch_size` must be at least 1\. Received: 0\."):
        evaluate(nearest_colour(), tiny_data, batch_size=0)


def test_missing_model_and_missing_data(tiny_data: Path, tmp_path: Path):
    with pytest.raises(WeightsError, match=r"nowhere: does not exist"):
        evaluate(tmp_path / "nowhere", tiny_data)
    with pytest.raises(DataError, match=r"dataset\.json: the folder does not exist"):
        evaluate(nearest_colour(), tmp_path / "nowhere")


def test_damaged_shard_is_named(tmp_path: Path):
    folder = write_tiny_dataset(tmp_path / "data")
    shard = folder / "val-00000-of-00001.tfrecord"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)
    with pytest.raises(DataError, match=r"val-00000-of-00001\.tfrecord: record \d cannot be read"):
        evaluate(nearest_colour(), folder)


def test_label_that_is_no_class_names_its_image(tiny_data: Path, tmp_path: Path):
    two = DatasetInfo.load(tiny_data)
    for shard in tiny_data.glob("*.tfrecord"):
        (tmp_path / shard.name).write_bytes(shard.read_bytes())
    splits = {
        name: replace(split, class_pixels=(), class_image_pixels=()) for name, split in two.splits.items()
    }
    DatasetInfo("two", TINY_CLASSES[:2], TINY_PALETTE[:2], splits).save(tmp_path)
    with pytest.raises(
        DataError,
        match=r"val-00000-of-00001\.tfrecord: record \d .*: the label holds 2, none of the 2 classes",
    ):
        evaluate(nearest_colour(COLOURS[:2]), tmp_path)


def test_procedure_is_done_and_written_down(tiny_data: Path, tmp_path: Path):
    """Windows change nothing for a model that sees one pixel; a CRF changes the counts; the report says which."""
    run = saved(tmp_path / "run")
    plain = evaluate(run, tiny_data)
    windows = evaluate(run, tiny_data, window=(16, 24), overlap=8, flip=True)
    assert windows == plain
    report = json.loads((run / "report" / "val.json").read_text())
    assert report["procedure"] == {
        "scales": [1.0],
        "flip": True,
        "window": [16, 24],
        "overlap": 8,
        "crf": None,
    }
    pytest.importorskip("numba", reason="numba is not installed")
    smooth = evaluate(run, tiny_data, crf_options=CrfOptions(appearance_weight=40, colour_sigma=20))
    assert smooth.mean_iou > plain.mean_iou + 0.02
    report = json.loads((run / "report" / "val.json").read_text())
    assert report["procedure"]["crf"]["colour_sigma"] == 20


def test_crf_tuned_on_val_is_what_evaluation_takes(tiny_data: Path, tmp_path: Path, capsys: Any):
    pytest.importorskip("numba", reason="numba is not installed")
    run = saved(tmp_path / "run")
    plain = evaluate(run, tiny_data)
    best = evaluate(run, tiny_data, crf="tune")
    found = json.loads((run / "best.crf.json").read_text())
    assert found["mean_iou_without"] == pytest.approx(plain.mean_iou)
    assert found["mean_iou"] == pytest.approx(best.mean_iou, abs=1e-3)
    assert found["mean_iou"] >= evaluate(run, tiny_data, crf_options=CrfOptions()).mean_iou - 1e-3
    assert (found["split"], found["images"], found["dataset"]) == ("val", 4, "tiny")
    said = capsys.readouterr().err
    assert f"CRF: mean IoU {plain.mean_iou:.4f} without and {best.mean_iou:.4f} with it, on 4 images" in said
    assert evaluate(run, tiny_data, crf=True) == best
    (run / "best.crf.json").write_text("{}")
    with pytest.raises(DataError, match=r"best\.crf\.json: Object missing required field"):
        evaluate(run, tiny_data, crf=True)
    with pytest.raises(ConfigError, match=r"give a run folder or a \.keras file"):
        evaluate(nearest_colour(), tiny_data, crf="tune")
