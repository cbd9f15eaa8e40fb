"""The predictor. `tests/test_metrics.py` runs this file on the other backends too."""

from typing import Any

import keras
import numpy as np
import pytest

from kerseg.errors import ConfigError, DataError
from kerseg.inference.predictor import Predictor, batches

TENSORFLOW = keras.backend.backend() == "tensorflow"
COLOURS = np.array([(0, 0, 0), (200, 0, 0), (0, 200, 0), (0, 0, 200)], np.float32)


def nearest_colour(size: tuple[int | None, int | None] = (None, None)) -> keras.Model:
    """Return a model whose class is the nearest of `COLOURS`: logit c = 2 x c - c c."""
    image = keras.Input((*size, 3))
    conv = keras.layers.Conv2D(len(COLOURS), 1)
    model = keras.Model(image, conv(image))
    conv.set_weights([2 * COLOURS.T[None, None], -(COLOURS**2).sum(axis=1)])
    return model


def images(label: Any) -> np.ndarray:
    return COLOURS[np.asarray(label)].astype(np.uint8) + 9


def test_predicts_classes_for_any_size():
    predictor = Predictor(nearest_colour())
    for shape in ((1, 4, 5), (3, 7, 2), (1, 1, 1)):
        label = np.random.default_rng(0).integers(0, 4, shape)
        prediction = predictor(images(label))
        assert prediction.dtype == np.uint8
        assert (prediction == label).all()


def test_takes_floats_of_any_precision():
    predictor, label = Predictor(nearest_colour()), [[[0, 1], [2, 3]]]
    for dtype in (np.float16, np.float32, np.float64, np.int64):
        assert (predictor(images(label).astype(dtype)) == label).all()


def test_probabilities_are_the_softmax():
    model = nearest_colour()
    image = np.random.default_rng(0).uniform(0, 0.1, (2, 4, 3, 3)).astype(np.float32)
    probabilities = Predictor(model).probabilities(image)
    logits = keras.ops.convert_to_numpy(model(image)).astype(np.float64)
    expected = np.exp(logits - logits.max(-1, keepdims=True))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(
        probabilities, expected / expected.sum(-1, keepdims=True), rtol=1e-4, atol=1e-30
    )


def test_more_than_256_classes():
    image = keras.Input((None, None, 3))
    conv = keras.layers.Conv2D(301, 1, kernel_initializer="zeros")
    model = keras.Model(image, conv(image))
    conv.bias.assign(np.eye(301)[300])
    prediction = Predictor(model)(np.zeros((1, 2, 2, 3), np.uint8))
    assert prediction.dtype == np.int32
    assert (prediction == 300).all()


def with_dropout_and_batch_norm() -> keras.Model:
    image = keras.Input((None, None, 3))
    x = keras.layers.BatchNormalization(momentum=0.5)(image)
    x = keras.layers.Dropout(0.5)(x)
    return keras.Model(image, keras.layers.Conv2D(4, 1)(x))


def test_inference_mode_and_weights_of_now():
    """Dropout is off, the stored statistics are used and stay, and training goes on after a prediction."""
    keras.utils.set_random_seed(0)
    model = with_dropout_and_batch_norm()
    model.compile("sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    random = np.random.default_rng(0)
    image, label = random.integers(0, 255, (2, 6, 5, 3), np.uint8), random.integers(0, 4, (2, 6, 5), np.uint8)
    predictor = Predictor(model)
    before = predictor.probabilities(image)
    statistics = [keras.ops.convert_to_numpy(weight) for weight in model.non_trainable_weights]
    assert (predictor.probabilities(image) == before).all()
    for weight, old in zip(model.non_trainable_weights, statistics, strict=True):
        assert (keras.ops.convert_to_numpy(weight) == old).all()
    for _ in range(2):
        model.fit(image, label, verbose=0)
        after = predictor.probabilities(image)
        assert np.abs(after - before).max() > 1e-3
        direct = keras.ops.softmax(model(image, training=False))
        np.testing.assert_allclose(after, keras.ops.convert_to_numpy(direct), rtol=1e-4, atol=1e-6)
        before = after


class Counter(keras.layers.Layer):
    """Counts how often Python runs through it."""

    calls = 0

    def call(self, x: Any) -> Any:
        type(self).calls += 1
        return x + 0


@pytest.mark.skipif(not TENSORFLOW, reason="JAX compiles once a size, PyTorch compiles nothing")
def test_one_trace_serves_all_sizes():
    image = keras.Input((None, None, 3))
    predictor = Predictor(keras.Model(image, keras.layers.Conv2D(2, 1)(Counter()(image))))
    Counter.calls = 0
    for shape in ((1, 4, 4, 3), (2, 9, 5, 3), (1, 30, 20, 3)):
        predictor(np.zeros(shape, np.uint8))
    assert Counter.calls == 1
    predictor(np.zeros((1, 4, 4, 3)))
    predictor(np.zeros((2, 5, 5, 3)))
    assert Counter.calls == 2


def test_fixed_size_model():
    predictor = Predictor(nearest_colour((4, 6)))
    assert predictor(np.zeros((2, 4, 6, 3), np.uint8)).shape == (2, 4, 6)
    with pytest.raises(
        DataError, match=r"takes images of 4x6 pixels only \(height x width\)\. Received: 6x4\."
    ):
        predictor(np.zeros((1, 6, 4, 3), np.uint8))


@pytest.mark.parametrize("shape", [(4, 4, 3), (1, 4, 4), (1, 4, 4, 1), (1, 3, 4, 4)])
def test_refuses_what_is_no_batch_of_images(shape: tuple[int, ...]):
    with pytest.raises(DataError, match=r"Images come as \(batch, height, width, 3\)\. Received: \("):
        Predictor(nearest_colour())(np.zeros(shape, np.uint8))


def test_refuses_a_model_with_several_outputs():
    image = keras.Input((None, None, 3))
    model = keras.Model(
        image, [keras.layers.Conv2D(2, 1)(image), keras.layers.Conv2D(3, 1)(image)], name="two"
    )
    with pytest.raises(
        ConfigError, match=r"needs a model with one output .*'two' gives \[\(None, None, None, 2\), "
    ):
        Predictor(model)


def test_batches_group_neighbours_of_one_size_in_order():
    sizes = [(2, 3)] * 5 + [(3, 2)] + [(2, 3)] * 2
    examples = [{"image": np.zeros((*size, 3), np.uint8), "number": i} for i, size in enumerate(sizes)]
    grouped = [[example["number"] for example in batch] for batch in batches(iter(examples), 3)]
    assert grouped == [[0, 1, 2], [3, 4], [5], [6, 7]]
    assert list(batches([], 3)) == []


def test_of_equal_logits_the_first_class_wins():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(5, 1, kernel_initializer="zeros")(image))
    model.layers[-1].bias.assign([-1, 0.0, -0.0, 0.0, -2])
    assert (Predictor(model)(np.zeros((1, 2, 3, 3), np.uint8)) == 1).all()
