"""Losses and class weights against hand-computed values."""

import math

import keras
import numpy as np
import pytest

from kerseg.errors import ConfigError
from kerseg.losses.class_weights import (
    class_weights,
    effective_number_weights,
    enet_weights,
    inverse_weights,
    median_frequency_weights,
)
from kerseg.losses.cross_entropy import CrossEntropy


def softmax_cross_entropy(logits: np.ndarray, label: int) -> float:
    return float(np.log(np.exp(logits).sum()) - logits[label])


VERSION_0_1 = (4.416901111602783, 3.709977149963379)
"""Losses of reduced labels without and with class weights, as version 0.1 computed them on TensorFlow."""

LOGITS = np.array([[[[2.0, -1.0, 0.5], [0.0, 3.0, 1.0], [1.0, 1.0, -2.0]]]], "float32")  # (1, 1, 3, 3)


def test_equal_logits_cost_the_logarithm_of_the_number_of_classes() -> None:
    loss = CrossEntropy()(np.array([[[0, 3], [2, 1]]]), np.zeros((1, 2, 2, 4), "float32"))
    assert float(loss) == pytest.approx(math.log(4), rel=1e-6)


def test_ignored_pixels_count_neither_above_nor_below_the_line() -> None:
    labels = np.array([[[0, 255, 2]]], "uint8")
    expected = (softmax_cross_entropy(LOGITS[0, 0, 0], 0) + softmax_cross_entropy(LOGITS[0, 0, 2], 2)) / 2
    assert float(CrossEntropy()(labels, LOGITS)) == pytest.approx(expected, rel=1e-6)


def test_another_ignore_label() -> None:
    labels = np.array([[[0, 11, 2]]], "uint8")
    expected = (softmax_cross_entropy(LOGITS[0, 0, 0], 0) + softmax_cross_entropy(LOGITS[0, 0, 2], 2)) / 2
    assert float(CrossEntropy(ignore_label=11)(labels, LOGITS)) == pytest.approx(expected, rel=1e-6)


def test_weights_make_a_weighted_mean() -> None:
    labels = np.array([[[0, 1, 255]]], "uint8")
    weights = (1.0, 3.0, 7.0)
    expected = (
        1.0 * softmax_cross_entropy(LOGITS[0, 0, 0], 0) + 3.0 * softmax_cross_entropy(LOGITS[0, 0, 1], 1)
    ) / 4.0
    assert float(CrossEntropy(weights)(labels, LOGITS)) == pytest.approx(expected, rel=1e-6)


def test_nothing_but_ignored_pixels_costs_nothing() -> None:
    assert float(CrossEntropy()(np.full((1, 1, 3), 255), LOGITS)) == 0.0


def test_smaller_logits_meet_the_labels_at_their_own_places() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, (2, 17, 9))
    logits = random.normal(size=(2, 3, 2, 3)).astype("float32")
    loss = CrossEntropy()
    # Stride 8, 8 (n - 1) + 1 pixels: every eighth label, as Caffe's DeepLab and ICNet take them.
    assert float(loss(labels, logits)) == pytest.approx(float(loss(labels[:, ::8, ::8], logits)), rel=1e-6)
    # 10 pixels for 4 places: 0, 3, 6, 9; for one place: the first.
    labels = random.integers(0, 3, (1, 10, 10))
    logits = random.normal(size=(1, 4, 1, 3)).astype("float32")
    assert float(loss(labels, logits)) == pytest.approx(float(loss(labels[:, ::3, :1], logits)), rel=1e-6)


def test_the_loss_is_rebuilt_from_its_config() -> None:
    loss = CrossEntropy((1.0, 2.0, 0.5), ignore_label=11)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert (again.class_weights, again.ignore_label) == ([1.0, 2.0, 0.5], 11)


@pytest.mark.parametrize("weights", [(1.0, -1.0), (0.0, 0.0), (1.0, math.nan), (1.0, math.inf)])
def test_impossible_weights_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=r"finite, 0 or more, and at least one is above 0\. Received"):
        CrossEntropy(weights)


