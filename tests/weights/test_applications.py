"""Keras's ImageNet networks: with their weights, kerseg's backbones compute what they compute.

The weights are random, which proves the same, but for one file that comes over the loopback by Keras's own
download; and the networks have an eighth of their channels: whole, VGG16 and its copies take gigabytes.
"""

import hashlib
import http.server
import importlib
import threading
from types import SimpleNamespace

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from kerseg import backbones, models
from kerseg.errors import WeightsError
from kerseg.weights import applications, load

WIDTH = 8
"""Channels of the first block; published are 64."""


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """Give the networks of ``keras.applications`` fewer channels, which are written into them."""

    def fewer(layer):
        def build(channels, *arguments, **options):
            named = options.get("name") == "predictions"
            return layer(channels if named else channels * WIDTH // 64, *arguments, **options)

        return build

    for name in "vgg16", "resnet":  # resnet_v2 builds with the latter
        module = importlib.import_module(f"keras.src.applications.{name}")
        kinds = {kind: fewer(getattr(layers, kind)) for kind in ("Conv2D", "Dense")}
        monkeypatch.setattr(module, "layers", SimpleNamespace(**vars(layers) | kinds))


def randomised(application):
    """Give every weight a value as a trained net's."""
    random = np.random.default_rng(0)
    for variable in application.weights:
        noise = random.normal(size=variable.shape)
        fan_in = np.prod(variable.shape[:-1]) or 1
        scale = {"kernel": np.sqrt(2 / fan_in) * noise, "gamma": 1 + 0.1 * noise}
        scale["moving_variance"] = np.exp(0.2 * noise)
        variable.assign(scale.get(variable.name, 0.1 * noise))
    return application


def sample(height, width):
    return np.random.default_rng(height).integers(0, 256, (1, height, width, 3)).astype("float32")


def numpy(x):
    return keras.ops.convert_to_numpy(keras.ops.stop_gradient(x))


def agree(actual, expected):
    actual, expected = numpy(actual), numpy(expected)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def put(source, model):
    """What ``load`` does with a source."""
    for layer in model.layers:
        for variable in layer.weights:
            variable.assign(source.values[f"{layer.name}/{variable.name}"])


@pytest.mark.parametrize(
    ("name", "application", "prepare", "options"),
    [
        ("resnet50", "ResNet50", keras.applications.resnet.preprocess_input, {"stride_in": "1x1"}),
        ("resnet50_v2", "ResNet50V2", keras.applications.resnet_v2.preprocess_input, {"root_pool": "keras"}),
    ],
)
def test_resnets_agree(name, application, prepare, options):
    theirs = randomised(getattr(keras.applications, application)(weights=None, include_top=False))
    image = keras.Input((None, None, 3))
    mine = keras.Model(image, backbones.build(name, image, width=WIDTH, **options)[32], name=name)
    put(applications.translate(theirs, backbones.get(name), mine), mine)
    for size in (96, 128), (97, 75):
        agree(mine(sample(*size)), theirs(prepare(sample(*size))))


def test_vgg_agrees_up_to_fc2():
    theirs = randomised(keras.applications.VGG16(weights=None))
    image = keras.Input((None, None, 3))
    x = backbones.build("vgg16", image, width=WIDTH)[32]
    x = layers.Conv2D(64 * WIDTH, 7, activation="relu", name="fc6")(x)
    x = layers.Conv2D(64 * WIDTH, 1, activation="relu", name="fc7")(x)
    mine = keras.Model(image, x, name="vgg16")
    source = applications.translate(theirs, backbones.get("vgg16"), mine)
    assert source.unknown == ("predictions/kernel", "predictions/bias")
    put(source, mine)
    fc2 = keras.Model(theirs.input, theirs.get_layer("fc2").output)
    prepared = keras.applications.vgg16.preprocess_input(sample(224, 224))
    agree(mine(sample(224, 224))[:, 0, 0], fc2(prepared))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A server on the loopback in place of Keras's, with ResNet50's weights; returns them."""
    theirs = randomised(keras.applications.ResNet50(weights=None, include_top=False))
    name = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    from keras.src.legacy.saving import legacy_h5_format

    with h5py.File(tmp_path / name, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, theirs)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=tmp_path)

        def log_message(self, *_):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    resnet = keras.src.applications.resnet
    monkeypatch.setattr(resnet, "BASE_WEIGHTS_PATH", f"http://127.0.0.1:{server.server_port}/")
    digest = hashlib.md5((tmp_path / name).read_bytes()).hexdigest()
    monkeypatch.setitem(resnet.WEIGHTS_HASHES, "resnet50", ("", digest))
    monkeypatch.setattr(keras.src.utils.file_utils.config, "keras_home", lambda: str(tmp_path / "home"))
    yield theirs, tmp_path / name
    server.shutdown()
    server.server_close()


def test_imagenet_weights_come_by_download(hub, capsys):
    theirs, _ = hub
    model = models.build("deeplab_v2", num_classes=3, width=WIDTH, backbone="resnet50")
    loaded = load(model, "imagenet")
    kernel = model.get_layer("conv1_conv").get_weights()[0]
    np.testing.assert_array_equal(kernel, theirs.get_layer("conv1_conv").get_weights()[0][:, :, ::-1])
    assert set(loaded.random) == {f"aspp_{rate}/{v}" for rate in (6, 12, 18, 24) for v in ("kernel", "bias")}
    said = capsys.readouterr().err
    assert "imagenet (resnet50 of keras.applications): 265 variables loaded" in said
    assert "8 start anew: aspp_6/kernel" in said
    assert "strides in 1x1" not in said


def test_a_stride_elsewhere_is_told(hub):
    said = []
    load(
        models.build("deeplab_v3", num_classes=3, width=WIDTH, backbone="resnet50"),
        "imagenet",
        say=said.append,
    )
    assert "Keras's ResNets have their strides in 1x1 convolutions, this model in 3x3 ones" in said[0]
    load(
        models.build("deeplab_v3", num_classes=3, width=WIDTH, backbone="resnet50", stride_in="1x1"),
        "imagenet",
        say=said.append,
    )
    assert "strides" not in said[1]


def test_a_failed_download_is_one_line(hub):
    hub[1].unlink()
    model = models.build("deeplab_v2", num_classes=3, width=WIDTH, backbone="resnet50")
    with pytest.raises(
        WeightsError, match=r"imagenet: Keras could not get the weights of ResNet50: .*404"
    ) as caught:
        load(model, "imagenet")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("enet", {}, r"imagenet: enet has no backbone with ImageNet weights\. Those are vgg16, resnet50"),
        ("icnet", {"width": WIDTH}, r"imagenet: icnet has no backbone with ImageNet weights\."),
        (
            "pspnet",
            {"width": WIDTH, "backbone": "resnet50"},
            r"conv2_block1_\d_conv/kernel is \(1, 1, 8, .*stem",
        ),
    ],
)
def test_mistakes_are_answered(hub, name, options, message):
    with pytest.raises(WeightsError, match=message):
        load(models.build(name, num_classes=2, **options), "imagenet")
