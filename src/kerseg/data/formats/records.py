"""The record format, written and read in this one file.

A record is a ``tf.train.Example`` with the keys of DeepLab's converters, so records made for DeepLab are read
as they are:
https://github.com/tensorflow/models/blob/master/research/deeplab/datasets/build_data.py

    image/encoded                      the original bytes of the image, never encoded again
    image/filename                     the example's name
    image/format                       jpeg, png, bmp or gif; array: numbers compressed by zlib, (height, width,
                                       channels) in C order and little-endian
    image/dtype                        type of these numbers, or of a PNG's; only where images are not 8-bit RGB
    image/height image/width           pixels
    image/channels                     of the file; without image/dtype the pipeline decodes to RGB, whatever it is
    image/segmentation/class/encoded   PNG, 8-bit grey: one class index a pixel, 255 = ignore
    image/segmentation/class/format    png

Read, but not written, are labels as 8-bit indexed PNG, whose indices count, and the records of the TensorFlow 1
toolkits with the keys ``height width image_raw mask_raw``: the pixels themselves, (height, width, 3) and
(height, width) uint8.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kerseg.data.formats.tfrecord import example

if TYPE_CHECKING:
    import tensorflow as tf

RAW = "raw"
"""The ``format`` that `parse` gives to a record of bare pixels."""
ARRAY = "array"
"""The format of an image that is stored as its numbers."""
DTYPES = ("uint8", "uint16", "int16", "int32", "float32")
"""Types of the numbers that images beyond 8-bit RGB may be made of."""


@dataclass(frozen=True)
class Record:
    """One image with its label, as it lies in a shard."""

    name: str
    """Unique within the split; predictions and reports use it as a file name."""
    image: bytes
    """The image's file, as it was."""
    image_format: str
    """``"jpeg"``, ``"png"``, ``"bmp"``, ``"gif"`` or `ARRAY`."""
    height: int
    """Pixels."""
    width: int
    """Pixels."""
    channels: int
    """Channels of the image's file."""
    label: bytes
    """PNG, 8-bit grey, of the same height and width: class indices, 255 = ignore."""
    dtype: str = ""
    """One of `DTYPES`; empty for images that are read as 8-bit RGB."""


def serialize(record: Record) -> bytes:
    """Return ``record`` as the bytes of a ``tf.train.Example``.

    Example:
        >>> with tf.io.TFRecordWriter("one.tfrecord") as writer:
        ...     writer.write(serialize(record))
    """
    # Without TensorFlow: the processes that convert would take its seconds and its memory, each.
    return example(
        {
            **({"image/dtype": record.dtype.encode()} if record.dtype else {}),
            "image/encoded": record.image,
            "image/filename": record.name.encode(),
            "image/format": record.image_format.encode(),
            "image/height": record.height,
            "image/width": record.width,
            "image/channels": record.channels,
            "image/segmentation/class/encoded": record.label,
            "image/segmentation/class/format": b"png",
        }
    )


def encode_label(label: NDArray[np.uint8]) -> bytes:
    """Return a label as the PNG a record holds: 8-bit grey, rows unfiltered.

    Decoding its label is the dearest part of reading a training crop. PNG's row filters help photographs, but
    make flat regions no smaller and twice as slow to decode (``benchmarks/choices.py``, labels), and no common
    writer turns them off for grey images.

    Args:
        label: (height, width) uint8, class indices, 255 = ignore.

    Returns:
        A PNG file.

    Raises:
        ValueError: Not (height, width) uint8.

    Example:
        >>> encode_label(np.zeros((2, 3), np.uint8))[1:4]
        b'PNG'
    """
    if label.ndim != 2 or label.dtype != np.uint8:
        raise ValueError(f"A label is (height, width) uint8. Received: {label.shape} {label.dtype}.")
    height, width = label.shape
    rows = np.pad(label, ((0, 0), (1, 0)))  # Each row begins with its filter's number: 0, none.
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 7)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(*chunk) for chunk in chunks)


def parse(serialized: "tf.Tensor") -> "dict[str, tf.Tensor]":
    """Read one record of either format; nothing is decoded yet.

    Args:
        serialized: A scalar string: one ``tf.train.Example``.

    Returns:
        Scalars: ``name``, ``image``, ``format``, ``dtype`` and ``label`` (strings), ``height`` and ``width``
        (int32). For bare pixels ``format`` is ``"raw"``, and ``image`` and ``label`` are the pixels' bytes.

    Example:
        >>> (example,) = tf.data.TFRecordDataset("data/street/val-00000-of-00001.tfrecord").map(parse).take(1)
        >>> int(example["height"]), int(example["width"])
        (32, 48)
    """
    import tensorflow as tf

    text, number = tf.io.FixedLenFeature([], tf.string, ""), tf.io.FixedLenFeature([], tf.int64, 0)
    found = tf.io.parse_single_example(
        serialized,
        {
            "image/encoded": text,
            "image/filename": text,
            "image/format": text,
            "image/dtype": text,
            "image/height": number,
            "image/width": number,
            "image/segmentation/class/encoded": text,
            "image_raw": text,
            "mask_raw": text,
            "height": number,
            "width": number,
        },
    )

    def pick(image: str, label: str, prefix: str, form: "tf.Tensor") -> "dict[str, tf.Tensor]":
        return {
            "name": found["image/filename"],
            "image": found[image],
            "format": form,
            "dtype": found["image/dtype"],
            "height": tf.cast(found[prefix + "height"], tf.int32),
            "width": tf.cast(found[prefix + "width"], tf.int32),
            "label": found[label],
        }

    # tf.cond hands the strings on, tf.where would copy them.
    fields: dict[str, tf.Tensor] = tf.cond(
        tf.strings.length(found["image_raw"]) > 0,
        lambda: pick("image_raw", "mask_raw", "", tf.constant(RAW)),
        lambda: pick("image/encoded", "image/segmentation/class/encoded", "image/", found["image/format"]),
    )
    return fields


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
