"""The architectures: one file each, one line each in this table."""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kerseg.errors import ConfigError
from kerseg.registry import Registry, nearest

if TYPE_CHECKING:
    import keras

MODELS = Registry(
    "model",
    {
        "fcn_32s": "kerseg.models.fcn:fcn_32s",
        "fcn_16s": "kerseg.models.fcn:fcn_16s",
        "fcn_8s": "kerseg.models.fcn:fcn_8s",
        "unet": "kerseg.models.unet:unet",
        "enet": "kerseg.models.enet:enet",
    },
    aliases={"FCN8": "fcn_8s", "U_Net": "unet", "ENet": "enet"},
)


def build(
    name: str,
    *,
    num_classes: int,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    **options: Any,
) -> "keras.Model":
    """Build an architecture by name.

    Args:
        name: A name or alias of ``MODELS``.
        num_classes: Classes, at least 1: the logits' channels.
        input_shape: ``(height, width, channels)`` of the image; ``None`` for any size.
        **options: What this architecture takes besides; see its function.

    Returns:
        A ``keras.Model`` ``(batch, height, width, 3) -> (batch, height, width, num_classes)`` named after the
        architecture: RGB 0 to 255 in, uint8 or float32; float32 logits at the image's own size out.

    Raises:
        ConfigError: No such architecture or option, or fewer than one class.

    Example:
        >>> model = build("unet", num_classes=21, width=32)
        >>> model(keras.ops.zeros((1, 37, 53, 3))).shape
        (1, 37, 53, 21)
    """
    name = MODELS.resolve(name)
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 1:
        raise ConfigError(f"num_classes is {num_classes!r}; a model needs an integer of at least 1.")
    check(name, options)
    model: keras.Model = MODELS.load(name)(num_classes=num_classes, input_shape=input_shape, **options)
    return model


def check(name: str, options: Mapping[str, Any]) -> None:
    """Check a name and its options without building anything.

    Raises:
        ConfigError: No such architecture or option; the message names the nearest one.
    """
    name = MODELS.resolve(name)
    parameters = inspect.signature(MODELS.load(name)).parameters
    known = [parameter for parameter in parameters if parameter not in ("num_classes", "input_shape")]
    for option in options:
        if option not in known:
            hint = nearest(option, known)
            raise ConfigError(
                f"{name!r} has no option {option!r}.{hint} It takes: {', '.join(known) or 'none'}."
            )
