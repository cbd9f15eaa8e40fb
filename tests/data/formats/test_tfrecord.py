"""The two formats, held against TensorFlow's own writers."""

import numpy as np
import pytest

from kerseg.data.formats.tfrecord import example, features, frame, places, read
from kerseg.errors import DataError

DATA = np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8).tobytes()


@pytest.mark.parametrize("lengths", [range(4, 70), [127, 128, 129, 4095, 4097, 65_537, 300_000]])
def test_files_equal_tensorflows(tmp_path, lengths):
    import tensorflow as tf

    records = [DATA[:length] for length in lengths]
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        for record in records:
            writer.write(record)
    assert b"".join(map(frame, records)) == (tmp_path / "theirs").read_bytes()


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 70_000])
def test_records_equal_tensorflows(size):
    import tensorflow as tf

    from kerseg.data.formats.records import Record, serialize

    def integer(value: int) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    def text(value: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    record = Record("a/é", DATA[:size], "png", size, 2**31, 3, DATA[: size // 2])
    features = {
        "image/encoded": text(record.image),
        "image/filename": text("a/é".encode()),
        "image/format": text(b"png"),
        "image/height": integer(size),
        "image/width": integer(2**31),
        "image/channels": integer(3),
        "image/segmentation/class/encoded": text(record.label),
        "image/segmentation/class/format": text(b"png"),
    }
    theirs = tf.train.Example(features=tf.train.Features(feature=features))
    assert serialize(record) == theirs.SerializeToString(deterministic=True)


def test_records_are_read_where_they_are(tmp_path):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(frame(b"first") + frame(b"") + frame(b"third"))
    assert [read(path, *place) for place in places(path)] == [b"first", b"", b"third"]


def test_a_record_that_was_changed_is_refused(tmp_path):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(frame(b"first").replace(b"first", b"fIrst"))
    with pytest.raises(DataError, match=r"a\.tfrecord: the record at byte 12 is damaged: wrong CRC"):
        read(path, *next(places(path)))


def test_features_are_read_as_tensorflow_writes_them():
    import tensorflow as tf

    feature = tf.train.Feature
    message = tf.train.Example(
        features=tf.train.Features(
            feature={
                "text": feature(bytes_list=tf.train.BytesList(value=[b"\x00\xff", b"second"])),
                "number": feature(int64_list=tf.train.Int64List(value=[70_000, 2])),
                "zero": feature(int64_list=tf.train.Int64List(value=[0])),
                "float": feature(float_list=tf.train.FloatList(value=[1.5])),
                "nothing": feature(),
            }
        )
    )
    assert features(message.SerializeToString()) == {"text": b"\x00\xff", "number": 70_000, "zero": 0}
    assert features(example({"a": b"", "b": 300})) == {"a": b"", "b": 300}
    with pytest.raises(DataError, match=r"not a tf\.train\.Example"):
        features(b"\xff\xff")
