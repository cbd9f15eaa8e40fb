"""U-Net's weight map: equation 2 by hand, and from whole distance transforms."""

import numpy as np
import pytest

from kerseg.errors import ConfigError
from kerseg.losses import BoundaryWeighted

ndimage = pytest.importorskip("scipy.ndimage")


def gaps(label: np.ndarray, **options: float) -> np.ndarray:
    prepared = BoundaryWeighted(**options).prepare(label[None])
    np.testing.assert_array_equal(prepared[0, ..., 0], label)
    assert prepared.dtype == np.float32
    return prepared[0, ..., 1]


def test_the_gap_between_two_objects_by_hand() -> None:
    weights = gaps(np.array([[1, 0, 0, 2, 0]]), w0=10.0, sigma=5.0)
    # d1 + d2 is 1 + 2 in the gap, and 1 + 4 behind it; objects themselves have none.
    near, far = 10 * np.exp(-9 / 50), 10 * np.exp(-25 / 50)
    assert weights[0] == pytest.approx([0, near, near, 0, far], rel=1e-6)


def test_parts_of_a_class_that_touch_at_a_corner_are_two_objects() -> None:
    weights = gaps(np.array([[1, 0], [0, 1]]), w0=1.0, sigma=1.0)
    assert weights.ravel() == pytest.approx([0, np.exp(-2), np.exp(-2), 0], rel=1e-6)


def test_one_object_alone_has_no_gap_and_ignored_pixels_are_no_object() -> None:
    assert not gaps(np.array([[1, 0, 0, 255, 255]])).any()
    assert not gaps(np.array([[0, 0, 0]])).any()


def test_another_class_can_be_the_background() -> None:
    weights = gaps(np.array([[0, 3, 0]]), background=3, w0=1.0, sigma=2.0)
    assert weights[0] == pytest.approx([0, np.exp(-0.5), 0], rel=1e-6)


def test_windows_around_objects_give_what_the_whole_image_would() -> None:
    random = np.random.default_rng(1)
    label = (ndimage.gaussian_filter(random.normal(size=(90, 120)), 3) > 0.03).astype(np.uint8)
    label[:, 60:] *= 2
    parts, count = ndimage.label(label > 0)  # classes 1 and 2 touch at column 60: not one object
    left, right = np.where(label == 1, parts, 0), np.where(label == 2, parts, 0)
    masks = [side == n for side in (left, right) for n in range(1, count + 1) if (side == n).any()]
    masks = [piece == n for m in masks for piece, k in [ndimage.label(m)] for n in range(1, k + 1)]
    distances = np.sort([ndimage.distance_transform_edt(~mask) for mask in masks], axis=0)
    expected = np.where(label == 0, 10 * np.exp(-((distances[0] + distances[1]) ** 2) / (2 * 2.0**2)), 0)
    assert len(masks) > 10
    np.testing.assert_allclose(gaps(label, sigma=2.0), expected, rtol=1e-6, atol=2e-7)


def test_labels_without_their_map_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"call loss\.prepare\(labels\).* Received labels of shape \(1, 2, 2\)"
    ):
        BoundaryWeighted()(np.zeros((1, 2, 2)), np.zeros((1, 2, 2, 3)))
