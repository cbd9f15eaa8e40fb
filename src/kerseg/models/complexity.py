"""What a model costs, counted from its graph."""

import math

import keras
from keras import layers


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
        >>> multiply_adds(kerseg.models.build("enet", num_classes=19), 512, 1024) / 1e9
        3.92
    """
    return _count(model, keras.KerasTensor((1, height, width, model.inputs[0].shape[-1])))


def _count(model: keras.Model, image: keras.KerasTensor) -> int:
    # Node by node and not layer by layer: DeepLab v2 applies one network to three sizes of the image.
    nodes = [node for depth in model._nodes_by_depth.values() for node in depth]
    nodes = [node for node in nodes if isinstance(node.operation, (*_COUNTED, keras.Model))]
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
