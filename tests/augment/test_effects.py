"""Gamma, blur, noise and JPEG against SciPy, Pillow and statistics."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage

from kerseg.augment import effects
from kerseg.augment.options import Augment

IMAGE = np.random.default_rng(0).uniform(0, 255, (30, 42, 3)).astype(np.float32)
SEED = (5, 7)


def photo(height=96, width=120):
    """Smooth, as photographs are."""
    noise = np.random.default_rng(3).uniform(0, 255, (height, width, 3))
    smooth = ndimage.gaussian_filter(noise, (4, 4, 0))
    low, high = smooth.min(), smooth.max()
    return np.rint((smooth - low) / (high - low) * 255).astype(np.uint8)


def draws(name, limit, count=2000):
    def draw(index):
        return effects.TABLE[name].draw(tf.stack([tf.constant(3, tf.int64), index]), limit)

    return np.array(list(tf.data.Dataset.range(count).map(draw).as_numpy_iterator()))


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.2])
def test_gamma_by_hand(exponent):
    ours = effects.gamma(tf.constant(IMAGE), tf.constant(exponent), SEED)
    np.testing.assert_allclose(ours, 255 * (IMAGE / 255) ** exponent, atol=1e-2)
    ends = effects.gamma(tf.constant([[[0.0, 255.0, 64.0]]]), tf.constant(0.5), SEED)
    np.testing.assert_allclose(ends, [[[0, 255, 255 * (64 / 255) ** 0.5]]], atol=1e-3)


@pytest.mark.parametrize("sigma", [0.0, 0.1, 0.7, 2.0, 6.5])
def test_blur_is_scipys(sigma):
    ours = effects.blur(tf.constant(IMAGE), tf.constant(sigma), SEED)
    expected = ndimage.gaussian_filter(IMAGE.astype(float), (sigma, sigma, 0)) if sigma else IMAGE
    np.testing.assert_allclose(ours, expected, atol=2e-3)


def test_blur_of_an_image_smaller_than_its_kernel():
    ours = effects.blur(tf.constant(IMAGE[:3, :5]), tf.constant(10.0), SEED)
    assert ours.shape == (3, 5, 3)
    # It mirrors once, no further: nearly the mean.
    np.testing.assert_allclose(tf.reduce_mean(ours, [0, 1]), IMAGE[:3, :5].mean((0, 1)), atol=8)


def test_noise_has_the_given_deviation_and_no_structure():
    grey = tf.fill([200, 200, 3], 128.0)
    added = (effects.noise(grey, tf.constant(12.0), SEED) - grey).numpy()
    # 120,000 draws: the deviation of their mean is 0.035, of their deviation 0.024.
    assert abs(added.mean()) < 0.15 and abs(added.std() - 12) < 0.1
    assert abs((added**3).mean() / 12**3) < 0.03 and abs((added**4).mean() / 12**4 - 3) < 0.06
    for one, other in (
        (added[1:], added[:-1]),
        (added[:, 1:], added[:, :-1]),
        (added[..., 0], added[..., 1]),
    ):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("quality", [5, 40, 75, 95])
def test_jpeg_is_pillows(quality):
    buffer = io.BytesIO()
    Image.fromarray(photo()).save(buffer, "JPEG", quality=quality)
    expected = np.asarray(Image.open(buffer)).astype(int)
    ours = effects.jpeg(tf.constant(photo(), tf.float32), tf.constant(quality), SEED).numpy()
    # The same libjpeg scale; the encoders' transforms round a few coefficients to the neighbouring step.
    assert np.sqrt(np.mean((ours - expected) ** 2)) < 0.05 * np.sqrt(np.mean((photo() - expected) ** 2))


def test_lower_quality_is_worse():
    errors = [
        np.abs(effects.jpeg(tf.constant(photo(), tf.float32), tf.constant(q), SEED) - photo()).mean()
        for q in (2, 10, 50, 95)
    ]
    assert errors == sorted(errors, reverse=True) and errors[0] > 8 and errors[-1] < 1.5


@pytest.mark.parametrize(("name", "limit", "low", "high"), [("blur", 3.0, 0, 3), ("noise", 20.0, 0, 20)])
def test_amounts_are_even_over_the_range(name, limit, low, high):
    counts, _ = np.histogram(draws(name, limit), 10, (low, high))
    # Chi-square with 9 degrees of freedom: 21.7 is exceeded once in a hundred seeds.
    assert counts.sum() == 2000 and ((counts - 200) ** 2 / 200).sum() < 21.7


def test_gamma_is_as_often_above_one_as_below():
    logarithms = np.log(draws("gamma", 0.5)) / np.log(1.5)
    counts, _ = np.histogram(logarithms, 10, (-1, 1))
    assert counts.sum() == 2000 and ((counts - 200) ** 2 / 200).sum() < 21.7


def test_jpeg_qualities_go_from_the_lowest_to_100():
    found, counts = np.unique(draws("jpeg", 91), return_counts=True)
    assert found.tolist() == list(range(91, 101))
    assert ((counts - 200) ** 2 / 200).sum() < 21.7
    assert set(draws("jpeg", 100, 20)) == {100}


@pytest.mark.parametrize("name", effects.TABLE)
def test_each_happens_with_its_probability(name):
    limit = {"gamma": 1.0, "blur": 4.0, "noise": 30.0, "jpeg": 5}[name]
    augment = Augment(**{name: limit, f"{name}_probability": 0.3})

    def changed(index):
        image = tf.constant(IMAGE)
        new = effects.distort(image, tf.stack([tf.constant(3, tf.int64), index]), augment)
        return tf.reduce_any(new != image)

    share = np.mean(list(tf.data.Dataset.range(600).map(changed).as_numpy_iterator()))
    # Four deviations of sqrt(0.3 * 0.7 / 600).
    assert abs(share - 0.3) < 0.075


def test_nothing_to_do_returns_the_image_itself():
    image = tf.constant(IMAGE)
    assert effects.distort(image, SEED, Augment()) is image


def test_distort_is_the_table_in_order_and_stays_in_range():
    augment = Augment(gamma=1.0, blur=1.0, noise=90.0, jpeg=30)
    expected = tf.constant(IMAGE)
    for name, effect in effects.TABLE.items():
        amount = effect.draw(SEED, getattr(augment, name))
        expected = tf.clip_by_value(effect.apply(expected, amount, SEED), 0.0, 255.0)
    ours = effects.distort(tf.constant(IMAGE), SEED, augment).numpy()
    np.testing.assert_allclose(ours, expected, atol=1e-3)
    assert ours.min() >= 0 and ours.max() <= 255
