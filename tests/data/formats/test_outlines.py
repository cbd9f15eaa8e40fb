"""Outlines against areas counted by hand, and back to the label by `shapes`, which is another's code."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerseg.data.formats.outlines import TOLERANCE, area, outlines
from kerseg.data.formats.shapes import largest_first, paint, polygon

CAMVID = Path(__file__).parents[3] / "../shared/datasets/camvid/valannot"


def drawn(label: np.ndarray, **options) -> np.ndarray:
    """Draw the outlines of a label in their order; 250 where none is."""
    found = outlines(label, **options)
    layers = [(polygon(outline.points, *label.shape), outline.value) for outline in found]
    return paint(*label.shape, layers, outside=250)


def scene(height: int = 90, width: int = 120) -> np.ndarray:
    """Slanting and round borders, areas within areas, and some noise."""
    rows, columns = np.mgrid[:height, :width]
    label = (rows * 2 + columns > 150).astype(np.uint8)
    for value, (row, column, radius) in enumerate([(30, 40, 25), (32, 42, 15), (30, 44, 6), (70, 90, 18)], 2):
        label[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = value
    noise = np.random.default_rng(0).integers(0, height * width, 30)
    label.ravel()[noise] = 7
    return label


def test_one_pixel():
    [found] = outlines(np.array([[3]]))
    assert found.value == 3
    assert sorted(map(tuple, found.points.tolist())) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert (found.area, found.filled_area, found.holes, found.inside, found.depth) == (
        1,
        1,
        (),
        (0.5, 0.5),
        0,
    )


def test_straight_borders_are_two_points():
    label = np.zeros((10, 20), np.uint8)
    label[:, 12:] = 1
    found = outlines(label)
    assert [(outline.value, outline.area) for outline in found] == [(0, 120), (1, 80)]
    assert all(len(outline.points) == 4 for outline in found)


def test_a_slanting_border_is_one_line():
    rows, columns = np.mgrid[:40, :40]
    for label in (rows > columns, rows * 2 > columns, rows > 2 * columns + 1):
        found = outlines(label.astype(np.uint8))
        assert sum(len(outline.points) for outline in found) <= 16
        assert (drawn(label.astype(np.uint8)) == label).all()


def test_holes_and_what_lies_in_them():
    label = np.ones((9, 9), np.uint8)
    label[2:7, 2:7] = 2
    label[4, 4] = 1
    found = outlines(label, tolerance=0)
    assert [(outline.value, outline.depth, len(outline.holes)) for outline in found] == [
        (1, 0, 1),
        (2, 1, 1),
        (1, 2, 0),
    ]
    # Corners are cut by half a pixel: 25 pixels less 4 triangles of 1/8 each.
    assert found[1].filled_area == 25 - 0.5
    assert found[1].area == 25 - 0.5 - 0.5
    assert area(found[0].holes[0]) == -(25 - 0.5)
    assert sum(outline.area for outline in found) == 81


def test_pixels_that_touch_at_a_corner_are_two_areas():
    label = np.array([[1, 0], [0, 1]], np.uint8)
    assert sorted(outline.value for outline in outlines(label)) == [0, 0, 1, 1]
    assert (drawn(label) == label).all()


@pytest.mark.parametrize("tolerance", [0, 0.2, TOLERANCE])
def test_there_and_back(tolerance):
    label = scene()
    assert (drawn(label, tolerance=tolerance) == label).all()
    assert sum(outline.area for outline in outlines(label, tolerance=tolerance)) == pytest.approx(label.size)


def test_noise_there_and_back():
    random = np.random.default_rng(1)
    for _ in range(100):
        label = random.integers(0, random.integers(2, 6), random.integers(1, 13, 2)).astype(np.uint8)
        assert (drawn(label) == label).all(), label


def test_larger_tolerances_leave_out_more_and_change_little():
    label = scene()
    counts = [sum(len(o.points) for o in outlines(label, tolerance=t)) for t in (0, TOLERANCE, 1.0, 2.0)]
    assert counts == sorted(counts, reverse=True)
    assert counts[2] < counts[0] / 3
    assert (drawn(label, tolerance=1.0) == label).mean() > 0.98


def test_in_any_order_of_size():
    """COCO's readers draw by size: the order of the outlines must be that of their filled areas in pixels."""
    label = scene()
    layers = [(polygon(outline.points, *label.shape), outline.value) for outline in outlines(label)]
    assert (paint(*label.shape, largest_first(layers), outside=250) == label).all()


def test_omitted_background():
    """It is what no shape covers, but within another shape it must be drawn."""
    label = np.zeros((20, 20), np.uint8)
    label[3:15, 3:15] = 1
    label[6:10, 6:10] = 0
    found = outlines(label, omit=(0,))
    assert [(outline.value, outline.depth) for outline in found] == [(1, 0), (0, 1)]
    assert (np.where(drawn(label, omit=(0,)) == 250, 0, drawn(label, omit=(0,))) == label).all()


def test_nothing():
    assert outlines(np.zeros((4, 4), np.uint8), omit=(0,)) == []


@pytest.mark.skipif(not CAMVID.is_dir(), reason="needs CamVid in shared/datasets")
def test_real_labels_there_and_back():
    for path in sorted(CAMVID.glob("*.png"))[::40]:
        label = np.array(Image.open(path))
        assert (drawn(label) == label).mean() > 0.9999
