"""Keras's ImageNet weights: VGG16, ResNet and ResNetV2 of ``keras.applications``, downloaded and kept by Keras."""

from collections.abc import Callable

import keras
import numpy as np

from kerseg.errors import WeightsError
from kerseg.weights import trunk
from kerseg.weights.source import Source
from kerseg.weights.trunk import variables_of

_APPLICATIONS = {
    "vgg16": "VGG16",
    "resnet50": "ResNet50",
    "resnet101": "ResNet101",
    "resnet152": "ResNet152",
    "resnet50_v2": "ResNet50V2",
    "resnet101_v2": "ResNet101V2",
    "resnet152_v2": "ResNet152V2",
}
_EPSILON = 1.001e-5
"""Of batch normalisation in Keras's ResNets; kerseg's have the papers' 1e-5."""


def read(model: keras.Model) -> Source:
    """Read the ImageNet weights of a model's backbone.

    Raises:
        WeightsError: The model has no backbone, or the download failed.
    """
    name = trunk.name_of(model)
    if name is None:
        offered = ", ".join(_APPLICATIONS)
        raise WeightsError(
            f"imagenet: {model.name} has no backbone with ImageNet weights. Those are {offered}, at full width."
        )
    build: Callable[..., keras.Model] = getattr(keras.applications, _APPLICATIONS[name])
    # VGG16's classifier has seven eighths of its weights: only for models that use it.
    with_top = any(variable.startswith("fc6") for variable in variables_of(model))
    try:
        application = build(weights="imagenet", include_top=with_top)
    except Exception as error:  # Keras raises a bare Exception for a failed download.
        raise WeightsError(
            f"imagenet: Keras could not get the weights of {_APPLICATIONS[name]}: {str(error)[:300]} Check the "
            "network, or give `weights` the path of a TF-Slim checkpoint."
        ) from error
    return translate(application, name, model)


def translate(application: keras.Model, name: str, model: keras.Model) -> Source:
    """Bring the weights of a ``keras.applications`` model to kerseg's layers.

    Args:
        application: The model, with or without its classifier.
        name: Its name in ``BACKBONES``.
        model: The model they are for.
    """
    values = {
        key: keras.ops.convert_to_numpy(variable) for key, variable in variables_of(application).items()
    }
    # Keras's VGG16 and ResNets were trained on BGR; kerseg's images are RGB.
    for first in ("block1_conv1/kernel", "conv1_conv/kernel"):
        if first in values and not name.endswith("_v2"):
            values[first] = values[first][:, :, ::-1]
    classifier = [key for key in values if key.startswith("predictions/")]
    for key in classifier:
        del values[key]
    notes = []
    if name == "vgg16":
        _convolve_classifier(values)
    else:
        _match_epsilon(values)
        if not name.endswith("_v2"):
            _merge_biases(values)
            notes = _note_stride(model)
    origin = f"imagenet ({application.name} of keras.applications)"
    return Source(origin, values, unknown=tuple(classifier), notes=tuple(notes))


def _convolve_classifier(values: dict[str, np.ndarray]) -> None:
    """Turn VGG16's dense layers into convolutions: 25088 inputs are 7 rows of 7 pixels of 512 channels."""
    for old, new, size in (("fc1", "fc6", 7), ("fc2", "fc7", 1)):
        if f"{old}/kernel" in values:
            kernel = values.pop(f"{old}/kernel")
            values[f"{new}/kernel"] = kernel.reshape(size, size, -1, kernel.shape[-1])
            values[f"{new}/bias"] = values.pop(f"{old}/bias")


def _match_epsilon(values: dict[str, np.ndarray]) -> None:
    """Add to each variance what Keras's epsilon is larger by: the same function, exactly."""
    for key in values:
        if key.endswith("/moving_variance"):
            values[key] = values[key] + (_EPSILON - 1e-5)


def _merge_biases(values: dict[str, np.ndarray]) -> None:
    """Move each convolution's bias into the mean that is subtracted right after: the same function."""
    for key in [key for key in values if key.endswith("_conv/bias")]:
        mean = key.replace("_conv/bias", "_bn/moving_mean")
        values[mean] = values[mean] - values.pop(key)


def _note_stride(model: keras.Model) -> list[str]:
    strides = {layer.name: layer.strides for layer in model.layers if hasattr(layer, "strides")}
    if strides.get("conv3_block1_2_conv") != (2, 2):
        return []
    return [
        "Keras's ResNets have their strides in 1x1 convolutions, this model in 3x3 ones: the features are close, "
        "and not equal, until training adapts them. `model_options={'stride_in': '1x1'}` makes them equal."
    ]
