"""A paired bootstrap against one by hand; other data, classes and options are refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from kerseg.errors import ConfigError, DataError
from kerseg.metrics import Meter, choose
from kerseg.report.comparison import compare, warnings

NAMES = ("road", "sky", "car")
IMAGES = 60


def truth(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 3, (8, 8)).astype(np.uint8)


def guess(index: int, right: float) -> np.ndarray:
    random = np.random.default_rng(1000 + index)
    return np.where(random.random((8, 8)) < right, truth(index), random.integers(0, 3, (8, 8))).astype(
        np.uint8
    )


def run(folder: Path, right: float, *, change: Any = None, metrics: Any = (), options: Any = None) -> Path:
    """Write the measurements of a model that is right so often."""
    meter = Meter(NAMES, choose(metrics, options))
    for index in range(IMAGES):
        label = truth(index)
        if change == index:
            label[0, 0] = (label[0, 0] + 1) % 3
        meter.add(f"{index:03d}", label, guess(index, right))
    meter.measurements().save(folder / "report" / "val.npz")
    return folder


def test_the_difference_is_that_of_the_same_draws(tmp_path: Path):
    comparison = compare([run(tmp_path / "a", 0.6), run(tmp_path / "b", 0.7)])
    assert comparison.names == ("a", "b")
    assert (comparison.images, comparison.units) == (60, 60)
    assert warnings(comparison) == []
    found = {(each.metric, each.part): each for each in comparison.differences[0]}
    chosen = np.random.default_rng(0).integers(0, IMAGES, (2000, IMAGES))

    def iou(right: float, images: Any) -> float:
        label = np.concatenate([truth(index).ravel() for index in images])
        guesses = np.concatenate([guess(index, right).ravel() for index in images])
        return float(jaccard_score(label, guesses, average="macro"))

    mean = found["mean_iou", None]
    assert mean.first == pytest.approx(iou(0.6, range(IMAGES)))
    assert mean.second == pytest.approx(iou(0.7, range(IMAGES)))
    assert mean.difference == pytest.approx(mean.second - mean.first)
    assert mean.interval is not None
    assert mean.is_clear
    assert mean.p_value == pytest.approx(2 / 2001)
    assert 0 < mean.interval.low < mean.difference < mean.interval.high
    # A few hundred of the draws, by hand, bracket the interval's ends.
    apart = np.sort([iou(0.7, images) - iou(0.6, images) for images in chosen[:200]])
    assert apart[0] < mean.interval.low < apart[20]
    assert apart[-20] < mean.interval.high < apart[-1] + 0.01
    assert ("mean_iou", "sky") in found
    assert ("pixel_accuracy", "all pixels") not in found


def test_a_run_does_not_differ_from_itself(tmp_path: Path):
    path = run(tmp_path / "a", 0.6)
    (each,) = compare([path, path], metrics=["pixel_accuracy"]).differences[0]
    assert (each.difference, each.p_value, each.is_clear) == (0, 1, False)


def test_it_is_written_as_json(tmp_path: Path):
    runs = [run(tmp_path / name, right) for name, right in (("a", 0.6), ("b", 0.7), ("c", 0.8))]
    compare(runs, output=tmp_path / "c.json", metrics=["dice"])
    found = json.loads((tmp_path / "c.json").read_text())
    assert found["first"] == str(tmp_path / "a" / "report" / "val.npz")
    assert [Path(entry["second"]).parts[-3] for entry in found["comparisons"]] == ["b", "c"]
    first = found["comparisons"][1]["differences"][0]
    assert first["metric"] == "dice"
    assert first["difference"] == pytest.approx(first["second"] - first["first"])


def test_metrics_that_all_runs_have_are_compared(tmp_path: Path):
    wide = {"trimap_iou": {"width": 3}}
    runs = [
        run(tmp_path / n, r, metrics=["trimap_iou", "nsd"], options=wide) for n, r in (("a", 0.6), ("b", 0.9))
    ]
    found = {each.metric for each in compare(runs).differences[0]}
    assert {"trimap_iou", "nsd", "mean_iou"} <= found
    other = run(tmp_path / "c", 0.7, metrics=["trimap_iou"])
    with pytest.raises(ConfigError, match=r"c/report/val\.npz: metric 'nsd' was not measured"):
        compare([runs[0], other], metrics=["nsd"])
    with pytest.raises(ConfigError, match=r"trimap_iou was measured with several options: .*3.*5"):
        compare([runs[0], other])


def test_other_labels_images_and_classes_are_refused(tmp_path: Path):
    first = run(tmp_path / "a", 0.6)
    with pytest.raises(
        DataError, match=r"b/report/val\.npz: .* labels .*of 1 of 60 images differ, such as 007"
    ):
        compare([first, run(tmp_path / "b", 0.7, change=7)])
    meter = Meter(NAMES)
    meter.add("003", truth(3), guess(3, 0.5))
    meter.measurements().save(tmp_path / "few.npz")
    with pytest.raises(
        DataError, match=r"few\.npz: .* other images .*59 of 60 images are not in it, such as 000"
    ):
        compare([first, tmp_path / "few.npz"])
    meter = Meter(("road", "sky", "bus"))
    meter.add("003", truth(3), guess(3, 0.5))
    meter.measurements().save(tmp_path / "other.npz")
    with pytest.raises(DataError, match=r"other\.npz: was measured with other classes \(road, sky, bus\)"):
        compare([first, tmp_path / "other.npz"])
    assert warnings(compare([tmp_path / "few.npz"] * 2))[0].startswith("Warning: 1 images are few")


def test_what_was_not_evaluated_is_refused(tmp_path: Path):
    (tmp_path / "a").mkdir()
    with pytest.raises(
        DataError, match=r"a/report/test\.npz: does not exist\. Evaluate first: `kerseg\.evaluate"
    ):
        compare([tmp_path / "a"] * 2, split="test")
    with pytest.raises(ConfigError, match=r"`runs` are two or more, in a list\. Received: \['a'\]\."):
        compare(["a"])
