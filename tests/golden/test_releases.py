"""Every network equals its release, at one small size each; ``scripts/golden`` compares the rest."""

import dataclasses
import gc
import json
import math

import comparing
import fill
import golden_rule
import keras
import numpy as np
import pytest
import releases

from kerseg.models import MODELS

WITHOUT_RELEASE = {"gcn": "its authors released no definition"}
tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="scripts/golden compares the other backends"
)


@pytest.fixture
def float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


@pytest.fixture(autouse=True)
def alone():
    """Free each model before the next one is built: two of them are over a gigabyte."""
    yield
    keras.backend.clear_session()
    gc.collect()


def test_every_network_has_a_row_or_a_reason():
    assert set(releases.ROWS) | set(WITHOUT_RELEASE) >= set(MODELS)


@tensorflow_only
@pytest.mark.parametrize("name", [name for name in releases.ROWS if not name.startswith("fcn")])
def test_networks_equal_their_releases(name, float64):
    compared = releases.smallest_of(name)
    found = comparing.differences(compared, comparing.Builder()(compared))
    assert "logits" in found and max(found.values()) <= comparing.FLOAT64, found


@tensorflow_only
@pytest.mark.parametrize("name", [name for name in releases.ROWS if name.startswith("fcn")])
def test_fcn_equals_its_release_as_far_as_memory_allows(name, float64, monkeypatch):
    """fc6 and fc7 take over a gigabyte: they, and what follows, are compared by ``scripts/golden`` alone."""
    compared, conv = releases.smallest_of(name), keras.layers.Conv2D

    def narrow(filters, *arguments, name, **options):
        return conv(2 if name in ("fc6", "fc7") else filters, *arguments, name=name, **options)

    with monkeypatch.context() as building:
        building.setattr(keras.layers, "Conv2D", narrow)
        model = comparing.built(compared)
    trunk = {name: compared.case["outputs"][name] for name in ("stem (relu1_2)", "pool1", "pool3", "pool5")}
    found = comparing.differences(
        dataclasses.replace(compared, case=compared.case | {"outputs": trunk}), fill.fill(model)
    )
    assert found.keys() == trunk.keys() and max(found.values()) <= comparing.FLOAT64, found


def test_a_kernel_filled_in_slices_is_the_whole_one(monkeypatch):
    shape = (7, 5, 3, 3)
    whole = golden_rule.uniform(shape, golden_rule.SALTS["kernel"]) * math.sqrt(6 / 45)
    monkeypatch.setattr(golden_rule, "SLICE", 2 * 45)
    np.testing.assert_array_equal(golden_rule.kernel(shape), whole)


def test_a_difference_is_seen_between_the_places():
    golden = json.loads((releases.NUMBERS / "enet.json").read_text())["cases"][0]["outputs"]["encoder"]
    output = np.full(golden["shape"], golden["mean"])
    assert fill.difference(golden, output) > 0.1
    with pytest.raises(ValueError, match=r"shape \[1, 2, 3\], not"):
        fill.difference(golden, output[:1, :2, :3])
