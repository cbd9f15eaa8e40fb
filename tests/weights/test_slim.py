"""TF-Slim's checkpoints, written by TF-Slim's own nets: what is loaded computes what TF-Slim computes."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerseg import backbones, models
from kerseg.errors import WeightsError
from kerseg.weights import load

SCRIPT = Path(__file__).with_name("slim_reference.py")
WIDTH = 8
"""Of the reference's nets: channels of the first block; published are 64."""
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow reads the checkpoints on every backend"
)


@pytest.fixture(scope="session")
def slim(tmp_path_factory):
    """A folder of checkpoints and of what TF-Slim's nets made of images."""
    pytest.importorskip("tf_slim", reason="tf_slim is not installed: pip install 'kerseg[test]'")
    folder = tmp_path_factory.mktemp("slim")
    done = subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def sample(size):
    height, width = (int(number) for number in size.split("x"))
    return np.random.default_rng(height).integers(0, 256, (1, height, width, 3)).astype("float32")


def agree(actual, expected):
    expected = np.asarray(expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def quiet(_: str) -> None:
    """Take a report and say nothing."""


@pytest.mark.parametrize("name", ["resnet_v2_50", "resnet_v2_101", "resnet_v2_152"])
def test_resnets_agree_at_every_stride_and_odd_sizes(slim, name):
    expected = np.load(slim / f"{name}.npz")
    strides = {key.split()[0] for key in expected.files if key[0] in "138"}
    assert (
        strides == {"resnet_v2_50": {"8", "16", "32"}, "resnet_v2_101": {"16"}, "resnet_v2_152": {"8"}}[name]
    )
    for stride in strides:
        image = keras.Input((None, None, 3))
        features = backbones.build(name, image, output_stride=int(stride), width=WIDTH)
        model = keras.Model(image, features[int(stride)], name=name)
        loaded = load(model, slim / f"{name}.ckpt", say=quiet)
        assert not loaded.random and not loaded.skipped
        for key in (key for key in expected.files if key.startswith(f"{stride} ")):
            agree(model(sample(key.split()[1])), expected[key])


def test_what_a_stage_s_last_unit_sees_is_normalised_from_slims_unit_before(slim):
    """The features at strides 4 to 16 are TF-Slim's sums, after the last unit's own norm and ReLU."""
    expected = np.load(slim / "resnet_v2_50.npz")
    image = keras.Input((None, None, 3))
    features = backbones.build("resnet_v2_50", image, width=WIDTH)
    trunk = keras.Model(image, features[32], name="resnet_v2_50")
    load(trunk, slim / "resnet_v2_50.ckpt", say=quiet)
    for block, unit, stride in (1, 3, 4), (2, 4, 8), (3, 6, 16):
        norm = trunk.get_layer(f"conv{block + 1}_block{unit}_preact_bn")
        for size in "96x128", "97x75":
            seen = keras.Model(image, features[stride])(sample(size))
            sums = expected[f"block{block} {size}"]
            agree(seen, ops.relu(norm(sums, training=False)))


def test_vgg_agrees_up_to_fc7(slim):
    expected = np.load(slim / "vgg_16.npz")
    image = keras.Input((None, None, 3))
    features = backbones.build("vgg_16", image, round_up=False, width=WIDTH)
    x = layers.Conv2D(64 * WIDTH, 7, activation="relu", name="fc6")(features[32])
    fc7 = layers.Conv2D(64 * WIDTH, 1, activation="relu", name="fc7")(x)
    model = keras.Model(image, [features[8], features[16], features[32], fc7], name="vgg16")
    loaded = load(model, slim / "vgg_16.ckpt", say=quiet)
    assert len(loaded.loaded) == 30 and not loaded.random
    assert loaded.skipped == ("vgg_16/fc8/biases", "vgg_16/fc8/weights")
    for size in "224x224", "241x231":
        for actual, end in zip(model(sample(size)), ("pool3", "pool4", "pool5", "fc7"), strict=True):
            agree(actual, expected[f"{end} {size}"])


def test_fcn_starts_from_vgg_with_its_classifier(slim, capsys):
    import tensorflow as tf

    model = models.build("fcn_32s", num_classes=3, width=WIDTH, weights=slim / "vgg_16.ckpt.index")
    reader = tf.train.load_checkpoint(str(slim / "vgg_16.ckpt"))
    for mine, theirs in ("fc6", "fc6"), ("fc7", "fc7"), ("block5_conv3", "conv5/conv5_3"):
        kernel, bias = model.get_layer(mine).get_weights()
        np.testing.assert_array_equal(kernel, reader.get_tensor(f"vgg_16/{theirs}/weights"))
        np.testing.assert_array_equal(bias, reader.get_tensor(f"vgg_16/{theirs}/biases"))
    said = capsys.readouterr().err
    assert "vgg_16.ckpt.index (TF-Slim vgg_16): 30 variables loaded" in said
    assert "2 skipped: vgg_16/fc8/biases, vgg_16/fc8/weights" in said
    assert "2 start anew: score_fr/kernel, score_fr/bias" in said


@pytest.mark.parametrize(
    ("name", "branches"), [("deeplab_v1", [""]), ("deeplab_v2", ["_1", "_2", "_3", "_4"])]
)
def test_deeplab_keeps_every_third_tap_and_a_draw_of_the_filters(slim, name, branches):
    import tensorflow as tf

    options = {"backbone": "vgg16"} if name == "deeplab_v2" else {}
    model = models.build(name, num_classes=3, width=WIDTH, **options)
    loaded = load(model, slim / "vgg_16.ckpt", say=quiet)
    assert set(loaded.random) == {f"fc8{b}/{v}" for b in branches for v in ("kernel", "bias")}
    reader = tf.train.load_checkpoint(str(slim / "vgg_16.ckpt"))
    six, seven = (reader.get_tensor(f"vgg_16/{layer}/weights") for layer in ("fc6", "fc7"))
    bias6, bias7 = (reader.get_tensor(f"vgg_16/{layer}/biases").tolist() for layer in ("fc6", "fc7"))
    draws = []
    for branch in branches:
        kernel, bias = model.get_layer(f"fc6{branch}").get_weights()
        kept = [bias6.index(value) for value in bias]
        assert len(set(kept)) == 16 * WIDTH
        np.testing.assert_array_equal(kernel, six[::3, ::3][..., kept])
        kernel, bias = model.get_layer(f"fc7{branch}").get_weights()
        np.testing.assert_array_equal(kernel, seven[:, :, kept][..., [bias7.index(value) for value in bias]])
        draws.append(kept)
    assert len({tuple(kept) for kept in draws}) == len(branches), "each branch has its own"


def test_a_segnet_takes_the_convolutions_alone(slim):
    loaded = load(models.build("segnet", num_classes=3, width=WIDTH), slim / "vgg_16.ckpt", say=quiet)
    assert len(loaded.loaded) == 26
    assert "fc6/kernel" in loaded.skipped and "block1_conv1_bn/gamma" in loaded.random


@pytest.mark.parametrize(
    ("name", "options", "checkpoint", "message"),
    [
        (
            "deeplab_v3",
            {"width": 4},
            "resnet_v2_50.ckpt",
            r"resnet_v2_50\.ckpt \(TF-Slim resnet_v2_50\): these are weights of resnet50_v2, and deeplab_v3 "
            r"has the backbone resnet101\. Build it with `model_options=\{'backbone': 'resnet50_v2'\}`",
        ),
        (
            "enet",
            {"width": 8},
            "resnet_v2_50.ckpt",
            r"weights of resnet50_v2, and enet has no backbone of its own\.",
        ),
        (
            "segnet",
            {"width": 4},
            "resnet_v2_50.ckpt",
            r"of resnet50_v2, and segnet has the backbone vgg16\.$",
        ),
        (
            "deeplab_v3",
            {"width": 4, "backbone": "resnet50_v2"},
            "resnet_v2_50.ckpt",
            r"does not fit: .* is \(8,\) there and \(4,\) here \(\d+ variables differ\)\. .*the paper's width",
        ),
        (
            "unet",
            {"width": 2},
            "nowhere.ckpt",
            r"^\S*nowhere\.ckpt: does not exist\. `weights` takes 'imagenet', a TF-Slim",
        ),
        ("unet", {"width": 2}, "cut.ckpt", r"cut\.ckpt: TensorFlow cannot read this checkpoint"),
        (
            "unet",
            {"width": 2},
            "other.ckpt",
            r"other\.ckpt: a TensorFlow checkpoint, but not one of TF-Slim's .* It holds mine\.",
        ),
        ("unet", {"width": 2}, "text.ckpt", r"text\.ckpt: not a \.keras file"),
    ],
)
def test_mistakes_are_answered(slim, name, options, checkpoint, message):
    import tensorflow as tf

    path = slim / checkpoint
    if checkpoint == "cut.ckpt":  # the index is whole and the data behind it is not
        path.with_name("cut.ckpt.index").write_bytes((slim / "vgg_16.ckpt.index").read_bytes())
        path.with_name("cut.ckpt.data-00000-of-00001").write_bytes(b"half of it")
    elif checkpoint == "other.ckpt":
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            variable = tf.compat.v1.get_variable("mine/kernel", (2,))
            session.run(variable.initializer)
            tf.compat.v1.train.Saver().save(session, str(path), write_meta_graph=False, write_state=False)
    elif checkpoint == "text.ckpt":
        path.write_text("hello")
    with pytest.raises(WeightsError, match=message):
        load(models.build(name, num_classes=2, **options), path, say=quiet)
