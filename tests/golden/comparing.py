"""How an architecture is compared with its release: built, filled by the rule, fed the rule's image."""

import gc
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partialmethod
from typing import Any
from unittest.mock import patch

import fill
import golden_rule
import keras
import numpy as np

from kerseg.layers.preprocess import Normalize
from kerseg.models import build

FLOAT64, FLOAT32 = 1e-5, 1e-4
"""Allowed differences, in deviations of the output. Seen where all is right: 1e-7 to 2e-6, and 1e-6 to 3e-5."""

Case = Mapping[str, Any]


def _no_options(case: Case) -> dict[str, Any]:
    return {}


def _no_change(model: keras.Model, case: Case) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Row:
    """How an architecture is compared with its release."""

    layers: Mapping[str, str]
    """Output in the JSON -> the layer that gives it, or several of which the model has one.

    ``logits`` is the model's own output; others that are not named here are not compared.
    """
    options: Callable[[Case], dict[str, Any]] = _no_options
    """A case's options as ``kerseg.models.build`` takes them."""
    adjust: Callable[[keras.Model, Case], None] = _no_change
    """What is done to the filled model for a case that says so."""
    entries: Mapping[str, str] = field(default_factory=dict)
    """Text among a case's options -> the layer whose output the image is put in place of."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Text among a case's options -> why the case is not compared."""
    float32: bool = True
    """Whether float32 can be compared: not where one maximum that falls on another pixel moves a value."""


@dataclass(frozen=True)
class Compared:
    """One case of one architecture: what is fed, and what must come out."""

    name: str
    case: Case
    row: Row

    @property
    def size(self) -> str:
        """Height, width, and channels where they are not three."""
        *size, channels = self.case["input"]
        return "x".join(map(str, size if channels == 3 else [*size, channels]))

    @property
    def remark(self) -> str:
        """The beginning of its options."""
        return json.dumps(self.case["options"])[1:60].rstrip("}")

    @property
    def pixels(self) -> int:
        """Of the input."""
        return int(np.prod(self.case["input"][:2]))

    @property
    def entry(self) -> str | None:
        """The layer whose output the image replaces, if any."""
        return _matching(self.case, self.row.entries)

    @property
    def head_alone(self) -> bool:
        """Whether the image replaces features."""
        return self.entry not in (None, "pad")

    @property
    def left_out(self) -> str | None:
        """Why it is not compared, if it is not."""
        return _matching(self.case, self.row.left_out)

    @property
    def options(self) -> dict[str, Any]:
        """All that ``kerseg.models.build`` gets."""
        channels = 3 if self.head_alone else self.case["input"][2]
        shape = (None, None, channels)
        return {"num_classes": self.case["classes"], "input_shape": shape, **self.row.options(self.case)}


def _matching(case: Case, found: Mapping[str, str]) -> str | None:
    text = json.dumps(case["options"])
    return next((answer for part, answer in found.items() if part in text), None)


class Builder:
    """Builds and fills models, and keeps the last: an architecture's cases mostly differ in size alone."""

    def __init__(self) -> None:
        self.key, self.model = "", None

    def __call__(self, compared: Compared) -> keras.Model:
        """Return the filled model of a case."""
        adjusted = compared.row.adjust is not _no_change
        key = json.dumps([compared.name, compared.options, compared.case["options"] if adjusted else 0])
        if key != self.key:
            self.model = None
            keras.utils.clear_session()
            gc.collect()
            model = fill.fill(built(compared))
            compared.row.adjust(model, compared.case)
            self.key, self.model = key, model
        return self.model


def _zeros(layer: keras.layers.Layer, add_weight: Any, *arguments: Any, **options: Any) -> Any:
    """Add a weight of zeros: to draw a hundred million numbers that are then replaced takes seconds."""
    return add_weight(layer, *arguments, **options | {"initializer": "zeros"})


def built(compared: Compared) -> keras.Model:
    """Build a case's model so that it takes the rule's image: what is behind the normalisation."""
    with patch.object(keras.layers.Layer, "add_weight", partialmethod(_zeros, keras.layers.Layer.add_weight)):
        model = build(compared.name, **compared.options)
    for layer in fill.layers_of(model):
        if isinstance(layer, Normalize):
            layer.mean, layer.scale = 0.0, 1.0
    return model


def differences(compared: Compared, model: keras.Model) -> dict[str, float]:
    """Return how far each output of a case is from the release's, in its deviations."""
    golden = compared.case["outputs"]
    tensors = {name: _output(model, layers) for name, layers in compared.row.layers.items() if name in golden}
    start = model.input
    if compared.entry:
        start = _output(model, compared.entry)
    if "logits" in golden:
        tensors["logits"] = model.get_layer("logits").output if compared.entry else model.output
    probe = keras.Model(start, tensors)
    image = golden_rule.image(*compared.case["input"])[None].astype(keras.config.floatx())
    outputs = _run(probe, image)
    return {
        name: fill.difference(golden[name], keras.ops.convert_to_numpy(keras.ops.stop_gradient(value))[0])
        for name, value in outputs.items()
    }


def _run(probe: keras.Model, image: np.ndarray) -> Any:
    """Return the outputs of a model; with TensorFlow as a graph, which frees what is used up.

    Otherwise Keras keeps all between: 16 GB for PSPNet at 713x713 in float64.
    """
    if keras.backend.backend() != "tensorflow":
        return probe(image, training=False)
    import tensorflow as tf

    return tf.function(lambda x: probe(x, training=False))(image)


def _output(model: keras.Model, layers: str) -> Any:
    """Return what the first of some layers that the model has gives."""
    known = {layer.name: layer for layer in model.layers}
    output = next(known[name] for name in layers.split() if name in known).output
    return output[0] if isinstance(output, tuple | list) else output
