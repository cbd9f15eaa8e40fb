"""What the architectures cost, where they come from and what they can start from.

Counting means building, which takes Keras and seconds, so the table's figures are kept in ``figures.json``.
``scripts/reference.py --figures`` counts them, and a test counts them again.
"""

import json
import math
import re
from ast import get_docstring, parse
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerseg import backbones
from kerseg.backbones import BACKBONES
from kerseg.errors import ConfigError
from kerseg.models import MODELS, build, check

if TYPE_CHECKING:
    import keras

FILE = Path(__file__).with_name("figures.json")
NUM_CLASSES = 21
SIZE = (512, 512)
"""Height and width of the image whose multiply-adds are counted."""
KIN = 0.99
"""Share of its parameters that another architecture must have for a model to be said to start from that one."""

Shapes = dict[str, tuple[int, ...]]
"""Of a model's variables, by ``layer/variable``."""


Starts = dict[str, dict[str, Any]]
"""What a model can start from, and the options of the architecture without which it does not fit.

``imagenet``, the name of a TF-Slim checkpoint, or another architecture, which stands for its model files and
runs. The architecture's own always fit and are not listed.
"""


@dataclass(frozen=True)
class Figures:
    """An architecture as its paper describes it, for ``NUM_CLASSES`` classes."""

    parameters: int
    """The trainable ones."""
    multiply_adds: int
    """Of one image of ``SIZE``."""
    output_stride: int
    """Image pixels, along a side, for one pixel of the coarsest features."""
    starts: Starts


@dataclass(frozen=True)
class Paper:
    """Where an architecture was published."""

    title: str
    """With conference and year."""
    url: str

    @property
    def arxiv(self) -> str:
        """Its number there: ``1606.02147``."""
        return self.url.rpartition("/")[2]


def read() -> dict[str, Figures]:
    """Return the figures of every architecture, without building any.

    Example:
        >>> read()["enet"].parameters
        364441
    """
    entries: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: Figures(**entry) for name, entry in entries.items()}


def dump(figures: Mapping[str, Figures]) -> str:
    """Return ``figures`` as the text of ``figures.json``."""
    return json.dumps({name: asdict(entry) for name, entry in figures.items()}, indent=1) + "\n"


def is_name(text: str) -> bool:
    """Tell the name of an architecture, be it misspelt, from the path of a model; a name wins.

    Example:
        >>> is_name("ENet"), is_name("enett"), is_name("runs/enet"), is_name("best.keras")
        (True, True, False, False)
    """
    path = Path(text)
    return text in MODELS or not (path.exists() or path.name != text or path.suffix == ".keras")


def paper(name: str) -> Paper:
    """Return an architecture's paper, read from the top of its file without importing it.

    Args:
        name: A name or alias of ``MODELS``.

    Raises:
        ConfigError: There is no such architecture, or its file names no paper on arXiv.

    Example:
        >>> paper("unet").arxiv
        '1505.04597'
    """
    spec = find_spec(MODELS[name].partition(":")[0])
    text = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
    for paragraph in (get_docstring(parse(text)) or "").split("\n\n"):
        line = " ".join(paragraph.split())
        if found := re.match(r"[^:]+: (.+?), (https://arxiv\.org/abs/\d+\.\d+)", line):
            return Paper(found[1], found[2])
    raise ConfigError(
        f"{name}: the file's docstring has no paragraph that begins 'Authors: Title, year, "
        "https://arxiv.org/abs/number'."
    )


def count() -> dict[str, Figures]:
    """Build every architecture, without its weights, and count.

    Returns:
        What ``read`` returns while the file is up to date.
    """
    from kerseg.profiling.complexity import shapes_only

    figures, shapes = {}, {}
    for name in MODELS:
        with shapes_only():
            model = build(name, num_classes=NUM_CLASSES)
        figures[name] = _count(name, model)
        shapes[name] = shapes_of(model)
    return {
        name: replace(entry, starts=entry.starts | {other: {} for other in sharing_backbone(name, shapes)})
        for name, entry in figures.items()
    }


def parameters(model: "keras.Model") -> tuple[int, int]:
    """Return the numbers of a model's trainable and of its other parameters."""
    counts = [
        sum(math.prod(variable.shape) for variable in variables)
        for variables in (model.trainable_weights, model.non_trainable_weights)  # without the seeds
    ]
    return counts[0], counts[1]


def published(model: "keras.Model") -> tuple[str, ...]:
    """Return the published weights that fit a model's trunk: Keras's ``imagenet`` and TF-Slim's checkpoints.

    Args:
        model: A model that kerseg built.

    Returns:
        Their names; none where the trunk has another width or first layer than the published one.

    Example:
        >>> with shapes_only():
        ...     model = build("fcn_8s", num_classes=21)
        >>> published(model)
        ('imagenet', 'vgg_16')
    """
    from kerseg.weights import IMAGENET, trunk

    name, shapes = trunk.name_of(model), shapes_of(model)
    if name is None:
        return ()
    backbone = backbones.get(name)
    first = [shapes.get(f"{layer}/kernel", ()) for layer in backbone.first_layers]
    if not all(shape[2:] == PUBLISHED_WIDTHS for shape in first):
        return ()
    return (
        *((IMAGENET,) if backbone.imagenet else ()),
        *((backbone.checkpoint.scope,) if backbone.checkpoint else ()),
    )


PUBLISHED_WIDTHS = (3, 64)
"""Channels that the first layers of published trunks take and give. All later layers follow from them."""
_VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"stem": "7x7"},
    *({"backbone": name} for name in BACKBONES.aliases),
)
"""Options that decide which published weights fit, in the order of preference."""


def shapes_of(model: "keras.Model") -> Shapes:
    """Return the shapes of a model's variables by ``layer/variable``."""
    from kerseg.weights.trunk import variables_of

    return {name: tuple(variable.shape) for name, variable in variables_of(model).items()}


def _count(name: str, model: "keras.Model") -> Figures:
    from kerseg.profiling.complexity import multiply_adds, output_stride

    starts: Starts = {}
    for options in _VARIANTS:
        for weights in _published_with(name, options) if options else published(model):
            starts.setdefault(weights, options)
    return Figures(
        parameters=parameters(model)[0],
        multiply_adds=multiply_adds(model, *SIZE),
        output_stride=output_stride(model) or 0,
        starts=starts,
    )


def _published_with(name: str, options: dict[str, Any]) -> tuple[str, ...]:
    """Return the published weights that fit an architecture with these options, if it takes them."""
    from kerseg.profiling.complexity import shapes_only

    try:
        check(name, options)
        with shapes_only():
            model = build(name, num_classes=1, **options)
        return published(model)
    except ConfigError:
        return ()


def sharing_backbone(name: str, shapes: Mapping[str, Shapes]) -> list[str]:
    """Return the architectures that have nearly all of another one's parameters, by name and shape.

    Args:
        name: The architecture to start.
        shapes: Of the variables of every architecture, ``name`` among them.

    Example:
        >>> sharing_backbone("a", {"a": {"x": (99,), "y": (1,)}, "b": {"x": (99,)}, "c": {"x": (98,)}})
        ['b']
    """
    mine = shapes[name]
    total = sum(map(math.prod, mine.values()))
    shared = {
        other: sum(math.prod(shape) for key, shape in mine.items() if theirs.get(key) == shape)
        for other, theirs in shapes.items()
        if other != name
    }
    return [other for other, number in shared.items() if number >= KIN * total]
