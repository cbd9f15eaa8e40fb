"""Rotation, shear and elastic deformation against NumPy and SciPy; image and label read at the same points."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from kerseg.augment import geometry, warp
from kerseg.augment.options import Augment

IMAGE = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
LABEL = np.random.default_rng(1).integers(0, 20, (40, 40), np.uint8)


def grid(height, width):
    """Points of a crop, from its middle."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return tf.constant(np.stack([rows - (height - 1) / 2, columns - (width - 1) / 2]))


def read(sample, label, points):
    """Read whole images at points that count from their middle."""
    middle = (np.array(label.shape) - 1) / 2
    there = warp.between(points + tf.constant(middle.reshape(2, 1, 1), tf.float32), tf.constant(label.shape))
    top, left = there.start.numpy()
    height, width = there.length.numpy()
    image = warp.sample_image(tf.constant(sample[top : top + height, left : left + width]), there)
    image, label = tf.cast(image + 0.5, tf.uint8), warp.sample_label(tf.constant(label), there)
    return (each.numpy() for each in warp.fill(image, label, there, 255))


@pytest.mark.parametrize("turns", [1, 2, 3, -1])
def test_quarter_turns_are_numpys(turns):
    image, label = read(IMAGE, LABEL, warp.rotation(grid(40, 40), tf.constant(90.0 * turns)))
    assert (label == np.rot90(LABEL, turns)).all()
    assert (image == np.rot90(IMAGE, turns)).all()


@pytest.mark.parametrize("degrees", [17.0, -63.0])
def test_rotation_is_scipys(degrees):
    image, label = read(IMAGE, LABEL, warp.rotation(grid(40, 40), tf.constant(degrees)))
    expected = ndimage.rotate(LABEL, degrees, reshape=False, order=0, cval=255, mode="grid-constant")
    # Points within rounding of the line between two pixels may fall to either.
    assert (label == expected).mean() > 0.998
    expected = ndimage.rotate(IMAGE.astype(float), degrees, reshape=False, order=1, mode="nearest")
    assert np.abs(image - expected)[label != 255].max() <= 0.51
    assert (image[label == 255] == geometry.FILL).all() and 100 < (label == 255).sum() < 500


def test_shear_is_scipys_affine_transform():
    image, label = read(IMAGE, LABEL, warp.shear(grid(40, 40), tf.constant(30.0)))
    matrix = np.array([[1, 0], [np.tan(np.pi / 6), 1]])
    middle = np.array([19.5, 19.5])
    for channel in range(3):
        expected = ndimage.affine_transform(
            IMAGE[..., channel].astype(float), matrix, middle - matrix @ middle, order=1, mode="nearest"
        )
        assert np.abs(image[..., channel] - expected)[label != 255].max() <= 0.51
    # The top leans to the right: its left corner is empty, and so is the right corner of the bottom.
    assert label[0, 0] == label[-1, -1] == 255 and label[0, -1] != 255 and label[-1, 0] != 255


@pytest.mark.parametrize("size", [(40, 40), (31, 57), (1, 8)])
def test_elastic_field_is_scipys_bicubic_spline(size):
    offsets = np.random.default_rng(2).normal(0, 10, (2, 3, 3)).astype(np.float32)
    points = grid(*size)
    field = (warp.elastic(points, tf.constant(offsets)) - points).numpy()
    at = [np.linspace(0, 2, pixels) if pixels > 1 else np.zeros(1) for pixels in size]
    coordinates = np.stack(np.meshgrid(*at, indexing="ij"))
    for ours, theirs in zip(field, offsets, strict=True):
        expected = ndimage.map_coordinates(theirs.astype(float), coordinates, order=3, mode="mirror")
        np.testing.assert_allclose(ours, expected, atol=2e-4)
    # The grid's corners are the crop's.
    np.testing.assert_allclose(field[:, 0, 0], offsets[:, 0, 0], atol=2e-4)
    np.testing.assert_allclose(field[:, -1, -1], offsets[:, 2 if size[0] > 1 else 0, 2], atol=2e-4)


