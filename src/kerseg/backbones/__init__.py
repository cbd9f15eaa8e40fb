"""Trunks shared by architectures: image -> features, keyed by stride. Keras only.

Each entry is a `kerseg.backbones.backbone.Backbone`: its function, the normalisation of the image and the published
weights it goes with. What stands on a trunk is in ``kerseg.models``; reading weights is in ``kerseg.weights``.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from kerseg.core.tensor import Tensor
from kerseg.errors import ConfigError
from kerseg.registry import Registry

if TYPE_CHECKING:
    from kerseg.backbones.backbone import Backbone, Features

BACKBONES = Registry(
    "backbone",
    {
        "vgg16": "kerseg.backbones.vgg:VGG16",
        "resnet50": "kerseg.backbones.resnet:RESNET50",
        "resnet101": "kerseg.backbones.resnet:RESNET101",
        "resnet152": "kerseg.backbones.resnet:RESNET152",
        "resnet50_v2": "kerseg.backbones.resnet_v2:RESNET50_V2",
        "resnet101_v2": "kerseg.backbones.resnet_v2:RESNET101_V2",
        "resnet152_v2": "kerseg.backbones.resnet_v2:RESNET152_V2",
    },
    aliases={
        "vgg_16": "vgg16",
        "resnet_v2_50": "resnet50_v2",
        "resnet_v2_101": "resnet101_v2",
        "resnet_v2_152": "resnet152_v2",
    },
    given=("x", "depth", "output_stride", "width"),
)
PAD_LAYER = "pad_to_grid"
"""Name of the layer that pads a normalised image."""


def get(name: str) -> "Backbone":
    """Return an entry.

    Args:
        name: A name or alias of ``BACKBONES``.

    Raises:
        ConfigError: There is no such backbone.
    """
    entry: Backbone = BACKBONES.load(name)
    return entry


def prepare(name: str, image: Tensor, *, pad: tuple[int, int] | None = None) -> Tensor:
    """Normalise an image as a backbone wants it, and then pad it at the bottom and right with zeros.

    Args:
        name: A name or alias of ``BACKBONES``.
        image: ``(batch, height, width, channels)``, 0 to 255.
        pad: ``(multiple, remainder)`` of ``PadToMultiple``: ``(8, 1)`` for sizes of 8k + 1. ``None`` for no
            padding.

    Returns:
        Float32 of the padded size.

    Raises:
        ConfigError: There is no such backbone.
    """
    from kerseg.layers.pad import PadToMultiple
    from kerseg.layers.preprocess import Normalize, image_mean

    backbone = get(name)
    x = Normalize(
        mean=image_mean(image, backbone.mean),
        scale=backbone.scale,
        backbone=BACKBONES.resolve(name),
        name="normalize",
    )(image)
    return x if pad is None else PadToMultiple(pad[0], remainder=pad[1], dtype="float32", name=PAD_LAYER)(x)


def build(
    name: str,
    image: Tensor,
    *,
    pad: tuple[int, int] | None = None,
    strides: Collection[int] = (),
    **options: Any,
) -> "Features":
    """Apply a backbone by name to an image.

    Args:
        name: A name or alias of ``BACKBONES``.
        image: ``(batch, height, width, channels)``, 0 to 255.
        pad: As of ``prepare``.
        strides: At which the architecture needs features.
        **options: As of ``apply``.

    Raises:
        ConfigError: There is no such backbone, it has no features at one of the strides, or lacks an option.

    Example:
        >>> features = build("resnet50", keras.Input((513, 513, 3)), output_stride=16, width=8)
        >>> features[16].shape
        (None, 33, 33, 256)
    """
    own = get(name).strides
    if missing := sorted(set(strides) - set(own)):
        raise ConfigError(
            f"backbone is {name!r}, which has features at strides {', '.join(map(str, own))}; this architecture "
            f"needs {', '.join(map(str, missing))} too."
        )
    return apply(name, prepare(name, image, pad=pad), **options)


def apply(
    name: str,
    x: Tensor,
    *,
    asked: Mapping[str, Any] | None = None,
    preferred: Mapping[str, Any] | None = None,
    **options: Any,
) -> "Features":
    """Apply a backbone by name to what ``prepare`` gave.

    Args:
        name: A name or alias of ``BACKBONES``.
        x: ``(batch, height, width, channels)``, normalised.
        asked: Variants that the user asked for; those that are ``None`` were not. The backbone must have them.
        preferred: The architecture's own choice of variants, where the backbone has them.
        **options: What every backbone takes: ``output_stride`` and ``width``.

    Raises:
        ConfigError: The backbone does not have a variant that was asked for; the message says which ones do.
    """
    known = BACKBONES.options(name)
    asked = {option: value for option, value in (asked or {}).items() if value is not None}
    for option in asked:
        if option not in known:
            having = ", ".join(other for other in BACKBONES if option in BACKBONES.options(other))
            raise ConfigError(
                f"{option} is {asked[option]!r}; the backbone {BACKBONES.resolve(name)!r} has no such option. "
                f"Those that do: {having or 'none'}."
            )
    variants = {option: value for option, value in (preferred or {}).items() if option in known}
    return get(name)(x, **options, **variants | asked)
