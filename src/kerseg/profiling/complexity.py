"""What a model costs, counted from its graph."""

import math
from typing import Any

import keras
from keras import layers


def shapes_only() -> keras.StatelessScope:
    """Return a scope in which models are built without their weights: for counting, not for computing.

    A model built in it has shapes and names as any other, at no cost of memory, and in a fraction of the time.

    Example:
        >>> with shapes_only():
        ...     model = kerseg.models.build("fcn_8s", num_classes=21)
        >>> model.count_params()
        134362751
    """
    return keras.StatelessScope(initialize_variables=False)


def multiply_adds(model: keras.Model, height: int, width: int) -> int:
    """Count the multiply-accumulate operations of one image's convolutions and dense layers.

    Published FLOPs are twice this number, where they follow the usual definition. Normalisation, activations,
    pooling, interpolation and biases count as nothing.

    Args:
        model: A functional model with one image input.
        height: The image's, in pixels.
        width: The image's, in pixels.

    Returns:
        Multiply-adds, exactly, for a batch of one.

    Example:
        >>> multiply_adds(kerseg.models.build("enet", num_classes=19), 512, 1024)
        39...
    """
    return _count(model, _image(model, height, width))


def _count(model: keras.Model, image: keras.KerasTensor) -> int:
    # Node by node and not layer by layer: DeepLab v2 applies one network to three sizes of the image.
    nodes = [node for node in _nodes(model) if isinstance(node.operation, (*_COUNTED, keras.Model))]
    # A transposed convolution applies its kernel once for each input pixel, any other one for each output; for
    # a model inside the model, its input says what it costs.
    by_input = (layers.Conv2DTranspose, keras.Model)
    tensors = [
        node.input_tensors[0] if isinstance(node.operation, by_input) else node.outputs[0] for node in nodes
    ]
    specs = keras.Model(model.inputs, tensors).compute_output_spec(image)
    return sum(
        _count(node.operation, spec)
        if isinstance(node.operation, keras.Model)
        else math.prod(spec.shape[1:-1]) * math.prod(node.operation.kernel.shape)
        for node, spec in zip(nodes, specs, strict=True)
    )


_COUNTED = (layers.Conv2D, layers.Conv2DTranspose, layers.DepthwiseConv2D, layers.Dense)


def output_stride(model: keras.Model) -> int | None:
    """Return how many image pixels, along a side, make one pixel of the model's coarsest features.

    Features whose size does not follow the image's, such as a pyramid's bins and the image's mean, are left
    out.

    Args:
        model: A functional model with one image input.

    Returns:
        The stride; ``None`` for a model of one image size, where bins cannot be told from features.

    Example:
        >>> output_stride(kerseg.models.build("deeplab_v3", num_classes=21, width=8))
        16
    """
    if None in model.inputs[0].shape[1:3]:
        # Multiples of any stride: between the two, features grow by exactly 1024 / stride, padded or not.
        small, large = (_heights(model, _image(model, size, size)) for size in (1024, 2048))
        growth = [b - a for a, b in zip(small, large, strict=True) if b > a]
        return round(1024 / min(growth))
    return None


def _heights(model: keras.Model, image: keras.KerasTensor) -> list[int]:
    """Return the height of every map in a model, and in the models inside it."""
    tensors = [tensor for node in _nodes(model) for tensor in node.outputs if len(tensor.shape) == 4]
    inner = [node for node in _nodes(model) if isinstance(node.operation, keras.Model)]
    ends = [*tensors, *(node.input_tensors[0] for node in inner)]
    specs = keras.Model(model.inputs, ends).compute_output_spec(image)
    heights = [int(spec.shape[1]) for spec in specs[: len(tensors)]]
    for node, spec in zip(inner, specs[len(tensors) :], strict=True):
        heights += _heights(node.operation, spec)
    return heights


def _nodes(model: keras.Model) -> list[Any]:
    return [node for depth in model._nodes_by_depth.values() for node in depth]


def _image(model: keras.Model, height: int, width: int) -> keras.KerasTensor:
    return keras.KerasTensor((1, height, width, model.inputs[0].shape[-1]))
