"""TFRecord files and ``tf.train.Example`` messages, written and surveyed without TensorFlow.

Importing TensorFlow takes longer than converting a small data set, and several hundred megabytes in every
process that does it; the two formats are a page. Tests hold them equal, byte for byte, to TensorFlow's own.

    file     records, one after the other: length (8 bytes, little-endian), masked CRC of the length (4),
             data, masked CRC of the data (4)
    example  protocol buffers: a map from name to a list of byte strings, floats or integers

Sources: https://github.com/tensorflow/tensorflow/blob/v2.18.0/tensorflow/core/lib/io/record_writer.h (file),
https://github.com/tensorflow/tensorflow/blob/v2.18.0/tensorflow/core/example/feature.proto (example),
https://protobuf.dev/programming-guides/encoding (protocol buffers).
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from io import RawIOBase
from pathlib import Path

import google_crc32c

from kerseg.errors import DataError


@dataclass(frozen=True)
class Survey:
    """What a TFRecord file holds, seen without reading its data."""

    records: int
    bytes: int
    """Size of the file."""
    checksum: str
    """SHA-256 of the frames, which hold a CRC of each record's data: other data has another checksum."""
    keys: tuple[str, ...]
    """Names of the features of the first record, sorted; none if the file is empty or it is no example."""


MOST_BYTES = 2**31 - 1
"""Of a record: more is no protocol buffer."""
_HEAD, _TAIL = 12, 4
"""Bytes of a record's frame before its data (length and its CRC) and after (CRC of the data)."""


def frame(data: bytes) -> bytes:
    """Return ``data`` as one record of a TFRecord file.

    Example:
        >>> Path("two.tfrecord").write_bytes(frame(b"first") + frame(b"second"))
        43
    """
    length = len(data).to_bytes(8, "little")
    return b"".join((length, _masked_crc(length), data, _masked_crc(data)))


def example(features: Mapping[str, bytes | int]) -> bytes:
    """Return a ``tf.train.Example`` with one value for each feature, sorted by name.

    Args:
        features: Name -> byte string, or integer of 0 or more.

    Example:
        >>> feature_names(example({"image/format": b"png", "image/height": 360}))
        ('image/format', 'image/height')
    """
    # Example.features = 1; Features.feature = 1, a map: entries of key = 1 and value = 2.
    entries = (
        _field(1, _field(1, name.encode()) + _field(2, _feature(value)))
        for name, value in sorted(features.items())
    )
    return _field(1, b"".join(entries))


