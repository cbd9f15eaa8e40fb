"""From the bytes in a record to pixels: the whole image, or a window of it.

Images come out as Pillow decodes them: PNG exactly, and JPEG too, because the accurate DCT costs no more
than TensorFlow's default, the fast one. Grey becomes RGB, alpha is dropped, 16 bits become the upper 8, a GIF
gives its first image. What does not fit is an error that begins with the shard and the record.

Of a data set with `kerseg.core.info.Channels` they come out as float32 instead, every channel of them, its range
of values brought to 0..255.
"""

import zlib
from typing import NamedTuple

import tensorflow as tf

from kerseg.core.info import RGB, Channels
from kerseg.data.formats.channels import shift_and_scale
from kerseg.data.formats.records import ARRAY, DTYPES, RAW

Fields = dict[str, tf.Tensor]
"""What `kerseg.data.formats.records.parse` returns, and ``origin``: shard and record, for messages."""


class Rectangle(NamedTuple):
    """A rectangle of source pixels."""

    top: tf.Tensor
    left: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor


def decode_image(
    fields: Fields, region: Rectangle | None = None, channels: Channels | None = None
) -> tf.Tensor:
    """Decode the image of a record; of a JPEG, no more than the region needs.

    Args:
        fields: One record.
        region: What to decode; None for the whole image.
        channels: What the data set's images are made of; None for RGB.

    Returns:
        (region.height, region.width, 3) uint8, RGB; or (region.height, region.width, channels) float32, 0 to 255.

    Raises:
        tf.errors.InvalidArgumentError: Damaged bytes, or not the size that the record says.
    """
    if channels is not None:
        low, scale = shift_and_scale(channels)
        numbers = decode_numbers(fields, len(channels.names), region)
        return tf.clip_by_value((tf.cast(numbers, tf.float32) - low) * scale, 0.0, 255.0)
    encoded = fields["image"]
    top, left, height, width = region or Rectangle(0, 0, fields["height"], fields["width"])

    def jpeg() -> tf.Tensor:
        source = _of_size(encoded, tf.image.extract_jpeg_shape(encoded), "image", fields)
        return tf.image.decode_and_crop_jpeg(
            source, [top, left, height, width], channels=3, dct_method="INTEGER_ACCURATE"
        )

    def other() -> tf.Tensor:
        pixels = tf.cond(
            fields["format"] == RAW, lambda: _bare(encoded, RGB, fields), lambda: _to_rgb(encoded)
        )
        pixels = _of_size(pixels, tf.shape(pixels), "image", fields)
        return pixels[top : top + height, left : left + width]

    image = tf.cond(tf.io.is_jpeg(encoded), jpeg, other)
    image.set_shape([None, None, 3])
    return image


def decode_numbers(fields: Fields, count: int, region: Rectangle | None = None) -> tf.Tensor:
    """Decode the numbers of an image that is not 8-bit RGB, as its file had them.

    Args:
        fields: One record.
        count: Channels.
        region: What to decode; None for the whole image.

    Returns:
        (region.height, region.width, count) float32; 32-bit integers lose what a float32 does not hold.

    Raises:
        tf.errors.InvalidArgumentError: Damaged bytes, or not the size, type and channels that they should have.
    """
    encoded, (top, left, height, width) = (
        fields["image"],
        region or Rectangle(0, 0, fields["height"], fields["width"]),
    )

    def cut(pixels: tf.Tensor) -> tf.Tensor:
        pixels = _of_size(pixels, tf.shape(pixels), "image", fields)
        return tf.cast(pixels[top : top + height, left : left + width], tf.float32)

    def array() -> tf.Tensor:
        numbers = tf.io.decode_compressed(encoded, "ZLIB")
        kinds = [
            lambda kind=kind: cut(_bare(numbers, count, fields, kind)) for kind in map(tf.as_dtype, DTYPES)
        ]
        return tf.switch_case(_place(fields["dtype"], DTYPES, "type of numbers", fields), kinds)

    def png() -> tf.Tensor:
        kinds = [
            lambda kind=kind: cut(tf.io.decode_png(encoded, count, kind)) for kind in (tf.uint8, tf.uint16)
        ]
        return tf.switch_case(_place(fields["dtype"], DTYPES[:2], "type of PNG", fields), kinds)

    def jpeg() -> tf.Tensor:
        return cut(tf.io.decode_jpeg(encoded, count, dct_method="INTEGER_ACCURATE"))

    decoders = {ARRAY: array}
    # Which numbers of channels TensorFlow's decoders know; the others are always arrays.
    decoders |= {"png": png} if count in (1, RGB, 4) else {}
    decoders |= {"jpeg": jpeg} if count in (1, RGB) else {}
    image = tf.switch_case(
        _place(fields["format"], tuple(decoders), "format", fields), list(decoders.values())
    )
    image.set_shape([None, None, count])
    return image


def _place(name: tf.Tensor, names: tuple[str, ...], what: str, fields: Fields) -> tf.Tensor:
    found = tf.equal(name, tf.constant(names))
    message = tf.strings.join([f"the image is of {what} '", name, f"', not one of {', '.join(names)}"])
    return _require(tf.argmax(found, output_type=tf.int32), tf.reduce_any(found), fields, message)


