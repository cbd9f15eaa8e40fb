"""Cutout: where the square lies, how large it is, and that image and label agree on it."""

import numpy as np
import pytest
import tensorflow as tf

from kerseg.augment import erase
from kerseg.augment.geometry import FILL
from kerseg.augment.options import Augment

HEIGHT, WIDTH = 40, 60
IMAGE, LABEL = tf.zeros([HEIGHT, WIDTH, 3], tf.uint8), tf.ones([HEIGHT, WIDTH], tf.uint8)


def squares(augment, count):
    def hidden(index):
        seed = tf.stack([tf.constant(3, tf.int64), index])
        return erase.cutout(IMAGE, LABEL, seed, augment, 255)

    images, labels = zip(*tf.data.Dataset.range(count).map(hidden).as_numpy_iterator(), strict=True)
    return np.array(images), np.array(labels)


def test_image_and_label_are_hidden_alike():
    images, labels = squares(Augment(cutout=0.5), 60)
    assert ((images == FILL).all(-1) == (labels == 255)).all()
    assert (images[labels != 255] == 0).all() and set(np.unique(labels)) == {1, 255}


def test_middles_are_even_and_squares_are_cut_off_at_the_edge():
    _, labels = squares(Augment(cutout=0.5), 2000)
    hidden = labels == 255
    rows, columns = hidden.any(2).sum(1), hidden.any(1).sum(1)
    # Half of 40 pixels: whole squares are 20 high and 20 wide, and none is more than half outside.
    assert rows.max() == columns.max() == 20 and rows.min() == columns.min() == 10
    assert (hidden.sum((1, 2)) == rows * columns).all()
    # A row is whole where the middle is at least 10 from the top and 9 from the bottom: 21 places of 40.
    assert abs((rows == 20).mean() - 21 / 40) < 0.045 and abs((columns == 20).mean() - 41 / 60) < 0.042
    # Expected area: the mean over middles m of the pixels of [m - 10, m + 10) inside, on each axis.
    expected = [np.mean([min(m + 10, n) - max(m - 10, 0) for m in range(n)]) for n in (HEIGHT, WIDTH)]
    assert abs(hidden.sum((1, 2)).mean() / np.prod(expected) - 1) < 0.02


@pytest.mark.parametrize("probability", [0.0, 0.25])
def test_probability(probability):
    _, labels = squares(Augment(cutout=0.2, cutout_probability=probability), 800)
    share = (labels == 255).any((1, 2)).mean()
    assert abs(share - probability) <= 4 * np.sqrt(probability * (1 - probability) / 800)


def test_off_returns_the_tensors_themselves():
    image, label = erase.cutout(IMAGE, LABEL, (0, 1), Augment(), 255)
    assert image is IMAGE and label is LABEL
