"""The architectures: one file each, one line each in this table."""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kerseg import backbones
from kerseg.backbones import BACKBONES, PAD_LAYER
from kerseg.core.solver import Solver
from kerseg.errors import ConfigError
from kerseg.models.versions import OVERLOOKED_BY_0_1, changed_since_0_1
from kerseg.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path

    import keras

MODELS = Registry(
    "model",
    {
        "fcn_32s": "kerseg.models.fcn:fcn_32s",
        "fcn_16s": "kerseg.models.fcn:fcn_16s",
        "fcn_8s": "kerseg.models.fcn:fcn_8s",
        "unet": "kerseg.models.unet:unet",
        "segnet": "kerseg.models.segnet:segnet",
        "segnet_basic": "kerseg.models.segnet:segnet_basic",
        "deeplab_v1": "kerseg.models.deeplab_v1:deeplab_v1",
        "deeplab_v2": "kerseg.models.deeplab_v2:deeplab_v2",
        "deeplab_v3": "kerseg.models.deeplab_v3:deeplab_v3",
        "pspnet": "kerseg.models.pspnet:pspnet",
        "gcn": "kerseg.models.gcn:gcn",
        "enet": "kerseg.models.enet:enet",
        "icnet": "kerseg.models.icnet:icnet",
    },
    aliases={
        "FCN8": "fcn_8s",
        "U_Net": "unet",
        "Seg_Net": "segnet",
        "Deeplab_v1": "deeplab_v1",
        "Deeplab_v2": "deeplab_v2",
        "Deeplab_v3": "deeplab_v3",
        "PSPNet": "pspnet",
        "GCN": "gcn",
        "ENet": "enet",
        "ICNet": "icnet",
    },
    given=("num_classes", "input_shape", "auxiliary"),
)


def build(
    name: str,
    *,
    num_classes: int,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    weights: "str | Path | None" = None,
    auxiliary: bool = False,
    **options: Any,
) -> "keras.Model":
    """Build an architecture by name.

    Args:
        name: A name or alias of ``MODELS``.
        num_classes: Classes, at least 1: the logits' channels.
        input_shape: ``(height, width, channels)`` of the image; ``None`` for any size.
        weights: Where to start from, as of ``kerseg.weights.load``: ``"imagenet"``, or the path of a TF-Slim
            checkpoint, a model file or a run folder. ``None`` is random.
        auxiliary: Return a dictionary of outputs, ``logits`` and what else the architecture is trained on;
            see ``loss_weights``.
        **options: What this architecture takes besides; see its function.

    Returns:
        A ``keras.Model`` ``(batch, height, width, channels) -> (batch, height, width, num_classes)`` named after
        the architecture: 0 to 255 in, RGB or other channels, uint8 or float32; float32 logits at the image's own
        size out.

    Raises:
        ConfigError: No such architecture or option, or fewer than one class or channel.
        WeightsError: The weights cannot be read, or do not fit.

    Example:
        >>> model = build("unet", num_classes=21, width=8)
        >>> model(keras.ops.zeros((1, 37, 53, 3))).shape
        (1, 37, 53, 21)
    """
    name = MODELS.resolve(name)
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 1:
        raise ConfigError(f"num_classes is {num_classes!r}; a model needs an integer of at least 1.")
    if len(input_shape) != 3 or not isinstance(input_shape[2], int) or input_shape[2] < 1:
        raise ConfigError(
            f"input_shape is {input_shape!r}; a model takes (height, width, channels), the channels an integer "
            "of at least 1: (None, None, 3)."
        )
    check(name, options)
    options = options_with_weights(name, weights, options)
    if auxiliary and _has_heads(name):
        options["auxiliary"] = True
    model: keras.Model = MODELS.load(name)(num_classes=num_classes, input_shape=input_shape, **options)
    if weights is not None:
        from kerseg.weights import load

        load(model, weights)
    if auxiliary and not _has_heads(name):
        return type(model)(model.input, {"logits": model.output}, name=name)
    return model


def loss_weights(name: str, model: "keras.Model") -> dict[str, float]:
    """Return the weight of each output in an architecture's training loss, by the paper.

    Args:
        name: A name or alias of ``MODELS``.
        model: What ``build(name, auxiliary=True)`` gave.

    Returns:
        ``{"logits": 1.0}`` where the logits alone are trained; ``{"logits": 1.0, "auxiliary": 0.4}`` for PSPNet.

    Example:
        >>> loss_weights("enet", build("enet", num_classes=2, auxiliary=True))
        {'logits': 1.0}
    """
    weights: dict[str, float] = getattr(MODELS.module(name), "LOSS_WEIGHTS", {"logits": 1.0})
    return {output: weight for output, weight in weights.items() if output in model.output}


