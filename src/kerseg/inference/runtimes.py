"""What runs a model's graph in prediction: Keras's own backend, or OpenVINO.

A runtime turns a model and a head, which goes from logits to the result, into a function from images to
NumPy. On a CPU, OpenVINO predicts ENet twice as fast as TensorFlow does, and the large networks a tenth to a fifth
faster (``benchmarks/models.py``).
"""

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
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


def in_keras(model: keras.Model, head: Head, *, precision: str = "float32") -> Run:
    """Let Keras's backend run the graph, with the weights that it has at each call.

    On TensorFlow one trace serves all sizes; JAX compiles once a size and keeps it; PyTorch runs as it is.

    Args:
        model: One input (batch, height, width, channels), one output (batch, height, width, C).
        head: From logits to the result, in operations of Keras.
        precision: ``"float32"``: that in which a model computes was decided when it was built.

    Raises:
        ConfigError: Another precision was asked for.
    """
    if precision != "float32":
        raise ConfigError(
            f"`precision={precision!r}` needs `runtime='openvino'`. Received: `runtime='keras'`."
        )
    return {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()](model, head)


class OpenVino:
    """A graph that OpenVINO runs, with the weights of the first prediction as constants.

    Args:
        graph: From the type of the pixels to the graph, which is OpenVINO's own.
        precision: ``"float32"``; or ``"bfloat16"``, in which CPUs without it compute by way of float32, slower.
    """

    def __init__(self, graph: Callable[[str], Any], precision: str):
        self._graph = graph
        # Without the first, a CPU that knows bfloat16 computes with it.
        self._options = {
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._programs: dict[tuple[str, tuple[int, ...] | None], Any] = {}

    def __call__(self, images: NDArray[Any]) -> NDArray[Any]:
        """Return the head's result for images (batch, height, width, channels)."""
        kind: tuple[str, tuple[int, ...] | None] = images.dtype.name, images.shape
        if kind not in self._programs and sum(shape is not None for _, shape in self._programs) >= SIZES:
            kind = images.dtype.name, None
        if kind not in self._programs:
            self._programs[kind] = self._compiled(*kind)
        return np.array(self._programs[kind](np.ascontiguousarray(images))[0])

    def in_precision(self, precision: str) -> "OpenVino":
        """Return the same graph in another precision."""
        return OpenVino(self._graph, precision)

    def _compiled(self, pixels: str, shape: tuple[int, ...] | None) -> Any:
        fitted = self._graph(pixels).clone()
        if shape is not None:
            fitted.reshape(list(shape))
        return _openvino().Core().compile_model(fitted, "CPU", self._options)


def in_openvino(model: keras.Model, head: Head, *, precision: str = "float32") -> OpenVino:
    """Let OpenVINO run TensorFlow's graph, with the weights of the first prediction as constants.

    Args:
        model: As for `in_keras`.
        head: As for `in_keras`.
        precision: ``"float32"`` or ``"bfloat16"``.

    Raises:
        ConfigError: OpenVINO is not installed, or Keras's backend is not TensorFlow.
    """
    if (backend := keras.backend.backend()) != "tensorflow":
        raise ConfigError(
            f"`runtime='openvino'` takes its graph from TensorFlow; KERAS_BACKEND is {backend}."
        )
    if not has_openvino():
        raise ConfigError("`runtime='openvino'` needs OpenVINO: pip install openvino.")
    traces = _traces(model, head)
    return OpenVino(cache(lambda pixels: _imported(traces[pixels])), precision)


def in_openvino_bf16(model: keras.Model, head: Head, *, precision: str = "bfloat16") -> OpenVino:
    """Let OpenVINO run TensorFlow's graph in bfloat16: the same as ``runtime="openvino", precision="bfloat16"``."""
    return in_openvino(model, head, precision="bfloat16")


def has_openvino() -> bool:
    """Return whether OpenVINO can be imported."""
    try:
        _openvino()
    except ImportError:
        return False
    return True


def has_bfloat16() -> bool:
    """Return whether OpenVINO is there, and this CPU computes in bfloat16."""
    if not has_openvino():
        return False
    return "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _openvino() -> Any:
    """Import OpenVINO without its telemetry.

    Its import alone reports to its makers over the network, unless the user has opted out, and writes an identity
    into the home folder. Without the package that does so it takes a stub of its own, which does nothing.
    """
    if "openvino" in sys.modules:
        return import_module("openvino")
    missing = object()
    before = sys.modules.get("openvino_telemetry", missing)
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        return import_module("openvino")
    finally:
        del sys.modules["openvino_telemetry"]
        if before is not missing:
            sys.modules["openvino_telemetry"] = before  # type: ignore[assignment]


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
    """Return a ``tf.function`` as a graph of OpenVINO; not by ``convert_model``, which reports its calls."""
    _openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.tensorflow.graph_iterator import GraphIteratorTFGraph
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(trace.get_concrete_function())
    frontend = FrontEndManager().load_by_framework("tf")
    # The names keep the nodes, which are Python's, alive until they are converted.
    nodes = GraphIteratorTFGraph(frozen.graph, share_weights=False)
    loaded = frontend.load(nodes)
    return frontend.convert(loaded)
