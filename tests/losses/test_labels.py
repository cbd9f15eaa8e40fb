"""Labels of training heads that are smaller than the image: each score meets the label at its own pixel."""

import keras
import numpy as np
import pytest

from kerseg.losses import CrossEntropy
from kerseg.losses.labels import OnGrid


def scores(random: np.random.Generator, *size: int) -> np.ndarray:
    return random.normal(size=(2, *size, 3)).astype("float32")


@pytest.mark.parametrize(
    ("size", "grid", "places"),
    [
        ((16, 24), 8, ([0, 8], [0, 8, 16])),  # 17 x 25 padded: the third and the fourth score are outside
        ((17, 25), 8, ([0, 8, 16], [0, 8, 16, 24])),
        ((20, 37), 8, ([0, 8, 16], [0, 8, 16, 24, 32])),
        ((1, 2), 8, ([0], [0])),
    ],
)
def test_score_i_meets_the_label_of_pixel_8_i(size, grid, places) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, (2, *size))
    counts = [-(-(side - 1) // grid) + 1 for side in size]
    logits = scores(random, *counts)
    rows, columns = places
    inside = logits[:, : len(rows), : len(columns)]
    expected = float(CrossEntropy()(labels[:, rows][:, :, columns], inside))
    assert float(OnGrid(CrossEntropy(), grid)(labels, logits)) == pytest.approx(expected, rel=1e-6)


def test_scores_at_other_strides_share_the_grid() -> None:
    """ICNet pads to 32k + 1 pixels, and has scores at strides 4, 8 and 16."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, (2, 40, 40))
    for stride in (4, 8, 16):
        logits = scores(random, 64 // stride + 1, 64 // stride + 1)
        n = len(range(0, 40, stride))
        expected = float(CrossEntropy()(labels[:, ::stride, ::stride], logits[:, :n, :n]))
        assert float(OnGrid(CrossEntropy(), 32)(labels, logits)) == pytest.approx(expected, rel=1e-6)


def test_labels_that_carry_weights_are_padded_too() -> None:
    class Sum(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.sum(y_true) + 0 * keras.ops.sum(y_pred)

    loss = OnGrid(Sum(), 8, ignore_label=7)
    labels = np.zeros((1, 8, 9, 2), "float32")
    assert float(loss(labels, np.zeros((1, 2, 2, 3), "float32"))) == 9 * 2 * 7


def test_saving_keeps_the_loss_within() -> None:
    loss = OnGrid(CrossEntropy([1.0, 2.0]), 16, ignore_label=9)
    rebuilt = keras.losses.deserialize(keras.losses.serialize(loss))
    assert (rebuilt.multiple, rebuilt.ignore_label, rebuilt.name) == (16, 9, "cross_entropy")
    assert rebuilt.loss.class_weights == [1.0, 2.0]
