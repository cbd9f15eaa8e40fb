"""A label that was moved is found where it was."""

import numpy as np
import pytest

from kerseg.report.alignment import REACH, best_offset

CLASSES = 3


def scene(height: int = 60, width: int = 90) -> np.ndarray:
    truth = np.zeros((height, width), np.uint8)
    truth[20:44, 30:60] = 1
    truth[8:16, 64:80] = 2
    return truth


def chances_of(truth: np.ndarray, sure: float = 0.9) -> np.ndarray:
    chances = np.full((*truth.shape, CLASSES), (1 - sure) / 2, np.float32)
    np.put_along_axis(chances, truth[..., None].astype(int), sure, axis=-1)
    return chances


@pytest.mark.parametrize("moved", [(8, 0), (-8, 0), (0, 8), (0, -8), (5, -3)])
def test_a_moved_label_fits_best_where_it_was(moved: tuple[int, int]):
    truth = scene()
    label = np.roll(truth, moved, axis=(0, 1))
    found = best_offset(label, chances_of(truth), 255)
    assert (found.rows, found.columns) == (-moved[0], -moved[1])
    # All wrong pixels of the label are put right, each by 0.9 - 0.05.
    assert found.gain == pytest.approx(0.85 * (label != truth).mean(), abs=1e-6)


def test_a_label_in_its_place_stays():
    assert best_offset(scene(), chances_of(scene()), 255) == (0, 0, 0.0)


def test_ignored_pixels_have_no_say():
    truth = scene()
    label = np.full_like(truth, 255)
    assert best_offset(label, chances_of(truth), 255) == (0, 0, 0.0)
    label = np.roll(truth, 8, axis=1)
    label[:, :8] = 255
    found = best_offset(label, chances_of(truth), 255)
    assert (found.rows, found.columns) == (0, -8)


def test_a_large_image_is_sampled():
    truth = scene(600, 900)
    truth[100:500, 200:700] = 1
    found = best_offset(np.roll(truth, 8, axis=0), chances_of(truth), 255)
    assert abs(found.rows + 8) <= 2
    assert found.columns == 0


def test_no_label_is_moved_out_of_a_small_image():
    label = np.zeros((3, 50), np.uint8)
    found = best_offset(label, np.roll(chances_of(label), 1, axis=-1), 255)
    assert found == (0, 0, 0.0)
    assert abs(best_offset(scene(), chances_of(np.roll(scene(), 30, axis=1)), 255).columns) <= REACH
