"""Augmentation as a whole: every option does something, to image and label alike, and by the seed alone."""

import dataclasses
import io
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage

import kerseg.data
from kerseg.augment import colour, cropping, effects, geometry, mixing, warp
from kerseg.augment.options import Augment
from kerseg.core.info import DatasetInfo, Shard, Split
from kerseg.data.formats.records import Record, encode_label, serialize
from kerseg.data.reading.augmented import Augmenter, rare_classes, seeds
from kerseg.data.reading.shards import Shards
from kerseg.errors import ConfigError

COUNT, HEIGHT, WIDTH, BLOCK = 6, 64, 96, 16
STILL = Augment(flip=0.0)
NAMES = tuple(f"class {value}" for value in range(12))

ON = {
    "scale": {"scale": (0.5, 2.0)},
    "scale_step": {"scale": (0.5, 2.0), "scale_step": 0.5},
    "crop": {"crop": "class_balanced"},
    "flip": {"flip": 1.0},
    "flip_vertical": {"flip_vertical": 1.0},
    "quarter_turns": {"quarter_turns": 1.0},
    "rotation": {"rotation": 40.0},
    "shear": {"shear": 40.0},
    "elastic": {"elastic": 3.0},
    "brightness": {"brightness": 0.3},
    "contrast": {"contrast": 0.5},
    "saturation": {"saturation": 1.0},
    "hue": {"hue": 0.4},
    "gamma": {"gamma": 1.0},
    "blur": {"blur": 3.0},
    "noise": {"noise": 30.0},
    "jpeg": {"jpeg": 2},
    "cutout": {"cutout": 0.5},
    "copy_paste": {"copy_paste": 1.0, "rare_classes": ("class 2", "class 5")},
    "rare_share": {"copy_paste": 1.0, "rare_share": 0.08},
    "rare_classes": {"copy_paste": 1.0, "rare_classes": ("class 7",)},
    "mosaic": {"mosaic": 1.0},
    "classmix": {"classmix": 1.0},
    "cutmix": {"cutmix": 1.0},
}
"""For each option, a recipe in which it matters."""
IMAGE_ALONE = {*colour.TABLE, *effects.TABLE}
MOVES = set(ON) - IMAGE_ALONE


