"""Trunks shared by architectures: image -> features, keyed by stride. Keras only.

Each is a function ``(x, *, output_stride, width, ...) -> Features`` of a normalised image, and its module's
``normalize`` is the input normalisation that its published weights were trained with; ``build`` applies both.
"""

from collections.abc import Iterable
from typing import Any

from kerseg.errors import ConfigError
from kerseg.registry import Registry

BACKBONES = Registry(
    "backbone",
    {
        "vgg16": "kerseg.backbones.vgg:vgg16",
        "resnet50": "kerseg.backbones.resnet:resnet50",
        "resnet101": "kerseg.backbones.resnet:resnet101",
        "resnet152": "kerseg.backbones.resnet:resnet152",
        "resnet50_v2": "kerseg.backbones.resnet_v2:resnet50_v2",
        "resnet101_v2": "kerseg.backbones.resnet_v2:resnet101_v2",
        "resnet152_v2": "kerseg.backbones.resnet_v2:resnet152_v2",
    },
    aliases={
        "vgg_16": "vgg16",
        "resnet_v2_50": "resnet50_v2",
        "resnet_v2_101": "resnet101_v2",
        "resnet_v2_152": "resnet152_v2",
    },
)
PAD_LAYER = "pad_to_grid"
"""Name of the layer that pads a normalised image."""
RESNETS = tuple(name for name in BACKBONES if name.startswith("resnet"))


class Features(dict[int, Any]):
    """What a backbone sees, by stride: the deepest map of each, ``(batch, ceil(size / stride), ..., channels)``.

    Attributes:
        stages: The output of each stage in order, also of those that share a stride because the later ones are
            dilated.
        image: What the backbone was applied to: the image, normalised and padded.
    """

    def __init__(self, maps: dict[int, Any], stages: Iterable[Any], image: Any):
        super().__init__(maps)
        self.stages = tuple(stages)
        self.image = image


def prepare(name: str, image: Any, *, pad: tuple[int, int] | None = None) -> Any:
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
    x = BACKBONES.module(name).normalize(image)
    if pad is None:
        return x
    from kerseg.layers.pad import PadToMultiple

    return PadToMultiple(pad[0], remainder=pad[1], dtype="float32", name=PAD_LAYER)(x)


def build(
    name: str,
    image: Any,
    *,
    allowed: Iterable[str] = tuple(BACKBONES),
    pad: tuple[int, int] | None = None,
    **options: Any,
) -> Features:
    """Apply a backbone by name to an image.

    Args:
        name: A name or alias of ``BACKBONES``.
        image: ``(batch, height, width, channels)``, 0 to 255.
        allowed: The names that the architecture takes.
        pad: As of ``prepare``.
        **options: What the backbone takes: ``output_stride``, ``width`` and its variants.

    Raises:
        ConfigError: There is no such backbone, or the architecture does not take it.
    """
    name, allowed = BACKBONES.resolve(name), tuple(allowed)
    if name not in allowed:
        raise ConfigError(f"backbone is {name!r}; this architecture takes {', '.join(allowed)}.")
    return apply(name, prepare(name, image, pad=pad), **options)


def apply(name: str, x: Any, **options: Any) -> Features:
    """Apply a backbone by name to what ``prepare`` gave; see ``build``."""
    features: Features = BACKBONES.load(name)(x, **options)
    return features


def first_generation(name: str, **options: Any) -> dict[str, Any]:
    """Return options that ResNets of the first generation take and those of the second, and VGG16, do not.

    Args:
        name: A name or alias of ``BACKBONES``.
        **options: ``stem`` and ``stride_in`` of ``kerseg.backbones.resnet.resnet``.

    Returns:
        ``options``, or nothing where they mean nothing.

    Raises:
        ConfigError: There is no such backbone.

    Example:
        >>> first_generation("resnet101", stem="deep"), first_generation("resnet_v2_101", stem="deep")
        ({'stem': 'deep'}, {})
    """
    return options if BACKBONES.resolve(name) in ("resnet50", "resnet101", "resnet152") else {}


def plan_strides(output_stride: int, stages: int, first: int) -> list[tuple[int, int]]:
    """Return each stage's own stride and the dilation of its convolutions, for a wanted output stride.

    A stage that would go beyond it keeps its size, and doubles the dilation of its own kernels and of all
    later ones, so that they see the same parts of the image.

    Args:
        output_stride: Image pixels for one pixel of the last map.
        stages: How many stages there are, each of stride 2.
        first: Stride before them.

    Raises:
        ConfigError: ``output_stride`` is not 8, 16 or 32.

    Example:
        >>> plan_strides(16, stages=3, first=4)
        [(2, 1), (2, 1), (1, 2)]
    """
    if output_stride not in (8, 16, 32):
        raise ConfigError(f"output_stride is {output_stride!r}; backbones take 8, 16 or 32.")
    stride, dilation, plan = first, 1, []
    for _ in range(stages):
        step = 2 if stride < output_stride else 1
        stride, dilation = stride * step, dilation * (2 // step)
        plan.append((step, dilation))
    return plan
