"""PNG as others read it, with and without ISA-L."""

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from kerseg.core import png
from kerseg.data.formats.images import decode


@pytest.mark.parametrize("by", ["default", "zlib"])
@pytest.mark.parametrize(
    ("shape", "dtype", "mode"),
    [
        ((1, 1), np.uint8, "L"),
        ((7, 13), np.uint8, "L"),
        ((5, 300), np.uint16, "I;16"),
        ((9, 4, 3), np.uint8, "RGB"),
        ((300, 200, 3), np.uint8, "RGB"),
    ],
)
def test_others_read_what_was_written(shape, dtype, mode, by, monkeypatch, tmp_path):
    if by == "zlib":
        monkeypatch.setattr(png, "deflate", zlib)
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    data = png.encode(pixels, text={"Software": "a test"})
    image = Image.open(io.BytesIO(data))
    assert image.mode == mode
    assert image.info == {"Software": "a test"}
    np.testing.assert_array_equal(np.asarray(image), pixels)
    decode(tmp_path / "a.png", data)  # which looks at each chunk and its checksum


def test_slices_and_transposed_arrays():
    pixels = np.arange(60, dtype=np.uint8).reshape(5, 12)
    for view in (pixels[::2, ::-1], pixels.T):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png.encode(view)))), view)


def test_a_label_is_small():
    label = np.arange(480).repeat(360).reshape(480, 360).astype(np.uint8) // 60
    assert len(png.encode(label)) < 2000