def test_elastic_offsets_have_the_given_deviation():
    def offsets(index):
        return warp.TABLE["elastic"].draw(tf.stack([tf.constant(4, tf.int64), index]), "elastic", 10.0)

    drawn = np.array(list(tf.data.Dataset.range(500).map(offsets).as_numpy_iterator()))
    # 9000 draws: the deviation of their mean is 0.105, of their deviation 0.075.
    assert abs(drawn.mean()) < 0.4 and abs(drawn.std() - 10) < 0.3
    between = np.corrcoef(drawn.reshape(500, 18).T) - np.eye(18)
    assert np.abs(between).max() < 5 / np.sqrt(500)


@pytest.mark.parametrize("name", ["rotation", "shear"])
def test_amounts_are_even_over_the_range(name):
    def amount(index):
        return warp.TABLE[name].draw(tf.stack([tf.constant(4, tf.int64), index]), name, 30.0)

    drawn = list(tf.data.Dataset.range(2000).map(amount).as_numpy_iterator())
    counts, _ = np.histogram(drawn, 10, (-30, 30))
    # Chi-square with 9 degrees of freedom: 21.7 is exceeded once in a hundred seeds.
    assert counts.sum() == 2000 and ((counts - 200) ** 2 / 200).sum() < 21.7


@pytest.mark.parametrize("crop_size", [(24, 32), (60, 50), None])
@pytest.mark.parametrize("flips", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
@pytest.mark.parametrize("scale", [1.0, 0.6, 1.7])
def test_a_warp_that_does_not_happen_is_the_window(crop_size, flips, scale):
    augment = Augment(
        scale=(scale, scale), flip=flips[0], flip_vertical=flips[1], rotation=90.0, rotation_probability=0.0
    )
    for number in range(4):
        window = geometry.draw((1, number), (40, 40), crop_size, augment)
        rows, columns = window.rows, window.columns
        source = IMAGE[rows.start :, columns.start :][: int(rows.length), : int(columns.length)]
        image = tf.cast(geometry.resize_image(tf.constant(source), window) + 0.5, tf.uint8)
        expected = geometry.pad(image, geometry.resize_label(tf.constant(LABEL), window), window, 255)
        there = warp.draw((1, number), window, (40, 40), augment)
        top, left = there.start.numpy()
        region = IMAGE[top:, left:][: there.length[0], : there.length[1]]
        image = tf.cast(warp.sample_image(tf.constant(region), there) + 0.5, tf.uint8)
        image, label = warp.fill(image, warp.sample_label(tf.constant(LABEL), there), there, 255)
        # Where a crop pixel lies between two of the label, rounding decides.
        assert (label.numpy() == expected[1].numpy()).mean() > (0.999 if scale == 1.0 else 0.93)
        known = np.array(label != 255)
        assert (known == (expected[1].numpy() != 255)).all()
        difference = np.abs(image.numpy().astype(int) - expected[0].numpy())
        # At the window's edge the warp goes on into the image, where the window repeats its last pixel.
        inner = np.s_[2:-2, 2:-2]
        assert difference[inner][known[inner]].max() <= (0 if scale == 1.0 else 1)


def test_what_turns_into_the_crop_from_beside_it_is_the_image():
    window = geometry.draw((1, 1), (400, 400), (100, 100), Augment(flip=0.0))
    window = window._replace(rows=window.rows._replace(start=150), columns=window.columns._replace(start=150))
    there = warp.draw((1, 1), window, (400, 400), Augment(flip=0.0, rotation=45.0, elastic=5.0))
    assert there.inside.numpy().all()
    assert (there.length.numpy() > 100).all() and (there.length.numpy() < 200).all()


def test_a_warp_out_of_the_image_is_all_padding():
    far = warp.between(tf.fill([2, 3, 3], 1e6), tf.constant([40, 40]))
    assert not far.inside.numpy().any() and (far.length.numpy() == 1).all()
    assert (far.start.numpy() == 39).all()


def test_eager_is_graph():
    augment = Augment(scale=(0.5, 2.0), rotation=30.0, shear=20.0, elastic=4.0)

    def points(index):
        seed = tf.stack([tf.constant(13, tf.int64), index])
        window = geometry.draw(seed, (40, 40), (32, 32), augment)
        return warp.draw(seed, window, (40, 40), augment).points

    inside = list(tf.data.Dataset.range(3).map(points))
    for number, each in enumerate(inside):
        np.testing.assert_allclose(each, points(tf.constant(number, tf.int64)), atol=1e-3)
    assert not np.allclose(inside[0], inside[1], atol=1.0)
