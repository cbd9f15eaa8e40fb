"""Averages over scales and mirror images."""

import numpy as np
import pytest

from kerseg.inference.scales import averaged, resized


@pytest.mark.parametrize("size", [(4, 5), (8, 10), (5, 13), (16, 3)])
def test_resized_as_tensorflow_does(size):
    tf = pytest.importorskip("tensorflow")
    images = np.random.default_rng(0).uniform(0, 255, (2, 8, 10, 4)).astype(np.float32)
    np.testing.assert_allclose(resized(images, *size), tf.image.resize(images, size), rtol=1e-5, atol=1e-3)


def test_of_one_size_it_is_the_image_itself():
    image = np.zeros((1, 3, 4, 3), np.uint8)
    assert resized(image, 3, 4) is image


def test_mean_of_each_scale_and_its_mirror_image():
    seen = []

    def predict(images):
        """Return the column's place as the probability: mirrored, it must come back mirrored."""
        seen.append((images.shape[1:3], images[0, 0, 0, 0].item()))
        place = np.arange(images.shape[2], dtype=np.float32) / images.shape[2]
        return np.broadcast_to(place[:, None], (*images.shape[:3], 1)).copy()

    images = np.zeros((1, 4, 8, 3), np.uint8)
    images[:, :, 0] = 100
    found = averaged(predict, images, scales=(1.0, 0.5, 2.0), flip=True)
    sizes = [(4, 8), (4, 8), (2, 4), (2, 4), (8, 16), (8, 16)]
    assert [size for size, _ in seen] == sizes
    assert [first > 0 for _, first in seen] == [True, False] * 3
    # x and its mirror image 1 - 1/n - x have the mean (1 - 1/n) / 2, whatever x.
    expected = np.mean([(1 - 1 / n) / 2 for n in (8, 4, 16)])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_alone_it_is_the_prediction():
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 5, 3)).astype(np.uint8)
    np.testing.assert_array_equal(averaged(lambda x: x / np.float32(255), image), image / np.float32(255))
