"""Windows: where they lie, that each pixel comes out once, and that no seam is seen."""

import numpy as np
import pytest

from kerseg.errors import ConfigError
from kerseg.inference.windows import Windows, _spans, blended


def whole(image: np.ndarray, windows: Windows, predict) -> np.ndarray:
    """Put the blocks together; a pixel that comes twice or never is NaN or counted."""
    found, count = np.full((*image.shape[:2], 2), np.nan), np.zeros(image.shape[:2], int)
    for block in blended(lambda r, c: image[r, c], predict, image.shape[:2], windows):
        height, width = block.values.shape[:2]
        place = np.s_[block.top : block.top + height, block.left : block.left + width]
        found[place], count[place] = block.values, count[place] + 1
    assert (count == 1).all()
    return found


def shares(pixels: np.ndarray) -> np.ndarray:
    share = pixels[..., 0].astype(np.float32) / 255
    return np.stack([share, 1 - share], axis=-1)


@pytest.mark.parametrize("size", [(40, 50), (128, 128), (129, 300), (500, 257), (1, 700)])
@pytest.mark.parametrize("windows", [Windows(128, 96, 32), Windows(128, 128, 64), Windows(100, 100, 0)])
def test_what_needs_no_context_comes_out_as_it_is(size, windows):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    np.testing.assert_allclose(whole(image, windows, shares), shares(image), atol=1e-6)


def test_where_windows_lie():
    windows = Windows(128, 128, 32)
    assert windows.starts(128, 128) == [0]
    assert windows.starts(100, 128) == [0]
    assert windows.starts(224, 128) == [0, 96]
    # The last window begins at a multiple of 32, as all do, and ends with the image.
    assert windows.starts(230, 128) == [0, 96, 128]
    assert [(span.start, span.end) for span in _spans(230, [0, 96, 128], 128)] == [
        (0, 128),
        (96, 224),
        (128, 230),
    ]
    # An overlap that does not fit the grid is exceeded.
    assert windows.starts(300, 120) == [0, 64, 128, 192]
    assert Windows(40, 40, 10).starts(100, 40) == [0, 30, 60]


def test_weights():
    first, second = _spans(20, [0, 8], 12)[:2]
    # The strip is 8 to 12; its outer quarters belong to one window alone.
    assert first.weights[:9].tolist() == [1] * 9
    assert first.weights[11] == 0
    assert second.weights[0] == 0
    np.testing.assert_allclose(first.weights[8:] + second.weights[:4], 1)
    assert 0 < first.weights[10] < 0.5 < first.weights[9] < 1


def test_what_a_window_does_not_see_does_not_show():
    """A filter of 33 pixels stops at the borders of its window: with an overlap of 66 nothing is seen of it."""
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (256, 256, 1)).astype(np.uint8)

    def predict(pixels):
        padded = np.pad(pixels[..., 0] / 255.0, 16)
        sums = np.lib.stride_tricks.sliding_window_view(padded, (33, 33)).mean(axis=(2, 3))
        return np.stack([sums, 1 - sums], axis=-1).astype(np.float32)

    found, expected = whole(image, Windows(160, 160, 66), predict), predict(image)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    hard = whole(image, Windows(128, 128, 0), predict)
    assert np.abs(hard - expected).max() > 0.1  # without overlap the seam is there


def test_refuses():
    with pytest.raises(ConfigError, match=r"`overlap` is 0 to half a window, 32\. Received: 33\."):
        Windows(64, 128, 33)
    with pytest.raises(ConfigError, match=r"`window` is 8 pixels or more\. Received: 64, 4\."):
        Windows(64, 4, 0)