def label_of(index):
    values = np.random.default_rng(index).integers(0, 12, (HEIGHT // BLOCK, WIDTH // BLOCK), np.uint8)
    return values.repeat(BLOCK, 0).repeat(BLOCK, 1)


COLOURS = np.array([[20 * value, 255 - 20 * value, (91 * value) % 256] for value in range(12)], np.uint8)
"""Of the classes: an image is its own label."""


def serialized(index):
    buffer = io.BytesIO()
    Image.fromarray(COLOURS[label_of(index)]).save(buffer, "PNG")
    label = encode_label(label_of(index))
    return serialize(Record(str(index), buffer.getvalue(), "png", HEIGHT, WIDTH, 3, label))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blocks")
    file = folder / "train-00000-of-00001.tfrecord"
    with tf.io.TFRecordWriter(str(file)) as writer:
        for index in range(COUNT):
            writer.write(serialized(index))
    pixels = np.bincount(np.concatenate([label_of(index).ravel() for index in range(COUNT)]), minlength=12)
    split = Split(
        (Shard(file.name, COUNT, file.stat().st_size, "0" * 64),),
        tuple(pixels.tolist()),
        (int(pixels.sum()),) * 12,
    )
    palette = tuple(map(tuple, COLOURS.tolist()))
    DatasetInfo("blocks", NAMES, palette, {"train": split}).save(folder)
    return kerseg.data.load(folder)


def crops(data, augment, streams=(1,), crop_size=(48, 64)):
    """One batch for each stream of seeds, of all images, from one graph."""
    rows = [(np.array([stream, index]), index) for stream in streams for index in range(COUNT)]
    seeds_, indices = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    records = [serialized(index) for index in indices.tolist()]
    examples = tf.data.Dataset.from_tensor_slices((seeds_, indices, records))
    batches = data.augmenter("train", crop_size, COUNT, augment).batches(examples)
    return [(image.astype(int), label) for image, label in batches.as_numpy_iterator()]


@pytest.fixture(scope="module")
def plain(data):
    return crops(data, STILL)[0]


def same(one, other):
    return all((a == b).all() for a, b in zip(one, other, strict=True))


def test_every_option_is_tried_here_and_every_entry_of_a_table_is_an_option():
    names = {field.name for field in dataclasses.fields(Augment)}
    assert {name for name in names if not name.endswith("_probability")} == set(ON)
    for table in (colour.TABLE, effects.TABLE, warp.TABLE, mixing.TABLE):
        assert set(table) <= names
    # An amount may have a probability; a probability is its own.
    assert {f"{name}_probability" for name in (*warp.TABLE, *effects.TABLE, "cutout")} == names - set(ON)
    choices = dataclasses.fields(Augment)[[f.name for f in dataclasses.fields(Augment)].index("crop")].type
    assert {"random", *cropping.TABLE} == set(choices.__args__)


@pytest.mark.parametrize("name", ON)
def test_an_option_changes_the_crops_by_the_seed_alone(data, plain, name):
    augment = dataclasses.replace(STILL, **ON[name])
    first, other, again = crops(data, augment, streams=(1, 2, 1))
    assert same(first, again)
    assert not same(first, plain)
    # A flip that is certain is the only one without a draw; the window then tells the seeds apart.
    assert not same(first, other)
    without = dataclasses.replace(augment, **{name: getattr(Augment(flip=0.0), name)})
    if name in ("scale_step", "rare_share"):
        without = dataclasses.replace(augment, **{name: {"scale_step": 0.0, "rare_share": 0.12}[name]})
    if without.copy_paste == 0 or name == "rare_share":
        assert not same(first, crops(data, without)[0])


@pytest.mark.parametrize("name", sorted(IMAGE_ALONE))
def test_what_changes_the_image_alone_leaves_label_and_window(data, plain, name):
    image, label = crops(data, dataclasses.replace(STILL, **ON[name]))[0]
    assert (label == plain[1]).all() and (image != plain[0]).any((1, 2, 3)).sum() >= COUNT - 1


@pytest.mark.parametrize("name", sorted(MOVES))
def test_what_moves_pixels_moves_image_and_label_alike(data, name):
    checked = 0
    for image, label in crops(data, dataclasses.replace(STILL, **ON[name]), streams=(1, 2, 3)):
        hidden = label == 255
        assert (image[hidden] == geometry.FILL).all()
        # Three pixels from any edge no bilinear weight reaches across it, not even at twice the scale; and
        # what is beside the crop is not known here.
        around = (1, 7, 7)
        inner = ~hidden & (ndimage.minimum_filter(label, around) == ndimage.maximum_filter(label, around))
        inner &= np.pad(np.ones((42, 58), bool), 3)
        assert np.abs(image[inner] - COLOURS[label[inner]]).max() <= 1
        checked += inner.sum()
    assert checked > 5_000


@pytest.mark.parametrize("name", [*warp.TABLE, *effects.TABLE, "cutout"])
def test_with_probability_0_nothing_happens(data, plain, name):
    augment = dataclasses.replace(STILL, **ON[name], **{f"{name}_probability": 0.0})
    assert same(crops(data, augment)[0], plain)


def test_an_option_leaves_the_draws_of_the_others_alone(data):
    few = Augment(scale=(0.5, 2.0), brightness=0.2)
    many = dataclasses.replace(few, blur=1e-3, noise=1e-3, flip_vertical=1e-9, cutout=1e-9, cutmix=1e-9)
    assert same(crops(data, few)[0], crops(data, many)[0])


def test_earlier_recipes_are_what_they_were(data):
    # Flips and unscaled windows are exact on every machine; were these to change, no earlier run could be repeated.
    batches = data.train(crop_size=(48, 64), batch_size=3, seed=5, epoch=2)
    image, label = next(batches.as_numpy_iterator())
    assert (zlib.crc32(image.tobytes()), zlib.crc32(label.tobytes())) == (2440376390, 742478603)


def test_what_is_off_leaves_no_operation_in_the_graph(data):
    def operations(augment):
        augmenter = data.augmenter("train", (48, 64), 2, augment)

        @tf.function(autograph=False)
        def example(seed, index, record):
            return augmenter._changed(augmenter.shards.fields(index, record), seed)

        specs = (tf.TensorSpec([2], tf.int64), tf.TensorSpec([], tf.int64), tf.TensorSpec([], tf.string))
        graph = example.get_concrete_function(*specs).graph.as_graph_def()
        return len(graph.node) + sum(len(function.node_def) for function in graph.library.function)

    least = operations(STILL)
    assert least == operations(Augment(flip=0.0, rotation_probability=0.5, blur_probability=0.5))
    for name in {*warp.TABLE, *effects.TABLE, "cutout", "flip_vertical", "quarter_turns", "crop"}:
        assert operations(dataclasses.replace(STILL, **ON[name])) > least


def test_mixing_follows_from_seed_epoch_and_batch_and_can_be_resumed(data):
    augment = Augment(cutmix=0.7, classmix=0.7, mosaic=0.5, scale=(0.5, 2.0))
    options = {"crop_size": (48, 64), "batch_size": 2, "augment": augment, "epoch": 1}
    whole = list(data.train(**options).as_numpy_iterator())
    rest = list(data.train(**options, skip_batches=1).as_numpy_iterator())
    assert len(rest) == 2
    for one, other in zip(whole[1:], rest, strict=True):
        assert same(one, other)


def test_crops_show_the_classes_that_were_asked_for(tmp_path):
    # One pixel in a thousand is of class 1; the crop is a hundredth of the image.
    label = np.zeros((200, 200), np.uint8)
    label[150:156, 30:37] = 1
    buffer = io.BytesIO()
    Image.fromarray(label).save(buffer, "PNG")
    record = serialize(Record("a", buffer.getvalue(), "png", 200, 200, 3, encode_label(label)))
    split = Split((Shard("a", 1, 1, ""),), (39958, 42), (0, 0))
    info = DatasetInfo("two", ("ground", "thing"), ((0, 0, 0), (1, 1, 1)), {"train": split})

    def share(crop):
        shards = Shards(tmp_path, info, "train")
        augmenter = Augmenter(shards, (20, 20), 50, Augment(crop=crop), info.splits["train"].class_pixels)
        numbers = np.arange(400)
        rows = (np.stack([numbers * 0 + 3, numbers], 1), np.zeros(400, np.int64), [record] * 400)
        batches = augmenter.batches(tf.data.Dataset.from_tensor_slices(rows))
        return np.mean([(label == 1).any((1, 2)) for _, label in batches.as_numpy_iterator()])

    # Of 181x181 windows 25x26 hold a pixel of it; half and nearly all are drawn around one.
    assert abs(share("random") - 650 / 181**2) < 0.03
    assert abs(share("class_balanced") - (0.5 + 0.5 * 650 / 181**2)) < 0.1
    assert share("rare") > 0.99


def test_pixels_that_nobody_has_counted_are_counted_once(data, capsys):
    part = dataclasses.replace(data, info=data.info.first({"train": 4}))
    assert part.info.splits["train"].class_pixels == ()
    for epoch in (0, 1):
        part.train(crop_size=(8, 8), batch_size=2, augment=Augment(crop="rare"), epoch=epoch)
    assert capsys.readouterr().err.count("count pixels of train: 4/4") == 1
    found = part.augmenter("train", (8, 8), 2, Augment(crop="rare")).class_pixels
    expected = np.bincount(np.concatenate([label_of(index).ravel() for index in range(4)]), minlength=12)
    assert found == tuple(expected.tolist())
    # Names need no count, and neither does a draw among all classes alike.
    for augment in (Augment(crop="class_balanced"), Augment(copy_paste=1.0, rare_classes=("class 1",))):
        dataclasses.replace(part, info=part.info).train(crop_size=(8, 8), batch_size=2, augment=augment)
    assert capsys.readouterr().err == ""


def test_seeds_follow_from_seed_epoch_and_index():
    drawn = {
        tuple(seeds(seed, tf.constant(epoch))(tf.constant(index, tf.int64)).numpy().tolist())
        for seed in (0, 1)
        for epoch in (0, 1)
        for index in (0, 1)
    }
    assert len(drawn) == 8 and {index for _, index in drawn} == {0, 1}


# --- what is refused


@pytest.mark.parametrize("name", mixing.TABLE)
def test_mixing_needs_company(data, name):
    message = rf"^`augment\.{name}` mixes the crops of a batch: it takes a `batch_size` of 2 or more\."
    with pytest.raises(ConfigError, match=message):
        data.train(crop_size=(8, 8), batch_size=1, augment=dataclasses.replace(STILL, **ON[name]))


def test_turned_images_share_no_batch_without_a_crop_size(data):
    with pytest.raises(ConfigError, match=r"turned at random share a batch only if there is a crop size"):
        data.train(batch_size=2, augment=Augment(quarter_turns=0.5))
    (image, label), *_ = data.train(batch_size=1, augment=Augment(quarter_turns=1.0), epoch=0)
    assert image.shape[1:3] == label.shape[1:] and set(label.shape[1:]) == {HEIGHT, WIDTH}


def test_rare_classes(data):
    pixels = (1000, 500, 9, 0, *(0,) * 8)
    assert rare_classes(Augment(copy_paste=1.0), data.info, pixels) == [2]
    assert rare_classes(Augment(copy_paste=1.0, rare_share=0.4), data.info, pixels) == [1, 2]
    named = Augment(copy_paste=1.0, rare_classes=("class 3", "class 0"))
    assert rare_classes(named, data.info, ()) == [3, 0]
    with pytest.raises(
        ConfigError, match=r"no class has less than 0\.001 of the pixels; the rarest has 0\.006\."
    ):
        rare_classes(Augment(copy_paste=1.0, rare_share=0.001), data.info, pixels)
    wrong = Augment(copy_paste=1.0, rare_classes=("clas 3",))
    message = (
        r"`augment\.rare_classes`: there is no class 'clas 3'\. Did you mean 'class 3'\? Known: class 0, "
    )
    with pytest.raises(ConfigError, match=message):
        data.train(crop_size=(8, 8), batch_size=2, augment=wrong)
