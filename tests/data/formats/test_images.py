"""Image files: which bytes are stored, and that TensorFlow decodes them to the pixels Pillow shows."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from kerseg.data.formats.images import BadFileError, read_image, read_label

RANDOM = np.random.default_rng(0)
RGB = Image.fromarray(np.kron(RANDOM.integers(0, 256, (5, 7, 3)), np.ones((4, 4, 1))).astype(np.uint8))
ALPHA = RGB.copy()
ALPHA.putalpha(Image.fromarray(RANDOM.integers(0, 256, (20, 28), dtype=np.uint8)))
GREY16 = Image.fromarray(RANDOM.integers(0, 65536, (20, 28)).astype(np.uint16))

# name -> image, suffix, format stored, options of Pillow's writer
KINDS = {
    "colour png": (RGB, "png", "png", {}),
    "grey png": (RGB.convert("L"), "png", "png", {}),
    "grey png with transparency": (ALPHA.convert("LA"), "png", "png", {}),
    "png with transparency": (ALPHA, "png", "png", {}),
    "indexed png": (RGB.quantize(30), "png", "png", {}),
    "indexed png with transparency": (RGB.quantize(30), "png", "png", {"transparency": 3}),
    "4-bit indexed png": (RGB.quantize(16), "png", "png", {"bits": 4}),
    "1-bit png": (RGB.convert("1"), "png", "png", {}),
    "16-bit grey png": (GREY16, "png", "png", {}),
    "colour jpeg": (RGB, "jpg", "jpeg", {}),
    "grey jpeg": (RGB.convert("L"), "jpg", "jpeg", {}),
    "progressive jpeg": (RGB, "jpg", "jpeg", {"progressive": True}),
    "cmyk jpeg": (RGB.convert("CMYK"), "jpg", "jpeg", {"quality": 95}),
    "bmp": (RGB, "bmp", "bmp", {}),
    "grey bmp": (RGB.convert("L"), "bmp", "png", {}),
    "indexed bmp": (RGB.quantize(30), "bmp", "png", {}),
    "1-bit bmp": (RGB.convert("1"), "bmp", "png", {}),
    "bmp with transparency": (ALPHA, "bmp", "png", {}),
    "gif": (RGB.quantize(30), "gif", "png", {}),
    "gif with transparency": (RGB.quantize(30), "gif", "png", {"transparency": 3}),
    "tiff": (RGB, "tif", "png", {}),
    "tiff with transparency": (ALPHA, "tif", "png", {}),
    "cmyk tiff": (RGB.convert("CMYK"), "tif", "png", {}),
    "16-bit grey tiff": (GREY16, "tif", "png", {}),
    "ppm": (RGB, "ppm", "png", {}),
    "grey pgm": (RGB.convert("L"), "pgm", "png", {}),
    "16-bit grey pgm": (GREY16, "pgm", "png", {}),
    "lossless webp": (RGB, "webp", "png", {"lossless": True}),
    "webp with transparency": (ALPHA, "webp", "png", {"lossless": True, "exact": True}),
}


def shown(path: Path) -> np.ndarray:
    """Return what a viewer that knows no EXIF shows: 8-bit RGB, without transparency."""
    with Image.open(path) as image, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "Palette images with Transparency", which is what this is about
        if image.mode in ("I", "I;16"):
            return np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, axis=2)
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("kind", KINDS)
def test_stored_images_are_what_tensorflow_decodes(tmp_path, kind):
    import tensorflow as tf

    image, suffix, stored_format, options = KINDS[kind]
    path = tmp_path / f"image.{suffix}"
    image.save(path, **options)
    sample = read_image(path)
    data, found_format = sample.stored(upright=False)
    assert sample.shape == (20, 28)
    assert found_format == stored_format
    if {"jpg": "jpeg"}.get(suffix, suffix) == stored_format:
        assert data == path.read_bytes()
    if stored_format == "jpeg":
        decoded = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE").numpy()
    else:
        decoded = tf.io.decode_image(data, channels=3).numpy()
    # TensorFlow rounds differently from Pillow when it turns CMYK into RGB.
    np.testing.assert_allclose(decoded.astype(int), shown(path).astype(int), atol=2 if "cmyk" in kind else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation):
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    RGB.save(path, exif=exif, quality=95)
    image = read_image(path)
    assert image.stored(upright=False) == (path.read_bytes(), "jpeg")
    assert image.upright_shape == ((28, 20) if orientation >= 5 else (20, 28))
    data, stored_format = image.stored(upright=True)
    assert stored_format == ("jpeg" if orientation == 1 else "png")
    # What each orientation means, after the figure in EXIF 2.3, 4.6.4 A: row 0 and column 0 of the stored
    # pixels are at the (top, left), (top, right), (bottom, right), (bottom, left), then the same transposed.
    stored = shown(path)
    upright = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: stored.transpose(1, 0, 2)[:, ::-1],
        7: stored.transpose(1, 0, 2)[::-1, ::-1],
        8: stored.transpose(1, 0, 2)[::-1],
    }[orientation]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), upright)


def test_several_jpegs_in_one_file_are_one_image(tmp_path):
    path = tmp_path / "phone.jpg"
    RGB.save(path, format="MPO", save_all=True, append_images=[RGB.rotate(180)])
    with Image.open(path) as image:
        assert image.format == "MPO"
    assert read_image(path).stored(upright=True) == (path.read_bytes(), "jpeg")


@pytest.mark.parametrize(
    ("suffix", "image", "message"),
    [
        ("tif", Image.fromarray(np.zeros((4, 4), np.float32)), "unusable image: pixels of type 'F'."),
        ("tif", Image.fromarray(np.zeros((4, 4), np.int32)), "unusable image: pixels of type 'I'."),
    ],
)
def test_pixels_that_8_bits_cannot_hold(tmp_path, suffix, image, message):
    path = tmp_path / f"a.{suffix}"
    image.save(path)
    with pytest.raises(BadFileError) as error:
        read_image(path).stored(upright=False)
    assert str(error.value) == (
        f"{path}: {message} Save it as 8-bit RGB or grey. To keep its values, convert with `kerseg convert folder` "
        "and `value_range=(LOW, HIGH)`."
    )


def test_images_that_are_too_large(tmp_path, monkeypatch):
    RGB.save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20 * 28)
    assert read_image(tmp_path / "a.png").shape == (20, 28)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(BadFileError, match=r"a\.png: too large: more than 200 pixels\. Cut it into tiles\.$"):
        read_image(tmp_path / "a.png")


def test_a_program_that_forgives_truncated_files_does_not_soften_the_check(tmp_path, monkeypatch):
    RGB.save(tmp_path / "a.bmp")
    (tmp_path / "a.bmp").write_bytes((tmp_path / "a.bmp").read_bytes()[:-40])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(BadFileError, match=r"a\.bmp: truncated: "):
        read_image(tmp_path / "a.bmp")
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_what_passes_decodes_in_tensorflow(tmp_path, suffix):
    """Cut and damage a file at random: no damage may pass here and fail in training."""
    import tensorflow as tf

    path = tmp_path / f"a.{suffix}"
    RGB.save(path)
    whole, random, passed = path.read_bytes(), np.random.default_rng(1), 0
    for trial in range(300):
        data = bytearray(whole)
        if trial % 2:
            del data[len(data) - int(random.integers(1, len(data) if trial % 4 == 1 else 20)) :]
        else:
            data[int(random.integers(0, len(data)))] ^= 1 << int(random.integers(0, 8))
        path.write_bytes(data)
        try:
            read_image(path)
        except BadFileError:
            continue
        passed += 1
        tf.io.decode_image(bytes(data), channels=3)
    assert passed == 0 if suffix == "png" else passed > 0


def test_opaque_labels_lose_their_alpha_and_others_are_refused(tmp_path):
    path = tmp_path / "a.png"
    opaque = RGB.copy()
    opaque.putalpha(255)
    opaque.save(path)
    np.testing.assert_array_equal(np.asarray(read_label(path)), np.asarray(RGB))
    opaque.putpixel((0, 0), (1, 2, 3, 0))
    opaque.save(path)
    with pytest.raises(BadFileError, match=r"a\.png: transparent label: 1 pixels are not opaque\."):
        read_label(path)
