"""The pipeline: every example once, image and label together, each run the same, bad data named."""

import dataclasses
import io
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import kerseg.data
from kerseg.augment import geometry
from kerseg.config import Augment
from kerseg.core.info import DatasetInfo, Shard, Split
from kerseg.data.formats.records import Record, encode_label, serialize
from kerseg.data.reading import shards as shards_module
from kerseg.errors import ConfigError, DataError

STILL = Augment(flip=0.0)
FULL = Augment(scale=(0.5, 2.0), flip=0.5, brightness=0.2, contrast=0.2, saturation=0.3, hue=0.1)


def blocks(index, height=64, width=96):
    """A label of 16-pixel blocks, none like that of another index; as a grey image it is its own label."""
    values = np.random.default_rng(index).integers(0, 250, (height // 16, width // 16), np.uint8)
    return np.repeat(np.repeat(values, 16, 0), 16, 1)


def record(index, form="PNG", size=(64, 96)):
    label, buffer = blocks(index, *size), io.BytesIO()
    Image.fromarray(np.repeat(label[..., None], 3, -1)).save(buffer, form, quality=100, subsampling=0)
    return Record(f"{index:03d}", buffer.getvalue(), form.lower(), *size, 3, encode_label(label))


def write(folder, counts=(5, 4, 3), make=record, split="train"):
    """Write a data set of ``counts`` records a shard."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers, shards = iter(range(sum(counts))), []
    for number, count in enumerate(counts):
        file = folder / f"{split}-{number:05d}-of-{len(counts):05d}.tfrecord"
        with tf.io.TFRecordWriter(str(file)) as writer:
            for _ in range(count):
                made = make(next(numbers))
                writer.write(made if isinstance(made, bytes) else serialize(made))
        shards.append(Shard(file.name, count, file.stat().st_size, "0" * 64))
    splits = {split: Split(tuple(shards), (0,), (0,))}
    DatasetInfo("blocks", ("block",), ((0, 0, 0),), splits).save(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve images of 64x96 in three shards."""
    return write(tmp_path_factory.mktemp("blocks"))


@pytest.fixture(scope="module")
def data(folder):
    return kerseg.data.load(folder)


def arrays(dataset):
    return [(image, label) for image, label in dataset.as_numpy_iterator()]


def same(first, second):
    return len(first) == len(second) and all(
        (a == c).all() and (b == d).all() for (a, b), (c, d) in zip(first, second, strict=True)
    )


def order(dataset):
    """Which image each unaugmented example is."""
    known = {blocks(index).tobytes(): index for index in range(12)}
    return [known[label.tobytes()] for _, labels in dataset.as_numpy_iterator() for label in labels]


# --- what comes out


def test_batches(data):
    batches = data.train(crop_size=(40, 50), batch_size=5, augment=FULL, epoch=0)
    assert batches.element_spec == (
        tf.TensorSpec([5, 40, 50, 3], tf.uint8),
        tf.TensorSpec([5, 40, 50], tf.uint8),
    )
    assert len(batches) == data.steps(batch_size=5) == 2
    assert [image.shape for image, _ in arrays(batches)] == [(5, 40, 50, 3)] * 2


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_an_image_that_is_its_own_label_stays_so(tmp_path, form):
    data = kerseg.data.load(write(tmp_path, make=lambda index: record(index, form)))
    checked = padded = 0
    batches = data.train(crop_size=(48, 48), batch_size=12, augment=Augment(scale=(0.5, 2.0)))
    for _ in range(6):
        for image, label in arrays(batches):
            padding, inner = label == 255, label != 255
            assert (image[padding] == geometry.FILL).all()
            for axis in (1, 2):
                for shift in (-2, -1, 1, 2):
                    inner &= np.roll(label, shift, axis) == label
            checked, padded = checked + inner.sum(), padded + padding.sum()
            # JPEG at quality 100 keeps a flat 8x8 block to within one grey level.
            difference = np.abs(image[inner].astype(int) - label[inner][:, None])
            assert difference.max() <= (1 if form == "JPEG" else 0)
    assert checked > 50_000 and padded > 2_000


def test_labels_only_hold_what_was_there(data):
    for _, label in arrays(data.train(crop_size=(100, 100), batch_size=12, augment=FULL, epoch=1)):
        for one in label:
            values = set(np.unique(one)) - {255}
            assert any(values <= set(np.unique(blocks(index))) for index in range(12))


def test_colour_changes_the_image_alone(data):
    plain = arrays(data.train(crop_size=(40, 40), batch_size=4, augment=Augment(scale=(0.5, 2.0)), epoch=0))
    bright = dataclasses.replace(Augment(scale=(0.5, 2.0)), brightness=0.3, hue=0.2)
    coloured = arrays(data.train(crop_size=(40, 40), batch_size=4, augment=bright, epoch=0))
    for (image, label), (other, other_label) in zip(plain, coloured, strict=True):
        assert (label == other_label).all() and (image != other).mean() > 0.3
        assert (other[label == 255] == geometry.FILL).all()


def test_whole_images(data):
    batches = data.train(batch_size=3, augment=STILL, epoch=0)
    for image, label in arrays(batches):
        assert image.shape == (3, 64, 96, 3) and (image == label[..., None]).all()


def test_default_augmentation_is_a_flip(data):
    for image, label in arrays(data.train(batch_size=1, epoch=0)):
        upright = [blocks(index).tobytes() for index in range(12)]
        assert any(turn.tobytes() in upright for turn in (label[0], label[0, :, ::-1]))
        assert (image == label[..., None]).all()


def test_examples_and_val_are_in_order_and_native(data):
    found = list(data.examples("train").as_numpy_iterator())
    assert [example["name"] for example in found] == [f"{index:03d}".encode() for index in range(12)]
    for index, example in enumerate(found):
        assert (example["label"] == blocks(index)).all()
        assert (example["image"] == blocks(index)[..., None]).all()
    assert len(data.examples("train")) == 12
    batches = data.val(split="train", batch_size=5)
    assert [image.shape[0] for image, _ in arrays(batches)] == [5, 5, 2]
    assert order(batches) == list(range(12))
    assert len(data.val(split="train")) == 12


def test_bare_records_of_the_second_tf1_format(tmp_path):
    def bare(index):
        label = blocks(index)
        values = {"image_raw": np.repeat(label[..., None], 3, -1).tobytes(), "mask_raw": label.tobytes()}
        feature = {
            name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
            for name, value in values.items()
        }
        for name, value in (("height", 64), ("width", 96)):
            feature[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()

    data = kerseg.data.load(write(tmp_path, make=bare))
    assert [e["name"] for e in data.examples("train").as_numpy_iterator()][:2] == [
        b"train-000000",
        b"train-000001",
    ]
    assert sorted(order(data.train(batch_size=1, augment=STILL, epoch=0))) == list(range(12))


# --- order and repetition


def test_an_epoch_is_every_example_once_in_another_order(data):
    orders = [order(data.train(batch_size=1, augment=STILL, epoch=epoch)) for epoch in range(3)]
    assert all(sorted(each) == list(range(12)) for each in orders)
    assert orders[0] != orders[1] != orders[2] and list(range(12)) not in orders
    assert order(data.train(batch_size=1, augment=STILL, epoch=0, seed=1)) not in orders


def test_a_large_split_is_shuffled_within_the_memory_allowed(data, monkeypatch):
    monkeypatch.setattr(shards_module, "SHUFFLE_BYTES", 1)
    found = order(data.train(batch_size=1, augment=STILL, epoch=0))
    assert sorted(found) == list(range(12)) and found != list(range(12))


def test_the_same_epoch_is_the_same_to_the_bit(folder, data):
    options = {"crop_size": (48, 48), "batch_size": 2, "augment": FULL, "seed": 7, "epoch": 3}
    batches = data.train(**options)
    first = arrays(batches)
    assert same(first, arrays(batches))
    assert same(first, arrays(kerseg.data.load(folder).train(**options)))
    assert not same(first, arrays(data.train(**{**options, "epoch": 4})))
    assert not same(first, arrays(data.train(**{**options, "seed": 8})))


@pytest.mark.parametrize("threads", [1, 5])
def test_threads_have_no_say(data, threads):
    batches = data.train(crop_size=(48, 48), batch_size=2, augment=FULL, epoch=0)
    options = tf.data.Options()
    options.autotune.enabled = threads > 1
    options.threading.private_threadpool_size = threads
    options.threading.max_intra_op_parallelism = threads
    assert same(arrays(batches), arrays(batches.with_options(options)))


def test_batch_size_has_no_say(data):
    def examples(batch_size):
        batches = arrays(data.train(crop_size=(48, 48), batch_size=batch_size, augment=FULL, epoch=0))
        return [pair for images, labels in batches for pair in zip(images, labels, strict=True)]

    assert same(examples(1), examples(4))


def test_order_has_no_say_in_the_augmentation(data, monkeypatch):
    def examples():
        return {image.tobytes() for image, _ in arrays(data.train(crop_size=(48, 48), batch_size=1, epoch=0))}

    before = examples()
    monkeypatch.setattr(shards_module, "SHUFFLE_BYTES", 1)
    assert examples() == before


def test_the_users_global_seed_has_no_say(data):
    options = {"batch_size": 1, "augment": STILL, "epoch": 0}
    tf.random.set_seed(1)
    first = order(data.train(**options))
    tf.random.set_seed(2)
    assert order(data.train(**options)) == first
    draws = [float(tf.random.uniform([])) for _ in range(2) if tf.random.set_seed(2) is None]
    assert draws[0] == draws[1]


@pytest.mark.parametrize("skip", [1, 6])
def test_a_resumed_pass_is_the_rest_of_the_whole(data, skip):
    options = {"crop_size": (48, 48), "batch_size": 2, "augment": FULL, "epoch": 2}
    rest = data.train(**options, skip_batches=skip)
    assert len(rest) == 6 - skip
    assert same(arrays(rest), arrays(data.train(**options))[skip:])


def test_skipped_examples_are_not_decoded(tmp_path):
    data = kerseg.data.load(
        write(tmp_path, make=lambda index: dataclasses.replace(record(index), image=b"not an image"))
    )
    assert arrays(data.train(crop_size=(8, 8), batch_size=4, epoch=0, skip_batches=3)) == []
    with pytest.raises(tf.errors.InvalidArgumentError):
        arrays(data.train(crop_size=(8, 8), batch_size=4, epoch=0, skip_batches=2))


def test_without_epoch_every_pass_is_the_next(data):
    options = {"crop_size": (48, 48), "batch_size": 3, "augment": FULL}
    endless = data.train(**options)
    for epoch in range(3):
        assert same(arrays(endless), arrays(data.train(**options, epoch=epoch)))
    repeated = arrays(data.train(**options).repeat(2))
    assert same(repeated[4:], arrays(data.train(**options, epoch=1)))


# --- what is refused


def test_tensorflow_waits_until_it_is_needed():
    code = "import sys, kerseg.data; kerseg.data.DatasetInfo; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        _ = kerseg.data.laod


def test_no_dataset_json(tmp_path):
    with pytest.raises(DataError, match=r"dataset\.json: the file does not exist"):
        kerseg.data.load(tmp_path)


def test_a_shard_is_missing_or_cut(tmp_path):
    folder = write(tmp_path)
    shard = folder / "train-00001-of-00003.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-5])
    with pytest.raises(DataError, match=rf"^{shard}: the shard has \d+ bytes, dataset.json says \d+\."):
        kerseg.data.load(folder)
    shard.unlink()
    with pytest.raises(DataError, match=rf"^{shard}: this shard of split 'train' is missing\."):
        kerseg.data.load(folder)


@pytest.mark.parametrize(
    "ask",
    [
        lambda data: data.train(split="trian"),
        lambda data: data.val(split="trian"),
        lambda data: data.examples("trian"),
        lambda data: data.steps(split="trian", batch_size=1),
        lambda data: data.check("trian"),
    ],
)
def test_unknown_split(data, ask):
    with pytest.raises(DataError, match=r"has no split 'trian'\. It has: train\."):
        ask(data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 13}, r"`batch_size` is 1 to 12, the number of images in split 'train' of .* 13\."),
        ({"batch_size": 0}, r"`batch_size` is 1 to 12"),
        ({"skip_batches": 1}, r"skip_batches needs epoch"),
        ({"skip_batches": 7, "epoch": 0, "batch_size": 2}, r"skip_batches is 0 to 6, .* Received: 7\."),
        ({"crop_size": (0, 5)}, r"crop size is \(height, width\), 1 pixel or more\. Received: \(0, 5\)\."),
        ({"augment": FULL}, r"scaled at random share a batch only if there is a crop size"),
    ],
)
def test_wrong_options(data, options, message):
    with pytest.raises(ConfigError, match=message):
        data.train(**options)


