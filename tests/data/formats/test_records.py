"""Records: written, read, and read where others wrote them."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerseg.data.formats.records import RAW, Record, encode_label, parse, serialize

RECORD = Record("street/001", b"\xff\xd8 image", "jpeg", 360, 480, 3, b"\x89PNG label")
PARSED = {
    "name": b"street/001",
    "image": b"\xff\xd8 image",
    "format": b"jpeg",
    "dtype": b"",
    "height": 360,
    "width": 480,
    "label": b"\x89PNG label",
}


def example(**features):
    """A serialized Example with other keys than ours."""
    values = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        if isinstance(value, bytes)
        else tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        for name, value in features.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString()


def test_parse_reads_what_serialize_wrote():
    assert {key: value.numpy() for key, value in parse(serialize(RECORD)).items()} == PARSED


def test_eager_is_graph():
    inside = tf.data.Dataset.from_tensors(serialize(RECORD)).map(parse).get_single_element()
    assert {key: value.numpy() for key, value in inside.items()} == PARSED
    assert inside["height"].dtype == tf.int32


def test_keys_are_deeplabs():
    # https://github.com/tensorflow/models/blob/master/research/deeplab/datasets/build_data.py
    features = tf.train.Example.FromString(serialize(RECORD)).features.feature
    assert sorted(features) == [
        "image/channels",
        "image/encoded",
        "image/filename",
        "image/format",
        "image/height",
        "image/segmentation/class/encoded",
        "image/segmentation/class/format",
        "image/width",
    ]
    assert features["image/segmentation/class/format"].bytes_list.value == [b"png"]
    assert features["image/channels"].int64_list.value == [3]


def test_same_record_same_bytes():
    assert serialize(RECORD) == serialize(Record(**vars(RECORD)))


def test_bare_pixels_of_the_second_tf1_format():
    image, label = bytes(range(18)), bytes(range(6))
    fields = parse(example(height=2, width=3, image_raw=image, mask_raw=label))
    found = {key: value.numpy() for key, value in fields.items()}
    assert found == {
        "name": b"",
        "image": image,
        "format": RAW.encode(),
        "dtype": b"",
        "height": 2,
        "width": 3,
        "label": label,
    }


def test_not_an_example():
    with pytest.raises(tf.errors.InvalidArgumentError, match="Could not parse example"):
        parse(b"nonsense")


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (64, 48)])
def test_encoded_label_is_the_label(shape):
    label = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    encoded = encode_label(label)
    image = Image.open(io.BytesIO(encoded))
    assert image.mode == "L" and (np.array(image) == label).all()
    assert (tf.io.decode_png(encoded).numpy()[..., 0] == label).all()


@pytest.mark.parametrize("label", [np.zeros((2, 2, 1), np.uint8), np.zeros((2, 2), np.int32)])
def test_a_label_is_two_dimensional_uint8(label):
    with pytest.raises(ValueError, match=r"height, width\) uint8. Received: "):
        encode_label(label)
