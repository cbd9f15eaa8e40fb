"""TFRecord files and ``tf.train.Example`` messages, written without TensorFlow.

Importing TensorFlow takes longer than converting a small data set, and several hundred megabytes in every
process that does it; the two formats are a page. Tests hold them equal, byte for byte, to TensorFlow's own.

    file     records, one after the other: length (8 bytes, little-endian), masked CRC of the length (4),
             data, masked CRC of the data (4)
    example  protocol buffers: a map from name to a list of byte strings, floats or integers

Sources: https://github.com/tensorflow/tensorflow/blob/v2.18.0/tensorflow/core/lib/io/record_writer.h (file),
https://github.com/tensorflow/tensorflow/blob/v2.18.0/tensorflow/core/example/feature.proto (example),
https://protobuf.dev/programming-guides/encoding (protocol buffers).
"""

from collections.abc import Mapping

import google_crc32c


def frame(data: bytes) -> bytes:
    """Return ``data`` as one record of a TFRecord file.

    Example:
        >>> Path("train-00000-of-00001.tfrecord").write_bytes(frame(b"first") + frame(b"second"))
    """
    length = len(data).to_bytes(8, "little")
    return b"".join((length, _masked_crc(length), data, _masked_crc(data)))


def example(features: Mapping[str, bytes | int]) -> bytes:
    """Return a ``tf.train.Example`` with one value for each feature, sorted by name.

    Args:
        features: Name -> byte string, or integer of 0 or more.

    Example:
        >>> example({"image/format": b"png", "image/height": 360})
    """
    # Example.features = 1; Features.feature = 1, a map: entries of key = 1 and value = 2.
    entries = (
        _field(1, _field(1, name.encode()) + _field(2, _feature(value)))
        for name, value in sorted(features.items())
    )
    return _field(1, b"".join(entries))


def _masked_crc(data: bytes) -> bytes:
    """Return the CRC as TFRecord stores it, so that a CRC over data that holds CRCs stays meaningful."""
    crc: int = google_crc32c.value(data)
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return ((rotated + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


def _feature(value: bytes | int) -> bytes:
    # Feature: bytes_list = 1 or int64_list = 3, each a list of values = 1; integers are packed.
    if isinstance(value, bytes):
        return _field(1, _field(1, value))
    return _field(3, _field(1, _varint(value)))


def _field(number: int, content: bytes) -> bytes:
    """Return a field of protocol buffers that has a length: strings, messages, packed numbers."""
    return b"".join((_varint(number << 3 | 2), _varint(len(content)), content))


def _varint(value: int) -> bytes:
    """Return ``value`` in groups of seven bits, lowest first, all but the last marked by the highest bit."""
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    groups.append(value)
    return bytes(groups)
