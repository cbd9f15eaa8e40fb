"""Decoding: Pillow's pixels, windows of them, and what is refused."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerseg.data.formats.records import RAW, encode_label
from kerseg.data.reading.decode import Rectangle, decode_image, decode_label

HEIGHT, WIDTH = 53, 74
LABEL = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH), np.uint8)


def drawn():
    """Smooth colours with some noise, so that chroma subsampling has something to do."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    ramps = np.stack([rows * 4, columns * 3, 255 - rows - columns], -1)
    noise = np.random.default_rng(0).normal(0, 8, ramps.shape)
    return Image.fromarray((ramps + noise).clip(0, 255).astype(np.uint8))


def saved(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def indexed(label):
    """Return a label as PASCAL VOC's are: indices with a palette, each colour other than its index."""
    image = Image.fromarray(label, "P")
    image.putpalette(np.random.default_rng(2).integers(0, 256, 768, np.uint8).tobytes())
    return image


def fields(image=b"", label=b"", form="", height=HEIGHT, width=WIDTH):
    values = {"image": image, "label": label, "format": form, "origin": "a/x.tfrecord: record 3"}
    return {key: tf.constant(value) for key, value in {**values, "height": height, "width": width}.items()}


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_png_is_pillows(mode):
    image = drawn().convert(mode)
    decoded = decode_image(fields(saved(image, "PNG")))
    assert (decoded.numpy() == np.array(image.convert("RGB"))).all()


def test_png_of_16_bits_keeps_the_upper_eight():
    deep = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 16).astype(np.uint16)
    decoded = decode_image(fields(saved(Image.fromarray(deep), "PNG")))
    assert (decoded.numpy() == (deep >> 8)[..., None]).all()


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("options", [{"subsampling": 0}, {"subsampling": 2}, {"progressive": True}])
def test_jpeg_is_pillows(mode, options):
    encoded = saved(drawn().convert(mode), "JPEG", quality=90, **options)
    decoded = decode_image(fields(encoded))
    assert (decoded.numpy() == np.array(Image.open(io.BytesIO(encoded)).convert("RGB"))).all()


@pytest.mark.parametrize(("form", "mode"), [("BMP", "L"), ("BMP", "RGB"), ("BMP", "RGBA"), ("GIF", "P")])
def test_bmp_and_gif_are_pillows(form, mode):
    image = drawn().convert(mode)
    decoded = decode_image(fields(saved(image, form)))
    assert (decoded.numpy() == np.array(image.convert("RGB"))).all()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", RAW])
def test_a_region_is_a_cut(form):
    encoded = drawn().tobytes() if form == RAW else saved(drawn(), form)
    record = fields(encoded, form=form)
    whole = decode_image(record).numpy().astype(int)
    for top, left, height, width in [(0, 0, HEIGHT, WIDTH), (7, 13, 20, 31), (52, 73, 1, 1), (30, 0, 23, 74)]:
        part = decode_image(record, Rectangle(top, left, height, width)).numpy()
        difference = np.abs(part - whole[top : top + height, left : left + width])
        # Chroma is stored at half the resolution, so a JPEG's outermost pixels depend on their neighbours.
        assert difference[2:-2, 2:-2].max(initial=0) == 0
        assert difference.max() <= (24 if form == "JPEG" else 0)


def test_bare_pixels():
    record = fields(drawn().tobytes(), LABEL.tobytes(), RAW)
    assert (decode_image(record).numpy() == np.array(drawn())).all()
    assert (decode_label(record).numpy() == LABEL).all()


@pytest.mark.parametrize("encoded", [encode_label(LABEL), saved(Image.fromarray(LABEL), "PNG")])
def test_label(encoded):
    assert (decode_label(fields(label=encoded)).numpy() == LABEL).all()


@pytest.mark.parametrize(
    "options", [{}, {"transparency": 0}, {"dpi": (72, 72), "compress_level": 0}, {"transparency": bytes(9)}]
)
def test_indexed_labels_are_their_indices(options, capfd):
    encoded = saved(indexed(LABEL), "PNG", **options)
    assert encoded[24:26] == b"\x08\x03"
    assert (decode_label(fields(label=encoded)).numpy() == LABEL).all()
    inside = tf.data.Dataset.from_tensors(fields(label=encoded)).map(decode_label)
    assert (next(iter(inside)).numpy() == LABEL).all()
    assert "PNG" not in capfd.readouterr().err, "libpng has something to say about each of thousands"


@pytest.mark.parametrize("length", [26, 30, 60, 900, 2000])
def test_a_damaged_indexed_label_is_refused(length):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_label(fields(label=saved(indexed(LABEL), "PNG")[:length]))


def test_eager_is_graph():
    record = fields(saved(drawn(), "JPEG"), encode_label(LABEL))
    inside = tf.data.Dataset.from_tensors(record).map(lambda r: (decode_image(r), decode_label(r)))
    image, label = inside.get_single_element()
    assert inside.element_spec[0].shape.as_list() == [None, None, 3]
    assert inside.element_spec[1].shape.as_list() == [None, None]
    assert (image.numpy() == decode_image(record).numpy()).all() and (label.numpy() == LABEL).all()


ORIGIN = "a/x.tfrecord: record 3: "


@pytest.mark.parametrize(
    ("decode", "record", "message"),
    [
        (decode_image, {"image": saved(drawn(), "JPEG"), "height": 9}, "the image is 53x74 .* says 9x74"),
        (decode_image, {"image": saved(drawn(), "PNG"), "width": 8}, "the image is 53x74 .* says 53x8"),
        (decode_image, {"image": b"abc", "form": RAW}, "the pixels do not match the size"),
        (decode_label, {"label": b"abc", "form": RAW}, "the pixels do not match the size"),
        (decode_label, {"label": encode_label(LABEL[1:])}, "the label is 52x74 .* says 53x74"),
        (decode_label, {"label": b""}, "the label is not an 8-bit grey PNG"),
        (decode_label, {"label": saved(drawn(), "PNG")}, "the label is not an 8-bit grey PNG"),
        (
            decode_label,
            {"label": saved(indexed(LABEL % 16), "PNG", bits=4)},
            "the label is not an 8-bit grey PNG",
        ),
        (decode_label, {"label": saved(drawn().convert("1"), "PNG")}, "the label is not an 8-bit grey PNG"),
    ],
)
def test_what_does_not_fit_is_refused(decode, record, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=ORIGIN + message):
        decode(fields(**record))
    with pytest.raises(tf.errors.InvalidArgumentError, match=ORIGIN + message):
        list(tf.data.Dataset.from_tensors(fields(**record)).map(decode))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP"])
def test_half_a_file_is_refused(form):
    encoded = saved(drawn(), form)
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_image(fields(encoded[: len(encoded) // 2]))