def losses(name: str) -> dict[str, str]:
    """Return the loss of each output that an architecture trains with another than cross entropy, by the paper.

    Args:
        name: A name or alias of ``MODELS``.

    Returns:
        Output -> expression of `kerseg.losses.create`; ``{}`` for most.

    Example:
        >>> losses("enet")
        {}
    """
    return dict(getattr(MODELS.module(name), "LOSSES", {}))


def solver(name: str) -> Solver | None:
    """Return how an architecture's release trains its layers; ``None`` where none is known.

    Args:
        name: A name or alias of ``MODELS``.

    Example:
        >>> solver("pspnet").of("logits_scores/bias")
        (20.0, 1.0)
    """
    found: Solver | None = getattr(MODELS.module(name), "SOLVER", None)
    return found


def label_grids(name: str, model: "keras.Model") -> dict[str, int]:
    """Return the grid of each output that is smaller than the image, which the model pads to k x grid + 1 pixels.

    Labels are compared with such an output through ``kerseg.losses.labels.OnGrid``.

    Args:
        name: A name or alias of ``MODELS``.
        model: What ``build(name, auxiliary=True)`` gave.

    Returns:
        Pixels by output; without those of a model that does not pad.

    Example:
        >>> label_grids("deeplab_v1", build("deeplab_v1", num_classes=2, width=4, auxiliary=True))
        {'scores': 8}
    """
    grids = [layer.multiple for layer in model.layers if layer.name == PAD_LAYER]
    reduced: tuple[str, ...] = getattr(MODELS.module(name), "REDUCED", ())
    return {output: grid for grid in grids for output in reduced if output in model.output}


def options_of_version(name: str, version: str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the options with which ``build`` makes what an earlier version of kerseg made with ``options``.

    The variables come in the same order, with the same names and shapes, and the logits are the same.

    Args:
        name: A name or alias of ``MODELS``.
        version: Of kerseg: ``"0.1.0"``.
        options: What that version was given besides the number of classes and the shape.

    Returns:
        All options to give to ``build``: ``options``, and what has another default today.

    Raises:
        ConfigError: No such architecture or backbone.

    Example:
        >>> options_of_version("enet", "0.1.0", {"width": 8})
        {'asymmetric_bias': False, 'width': 8}
        >>> options_of_version("enet", "0.2.0", {"width": 8})
        {'width': 8}
    """
    name, given = MODELS.resolve(name), dict(options or {})
    if [int(number) for number in version.split(".")[:2]] >= [0, 2]:
        return given
    backbone = _backbone(name, given)
    if backbone is not None:  # 0.1 passed over what a backbone does not have
        taken = BACKBONES.options(backbone)
        given = {key: value for key, value in given.items() if key not in OVERLOOKED_BY_0_1 or key in taken}
    return changed_since_0_1(name, backbone) | given


def options_with_weights(
    name: str, weights: "str | Path | None", options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return an architecture's options, with the variants of its backbone that published weights were trained with.

    Args:
        name: A name or alias of ``MODELS``.
        weights: As of ``build``.
        options: What is asked for, which stays.

    Example:
        >>> options_with_weights("gcn", "imagenet", {"backbone": "resnet50_v2"})
        {'root_pool': 'keras', 'backbone': 'resnet50_v2'}
    """
    backbone = _backbone(name, options)
    if weights != "imagenet" or backbone is None:
        return dict(options)
    published = backbones.get(backbone).imagenet
    return {**(published.options if published else {}), **options}


def _backbone(name: str, options: Mapping[str, Any]) -> str | None:
    backbone: str | None = options.get("backbone", MODELS.default(name, "backbone"))
    return backbone and BACKBONES.resolve(backbone)


def _has_heads(name: str) -> bool:
    return "auxiliary" in inspect.signature(MODELS.load(name)).parameters


def check(name: str, options: Mapping[str, Any], *, option: str = "") -> None:
    """Check a name and its options without building or importing anything.

    Args:
        name: A name or alias of ``MODELS``.
        options: What the architecture is to be given.
        option: As for `kerseg.registry.Registry.check`.

    Raises:
        ConfigError: No such architecture or option, and the message names the nearest one; or a value of another
            type.
    """
    MODELS.check(name, options, option=option)
