"""What runs a model in prediction; `tests/models/test_all.py` holds OpenVINO to Keras's logits, for every model."""

import sys

import keras
import numpy as np
import pytest

from kerseg.errors import ConfigError
from kerseg.inference import RUNTIMES, runtimes
from kerseg.inference.predictor import Predictor

on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="OpenVINO takes its graphs from TensorFlow"
)


def brightest_channel(size=(None, None)):
    """Return a model whose logits are the colours: the class is the brightest channel."""
    image = keras.Input((*size, 3))
    conv = keras.layers.Conv2D(3, 1, use_bias=False)
    model = keras.Model(image, conv(image))
    conv.set_weights([np.eye(3)[None, None]])
    return model


def samples(*shape):
    return (
        np.random.default_rng(0)
        .permutation(np.arange(256).repeat(64))[: np.prod(shape) * 3]
        .reshape(*shape, 3)
    )


@on_tensorflow
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_labels(runtime, dtype):
    images = samples(2, 5, 7).astype(dtype)
    np.testing.assert_array_equal(Predictor(brightest_channel(), runtime=runtime)(images), images.argmax(-1))


@on_tensorflow
def test_bfloat16_is_asked_for_and_float32_is_not_left_to_chance():
    """1 + 2**-12 is 1 in bfloat16, and a float32 of its own in the other."""
    image = np.ones((1, 1, 1, 3), "float32")
    model = brightest_channel()
    model.layers[-1].set_weights([np.eye(3)[None, None] * (1 + 2**-12)])
    exact = runtimes.in_openvino(model, lambda logits: logits)(image)
    np.testing.assert_array_equal(exact, np.full((1, 1, 1, 3), 1 + 2**-12, "float32"))


@on_tensorflow
def test_more_sizes_than_programs(monkeypatch):
    """The first sizes have a program each, the others share one; none is compiled twice."""
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    compiled = []
    original = openvino.Core.compile_model

    def compile_model(core, model, *arguments):
        compiled.append(str(model.inputs[0].partial_shape))
        return original(core, model, *arguments)

    monkeypatch.setattr(openvino.Core, "compile_model", compile_model)
    predictor = Predictor(brightest_channel(), runtime="openvino")
    for _ in range(2):
        for width in range(1, runtimes.SIZES + 3):
            images = samples(1, 2, width).astype("uint8")
            np.testing.assert_array_equal(predictor(images), images.argmax(-1))
    own = [f"[1,2,{width},3]" for width in range(1, runtimes.SIZES + 1)]
    assert compiled == [*own, "[?,?,?,3]"]


@on_tensorflow
def test_weights_are_those_of_the_first_prediction():
    """As the docstring says; in Keras they are those of now."""
    model, image = brightest_channel(), np.array([[[[9, 5, 1]]]], "uint8")
    predictors = {name: Predictor(model, runtime=name) for name in ("keras", "openvino")}
    assert [predictor(image).item() for predictor in predictors.values()] == [0, 0]
    model.layers[-1].set_weights([-np.eye(3)[None, None]])
    assert [predictor(image).item() for predictor in predictors.values()] == [2, 0]


def test_unknown():
    with pytest.raises(ConfigError, match=r"There is no runtime 'openvin'\. Did you mean 'openvino'"):
        Predictor(brightest_channel(), runtime="openvin")


@on_tensorflow
def test_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ConfigError, match=r"`runtime='openvino'` needs OpenVINO: pip install openvino"):
        Predictor(brightest_channel(), runtime="openvino")


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="the message is for the other backends")
def test_other_backend():
    with pytest.raises(ConfigError, match=r"takes its graph from TensorFlow; KERAS_BACKEND is (jax|torch)"):
        Predictor(brightest_channel(), runtime="openvino")
