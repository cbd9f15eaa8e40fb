"""Counts and figures against hand-computed values and scikit-learn; the Keras metric against both."""

import json
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, jaccard_score

from kerseg.errors import ConfigError, DataError
from kerseg.metrics import ConfusionMatrix, MeanIoU, keras_metric

CLASSES = 7


def random_pair(seed: int = 0, shape: tuple[int, ...] = (2, 31, 43)) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    label = random.integers(0, CLASSES, shape).astype(np.uint8)
    prediction = np.where(random.random(shape) < 0.6, label, random.integers(0, CLASSES, shape)).astype(
        np.uint8
    )
    label[random.random(shape) < 0.1] = 255
    return label, prediction


def counted(label: Any, prediction: Any, num_classes: int = CLASSES) -> ConfusionMatrix:
    matrix = ConfusionMatrix(num_classes)
    matrix.update(label, prediction)
    return matrix


def one_hot(indices: np.ndarray, num_classes: int = CLASSES) -> np.ndarray:
    """Logits (..., num_classes) whose largest is at the index."""
    return np.eye(num_classes, dtype=np.float32)[indices] * 5 - 2


def test_hand_computed():
    #              truth: 0 0 0 1 1 2, one ignored
    matrix = counted([[0, 0, 0, 1, 1, 2, 255]], [[0, 0, 1, 1, 1, 0, 2]], 3)
    assert matrix.counts.tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    scores = matrix.scores("abc")
    assert scores.iou == (2 / 4, 2 / 3, 0)
    assert scores.accuracy == (2 / 3, 1, 0)
    assert scores.pixels == (3, 2, 1)
    assert scores.mean_iou == pytest.approx((2 / 4 + 2 / 3 + 0) / 3)
    assert scores.mean_pixel_accuracy == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert scores.pixel_accuracy == pytest.approx(4 / 6)
    assert scores.frequency_weighted_iou == pytest.approx((3 * 2 / 4 + 2 * 2 / 3) / 6)
    assert scores.absent == ()


def test_agrees_with_scikit_learn():
    label, prediction = random_pair()
    matrix, known = counted(label, prediction), label != 255
    truth, guess = label[known], prediction[known]
    assert (matrix.counts == confusion_matrix(truth, guess)).all()
    scores = matrix.scores([str(i) for i in range(CLASSES)])
    assert scores.iou == pytest.approx(jaccard_score(truth, guess, average=None))
    assert scores.mean_iou == pytest.approx(jaccard_score(truth, guess, average="macro"))
    assert scores.frequency_weighted_iou == pytest.approx(jaccard_score(truth, guess, average="weighted"))
    assert scores.mean_pixel_accuracy == pytest.approx(balanced_accuracy_score(truth, guess))
    assert scores.pixel_accuracy == pytest.approx(accuracy_score(truth, guess))


def test_is_the_iou_of_all_pixels_and_not_the_mean_over_images():
    matrix = ConfusionMatrix(2)
    matrix.update([0, 0, 0, 0], [0, 0, 0, 0])
    matrix.update([0, 1], [1, 1])
    assert matrix.scores("ab").iou == (4 / 5, 1 / 2)


def test_absent_class_is_listed_and_left_out():
    scores = counted([0, 0, 1, 1], [0, 0, 1, 0], 4).scores(["a", "b", "c", "d"])
    assert scores.absent == ("c", "d")
    assert scores.iou == (2 / 3, 1 / 2, None, None)
    assert scores.mean_iou == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_class_that_is_only_predicted_has_iou_0_and_no_accuracy():
    scores = counted([0, 0, 0, 0], [0, 0, 0, 1], 3).scores("abc")
    assert scores.absent == ("c",)
    assert scores.iou == (3 / 4, 0, None)
    assert scores.mean_iou == pytest.approx(3 / 8)
    assert scores.accuracy == (3 / 4, None, None)
    assert scores.mean_pixel_accuracy == 3 / 4
    assert scores.frequency_weighted_iou == 3 / 4


def test_ignored_pixels_count_nowhere_whatever_is_predicted():
    label, prediction = random_pair()
    other = np.where(label == 255, 0, prediction)
    assert (counted(label, prediction).counts == counted(label, other).counts).all()
    assert counted(label, prediction).counts.sum() == (label != 255).sum()


def test_host_counts_do_not_overflow():
    matrix = counted([0, 1], [0, 0], 2)
    matrix.counts += 2**40
    matrix.update([0, 1], [0, 0])
    assert matrix.counts.tolist() == [[2**40 + 2, 2**40], [2**40 + 2, 2**40]]
    assert matrix.scores("ab").mean_iou == pytest.approx(1 / 3)


def test_scores_are_json():
    scores = counted([0, 0, 1], [0, 1, 1], 3).scores(["road", "sky", "car"])
    values = json.loads(json.dumps(scores.to_json(), allow_nan=False))
    assert values["mean_iou"] == 0.5
    assert values["classes"][0] == {"name": "road", "iou": 0.5, "accuracy": 0.5, "pixels": 2}
    assert values["classes"][2] == {"name": "car", "iou": None, "accuracy": None, "pixels": 0}
    assert values["absent"] == ["car"]


@pytest.mark.parametrize(
    ("label", "prediction", "message"),
    [
        ([0, 3, 9], [0, 0, 0], r"A label holds 0 to 2 or 255 \(ignore\)\. Received also: 3, 9\."),
        ([0, -1], [0, 0], r"A label holds 0 to 2 .*Received also: -1\."),
        ([0, 1], [0, 5], r"A prediction holds 0 to 2\. Received also: 5\."),
        ([[0, 1]], [[0], [1]], r"one shape\. Received: label \(1, 2\), prediction \(2, 1\)\."),
        ([0, 1], [0.5, 0.5], r"A prediction holds integer class indices\. Received: float64 values\."),
        ([0.0, 1.0], [0, 0], r"A label holds integer class indices\."),
    ],
)
def test_refuses_what_is_no_pair_of_labels(label: Any, prediction: Any, message: str):
    with pytest.raises(DataError, match=message):
        counted(label, prediction, 3)


