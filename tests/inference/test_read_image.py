"""Reading any image file: what each kind becomes, and what is refused."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerseg.data.formats.images import BadFileError
from kerseg.inference.images import read_image

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
GREY = RGB[..., 0]
WIDE = np.array([[0, 255, 256, 4095, 32768, 65535]], np.uint16)


def saved(folder: Path, image: Image.Image, name: str, **options: object) -> Path:
    image.save(folder / name, **options)
    return folder / name


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.ppm", "a.webp"])
def test_rgb_is_kept(tmp_path: Path, name: str):
    options = {"lossless": True} if name == "a.webp" else {}
    image = read_image(saved(tmp_path, Image.fromarray(RGB), name, **options))
    assert image.dtype == np.uint8
    assert (image == RGB).all()


def test_jpeg_is_what_the_training_pipeline_decodes(tmp_path: Path):
    tf = pytest.importorskip("tensorflow")
    smooth = (
        np.stack(np.meshgrid(np.arange(48), np.arange(32)), -1).repeat(2, -1)[..., :3].astype(np.uint8) * 4
    )
    path = saved(tmp_path, Image.fromarray(smooth), "a.jpg", quality=80)
    expected = tf.io.decode_jpeg(path.read_bytes(), channels=3, dct_method="INTEGER_ACCURATE").numpy()
    assert (read_image(path) == expected).all()


def test_the_content_decides_and_not_the_suffix(tmp_path: Path):
    path = saved(tmp_path, Image.fromarray(RGB), "a.png")
    assert (read_image(path.rename(tmp_path / "b.jpg")) == RGB).all()


def test_grey_and_two_level(tmp_path: Path):
    grey = read_image(saved(tmp_path, Image.fromarray(GREY), "a.png"))
    assert (grey == GREY[..., None]).all()
    black_white = read_image(saved(tmp_path, Image.fromarray(GREY > 99), "b.png"))
    assert (black_white == np.where(GREY > 99, 255, 0)[..., None]).all()


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_grey_is_scaled_and_not_clipped(tmp_path: Path, name: str):
    image = read_image(saved(tmp_path, Image.fromarray(WIDE), name))
    assert image[..., 0].tolist() == [[0, 0, 1, 15, 128, 255]]
    assert (image == image[..., :1]).all()


def test_16_bit_png_is_as_in_the_training_pipeline(tmp_path: Path):
    tf = pytest.importorskip("tensorflow")
    path = saved(tmp_path, Image.fromarray(WIDE), "a.png")
    assert (read_image(path) == tf.io.decode_png(path.read_bytes(), channels=3).numpy()).all()


def test_big_endian_and_32_bit_integers(tmp_path: Path):
    big = saved(tmp_path, Image.fromarray(WIDE.astype(">u2")), "a.tif")
    assert read_image(big)[0, :, 0].tolist() == [0, 0, 1, 15, 128, 255]
    whole = saved(tmp_path, Image.fromarray(WIDE.astype(np.int32)), "b.tif")
    assert read_image(whole)[0, :, 0].tolist() == [0, 0, 1, 15, 128, 255]
    wider = saved(tmp_path, Image.fromarray(WIDE.astype(np.int32) * 3), "c.tif")
    with pytest.raises(
        BadFileError, match=r"c\.tif: unusable image: 32-bit pixels outside 0 to 65535\. Save it as"
    ):
        read_image(wider)


def test_floating_point_is_refused(tmp_path: Path):
    path = saved(tmp_path, Image.fromarray(GREY.astype(np.float32)), "a.tif")
    with pytest.raises(
        BadFileError, match=r"a\.tif: unusable image: floating-point pixels\. Save it as 8-bit"
    ):
        read_image(path)


def test_alpha_is_dropped(tmp_path: Path):
    rgba = np.dstack([RGB, np.arange(35, dtype=np.uint8).reshape(5, 7)])
    assert (read_image(saved(tmp_path, Image.fromarray(rgba), "a.png")) == RGB).all()
    grey_alpha = Image.merge("LA", [Image.fromarray(GREY), Image.new("L", (7, 5), 3)])
    assert (read_image(saved(tmp_path, grey_alpha, "b.png")) == GREY[..., None]).all()


def test_palette_with_transparency_keeps_its_colours(tmp_path: Path):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([10, 20, 30, 200, 100, 50, 255, 255, 0])
    path = saved(tmp_path, image, "a.png", transparency=bytes([0, 128, 255]))
    assert read_image(path).tolist() == [[[10, 20, 30], [200, 100, 50], [255, 255, 0]]]


def test_cmyk(tmp_path: Path):
    path = saved(tmp_path, Image.new("CMYK", (9, 8), (0, 255, 255, 0)), "a.jpg", quality=95)
    image = read_image(path)
    assert image.shape == (8, 9, 3)
    assert np.abs(image.astype(int) - (255, 0, 0)).max() < 12


def test_of_an_animation_the_first_frame(tmp_path: Path):
    frames = [Image.new("RGB", (6, 4), colour) for colour in ((255, 0, 0), (0, 255, 0))]
    path = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    image = read_image(path)
    assert image.shape == (4, 6, 3)
    assert (image == (255, 0, 0)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_is_turned_upright(tmp_path: Path, orientation: int):
    # What a camera held so stores, for the upright image RGB: https://www.exif.org/Exif2-2.PDF, page 18
    stored = {
        1: RGB,
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.transpose(1, 0, 2),
        6: RGB.transpose(1, 0, 2)[::-1],
        7: RGB.transpose(1, 0, 2)[::-1, ::-1],
        8: RGB.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, Image.fromarray(np.ascontiguousarray(stored)), "a.png", exif=exif)
    assert (read_image(path) == RGB).all()


def test_unreadable_metadata_turns_nothing(tmp_path: Path):
    path = saved(tmp_path, Image.fromarray(RGB), "a.webp", lossless=True, exif=b"Exif\0\0nonsense")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (read_image(path) == RGB).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"empty file: 0 bytes\."),
        (b"not an image at all", r"unreadable: not an image of a kind that is read \(JPEG, PNG, .*\)"),
        ("cut", r"truncated"),
        ("flipped", r"damaged: wrong checksum|truncated|damaged"),
    ],
)
def test_refuses_what_is_no_image(tmp_path: Path, content: bytes | str, message: str):
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "PNG")
    whole = bytearray(buffer.getvalue())
    if content == "cut":
        content = bytes(whole[:-30])
    elif content == "flipped":
        whole[-20] ^= 255
        content = bytes(whole)
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(BadFileError, match=message) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(BadFileError, match=r"nowhere\.png: unreadable: No such file or directory\."):
        read_image(tmp_path / "nowhere.png")


def test_an_image_too_large_to_decode_safely(tmp_path: Path):
    """A few bytes that unfold to 90 GB must be an answer and not the end of the process."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 300_000, 300_000, 8, 0, 0, 0, 0)
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, "PNG")
    whole = buffer.getvalue()
    path = tmp_path / "a.png"
    path.write_bytes(whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:])
    with pytest.raises(BadFileError, match=r"a\.png: too large: more than \d+ pixels\. Cut it into tiles"):
        read_image(path)
