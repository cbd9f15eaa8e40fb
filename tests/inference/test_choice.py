"""Which engine and precision are taken, and what is said of it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kerseg.errors import ConfigError
from kerseg.inference import choice, runtimes
from kerseg.inference.choice import check_runtime, decide
from kerseg.inference.procedure import Procedure

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="OpenVINO takes its graphs from TensorFlow"
)
needs_openvino = pytest.mark.skipif(not runtimes.has_openvino(), reason="OpenVINO is not installed")


def brightest_channel() -> keras.Model:
    image = keras.Input((None, None, 3))
    conv = keras.layers.Conv2D(3, 1, use_bias=False)
    model = keras.Model(image, conv(image))
    conv.set_weights([np.eye(3)[None, None]])
    return model


SAMPLES = [np.random.default_rng(seed).integers(0, 256, (2, 8, 10, 3)).astype(np.uint8) for seed in (0, 1)]


def decided(**options: Any) -> choice.Choice:
    return decide(brightest_channel(), SAMPLES, **{"procedure": Procedure(), **options})


def bfloat16(monkeypatch: Any, wrong: int) -> None:
    """Let the CPU have bfloat16, and bfloat16 give another label for some pixels of an image."""
    monkeypatch.setattr(runtimes, "has_bfloat16", lambda: True)
    original = runtimes.OpenVino.in_precision

    class Rounding(runtimes.OpenVino):
        def __call__(self, images: np.ndarray) -> np.ndarray:
            labels = super().__call__(images)
            labels.ravel()[:wrong] += 1
            return labels

    def in_precision(self: runtimes.OpenVino, precision: str) -> runtimes.OpenVino:
        twin = original(self, "float32")
        return Rounding(twin._graph, "float32")

    monkeypatch.setattr(runtimes.OpenVino, "in_precision", in_precision)


@needs_openvino
def test_bfloat16_where_it_gives_the_same_labels(monkeypatch: Any):
    bfloat16(monkeypatch, wrong=0)
    found = decided()
    assert (found.runtime, found.precision) == ("openvino", "bfloat16")
    assert str(found) == (
        "runtime openvino, bfloat16: labels as in float32 on 100.00 % of the pixels of the first 4 images"
    )
    assert (found.predictor(SAMPLES[0]) == SAMPLES[0].argmax(-1)).all()


@needs_openvino
def test_float32_where_it_does_not(monkeypatch: Any):
    bfloat16(monkeypatch, wrong=1)  # one of 160 pixels
    found = decided()
    assert str(found) == (
        "runtime openvino, float32: bfloat16 gives labels as in float32 on 99.38 % of the pixels of the first 4 "
        "images"
    )
    assert (found.predictor(SAMPLES[0]) == SAMPLES[0].argmax(-1)).all()


@needs_openvino
def test_float32_for_a_few_images_and_on_other_processors(monkeypatch: Any):
    bfloat16(monkeypatch, wrong=0)
    few = decide(brightest_channel(), SAMPLES[:1], procedure=Procedure())
    assert str(few) == "runtime openvino, float32: too few images to try bfloat16"
    monkeypatch.setattr(runtimes, "has_bfloat16", lambda: False)
    assert str(decided()) == "runtime openvino, float32: this CPU has no bfloat16"


@needs_openvino
def test_what_is_asked_for_is_taken():
    assert str(decided(runtime="keras")) == "runtime keras, float32"
    assert str(decided(runtime="openvino", precision="float32")) == "runtime openvino, float32"
    for options in ({"runtime": "openvino_bf16"}, {"precision": "bfloat16"}):
        found = decided(**options)
        assert str(found) == "runtime openvino, bfloat16"
        assert found.predictor._labels._options["INFERENCE_PRECISION_HINT"] == "bf16"
    found = decided(runtime="openvino", procedure=Procedure(flip=True), precision="float32")
    assert found.predictor._probabilities._options["INFERENCE_PRECISION_HINT"] == "f32"


def test_keras_where_openvino_is_not_or_cannot(monkeypatch: Any):
    def unknown(*_: object) -> None:
        raise RuntimeError("No translator found for MyOp\nand more")

    monkeypatch.setattr(runtimes, "_imported", unknown)
    if runtimes.has_openvino():
        found = decided()
        assert str(found) == (
            "runtime keras, float32: openvino cannot run this model (No translator found for MyOp)"
        )
        assert (found.predictor(SAMPLES[0]) == SAMPLES[0].argmax(-1)).all()
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert str(decided()) == "runtime keras, float32"


def test_refuses():
    with pytest.raises(ConfigError, match=r"There is no runtime 'openvin'"):
        check_runtime("openvin", "auto")
    with pytest.raises(ConfigError, match=r"`precision` is auto, float32 or bfloat16\. Received: 'half'"):
        check_runtime("auto", "half")
    with pytest.raises(ConfigError, match=r"computes in bfloat16\. For float32 give"):
        check_runtime("openvino_bf16", "float32")
    with pytest.raises(ConfigError, match=r"`precision='bfloat16'` needs `runtime='openvino'`"):
        decided(runtime="keras", precision="bfloat16")


@needs_openvino
def test_openvino_tells_nobody(tmp_path: Path):
    """Its import would open a connection, and keep an identity in the user's home."""
    program = """
import socket, time
calls = []
def connect(*arguments): calls.append(arguments); raise OSError("no network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = connect
import keras, numpy as np
from kerseg.inference.predictor import Predictor
image = keras.Input((None, None, 3))
predictor = Predictor(keras.Model(image, keras.layers.Conv2D(2, 1)(image)), runtime="openvino")
shape = predictor(np.zeros((1, 4, 5, 3), np.uint8)).shape
time.sleep(0.5)
print(shape, calls)
"""
    home = tmp_path / "home"
    home.mkdir()
    # In CI it would be silent of itself.
    keep = {
        name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")
    }
    environment = {**keep, "HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "(1, 4, 5) []", done.stderr[-2000:]
    assert not (home / "intel").exists()