def survey(path: Path) -> Survey:
    """Count the records of a file, skipping over their data.

    Raises:
        DataError: The file cannot be read, is no TFRecord file, or ends within a record.

    Example:
        >>> survey(Path("data/street/train-00000-of-00001.tfrecord")).records
        8
    """
    try:
        status = path.stat()
        return _survey(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from error


# A training run asks several times, and on a slow disk each of thousands of records costs a seek.
@lru_cache(maxsize=1024)
def _survey(path: Path, size: int, changed: int) -> Survey:
    checksum, records = hashlib.sha256(), 0
    keys: tuple[str, ...] = ()
    with path.open("rb", buffering=0) as file:
        for place, length, seals in _frames(path, file, size):
            if not records:
                file.seek(place)
                keys = feature_names(file.read(length))
            checksum.update(seals)
            records += 1
    return Survey(records, size, checksum.hexdigest(), keys)


def _frames(path: Path, file: RawIOBase, size: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield where each record's data is, its length, and its frame: the length and both CRCs.

    One read for each: of the end of a record with the head of the next. Where ``file`` stands is of no account.

    Raises:
        DataError: No record begins there, or the file ends within it.
    """
    record, place = 0, _HEAD
    file.seek(0)
    head = file.read(_HEAD) or b""
    while head:
        length = int.from_bytes(head[:8], "little")
        if len(head) < _HEAD or head[8:] != _masked_crc(head[:8]):
            raise DataError(
                f"{path}: record {record}: no TFRecord begins at byte {place - _HEAD}. The file is damaged, "
                "compressed, or of another kind."
            )
        if length > MOST_BYTES:
            raise DataError(
                f"{path}: record {record}: {length:,} bytes; an example has {MOST_BYTES:,} at most."
            )
        if place + length + _TAIL > size:
            raise DataError(f"{path}: record {record}: the file ends within it. Copy the file again.")
        file.seek(place + length)
        seam = file.read(_TAIL + _HEAD) or b""
        yield place, length, head + seam[:_TAIL]
        head = seam[_TAIL:]
        place += length + _TAIL + _HEAD
        record += 1


def places(path: Path) -> Iterator[tuple[int, int]]:
    """Yield where each record's data is, byte and length, without reading it.

    Raises:
        DataError: The file is no TFRecord file, or is damaged from some record on; those before are given.
        OSError: It cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        for place, length, _ in _frames(path, file, path.stat().st_size):
            yield place, length


def read(path: Path, place: int, length: int) -> bytes:
    """Return the data of one record, checked against its CRC.

    Raises:
        DataError: The data is not what was written.
        OSError: The file cannot be read.

    Example:
        >>> path = Path("read.tfrecord")
        >>> _ = path.write_bytes(frame(b"first") + frame(b"second"))
        >>> [read(path, *place) for place in places(path)]
        [b'first', b'second']
    """
    with path.open("rb") as file:
        file.seek(place)
        data = file.read(length)
        if file.read(_TAIL) != _masked_crc(data):
            raise DataError(f"{path}: the record at byte {place} is damaged: wrong CRC of its data.")
    return data


def features(data: bytes) -> dict[str, bytes | int]:
    """Return the first value of each feature of a ``tf.train.Example``: a byte string or an integer.

    Features without a value, and floats, are left out.

    Raises:
        DataError: Not such a message.

    Example:
        >>> features(example({"height": 2, "image/format": b"png"}))
        {'height': 2, 'image/format': b'png'}
    """
    found: dict[str, bytes | int] = {}
    try:
        for entry in (entry for message in _contents(data, 1) for entry in _contents(message, 1)):
            name = next(_contents(entry, 1)).decode()
            feature = next(_contents(entry, 2), b"")
            if (value := _value(feature)) is not None:
                found[name] = value
    except (IndexError, StopIteration, UnicodeDecodeError) as error:
        raise DataError("not a tf.train.Example message") from error
    return found


def _value(feature: bytes) -> bytes | int | None:
    """Return the first value of a feature that is a list of byte strings or of integers."""
    for content in _contents(feature, 1):
        return next(_contents(content, 1), None)
    for content in _contents(feature, 3):
        # A number by itself has wire type 0 where packed ones have a length: TensorFlow reads both.
        packed = content[1:] if content[:1] == b"\x08" else next(_contents(content, 1), b"")
        return _read_varint(packed, 0)[0] if packed else None
    return None


def feature_names(data: bytes) -> tuple[str, ...]:
    """Return the sorted names of the features of a ``tf.train.Example``; none if ``data`` is no such thing.

    Example:
        >>> feature_names(example({"height": 2, "width": 3}))
        ('height', 'width')
    """
    try:
        entries = [entry for features in _contents(data, 1) for entry in _contents(features, 1)]
        return tuple(sorted(name.decode() for entry in entries for name in _contents(entry, 1)))
    except (IndexError, UnicodeDecodeError):
        return ()


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


def _contents(message: bytes, number: int) -> Iterator[bytes]:
    """Yield the fields of a message that have this number and a length.

    Raises:
        IndexError: Not a message of fields with a length, as those around an example's names are.
    """
    place = 0
    while place < len(message):
        tag, place = _read_varint(message, place)
        length, place = _read_varint(message, place)
        if tag & 7 != 2 or place + length > len(message):
            raise IndexError("no field with a length")
        if tag >> 3 == number:
            yield message[place : place + length]
        place += length


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    """Return the number at ``place``, and the place after it."""
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, place
