"""Scale, window, flip, padding: image and label stay together, and no position is likelier than another."""

import numpy as np
import pytest
import tensorflow as tf

from kerseg.augment import geometry
from kerseg.config import Augment

HEIGHT, WIDTH = 90, 120
ZOOM = Augment(scale=(0.4, 2.5))


def crop(image, label, seed, crop_size, augment):
    """What the pipeline does, without decoding."""
    window = geometry.draw(seed, (image.shape[0], image.shape[1]), crop_size, augment)
    rows, columns = window.rows, window.columns
    source = image[rows.start : rows.start + rows.length, columns.start : columns.start + columns.length]
    resized = tf.cast(geometry.resize_image(source, window) + 0.5, tf.uint8)
    return geometry.pad(resized, geometry.resize_label(label, window), window, 255), window


def blocks(size=30):
    """An image that is its own label: grey blocks, whose grey value is the class."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] // size
    label = (10 + 40 * (rows % 2) + 80 * (columns % 2) + 7 * (columns // 2)).astype(np.uint8)
    return tf.constant(np.repeat(label[..., None], 3, -1)), tf.constant(label)


def ramps():
    """An image that says where it was read, twice the row and twice the column, and the same as labels."""
    rows, columns = 2 * np.mgrid[:HEIGHT, :WIDTH].astype(np.uint8)
    return tf.constant(np.stack([rows, columns, rows], -1)), tf.constant(rows), tf.constant(columns)


@pytest.mark.parametrize("seed", range(25))
def test_an_image_that_is_its_own_label_stays_so(seed):
    image, label = blocks()
    (image, label), _ = crop(image, label, (1, seed), (64, 80), ZOOM)
    image, label = image.numpy(), label.numpy()
    assert set(np.unique(label)) <= {*np.unique(blocks()[1]), 255}
    padding = label == 255
    assert (image[padding] == geometry.FILL).all()
    # Two pixels from an edge between blocks no bilinear weight reaches across, even at the largest scale.
    inner = ~padding
    for shift in (-2, -1, 1, 2):
        inner &= (np.roll(label, shift, 0) == label) & (np.roll(label, shift, 1) == label)
    assert inner.sum() > 500
    assert (image[inner] == label[inner][:, None]).all()


@pytest.mark.parametrize("seed", range(25))
def test_label_is_the_pixel_nearest_to_what_the_image_shows(seed):
    image, rows, columns = ramps()
    augment = Augment(scale=(0.4, 2.5))
    (shown, row_label), window = crop(image, rows, (2, seed), (64, 80), augment)
    (_, column_label), _ = crop(image, columns, (2, seed), (64, 80), augment)
    sample = row_label.numpy() != 255
    # Bilinear resizing reproduces a ramp: half a pixel is one grey level here, rounding adds half a level.
    for channel, label in ((0, row_label), (1, column_label)):
        distance = np.abs(shown.numpy()[..., channel].astype(float) - label.numpy())[sample]
        assert distance.max() <= 1.5
    scale = int(window.rows.out) / int(window.rows.length)
    assert 0.35 < scale < 2.6


def test_flip_turns_left_and_right():
    image, label = ramps()[0], ramps()[2]
    (straight, straight_label), _ = crop(image, label, (0, 0), (60, 60), Augment(flip=0.0, scale=(1.7, 1.7)))
    (turned, turned_label), _ = crop(image, label, (0, 0), (60, 60), Augment(flip=1.0, scale=(1.7, 1.7)))
    np.testing.assert_allclose(turned, straight[:, ::-1], atol=1)
    assert (turned_label.numpy()[:, ::-1] != straight_label.numpy()).mean() < 0.05  # Ties round to one side.


def test_vertical_flip_turns_top_and_bottom():
    image, label, _ = ramps()
    still, turned = (Augment(flip=0.0, flip_vertical=p, scale=(1.7, 1.7)) for p in (0.0, 1.0))
    (straight, straight_label), _ = crop(image, label, (0, 0), (60, 60), still)
    (turned, turned_label), _ = crop(image, label, (0, 0), (60, 60), turned)
    np.testing.assert_allclose(turned, straight[::-1], atol=1)
    assert (turned_label.numpy()[::-1] != straight_label.numpy()).mean() < 0.05  # Ties round to one side.


@pytest.mark.parametrize("crop_size", [(40, 70), (100, 130), None])
def test_quarter_turns_are_numpys(crop_size):
    noise = np.random.default_rng(0).integers(0, 250, (HEIGHT, WIDTH, 3), np.uint8)
    augment, seen = Augment(flip=0.0, quarter_turns=0.75), set()
    for seed in range(30):
        (image, label), window = crop(
            tf.constant(noise), tf.constant(noise[..., 0]), (3, seed), crop_size, augment
        )
        image, label = (each.numpy() for each in geometry.turn(image, label, window))
        turns = int(window.turns)
        seen.add(turns)
        assert (
            label.shape
            == image.shape[:2]
            == (crop_size or ((WIDTH, HEIGHT) if turns % 2 else (HEIGHT, WIDTH)))
        )
        back, back_label = np.rot90(image, -turns), np.rot90(label, -turns)
        known = back_label != 255
        assert (back[..., 0][known] == back_label[known]).all() and (back[~known] == geometry.FILL).all()
        rows, columns = np.flatnonzero(known.any(1)), np.flatnonzero(known.any(0))
        part = noise[int(window.rows.start) :, int(window.columns.start) :][: len(rows), : len(columns)]
        assert (back[np.ix_(rows, columns)] == part).all()
    assert seen == {0, 1, 2, 3}


def test_all_four_directions_are_equally_likely():
    def turns(index):
        seed = tf.stack([tf.constant(3, tf.int64), index])
        return geometry.draw(seed, (9, 9), (4, 4), Augment(quarter_turns=0.75)).turns

    counts = np.bincount(list(tf.data.Dataset.range(2000).map(turns).as_numpy_iterator()))
    # Chi-square with 3 degrees of freedom: 11.3 is exceeded once in a hundred seeds.
    assert len(counts) == 4 and ((counts - 500) ** 2 / 500).sum() < 11.3


def test_what_is_off_is_not_drawn():
    window = geometry.draw((0, 0), (9, 9), (4, 4), Augment())
    assert window.flip_vertical is None and window.turns is None
    image, label = tf.zeros([4, 4, 3]), tf.zeros([4, 4])
    assert geometry.turn(image, label, window)[0] is image


def test_flip_probability():
    def flip(index):
        seed = tf.stack([tf.constant(3, tf.int64), index])
        return geometry.draw(seed, (9, 9), (4, 4), Augment(flip=0.3)).flip

    assert 0.26 < np.mean(list(tf.data.Dataset.range(1000).map(flip).as_numpy_iterator())) < 0.34


def test_unscaled_crop_is_a_cut():
    image, label = blocks()
    noise = tf.constant(np.random.default_rng(0).integers(0, 256, image.shape, np.uint8))
    (cut, _), window = crop(noise, label, (4, 4), (50, 70), Augment(flip=0.0))
    top, left = int(window.rows.start), int(window.columns.start)
    assert (cut.numpy() == noise.numpy()[top : top + 50, left : left + 70]).all()


def test_resizing_is_tensorflows():
    noise = tf.constant(np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))
    (resized, _), _ = crop(noise, noise[..., 0], (4, 4), None, Augment(flip=0.0, scale=(1.5, 1.5)))
    expected = tf.image.resize(noise, [135, 180])
    assert (resized.numpy() == np.floor(expected.numpy() + 0.5)).all()


def test_no_padding_where_the_image_is_large_enough():
    for seed in range(60):
        _, window = crop(*blocks(), (5, seed), (60, 80), Augment(scale=(0.7, 3.0)))
        for span, size, total in ((window.rows, HEIGHT, 60), (window.columns, WIDTH, 80)):
            assert int(span.before) == 0 and int(span.out) == total and int(span.total) == total
            assert int(span.start) >= 0 and int(span.start) + int(span.length) <= size


def test_a_small_image_is_padded_somewhere():
    places = set()
    for seed in range(60):
        (image, label), window = crop(*blocks(), (6, seed), (100, 130), Augment(scale=(0.5, 0.5), flip=0.0))
        top, left = int(window.rows.before), int(window.columns.before)
        places.add((top, left))
        inside = np.zeros((100, 130), bool)
        inside[top : top + 45, left : left + 60] = True
        assert ((label.numpy() == 255) == ~inside).all()
        assert ((image.numpy() == geometry.FILL).all(-1) == ~inside).all()
    assert len(places) > 50
    assert min(places)[0] < 8 and max(places)[0] > 47


@pytest.mark.parametrize(("size", "crop_size", "values"), [(20, 13, 8), (13, 20, 8), (13, 13, 1)])
def test_every_position_is_equally_likely(size, crop_size, values):
    def position(index):
        seed = tf.stack([tf.constant(11, tf.int64), index])
        span = geometry.draw(seed, (size, 5), (crop_size, 5), Augment()).rows
        return span.start + span.before

    drawn = list(tf.data.Dataset.range(4000).map(position).as_numpy_iterator())
    counts = np.bincount(drawn, minlength=values)
    assert len(counts) == values
    # Chi-square with 7 degrees of freedom: 18.5 is exceeded once in a hundred seeds.
    assert ((counts - 4000 / values) ** 2 / (4000 / values)).sum() < 18.5


def test_scales_are_even_over_the_range_or_on_the_grid():
    def drawn(augment):
        def length(index):
            seed = tf.stack([tf.constant(12, tf.int64), index])
            return geometry.draw(seed, (4000, 5), None, augment).rows.out

        return np.array(list(tf.data.Dataset.range(2000).map(length).as_numpy_iterator())) / 4000

    smooth = drawn(Augment(scale=(0.5, 2.0)))
    counts, _ = np.histogram(smooth, bins=10, range=(0.5, 2.0))
    assert counts.sum() == 2000 and ((counts - 200) ** 2 / 200).sum() < 21.7
    grid, counts = np.unique(drawn(Augment(scale=(0.5, 2.0), scale_step=0.25)), return_counts=True)
    np.testing.assert_allclose(grid, [0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0])
    assert counts.min() > 230


def test_whole_image_without_crop_size():
    (image, label), _ = crop(*blocks(), (0, 3), None, Augment(scale=(0.5, 0.5)))
    assert image.shape == (45, 60, 3) and label.shape == (45, 60)
    assert 255 not in label.numpy()


def test_extreme_scales_keep_at_least_a_pixel():
    for scale in (0.001, 500.0):
        (image, label), _ = crop(*blocks(), (0, 3), (8, 8), Augment(scale=(scale, scale)))
        assert image.shape == (8, 8, 3) and (label.numpy() != 255).any()


def test_eager_is_graph():
    image, label = blocks()

    def change(index):
        return crop(image, label, tf.stack([tf.constant(13, tf.int64), index]), (64, 80), ZOOM)[0]

    for number, (sample, truth) in enumerate(tf.data.Dataset.range(8).map(change, num_parallel_calls=2)):
        eager_image, eager_truth = change(tf.constant(number, tf.int64))
        assert (sample.numpy() == eager_image.numpy()).all() and (truth.numpy() == eager_truth.numpy()).all()
