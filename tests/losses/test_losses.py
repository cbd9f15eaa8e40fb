"""Every loss: value and gradient against PyTorch, ignored pixels, extreme logits, half precision."""

import functools
import math
from typing import Any

import keras
import numpy as np
import pytest

from kerseg.errors import ConfigError
from kerseg.losses import LOSSES, create

references = pytest.importorskip("references", reason="PyTorch is not installed", exc_type=ImportError)

WEIGHTS = (0.5, 2.0, 1.0, 0.0, 3.0)
RANDOM = np.random.default_rng(0)
LOGITS = (3 * RANDOM.normal(size=(2, 9, 7, 5))).astype("float32")
LABELS = RANDOM.integers(0, 4, (2, 9, 7)).astype("uint8")  # class 4 never occurs
LABELS[RANDOM.random(LABELS.shape) < 0.2] = 255
SQUARES = np.zeros((2, 9, 7), "uint8")  # objects with gaps between them, for the weight map
SQUARES[:, 1:4, 1:3] = SQUARES[:, 1:4, 4:6] = 1
SQUARES[:, 6:8, 2:6] = 2
SQUARES[0, 0] = 255

CASES = {
    "cross_entropy": [{}, {"label_smoothing": 0.1}],
    "ohem": [
        {"threshold": 0.7, "min_kept": 3},  # more are below the threshold
        {"threshold": 0.001, "min_kept": 20},  # fewer are
        {"threshold": 0.001, "min_kept": 131072},  # all but the easiest
    ],
    "focal": [{"gamma": 2.0}, {"gamma": 0.5}, {"gamma": 0.0}],
    "dice": [{}, {"smooth": 1.0}],
    "tversky": [{"alpha": 0.3, "beta": 0.7}, {"alpha": 0.3, "beta": 0.7, "smooth": 2.0}],
    "jaccard": [{}, {"smooth": 1.0}],
    "lovasz_softmax": [{}],
    "boundary_weighted": [{"sigma": 2.0}],
}
PAIRS = [(name, options) for name, several in CASES.items() for options in several]


def labels_of(name: str) -> np.ndarray:
    return SQUARES if name == "boundary_weighted" else LABELS


def test_every_loss_of_the_table_is_among_the_cases() -> None:
    assert set(CASES) == set(LOSSES)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize(("name", "options"), PAIRS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(PAIRS)])
def test_value_and_gradient_are_pytorchs(
    name: str, options: dict[str, Any], weights: Any, differentiate: Any
) -> None:
    loss, labels = create(name, class_weights=weights, options=options), labels_of(name)
    y_true, extra = loss.prepare(labels), options
    if name == "boundary_weighted":
        extra = {"gaps": y_true[..., 1]}
    reference = functools.partial(getattr(references, name), **extra)
    expected, slope = references.value_and_gradient(reference, labels, LOGITS, weights)
    value, gradient = differentiate(loss)(y_true, LOGITS)
    assert value == pytest.approx(expected, rel=2e-6)
    np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=2e-7)
    assert not gradient[labels == 255].any()


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_but_ignored_pixels_costs_nothing_and_moves_nothing(name: str, differentiate: Any) -> None:
    loss = create(name, class_weights=WEIGHTS)
    value, gradient = differentiate(loss)(loss.prepare(np.full_like(LABELS, 255)), LOGITS)
    assert value == 0.0
    assert not gradient.any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("name", LOSSES)
def test_extreme_logits_stay_finite(name: str, dtype: str, differentiate: Any) -> None:
    loss = create(name)
    slopes = differentiate(loss)
    signs = np.sign(LOGITS) * 1e4
    value, gradient = slopes(loss.prepare(labels_of(name)), signs, dtype)
    assert math.isfinite(value) and value > 0
    assert np.isfinite(gradient).all()
    # Sure and right everywhere: nothing is left to learn.
    right = 1e4 * (2 * np.eye(5)[np.where(LABELS == 255, 0, LABELS)] - 1)
    value, gradient = slopes(loss.prepare(LABELS), right, dtype)
    assert value == pytest.approx(0.0, abs=1e-6)
    assert not gradient.any()


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_outside_is_single_inside(name: str, differentiate: Any) -> None:
    loss = create(name)
    y_true, half = loss.prepare(labels_of(name)), LOGITS.astype("float16")
    slopes = differentiate(loss)
    expected, slope = slopes(y_true, half.astype("float32"))
    value, gradient = slopes(y_true, half, "float16")
    assert value == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(gradient, slope, rtol=2e-3, atol=1e-6)
    floatx = keras.config.floatx()
    keras.config.set_floatx("bfloat16")
    try:
        assert create(name).dtype == "float32"
    finally:
        keras.config.set_floatx(floatx)


@pytest.mark.parametrize("name", LOSSES)
def test_smaller_logits_meet_the_labels_at_their_own_places(name: str) -> None:
    loss, labels = create(name), np.kron(labels_of(name)[:, :2, :2], np.ones((1, 8, 8), "uint8"))[:, :9, :9]
    y_true = loss.prepare(labels)
    expected = loss(y_true[:, ::8, ::8], LOGITS[:, :2, :2])
    assert float(loss(y_true, LOGITS[:, :2, :2])) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize(("name", "options"), PAIRS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(PAIRS)])
def test_every_loss_is_rebuilt_from_its_config(name: str, options: dict[str, Any]) -> None:
    loss = create(name, class_weights=WEIGHTS, ignore_label=254, options=options)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert again.get_config() == loss.get_config()
    assert again.ignore_label == 254
    assert {option: getattr(again, option) for option in options} == options


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cross_entropy", {"label_smoothing": 1.5}, r"`label_smoothing` must be at least 0 and at most 1"),
        ("ohem", {"threshold": -0.1}, r"`threshold` must be at least 0 and at most 1\. Received: -0\.1"),
        ("ohem", {"min_kept": 2.5}, r"min_kept is a number of pixels, or a share below 1\. Received: 2\.5"),
        ("focal", {"gamma": -1.0}, r"`gamma` must be at least 0"),
        ("dice", {"smooth": -1.0}, r"`smooth` must be at least 0"),
        ("tversky", {"alpha": 0.0, "beta": 0.0}, r"alpha and beta are both 0"),
        ("boundary_weighted", {"sigma": 0.0}, r"`sigma` must be above 0"),
        (
            "focal",
            {"gama": 1},
            r"`loss_options\.gama`: loss 'focal' has no such option\. Did you mean 'gamma'\? It takes: gamma",
        ),
        ("lovasz_softmax", {"gamma": 1}, r"has no such option\. It takes: none\."),
    ],
)
def test_impossible_options_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create(name, options=options)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("weights", [(1.0, -1.0), (0.0, 0.0), (1.0, math.nan), (1.0, math.inf)])
def test_impossible_weights_are_refused(name: str, weights: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=r"finite, 0 or more, and at least one is above 0\. Received"):
        create(name, class_weights=weights)
