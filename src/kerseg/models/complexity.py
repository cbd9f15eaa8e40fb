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
    counted = [layer for layer in model.layers if isinstance(layer, _COUNTED)]
    # A transposed convolution applies its kernel once for each input pixel, any other one for each output.
    applied = [
        layer.input if isinstance(layer, layers.Conv2DTranspose) else layer.output for layer in counted
    ]
    channels = model.inputs[0].shape[-1]
    probe = keras.Model(model.inputs, applied)
    specs = probe.compute_output_spec(keras.KerasTensor((1, height, width, channels)))
    return sum(
        math.prod(spec.shape[1:-1]) * math.prod(layer.kernel.shape)
        for layer, spec in zip(counted, specs, strict=True)
    )


_COUNTED = (layers.Conv2D, layers.Conv2DTranspose, layers.DepthwiseConv2D, layers.Dense)
