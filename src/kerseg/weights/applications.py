"""Keras's ImageNet weights: VGG16, ResNet and ResNetV2 of ``keras.applications``, downloaded and kept by Keras."""

from collections.abc import Callable

import keras
import numpy as np

from kerseg import backbones
from kerseg.backbones import BACKBONES
from kerseg.backbones.backbone import Backbone
from kerseg.errors import WeightsError
from kerseg.weights import trunk
from kerseg.weights.source import PretrainedWeights
from kerseg.weights.trunk import variables_of


def read(model: keras.Model) -> PretrainedWeights:
    """Read the ImageNet weights of a model's backbone.

    Raises:
        WeightsError: The model has no backbone, or the download failed.
    """
    name = trunk.name_of(model)
    backbone = None if name is None else backbones.get(name)
    if backbone is None or backbone.imagenet is None:
        offered = ", ".join(name for name in BACKBONES if backbones.get(name).imagenet)
        raise WeightsError(
            f"imagenet: {model.name} has no backbone with ImageNet weights. Those are {offered}, at full width."
        )
    application = backbone.imagenet.name
    build: Callable[..., keras.Model] = getattr(keras.applications, application)
    # VGG16's classifier has seven eighths of its weights: only for models that use it.
    with_top = any(trunk.branches(variables_of(model), layer) for layer in backbone.classifier.values())
    try:
        published = build(weights="imagenet", include_top=with_top)
    except Exception as error:  # Keras raises a bare Exception for a failed download.
        raise WeightsError(
            f"imagenet: Keras could not get the weights of {application}: {str(error)[:300]} Check the network, or "
            "give `weights` the path of a TF-Slim checkpoint."
        ) from error
    return translate(published, backbone, model)


def translate(published: keras.Model, backbone: Backbone, model: keras.Model) -> PretrainedWeights:
    """Bring the weights of a ``keras.applications`` model to kerseg's layers.

    Args:
        published: The model, with or without its classifier.
        backbone: Whose ``imagenet`` it is.
        model: The model they are for.
    """
    origin = backbone.imagenet
    if origin is None:
        raise WeightsError(f"{published.name}: weights of no backbone of kerseg's.")
    values = {key: keras.ops.convert_to_numpy(variable) for key, variable in variables_of(published).items()}
    if origin.bgr:
        for layer in backbone.first_layers:
            values[f"{layer}/kernel"] = values[f"{layer}/kernel"][:, :, ::-1]
    classes = [key for key in values if key.startswith("predictions/")]
    for key in classes:
        del values[key]
    for theirs, mine in backbone.classifier.items():
        _convolve(values, theirs, mine)
    if origin.epsilon is not None:
        _match_epsilon(values, origin.epsilon)
    if origin.biases:
        _merge_biases(values)
    notes = _note_stride(published, model)
    if "root_pool" in origin.options:
        notes += _note_pooling(published, model)
    return PretrainedWeights(
        f"imagenet ({published.name} of keras.applications)",
        values,
        unknown=tuple(classes),
        notes=tuple(notes),
    )


def _convolve(values: dict[str, np.ndarray], dense: str, name: str) -> None:
    """Turn a dense layer into a convolution: VGG16's 25088 inputs are 7 rows of 7 pixels of 512 channels."""
    if f"{dense}/kernel" not in values:
        return
    kernel, bias = values.pop(f"{dense}/kernel"), values.pop(f"{dense}/bias")
    size = 7 if kernel.shape[0] > kernel.shape[1] else 1
    values[f"{name}/kernel"] = kernel.reshape(size, size, -1, kernel.shape[-1])
    values[f"{name}/bias"] = bias


def _match_epsilon(values: dict[str, np.ndarray], epsilon: float) -> None:
    """Add to each variance what Keras's epsilon is larger by than the papers' 1e-5: the same function, exactly."""
    for key in values:
        if key.endswith("/moving_variance"):
            values[key] = values[key] + (epsilon - 1e-5)


def _merge_biases(values: dict[str, np.ndarray]) -> None:
    """Move each convolution's bias into the mean that is subtracted right after: the same function."""
    for key in [key for key in values if key.endswith("_conv/bias")]:
        mean = key.replace("_conv/bias", "_bn/moving_mean")
        values[mean] = values[mean] - values.pop(key)


def _note_stride(published: keras.Model, model: keras.Model) -> list[str]:
    """Say so where the model has its strides in other convolutions than the published one."""
    theirs, mine = (
        {
            layer.name: layer.strides
            for layer in trunk.layers_of(each)
            if isinstance(layer, keras.layers.Conv2D)
        }
        for each in (published, model)
    )
    if all(strides == (1, 1) or theirs.get(name, strides) == strides for name, strides in mine.items()):
        return []
    return [
        "Keras's ResNets have their strides in 1x1 convolutions, this model in 3x3 ones: the features are close, "
        "and not equal, until training adapts them. `model_options={'stride_in': '1x1'}` makes them equal."
    ]


def _note_pooling(published: keras.Model, model: keras.Model) -> list[str]:
    """Say how the model's first pooling pads, of a backbone that has a choice of that."""
    if any(layer.name == "pool1_pad" for layer in trunk.layers_of(model)):
        return ["the first pooling pads as these weights were trained (root_pool: keras)"]
    return [
        f"{published.name} pads its first pooling on each side, this model as TF-Slim does: the features are off "
        "by a fifth until training adapts them. `model_options={'root_pool': 'keras'}` makes them equal."
    ]
