"""What runs a model's graph in prediction: Keras's own backend, or OpenVINO.

A runtime turns a model and a head, which goes from logits to the result, into a function from images to
NumPy. On a CPU, OpenVINO predicts ENet twice as fast as TensorFlow does, and the large networks a tenth to a fifth
faster (``benchmarks/models.py``).
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kerseg.errors import ConfigError

Head = Callable[[Any], Any]
Run = Callable[[NDArray[Any]], NDArray[Any]]
"""Images (batch, height, width, channels), uint8 or float32, to the head's result."""

SIZES = 4
"""Shapes of batches for which OpenVINO gets a program of their own: each takes time to compile, and the
weights once more, and is faster than the one for all sizes, which serves the rest."""


def in_keras(model: keras.Model, head: Head) -> Run:
    """Let Keras's backend run the graph, with the weights that it has at each call.

    On TensorFlow one trace serves all sizes; JAX compiles once a size and keeps it; PyTorch runs as it is.

    Args:
        model: One input (batch, height, width, channels), one output (batch, height, width, C).
        head: From logits to the result, in operations of Keras.
    """
    return {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()](model, head)


def in_openvino(model: keras.Model, head: Head, *, precision: str = "f32") -> Run:
    """Let OpenVINO run TensorFlow's graph, with the weights of the first prediction as constants.

    Args:
        model: As for `in_keras`.
        head: As for `in_keras`.
        precision: ``"f32"``, or ``"bf16"`` on a CPU that computes with it.

    Raises:
        ConfigError: OpenVINO is not installed, or Keras's backend is not TensorFlow.
    """
    if (backend := keras.backend.backend()) != "tensorflow":
        raise ConfigError(
            f"`runtime='openvino'` takes its graph from TensorFlow; KERAS_BACKEND is {backend}."
        )
    try:
        import openvino
    except ModuleNotFoundError:
        raise ConfigError("`runtime='openvino'` needs OpenVINO: pip install 'kerseg[openvino]'.") from None
    traces = _traces(model, head)
    # Without the first, a CPU that knows bfloat16 computes with it.
    options = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}

    @cache
    def graph(pixels: str) -> Any:
        return _imported(traces[pixels])

    @cache
    def program(pixels: str, shape: tuple[int, ...] | None) -> Any:
        fitted = graph(pixels).clone()
        if shape is not None:
            fitted.reshape(list(shape))
        return openvino.Core().compile_model(fitted, "CPU", options)

    def call(images: NDArray[Any]) -> NDArray[Any]:
        kind = images.dtype.name, images.shape
        if kind in fitted_to or len(fitted_to) < SIZES:
            fitted_to.add(kind)
            run = program(*kind)
        else:
            run = program(images.dtype.name, None)
        return np.array(run(np.ascontiguousarray(images))[0])

    fitted_to: set[tuple[str, tuple[int, ...]]] = set()
    return call


def in_openvino_bf16(model: keras.Model, head: Head) -> Run:
    """Let OpenVINO run TensorFlow's graph in bfloat16, in half the time; labels differ near borders."""
    return in_openvino(model, head, precision="bf16")


def _tensorflow(model: keras.Model, head: Head) -> Run:
    traces = _traces(model, head)
    return lambda images: np.asarray(traces[images.dtype.name](images).numpy())


def _traces(model: keras.Model, head: Head) -> dict[str, Any]:
    """Return one ``tf.function`` a type of pixel. It is traced when first used."""
    import tensorflow as tf

    def run(images: Any) -> Any:
        return head(model(tf.cast(images, model.inputs[0].dtype), training=False))

    # The open signature keeps tf.function from tracing anew for each size.
    shape = (None, *model.inputs[0].shape[1:])
    return {
        name: tf.function(run, input_signature=[tf.TensorSpec(shape, name)], autograph=False)
        for name in ("uint8", "float32")
    }


def _jax(model: keras.Model, head: Head) -> Run:
    import jax

    def run(trainable: Any, other: Any, images: Any) -> Any:
        images = images.astype(model.inputs[0].dtype)
        logits, _ = model.stateless_call(trainable, other, images, training=False)
        return head(logits)

    # The weights are arguments: as constants of the compiled function they would stay those of the first
    # call.
    program = jax.jit(run)

    def call(images: NDArray[Any]) -> NDArray[Any]:
        trainable = [variable.value for variable in model.trainable_variables]
        other = [variable.value for variable in model.non_trainable_variables]
        return np.asarray(program(trainable, other, images))

    return call


def _torch(model: keras.Model, head: Head) -> Run:
    import torch

    def call(images: NDArray[Any]) -> NDArray[Any]:
        with torch.inference_mode():
            # To Keras's device first, as uint8; then to float there.
            tensor = keras.ops.cast(keras.ops.convert_to_tensor(images), model.inputs[0].dtype)
            return np.asarray(keras.ops.convert_to_numpy(head(model(tensor, training=False))))

    return call


def _imported(trace: Any) -> Any:
    """Return a ``tf.function`` as a graph of OpenVINO.

    Not by ``openvino.convert_model``, which reports to its makers over the network that and how it was called.
    """
    from openvino.frontend import FrontEndManager
    from openvino.frontend.tensorflow.graph_iterator import GraphIteratorTFGraph
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(trace.get_concrete_function())
    frontend = FrontEndManager().load_by_framework("tf")
    # The names keep the nodes, which are Python's, alive until they are converted.
    nodes = GraphIteratorTFGraph(frozen.graph, share_weights=False)
    loaded = frontend.load(nodes)
    return frontend.convert(loaded)
