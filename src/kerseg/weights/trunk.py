"""The backbone inside a model: which one it is, and VGG16's classifier in the sizes that architectures use."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from kerseg.errors import WeightsError
from kerseg.layers.preprocess import Normalize


def variables_of(model: keras.Model) -> dict[str, Any]:
    """Return a model's weights by ``layer/variable``, those of models inside it included.

    Seeds are left out: they are state, not weights.
    """
    return {
        f"{layer.name}/{variable.name}": variable for layer in layers_of(model) for variable in layer.weights
    }


def layers_of(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Iterate over a model's layers, those of models inside it in place of these models."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)
        else:
            yield layer


def name_of(model: keras.Model) -> str | None:
    """Return the name in ``BACKBONES`` of a model's trunk, which its normalisation says, or ``None``."""
    names = [layer.backbone for layer in layers_of(model) if isinstance(layer, Normalize)]
    return next((name for name in names if name is not None), None)


def require(model: keras.Model, wanted: str, origin: str) -> None:
    """Check that a model has the trunk that weights were made for.

    Raises:
        WeightsError: It has another one, or none.
    """
    mine = name_of(model)
    if mine == wanted:
        return
    has = f"has the backbone {mine}" if mine else "has no backbone of its own"
    choose = "" if mine in (None, "vgg16") else f" Build it with `model_options={{'backbone': {wanted!r}}}`."
    raise WeightsError(f"{origin}: these are weights of {wanted}, and {model.name} {has}.{choose}")


def branches(variables: Mapping[str, Any], layer: str) -> list[str]:
    """Return the suffixes that a layer has in a model, ``""`` without: DeepLab v2 has ``fc6_1`` to ``fc6_4``.

    Example:
        >>> branches({"fc6_1/kernel": 0, "fc6_2/kernel": 0, "fc7_1/kernel": 0}, "fc6")
        ['_1', '_2']
    """
    found = (re.fullmatch(rf"{layer}(_\d)?/kernel", name) for name in variables)
    return [match[1] or "" for match in found if match]


def fit_classifier(
    values: Mapping[str, np.ndarray], mine: Mapping[str, Any], seed: int = 0
) -> dict[str, np.ndarray]:
    """Bring VGG16's fully connected layers to the size that DeepLab's branches have.

    As published (DeepLab v1, section 3.1; v2, section 4.1.2): of the 4,096 filters 1,024 are kept, drawn at
    random; of the 7x7 taps every third, which makes 3x3. Each of DeepLab v2's four branches gets a draw of its own.

    Args:
        values: By ``layer/variable``, ``fc6/kernel`` of shape (7, 7, 512, 4096) among them.
        mine: The model's variables, as of ``variables_of``.
        seed: Of the draw.

    Returns:
        ``values`` with ``fc6`` and ``fc7`` replaced by the branches' ``fc6_1`` and so on where the model has
        smaller ones; FCN's have VGG16's own size.
    """
    result = dict(values)
    suffixes = branches(mine, "fc6")
    if values.get("fc6/kernel") is None or not suffixes:
        return result
    full = [result.pop(name) for name in ("fc6/kernel", "fc6/bias", "fc7/kernel", "fc7/bias")]
    random = np.random.default_rng(seed)
    for branch in suffixes:
        smaller = _subsample(*full, shape=tuple(mine[f"fc6{branch}/kernel"].shape), random=random)
        names = (f"fc6{branch}/kernel", f"fc6{branch}/bias", f"fc7{branch}/kernel", f"fc7{branch}/bias")
        result |= dict(zip(names, smaller, strict=True))
    return result


def fit_channels(
    values: Mapping[str, np.ndarray], mine: Mapping[str, Any], theirs: int, channels: int
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Bring the convolutions that see the image to another number of channels.

    Each new channel gets the mean of the kernel over the old ones, times old / new channels: an image whose
    channels are all alike gives what the old kernel gives for the same grey image, and no channel counts more
    than another. timm scales likewise, and repeats the kernels in place of their mean:
    https://github.com/huggingface/pytorch-image-models/blob/main/timm/models/_manipulate.py (adapt_input_conv).

    Args:
        values: By ``layer/variable``.
        mine: The model's variables, as of ``variables_of``.
        theirs: Channels of the images that ``values`` were trained on.
        channels: Those of the model's.

    Returns:
        ``values`` with these kernels replaced, and a note on them if there are any.

    Example:
        >>> fit_channels({"conv/kernel": np.ones((3, 3, 3, 8))}, {"conv/kernel": np.ones((3, 3, 6, 8))}, 3, 6)[1]
        ['3 channels there, 6 here, so these have the mean of the channels, times 3/6: conv/kernel']
    """
    fitted, changed = dict(values), []
    for name, value in values.items():
        if theirs == channels or name not in mine or value.ndim != 4 or value.shape[2] != theirs:
            continue
        if tuple(mine[name].shape) == (*value.shape[:2], channels, value.shape[3]):
            mean = value.mean(axis=2, keepdims=True) * (theirs / channels)
            fitted[name] = np.repeat(mean, channels, axis=2).astype(value.dtype)
            changed.append(name)
    if not changed:
        return fitted, []
    return fitted, [
        f"{theirs} channels there, {channels} here, so these have the mean of the channels, times "
        f"{theirs}/{channels}: {', '.join(changed)}"
    ]


def _subsample(
    kernel6: np.ndarray,
    bias6: np.ndarray,
    kernel7: np.ndarray,
    bias7: np.ndarray,
    *,
    shape: tuple[int, ...],
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    if kernel6.shape == shape or shape[-1] > kernel6.shape[-1]:
        return kernel6, bias6, kernel7, bias7
    taps = np.round(np.linspace(0, kernel6.shape[0] - 1, shape[0])).astype(int)  # 7 -> 3: 0, 3, 6
    six, seven = (np.sort(random.choice(len(bias6), shape[-1], replace=False)) for _ in range(2))
    return (
        kernel6[np.ix_(taps, taps, np.arange(kernel6.shape[2]), six)],
        bias6[six],
        kernel7[:, :, six][..., seven],
        bias7[seven],
    )