def decode_label(fields: Fields, allowed: tuple[int, int] | None = None) -> tf.Tensor:
    """Decode the label of a record.

    Args:
        fields: One record.
        allowed: Number of classes and the label to ignore: other values are refused. None where the
            conversion has seen to it.

    Returns:
        (height, width) uint8, class indices.

    Raises:
        tf.errors.InvalidArgumentError: Neither an 8-bit grey nor an 8-bit indexed PNG, not of the image's
            size, or of other values.
    """
    encoded = fields["label"]

    def png() -> tf.Tensor:
        # Bytes 24 and 25 are bit depth and colour type. Anything but 8-bit grey decodes without a murmur, to
        # other numbers: a palette's colours turned grey, or 4-bit values stretched to 255.
        header = tf.strings.substr(tf.strings.substr(encoded, 0, 26) + b"\0" * 26, 24, 2)
        grey = tf.cond(header == b"\x08\x03", lambda: _indices(encoded), lambda: encoded)
        fits = (header == b"\x08\x00") | (header == b"\x08\x03")
        return tf.io.decode_png(
            _require(grey, fits, fields, "the label is not an 8-bit grey PNG"), channels=1
        )

    label = tf.cond(fields["format"] == RAW, lambda: _bare(encoded, 1, fields), png)
    label = _of_size(label, tf.shape(label), "label", fields)[..., 0]
    label.set_shape([None, None])
    return label if allowed is None else _of_classes(label, *allowed, fields)


_BYTES = [bytes([value]) for value in range(256)]
_RECOLOURED = tuple((zlib.crc32(bytes(13) + b"\3" + bytes(3)) ^ zlib.crc32(bytes(17))).to_bytes(4, "big"))
"""What colour type 0 in place of 3 changes in the CRC of a PNG's header: CRCs are linear, so it is the same
whatever else the header says."""


def _indices(encoded: tf.Tensor) -> tf.Tensor:
    """Return an indexed PNG, as PASCAL VOC's labels are, as the grey PNG of its indices.

    The pixels are stored alike, so only the header changes, and what comes before them, the palette, goes.
    """
    data = tf.io.decode_raw(encoded, tf.uint8)
    letters = [data[place : tf.size(data) - 3 + place] == value for place, value in enumerate(b"IDAT")]
    start = tf.argmax(tf.cast(tf.reduce_all(letters, 0), tf.uint8), output_type=tf.int32) - 4
    crc = tf.gather(_BYTES, tf.cast(tf.bitwise.bitwise_xor(data[29:33], _RECOLOURED), tf.int32))
    return tf.strings.join(
        [
            tf.strings.substr(encoded, 0, 25),
            b"\0",
            tf.strings.substr(encoded, 26, 3),
            tf.strings.reduce_join(crc),
            tf.strings.substr(encoded, start, tf.strings.length(encoded)),
        ]
    )


def _of_classes(label: tf.Tensor, num_classes: int, ignored: int, fields: Fields) -> tf.Tensor:
    highest = tf.cast(tf.reduce_max(tf.where(label == ignored, tf.zeros_like(label), label)), tf.int32)
    known = f", none of the {num_classes} classes (0 to {num_classes - 1}) and not {ignored} (ignored)"
    message = tf.strings.join(["the label holds ", tf.as_string(highest), known])
    return _require(label, highest < num_classes, fields, message)


def _to_rgb(encoded: tf.Tensor) -> tf.Tensor:
    def png() -> tf.Tensor:
        return tf.io.decode_png(encoded, channels=3)

    def bmp_or_gif() -> tf.Tensor:
        # The BMP decoder does not convert channels: grey broadcasts to three, and of four the last is alpha.
        pixels = tf.io.decode_image(encoded, expand_animations=False)[..., :3]
        return tf.broadcast_to(pixels, tf.concat([tf.shape(pixels)[:2], [3]], 0))

    return tf.cond(tf.strings.substr(encoded, 0, 4) == b"\x89PNG", png, bmp_or_gif)


def _bare(encoded: tf.Tensor, channels: int, fields: Fields, kind: tf.DType = tf.uint8) -> tf.Tensor:
    shape = tf.stack([fields["height"], fields["width"], channels])
    fits = tf.strings.length(encoded) == tf.reduce_prod(shape) * kind.size
    return tf.reshape(
        tf.io.decode_raw(_require(encoded, fits, fields, "the pixels do not match the size"), kind), shape
    )


def _of_size(value: tf.Tensor, shape: tf.Tensor, what: str, fields: Fields) -> tf.Tensor:
    expected = tf.stack([fields["height"], fields["width"]])
    sizes = [tf.strings.reduce_join(tf.as_string(size), separator="x") for size in (shape[:2], expected)]
    message = tf.strings.join([f"the {what} is ", sizes[0], " (height x width), the record says ", sizes[1]])
    return _require(value, tf.reduce_all(shape[:2] == expected), fields, message)


def _require(value: tf.Tensor, condition: tf.Tensor, fields: Fields, message: str | tf.Tensor) -> tf.Tensor:
    """Return ``value`` once ``condition`` is known to hold."""
    report = tf.strings.join([fields["origin"], ": ", message, "."])
    with tf.control_dependencies([tf.debugging.Assert(condition, [report])]):
        return tf.identity(value)
