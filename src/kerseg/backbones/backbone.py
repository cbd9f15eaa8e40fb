"""What an entry of ``BACKBONES`` says about a trunk, and what a trunk gives."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kerseg.core.tensor import Tensor
from kerseg.errors import ConfigError


class Features(dict[int, Tensor]):
    """What a backbone sees, by stride: the deepest map of each, ``(batch, ceil(size / stride), ..., channels)``.

    Attributes:
        stages: The output of each stage in order, also of those that share a stride because the later ones are
            dilated.
        image: What the backbone was applied to: the image, normalised and padded.
    """

    def __init__(self, maps: dict[int, Tensor], stages: Iterable[Tensor], image: Tensor):
        super().__init__(maps)
        self.stages = tuple(stages)
        self.image = image


@dataclass(frozen=True)
class Application:
    """Where ImageNet weights come from: a model of ``keras.applications``, and how its weights differ."""

    name: str
    """In ``keras.applications``: ``"ResNet50"``."""
    bgr: bool = False
    """Whether it was trained on BGR; kerseg's images are RGB."""
    epsilon: float | None = None
    """Of its batch normalisation, where it differs from kerseg's 1e-5."""
    biases: bool = False
    """Whether its convolutions have a bias before a norm; kerseg's have none."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Variants that a model started from it has, unless others are asked for."""


@dataclass(frozen=True)
class Checkpoint:
    """A published TensorFlow checkpoint of the backbone."""

    scope: str
    """Of its variables, and its name: ``"vgg_16"``."""
    layers: Mapping[str, Callable[[re.Match[str]], str]]
    """Regular expression of a whole layer's name there -> its name here."""


@dataclass(frozen=True)
class Backbone:
    """An entry of ``BACKBONES``: all that kerseg knows about a trunk.

    Example:
        >>> from kerseg.backbones.vgg import VGG16
        >>> VGG16.strides, VGG16.imagenet.name, VGG16.checkpoint.scope
        ((2, 4, 8, 16, 32), 'VGG16', 'vgg_16')
    """

    function: Callable[..., Features]
    """``(x, *, output_stride, width, ...) -> Features`` of a normalised image."""
    mean: float | tuple[float, ...]
    """What its weights want subtracted from an image of 0 to 255: one number, or one for each channel."""
    scale: float = 1.0
    """What the difference is multiplied with."""
    depth: int | None = None
    """What ``function`` is given as ``depth``, where it builds several."""
    strides: tuple[int, ...] = (2, 4, 8, 16, 32)
    """At which it has features; with an ``output_stride`` of less than the last one, those up to it."""
    first_layers: tuple[str, ...] = ()
    """Convolutions that see the image, as published."""
    classifier: Mapping[str, str] = field(default_factory=dict)
    """Fully connected layers that architectures use as convolutions: name in ``imagenet`` -> name here."""
    imagenet: Application | None = None
    checkpoint: Checkpoint | None = None

    def __call__(self, x: Tensor, **options: Any) -> Features:
        """Apply it to a normalised image; the options are those of ``function``."""
        if self.depth is not None:
            options["depth"] = self.depth
        return self.function(x, **options)


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
