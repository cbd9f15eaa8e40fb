"""Fills a Keras model by ``golden_rule.py``, and compares an output with what ``numbers/*.json`` say of it.

Layers are walked through, nested models and layers within layers too; neither names nor order matter, only a
layer's kind and the shapes of its weights.

What it does not know, and raises ``ValueError`` for rather than leave as it is: fused or split projections of
attention (a release fills its qkv matrix as one; split it yourself), a table of positions, or any weight whose
owner's kind and own name say nothing; give those with ``kinds``, by the end of their path: ``fill(model,
kinds={"position": "embedding", "gamma_1": "scale"})``. Nor does it know in which order a release concatenates
what a kernel reads.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import golden_rule
import keras
import numpy as np

VECTORS = {
    "bias": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "mean",
    "moving_variance": "variance",
    "alpha": "alpha",
}
"""A weight of one value a channel, by its name in Keras -> its kind in the rule."""
DEPTHWISE = "depthwise"


def fill(model: keras.Model, kinds: Mapping[str, str] | None = None) -> keras.Model:
    """Assign every weight of ``model`` by the rule, and return it; see above for ``kinds``."""
    axes = {id(weight): order for layer in layers_of(model) for weight, order in _kernels(layer)}
    seen, unknown = set(), []
    for weight in model.weights:
        if id(weight) in seen or "seed_generator" in weight.path:
            continue
        seen.add(id(weight))
        value = _value(weight, axes.get(id(weight)), kinds or {})
        if value is None:
            unknown.append(f"{weight.path} {tuple(weight.shape)}")
        else:
            weight.assign(value)
    if unknown:
        raise ValueError("no rule for " + "; ".join(unknown))
    return model


def difference(golden: Mapping[str, Any], output: np.ndarray) -> float:
    """Return the largest difference of ``output`` (height, width, channels) from a described one, in deviations.

    Mean and deviation count too, so that a fault between the places that are compared is seen.
    """
    output = np.asarray(output, np.float64)
    if list(output.shape) != golden["shape"]:
        raise ValueError(f"shape {list(output.shape)}, not {golden['shape']}")
    found = [output[y, x, c] - value for y, x, c, value in golden["values"]]
    found += [output.mean() - golden["mean"], output.std() - golden["deviation"]]
    return float(np.abs(found).max() / golden["deviation"])


def layers_of(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yield a layer, and all that lie within it."""
    yield layer
    for inner in layer._flatten_layers(include_self=False, recursive=False):
        yield from layers_of(inner)


def _kernels(layer: keras.layers.Layer) -> Iterator[tuple[Any, Any]]:
    """Yield a layer's kernels, each with the axes that make it (out, in, y, x) or (out, in)."""
    kind = keras.layers
    if isinstance(layer, kind.SeparableConv2D):
        yield layer.depthwise_kernel, DEPTHWISE
        yield layer.pointwise_kernel, (3, 2, 0, 1)
    elif isinstance(layer, kind.DepthwiseConv2D):
        yield layer.kernel, DEPTHWISE
    elif isinstance(layer, kind.Conv2DTranspose):
        yield layer.kernel, (2, 3, 0, 1)  # of (y, x, out, in)
    elif isinstance(layer, kind.Conv2D):
        yield layer.kernel, (3, 2, 0, 1)  # of (y, x, in, out)
    elif isinstance(layer, kind.Dense):
        yield layer.kernel, (1, 0)


def _value(weight: Any, axes: Any, kinds: Mapping[str, str]) -> np.ndarray | None:
    shape = tuple(weight.shape)
    if axes == DEPTHWISE:  # (y, x, channels, multiplier): channel by channel, as Torch counts them
        y, x, channels, multiplier = shape
        flat = golden_rule.kernel((channels * multiplier, 1, y, x))
        return flat.reshape(channels, multiplier, y, x).transpose(2, 3, 0, 1)
    if axes is not None:
        value = np.empty(shape, keras.backend.standardize_dtype(weight.dtype))
        logical = value.transpose(axes)  # a view
        for part, numbers in golden_rule.kernel_slices(logical.shape):
            logical[part] = numbers
        return value
    own = [kind for end, kind in kinds.items() if weight.path.endswith(end)]
    if own and own[0] == "embedding":
        return golden_rule.embedding(shape)
    kind = own[0] if own else VECTORS.get(weight.name)
    if kind is None or max(shape, default=0) != np.prod(shape):  # (1, 1, c) is a vector still
        return None
    return golden_rule.vector(kind, int(np.prod(shape))).reshape(shape)
