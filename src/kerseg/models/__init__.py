"""The architectures: one file each, one line each in this table."""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kerseg.core.solver import Solver
from kerseg.errors import ConfigError
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
