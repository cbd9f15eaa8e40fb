"""Networks of 0.1: its model files compute as they did, and its runs build what they built.

``v0_1/`` holds two model files that version 0.1.0 wrote, and what it gave for one image; ``golden_0_1.json``
beside the shared tests holds its numbers of every architecture that has changed since.
"""

from pathlib import Path

import keras
import numpy as np
import pytest
from test_all import run, sample

from kerseg import modelfile
from kerseg.errors import ConfigError
from kerseg.models import build, options_of_version

V0_1 = Path(__file__).with_name("v0_1")
WRITTEN = {"enet": {"width": 4}, "deeplab_v1": {"width": 2}}


@pytest.mark.parametrize("name", WRITTEN)
def test_model_files_of_0_1_give_their_logits(name):
    loaded, _ = modelfile.load(V0_1 / f"{name}.keras")
    with np.load(V0_1 / "logits.npz") as written:
        expected = written[name]
    image = sample(1, 20, 37)
    limit = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(run(loaded, image), expected, rtol=0, atol=limit)
    # A run goes on with weights by their order and shape.
    rebuilt = build(name, num_classes=3, **options_of_version(name, "0.1.0", WRITTEN[name]))
    assert [(w.name, w.shape) for w in rebuilt.variables] == [(w.name, w.shape) for w in loaded.variables]
    rebuilt.set_weights([keras.ops.convert_to_numpy(weight) for weight in loaded.weights])
    np.testing.assert_allclose(run(rebuilt, image), expected, rtol=0, atol=limit)
    todays = build(name, num_classes=3, **WRITTEN[name])
    if name == "deeplab_v1":
        todays.set_weights(rebuilt.get_weights())
        assert np.abs(run(todays, image) - expected).max() > 1e3 * limit


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("unet", {"width": 8}, {"width": 8}),
        ("ENet", {}, {"asymmetric_bias": False}),
        ("deeplab_v3", {"momentum": 0.9}, {"pad": False, "momentum": 0.9}),
        ("gcn", {}, {"pad": False}),
        (
            "gcn",
            {"backbone": "resnet_v2_50"},
            {"pad": False, "momentum": 0.997, "backbone": "resnet_v2_50"},
        ),
    ],
)
def test_options_of_0_1(name, options, expected):
    assert options_of_version(name, "0.1.0", options) == expected
    assert options_of_version(name, "0.2.0", options) == options


def test_mistakes_are_answered():
    with pytest.raises(ConfigError, match=r"no model 'unett'\. Did you mean 'unet'"):
        options_of_version("unett", "0.1.0")
