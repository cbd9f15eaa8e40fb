"""The two formats, held against TensorFlow's own writers."""

import numpy as np
import pytest

from kerseg.data.tfrecord import example, frame

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
def test_examples_equal_those_of_records(size):
    from kerseg.data.records import Record, serialize

    record = Record("a/é", DATA[:size], "png", size, 2**31, 3, DATA[: size // 2])
    ours = example(
        {
            "image/width": record.width,
            "image/encoded": record.image,
            "image/filename": record.name.encode(),
            "image/format": b"png",
            "image/height": record.height,
            "image/channels": 3,
            "image/segmentation/class/encoded": record.label,
            "image/segmentation/class/format": b"png",
        }
    )
    assert ours == serialize(record)
