"""Crops around classes: how often each is drawn, and that its pixel is in the window."""

import numpy as np
import pytest
import tensorflow as tf

from kerseg.augment import cropping, geometry
from kerseg.augment.options import Augment

LABEL = np.zeros((50, 70), np.uint8)
LABEL[10:20, 10:40] = 1  # 300 pixels
LABEL[30, 60] = 2  # one
LABEL[45:] = 255
PIXELS = (2849, 300, 1, 5000)
"""Of the split: class 3 is not in this image."""


def drawn(label, weights, count=2000):
    def place(index):
        return cropping.choose(tf.stack([tf.constant(9, tf.int64), index]), tf.constant(label), weights)

    return np.array(list(tf.data.Dataset.range(count).map(place).as_numpy_iterator()))


def classes(label, places):
    return np.bincount(label[places[:, 0], places[:, 1]], minlength=256)


def test_class_balanced_draws_each_class_in_the_image_alike():
    counts = classes(LABEL, drawn(LABEL, cropping.class_balanced(PIXELS)))
    assert counts[:3].sum() == 2000
    expected = 2000 / 3
    # Chi-square with 2 degrees of freedom: 9.2 is exceeded once in a hundred seeds.
    assert ((counts[:3] - expected) ** 2 / expected).sum() < 9.2


def test_rare_draws_each_class_by_one_over_its_share():
    pixels = (3000, 1000, 500, 10)
    weights = cropping.rare(pixels)
    np.testing.assert_allclose(weights[:3] / weights[0], [1, 3, 6], rtol=1e-6)
    counts = classes(LABEL, drawn(LABEL, weights))[:3]
    expected = 2000 * np.array([1, 3, 6]) / 10
    assert counts.sum() == 2000 and ((counts - expected) ** 2 / expected).sum() < 9.2


def test_every_pixel_of_the_class_is_equally_likely():
    label = np.full((6, 8), 255, np.uint8)
    label[2, 1:5], label[5, 3:7] = 4, 4
    places = drawn(label, cropping.class_balanced([1] * 5))
    found, counts = np.unique(places @ [8, 1], return_counts=True)
    assert found.tolist() == np.flatnonzero(label == 4).tolist()
    # Chi-square with 7 degrees of freedom: 18.5 is exceeded once in a hundred seeds.
    assert ((counts - 250) ** 2 / 250).sum() < 18.5


def test_without_any_class_every_pixel_of_the_image_is():
    label = np.full((4, 5), 255, np.uint8)
    counts = np.bincount(drawn(label, cropping.class_balanced(PIXELS)) @ [5, 1], minlength=20)
    # Chi-square with 19 degrees of freedom: 36.2 is exceeded once in a hundred seeds.
    assert len(counts) == 20 and ((counts - 100) ** 2 / 100).sum() < 36.2


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("focus", [(25, 35), (0, 0), (49, 69)])
def test_the_window_holds_the_pixel(scale, focus):
    starts = set()
    for number in range(30):
        window = geometry.draw((1, number), (50, 70), (20, 30), Augment(scale=(scale, scale)), focus)
        for place, span, size in zip(focus, window[:2], (50, 70), strict=True):
            start, length = int(span.start), int(span.length)
            assert start <= place < start + length and 0 <= start <= size - length
        starts.add((int(window.rows.start), int(window.columns.start)))
    # In a corner there is one such window; at half the scale the window is most of the image.
    assert len(starts) > (20 if scale >= 1 else 8) if focus == (25, 35) else len(starts) == 1


def test_the_pixel_may_be_anywhere_in_the_window():
    def place(index):
        seed = tf.stack([tf.constant(3, tf.int64), index])
        return 500 - geometry.draw(seed, (1000, 9), (10, 9), Augment(), (500, 4)).rows.start

    counts = np.bincount(list(tf.data.Dataset.range(2000).map(place).as_numpy_iterator()))
    assert len(counts) == 10 and ((counts - 200) ** 2 / 200).sum() < 21.7
