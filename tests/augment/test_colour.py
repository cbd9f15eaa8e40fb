"""Colour: values worked out by hand, the order of the table, repeatability."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from kerseg.augment import colour
from kerseg.config import Augment

MEAN = tf.constant([100.0, 100.0, 100.0])
IMAGE = np.random.default_rng(0).uniform(0, 255, (12, 10, 3)).astype(np.float32)
ALL = Augment(brightness=0.3, contrast=0.4, saturation=0.5, hue=0.1)


def apply(function, change, pixel, mean=MEAN):
    affine = function(tf.constant(change), mean)
    return (tf.constant([pixel]) @ affine.matrix + affine.offset).numpy()[0]


@pytest.mark.parametrize(
    ("function", "change", "pixel", "expected"),
    [
        (colour.brightness, 0.2, [10.0, 100.0, 200.0], [61, 151, 251]),
        (colour.brightness, -0.2, [60.0, 100.0, 200.0], [9, 49, 149]),
        (colour.contrast, 0.5, [90.0, 100.0, 140.0], [85, 100, 160]),
        (colour.contrast, -1.0, [0.0, 50.0, 255.0], [100, 100, 100]),
        # 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2
        (colour.saturation, -1.0, [200.0, 100.0, 50.0], [124.2, 124.2, 124.2]),
        (colour.saturation, 1.0, [200.0, 100.0, 50.0], [275.8, 75.8, -24.2]),
        (colour.saturation, 0.7, [80.0, 80.0, 80.0], [80, 80, 80]),
        (colour.hue, 1 / 3, [255.0, 0.0, 0.0], [0, 255, 0]),
        (colour.hue, 1 / 3, [10.0, 20.0, 30.0], [30, 10, 20]),
        (colour.hue, -1 / 3, [255.0, 0.0, 0.0], [0, 0, 255]),
        # Half a turn mirrors a colour at its own R + G + B.
        (colour.hue, 0.5, [255.0, 0.0, 0.0], [-85, 170, 170]),
        (colour.hue, 0.123, [80.0, 80.0, 80.0], [80, 80, 80]),
    ],
)
def test_by_hand(function, change, pixel, expected):
    np.testing.assert_allclose(apply(function, change, pixel), expected, atol=1e-3)


@pytest.mark.parametrize("name", colour.TABLE)
def test_no_change_is_the_identity(name):
    np.testing.assert_allclose(apply(colour.TABLE[name], 0.0, [3.0, 120.0, 250.0]), [3, 120, 250], atol=1e-4)


def test_contrast_is_tensorflows():
    mean = tf.reduce_mean(IMAGE, [0, 1])
    affine = colour.contrast(tf.constant(0.3), mean)
    ours = tf.matmul(IMAGE, affine.matrix) + affine.offset
    np.testing.assert_allclose(ours, tf.image.adjust_contrast(IMAGE, 1.3), atol=1e-3)


def test_table_and_options_agree():
    assert set(colour.TABLE) <= {field.name for field in dataclasses.fields(Augment)}


def test_nothing_to_do_returns_the_image_itself():
    image = tf.constant(IMAGE)
    assert colour.distort(image, (0, 1), Augment()) is image


def test_distort_is_the_table_in_order_clipped_once():
    seed = (5, 7)
    expected = IMAGE
    for name, function in colour.TABLE.items():
        limit = getattr(ALL, name)
        change = colour.rng.uniform(seed, name, -limit, limit)
        affine = function(change, tf.reduce_mean(expected, [0, 1]))
        expected = tf.matmul(expected, affine.matrix) + affine.offset
    ours = colour.distort(tf.constant(IMAGE), seed, ALL)
    np.testing.assert_allclose(ours, np.clip(expected, 0, 255), atol=2e-3)


def test_result_stays_in_range_and_limits_are_used():
    def change(index):
        seed = tf.stack([tf.constant(3, tf.int64), index])
        grey = colour.distort(tf.fill([2, 2, 3], 128.0), seed, Augment(brightness=0.2))
        return colour.distort(tf.constant(IMAGE), seed, ALL), grey[0, 0, 0] - 128

    images, shifts = zip(*tf.data.Dataset.range(200).map(change).as_numpy_iterator(), strict=True)
    assert np.min(images) == 0 and np.max(images) == 255
    assert -51 <= min(shifts) < -46 and 46 < max(shifts) <= 51


def test_an_operation_leaves_the_draws_of_the_others_alone():
    grey = tf.fill([2, 2, 3], 128.0)
    alone = colour.distort(grey, (1, 2), Augment(brightness=0.2))
    # Saturation and hue leave grey as it is.
    together = colour.distort(grey, (1, 2), Augment(brightness=0.2, saturation=0.9, hue=0.4))
    np.testing.assert_allclose(alone, together, atol=1e-3)


def test_eager_is_graph():
    def change(seed):
        return colour.distort(tf.constant(IMAGE), tf.stack([tf.constant(9, tf.int64), seed]), ALL)

    inside = list(tf.data.Dataset.range(5).map(change, num_parallel_calls=2))
    for number, image in enumerate(inside):
        np.testing.assert_allclose(image, change(tf.constant(number, tf.int64)), atol=1e-3)
    assert not np.allclose(inside[0], inside[1])
