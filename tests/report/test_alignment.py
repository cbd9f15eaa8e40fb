"""A label that was moved is found where it was."""

import numpy as np
import pytest

from kerseg.report.alignment import LEAST, OFFSETS, REACH, gains

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


def best(label: np.ndarray, chances: np.ndarray) -> tuple[tuple[int, int], float]:
    found = gains(label, chances, 255)
    return OFFSETS[int(found.argmax())], float(found.max())


@pytest.mark.parametrize("moved", [(8, 0), (-8, 0), (0, 8), (0, -8), (6, -4)])
def test_a_moved_label_fits_best_where_it_was(moved: tuple[int, int]):
    truth = scene()
    label = np.roll(truth, moved, axis=(0, 1))
    offset, gain = best(label, chances_of(truth))
    assert offset == (-moved[0], -moved[1])
    # All wrong pixels of the label are put right, each from 0.05 to 0.9.
    assert gain == pytest.approx(np.log(0.9 / 0.05) * (label != truth).mean(), rel=1e-5)


def test_a_label_in_its_place_stays():
    assert best(scene(), chances_of(scene())) == ((0, 0), 0.0)
    assert OFFSETS[0] == (0, 0)


def test_ignored_pixels_have_no_say():
    truth = scene()
    assert best(np.full_like(truth, 255), chances_of(truth)) == ((0, 0), 0.0)
    label = np.roll(truth, 8, axis=1)
    label[:, :8] = 255
    assert best(label, chances_of(truth))[0] == (0, -8)


def test_a_few_pixels_that_a_model_is_sure_of_do_not_decide():
    truth = scene()
    sure = best(np.roll(truth, 8, axis=1), chances_of(truth, 1.0))[1]
    wrong = (np.roll(truth, 8, axis=1) != truth).mean()
    assert sure == pytest.approx(-np.log(LEAST) * wrong, rel=1e-5)


def test_a_large_image_is_sampled():
    truth = scene(600, 900)
    truth[100:500, 200:700] = 1
    (rows, columns), _ = best(np.roll(truth, 8, axis=0), chances_of(truth))
    assert abs(rows + 8) <= 2
    assert columns == 0


def test_no_label_is_moved_out_of_a_small_image():
    label = np.zeros((3, 50), np.uint8)
    found = dict(zip(OFFSETS, gains(label, chances_of(label + 1), 255).tolist(), strict=True))
    assert found[0, 0] == 0
    assert all(value == pytest.approx(np.log(LEAST)) for (rows, _), value in found.items() if rows)
    assert max(max(offset) for offset in OFFSETS) == REACH