def test_a_bad_index_at_an_ignored_pixel_does_no_harm():
    assert counted([0, 255], [0, 200], 3).counts.sum() == 1


def test_no_labelled_pixel_has_no_score():
    with pytest.raises(DataError, match=r"No labelled pixel was counted.*every label is 255 \(ignore\)"):
        counted([255, 255], [0, 1], 2).scores("ab")


def test_refuses_arguments():
    with pytest.raises(ConfigError, match=r"2 classes need as many names\. Received: 3\."):
        counted([0], [0], 2).scores("abc")
    with pytest.raises(ConfigError, match=r"num_classes is 1 or more\. Received: 0\."):
        ConfusionMatrix(0)
    with pytest.raises(ConfigError, match=r"not be a class index \(0 to 10\). Received: 3."):
        MeanIoU(11, ignore_label=3)


@pytest.mark.parametrize("kind", ["logits", "indices"])
def test_metric_equals_the_host(kind: str):
    metric, matrix = MeanIoU(num_classes=CLASSES), ConfusionMatrix(CLASSES)
    for seed in range(3):
        label, prediction = random_pair(seed)
        metric.update_state(label, one_hot(prediction) if kind == "logits" else prediction)
        matrix.update(label, prediction)
    assert (metric.confusion().counts == matrix.counts).all()
    assert float(metric.result()) == pytest.approx(matrix.scores("abcdefg").mean_iou, abs=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0
    assert metric.confusion().counts.sum() == 0


def test_metric_leaves_absent_classes_out():
    metric = MeanIoU(4)
    metric.update_state(np.array([[0, 0, 1, 1, 255]]), np.array([[0, 0, 1, 0, 3]]))
    assert float(metric.result()) == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_metric_carries_from_word_to_word(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keras_metric, "_WORD", 64)
    metric, matrix = MeanIoU(CLASSES), ConfusionMatrix(CLASSES)
    for seed in range(5):
        label, prediction = random_pair(seed)
        metric.update_state(label, prediction)
        matrix.update(label, prediction)
        # Beyond 2^24 a float32 word would no longer count by ones.
        assert keras.ops.convert_to_numpy(metric._units).max() < 64
    assert matrix.counts.max() > 10 * 64
    assert (metric.confusion().counts == matrix.counts).all()


def test_metric_is_exact_past_2_to_the_31():
    metric = MeanIoU(2)
    before = 2**33 + 2**20 - 1
    metric._units.assign(np.full((2, 2), before % 2**20, np.float32))
    metric._words.assign(np.full((2, 2), before // 2**20, np.float32))
    metric.update_state(np.array([[0, 0, 1]]), np.array([[0, 0, 1]]))
    assert metric.confusion().counts.tolist() == [[before + 2, before], [before, before + 1]]
    assert float(metric.result()) == pytest.approx(1 / 3)


@pytest.mark.heavy
def test_metric_counts_a_batch_past_2_to_the_24():
    metric = MeanIoU(1)
    pixels = np.zeros((1, 4096, 4097), np.uint8)
    metric.update_state(pixels, pixels)
    assert metric.confusion().counts.tolist() == [[2**24 + 4096]]


@pytest.mark.parametrize("jit", [False, True])
def test_metric_in_fit(jit: bool):
    """Keras's own loop compiles the metric: with XLA too, and with the last batch smaller."""
    if jit and keras.backend.backend() != "tensorflow":
        pytest.skip("JAX compiles in any case; torch.compile is another thing, and takes a compiler")
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(CLASSES, 1)(image))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
    model.compile(loss=loss, metrics=[MeanIoU(num_classes=CLASSES)], jit_compile=jit)
    label, _ = random_pair(shape=(3, 8, 9))
    images = np.random.default_rng(1).normal(size=(3, 8, 9, 3)).astype(np.float32)
    result = model.evaluate(images, label, batch_size=2, verbose=0, return_dict=True)
    prediction = model.predict(images, verbose=0).argmax(-1)
    expected = counted(label, prediction).scores("abcdefg").mean_iou
    assert result["mean_iou"] == pytest.approx(expected, abs=1e-6)


def test_metric_is_rebuilt_from_its_config():
    metric = MeanIoU(num_classes=5, ignore_label=200, name="miou")
    rebuilt = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert isinstance(rebuilt, MeanIoU)
    assert (rebuilt.num_classes, rebuilt.ignore_label, rebuilt.name) == (5, 200, "miou")


@pytest.mark.parametrize(
    ("label", "prediction", "weight", "message"),
    [
        (
            (1, 4, 4),
            np.zeros((1, 4, 4, 3), np.float32),
            None,
            r"labels \(1, 4, 4\), predictions \(1, 4, 4, 3\)",
        ),
        ((1, 4, 4, 1), np.zeros((1, 4, 4, 7), np.float32), None, r"labels \(1, 4, 4, 1\), predictions"),
        (
            (1, 4, 4),
            np.zeros((1, 4, 4), np.int32),
            np.ones(1),
            "give it in metrics=, not in weighted_metrics=",
        ),
    ],
)
def test_metric_refuses(label: tuple[int, ...], prediction: np.ndarray, weight: Any, message: str):
    with pytest.raises(ConfigError, match=message):
        MeanIoU(CLASSES).update_state(np.zeros(label, np.uint8), prediction, sample_weight=weight)