def test_images_of_several_sizes_share_no_batch(tmp_path):
    folder = write(tmp_path, make=lambda index: record(index, size=(32, 48 if index % 2 else 64)))
    data = kerseg.data.load(folder)
    for ask in (lambda: data.train(batch_size=2), lambda: data.val(batch_size=2, split="train")):
        with pytest.raises(ConfigError, match=r"2 sizes, 32x48 to 32x64 .* a batch of 2: take a crop size"):
            ask()
    assert [label.shape[1:] for _, label in arrays(data.val(split="train"))][:2] == [(32, 64), (32, 48)]
    assert len(arrays(data.train(crop_size=(16, 16), batch_size=4, epoch=0))) == 3


@pytest.mark.parametrize("use", ["train", "examples"])
def test_a_flipped_bit_is_found(tmp_path, use):
    folder = write(tmp_path)
    shard = folder / "train-00001-of-00003.tfrecord"
    damaged = bytearray(shard.read_bytes())
    damaged[-20] ^= 1
    shard.write_bytes(damaged)
    data = kerseg.data.load(folder)
    dataset = data.examples("train") if use == "examples" else data.train(crop_size=(8, 8), epoch=0)
    message = rf"^{shard}: record 3 cannot be read: corrupted record at \d+"
    with pytest.raises(DataError, match=message), data.naming_damage("train"):
        list(dataset)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": b"not an image"}, r"Unknown image file format"),
        ({"image": record(0, "JPEG").image[:300]}, r"Invalid JPEG data"),
        (
            {"label": encode_label(blocks(0, 32, 32))},
            r"the label is 32x32 .*, the record says 64x96",
        ),
        ({"label": b"no label"}, r"the label is not an 8-bit grey PNG"),
    ],
)
def test_a_damaged_image_is_found(tmp_path, change, message):
    def make(index):
        return dataclasses.replace(record(index), **change) if index == 6 else record(index)

    data = kerseg.data.load(write(tmp_path, make=make))
    shard = tmp_path / "train-00001-of-00003.tfrecord"
    with pytest.raises(DataError, match=rf"^{shard}: record 1 cannot be read: .*{message}"):
        data.check("train")
    with pytest.raises(DataError, match=rf"^{shard}: record 1 "), data.naming_damage("train"):
        list(data.examples("train"))


def test_a_count_that_is_wrong_is_found(tmp_path):
    folder = write(tmp_path)
    data = kerseg.data.load(folder)
    split = data.info.splits["train"]
    shards = (dataclasses.replace(split.shards[0], records=6), *split.shards[1:])
    info = dataclasses.replace(data.info, splits={"train": dataclasses.replace(split, shards=shards)})
    with pytest.raises(DataError, match=r"00000-of-00003.tfrecord: 5 records, dataset.json says 6\."):
        dataclasses.replace(data, info=info).check("train")


def test_other_errors_pass_unchanged(data):
    with pytest.raises(tf.errors.ResourceExhaustedError), data.naming_damage("train"):
        raise tf.errors.ResourceExhaustedError(None, None, "out of memory")
    with pytest.raises(tf.errors.InvalidArgumentError, match="of the model"), data.naming_damage("train"):
        raise tf.errors.InvalidArgumentError(None, None, "of the model")
    with pytest.raises(ZeroDivisionError), data.naming_damage("train"):
        1 / 0  # noqa: B018