def test_median_frequency_weights() -> None:
    # Shares of the images a class occurs in: 0.5, 0.3, 0.4; median 0.4.
    assert median_frequency_weights([50, 30, 20], [100, 100, 50]) == pytest.approx([0.8, 4 / 3, 1.0])


def test_a_class_that_never_occurs_has_no_part_in_the_median() -> None:
    assert median_frequency_weights([50, 0, 30], [100, 0, 100]) == pytest.approx([0.8, 0.0, 4 / 3])


def test_median_frequency_reproduces_segnets_published_camvid_weights() -> None:
    # SegNet's release, in the order of CamVid's classes; the shares are what these weights imply, so the rule
    # must give them back.
    published = [0.2595, 0.1826, 4.5640, 0.1417, 0.9051, 0.3826, 9.6446, 1.8418, 0.6823, 6.2478, 7.3614]
    shares = np.median(published) / np.array(published) * 0.05
    weights = median_frequency_weights(list(shares), [1] * len(published))
    assert np.array(weights) == pytest.approx(np.array(published) / np.median(published), rel=1e-6)


def test_enet_weights_have_the_papers_bounds() -> None:
    everything, nothing = enet_weights([100, 0], [100, 0])
    assert everything == pytest.approx(1 / math.log(2.02))
    assert nothing == pytest.approx(1 / math.log(1.02))


def test_class_weights_by_name() -> None:
    assert class_weights("none", [1, 2], [3, 3]) is None
    assert class_weights("enet", [1, 1], [2, 2]) == pytest.approx([1 / math.log(1.52)] * 2)
    with pytest.raises(ConfigError, match="Did you mean 'enet'"):
        class_weights("enett", [1], [1])
    with pytest.raises(ConfigError, match="the training split has none"):
        class_weights("enet", [0, 0], [0, 0])


def test_inverse_weights_give_each_class_the_same_part() -> None:
    assert inverse_weights([75, 25, 0], [100, 100, 0]) == pytest.approx([2 / 3, 2.0, 0.0])


def test_effective_number_weights() -> None:
    # beta 0.5: effective numbers 2 (1 - 0.5^n) of 1, 1.5 and 2 (1 - 2^-30); weights in proportion to 1 / E, mean 1.
    inverse = np.array([1.0, 1 / 1.5, 1 / (2 * (1 - 0.5**30))])
    assert effective_number_weights([1, 2, 30], [9, 9, 99], beta=0.5) == pytest.approx(
        inverse * 3 / inverse.sum()
    )
    assert effective_number_weights([5, 0, 30], [9, 0, 99], beta=0.0) == (1.0, 0.0, 1.0)
    nearly = effective_number_weights([75, 25], [100, 100], beta=1 - 1e-12)
    assert nearly == pytest.approx([0.5, 1.5], rel=1e-3)
    # By default the volume is a class's fair share, here 500 pixels.
    volume = 1 - 1 / 500
    expected = np.array([(1 - volume) / (1 - volume**count) for count in (990, 10)])
    assert effective_number_weights([990, 10], [1000, 1000]) == pytest.approx(2 * expected / expected.sum())
    with pytest.raises(ConfigError, match="`beta` must be at least 0"):
        effective_number_weights([1, 2], [3, 3], beta=-0.5)


def test_cross_entropy_has_kept_its_numbers() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 6, (2, 33, 41))
    labels[labels == 5] = 255
    logits = (4 * random.normal(size=(2, 5, 6, 5))).astype("float32")
    assert float(CrossEntropy()(labels, logits)) == pytest.approx(VERSION_0_1[0], rel=2e-7)
    weights = (0.2, 1.0, 3.0, 0.5, 1.5)
    assert float(CrossEntropy(weights)(labels, logits)) == pytest.approx(VERSION_0_1[1], rel=2e-7)
