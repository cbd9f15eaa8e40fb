"""Outlines and run lengths as pixels, against cases computed by hand: a centre inside, and nothing else."""

import numpy as np
import pytest

from kerseg.data.formats.shapes import box, ellipse, largest_first, outside, paint, polygon, rotated, runs


def drawn(region, height, width):
    return paint(height, width, [(region, 1)], outside=0).tolist()


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        # A box between pixel borders: 3 x 2 pixels, not 4 x 3 as with borders included.
        ([[1, 1], [4, 1], [4, 3], [1, 3]], ["....", ".###", ".###"]),
        # Centres of row 0 are at y = 0.5, where the slanting side is at x = 2.5: centres 0.5 and 1.5 are inside,
        # and 2.5, exactly on it, belongs to what is on its right.
        ([[0, 0], [3, 0], [0, 3]], ["##..", "#...", "...."]),
        # The other half of that square: together they are the square, and no pixel is in both.
        ([[3, 0], [3, 3], [0, 3]], ["..#.", ".##.", "###."]),
        # Narrower than a pixel, between two centres: none.
        ([[0.6, 0], [1.4, 0], [1.4, 3], [0.6, 3]], ["....", "....", "...."]),
        # On the centres: those of its left and upper sides are in, those of its right and lower sides are not.
        ([[0.5, 0.5], [2.5, 0.5], [2.5, 2.5], [0.5, 2.5]], ["##..", "##..", "...."]),
        # Crossing itself, an hour-glass.
        ([[0, 0], [4, 0], [0, 3], [4, 3]], [".##.", "....", ".##."]),
        # Beyond the image on all sides, and wholly beside it.
        ([[-9, -9], [99, -9], [99, 99], [-9, 99]], ["####", "####", "####"]),
        ([[5, 0], [9, 0], [9, 3]], ["....", "....", "...."]),
        ([[-5, 0], [-1, 0], [-1, 3]], ["....", "....", "...."]),
        # No area.
        ([[0, 0], [4, 3], [0, 0]], ["....", "....", "...."]),
    ],
)
def test_polygons(points, expected):
    pixels = [[int(mark == "#") for mark in row] for row in expected]
    for order in (points, points[::-1], points[1:] + points[:1]):
        assert drawn(polygon(np.array(order, float), 3, 4), 3, 4) == pixels


def test_polygons_by_asking_every_pixel():
    random = np.random.default_rng(7)
    for case in range(100):
        corners = random.uniform(-3, 12, (random.integers(3, 9), 2))
        if case % 2:
            corners = np.round(corners * 2) / 2  # many centres lie exactly on an edge
        expected = np.zeros((7, 9), int)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            (y0, x0), (y1, x1) = sorted([(y0, x0), (y1, x1)])
            for row, column in np.ndindex(7, 9):
                y, x = row + 0.5, column + 0.5
                expected[row, column] ^= y0 <= y < y1 and x0 + (y - y0) * ((x1 - x0) / (y1 - y0)) <= x
        assert drawn(polygon(corners, 7, 9), 7, 9) == expected.tolist()


def test_triangles_of_a_fan_share_no_pixel_and_leave_none_out():
    random = np.random.default_rng(3)
    rim = np.array([[0, 0], [13.7, 0], [20, 0], [20, 9.1], [20, 15], [6.3, 15], [0, 15], [0, 4.4]])
    for _ in range(50):
        hub = random.uniform([1, 1], [19, 14])
        total = np.zeros((15, 20), int)
        for start, end in zip(rim, np.roll(rim, -1, axis=0), strict=True):
            total += np.array(drawn(polygon(np.array([start, end, hub]), 15, 20), 15, 20))
        assert (total == 1).all()


def test_ellipses():
    # Radius 1.5 about the centre of pixel (2, 2): its neighbours at distance 1 and 1.41 are inside.
    ring = ellipse(np.array([2.5, 2.5]), (1.5, 1.5), 5, 5)
    assert (ring.top, ring.left, ring.pixels) == (1, 1, 9)
    # 4 wide and 2 high about (2, 1), then turned upright; the rim itself is outside.
    flat = drawn(ellipse(np.array([2.0, 1.0]), (2, 1), 4, 4), 4, 4)
    assert flat == [[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    upright = drawn(ellipse(np.array([1.0, 2.0]), (2, 1), 4, 4, degrees=90), 4, 4)
    assert upright == np.transpose(flat).tolist()
    assert ellipse(np.array([1.0, 1.0]), (0, 0), 4, 4).pixels == 0
    assert ellipse(np.array([-9.0, 1.0]), (2, 2), 4, 4).pixels == 0


def test_rotation_is_clockwise_on_the_screen():
    turned = rotated(np.array([[2.0, 1.0]]), np.array([1.0, 1.0]), 90)
    np.testing.assert_allclose(turned, [[1, 2]], atol=1e-12)


def test_runs_begin_outside_and_go_down_or_along():
    assert runs([1, 2, 3], 2, 3, order="rows").mask.astype(int).tolist() == [[0, 1, 1], [0, 0, 0]]
    assert runs([1, 2, 3], 2, 3, order="columns").mask.astype(int).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert runs([0, 4], 2, 2, order="rows").pixels == 4
    with pytest.raises(ValueError, match=r"^runs of 5 pixels together for 3 x 2 \(width x height\)$"):
        runs([2, 3], 2, 3, order="rows")
    with pytest.raises(ValueError, match=r"^a run has the length -1$"):
        runs([7, -1], 2, 3, order="rows")


def test_later_layers_lie_on_top_and_largest_first_puts_small_ones_there():
    small, large = polygon(box(1, 0, 2, 1), 1, 3), polygon(box(0, 0, 3, 1), 1, 3)
    assert paint(1, 4, [(small, 1), (large, 2)], outside=255).tolist() == [[2, 2, 2, 255]]
    assert paint(1, 3, largest_first([(small, 1), (large, 2)]), outside=255).tolist() == [[2, 1, 2]]
    assert [value for _, value in largest_first([(small, 1), (small, 2)])] == [1, 2]


def test_what_lies_outside_is_said_with_a_pixel_of_leeway():
    assert outside(np.array([[-1.0, 0], [11, 5]]), 4, 10) == ""
    assert outside(np.array([[0, 0], [11.5, 5]]), 4, 10) == (
        "x 0 to 11.5, y 0 to 5; the image is 10 x 4 (width x height)"
    )
