"""What a model is and what it costs, counted and measured: the work of `kerseg.describe`."""

import dataclasses
import statistics
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerseg import modelfile, models
from kerseg.core.workers import default_workers
from kerseg.errors import ConfigError
from kerseg.inference.predictor import Predictor
from kerseg.modelfile import ModelCard
from kerseg.models import MODELS
from kerseg.profiling import figures
from kerseg.profiling.complexity import multiply_adds, output_stride, shapes_only
from kerseg.profiling.figures import NUM_CLASSES, Paper, Starts
from kerseg.profiling.footprint import Footprint, Task, device_of, measure

RUNS = (5, 50)
"""Fewest and most forward passes that are timed."""
SECONDS = 2.0
"""Between the two, how long they are repeated."""


@dataclass(frozen=True, kw_only=True)
class Forward:
    """How long prediction takes, from images in memory to labels in memory."""

    seconds: float
    """Median, for the whole batch."""
    runs: int
    """How many were timed, after one that was not."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """A model's figures.

    Example:
        >>> description = kerseg.describe("enet", size=512, measure=False)
        >>> description.parameters, description.multiply_adds, description.output_stride
        (364441, 1969422336, 8)
    """

    name: str
    """Architecture, or the model's own name if kerseg did not build it."""
    options: Mapping[str, Any]
    """What the architecture was given besides the number of classes."""
    num_classes: int
    size: tuple[int, int]
    """Height and width of the images, in pixels."""
    batch_size: int
    paper: Paper | None
    parameters: int
    """The trainable ones."""
    other_parameters: int
    """Those that training does not change by gradients, such as the statistics of batch normalisation."""
    layers: int
    """Layers with parameters, those of training heads left out."""
    multiply_adds: int
    """Of one image."""
    output_stride: int | None
    """Image pixels, along a side, for one pixel of the coarsest features; ``None`` if of one size only."""
    losses: Mapping[str, float]
    """Outputs that are trained, and their weights in the loss."""
    starts: Starts
    """Weights to start from, and the options they need."""
    card: ModelCard | None
    """What a model file says of itself."""
    forward: Forward | None
    """``None`` where nothing was measured."""
    training: Footprint | None
    """Memory of a training step; ``None`` where nothing was measured."""
    backend: str
    device: str


def described(
    model: keras.Model | str | Path,
    *,
    size: tuple[int, int],
    num_classes: int | None,
    batch_size: int,
    model_options: Mapping[str, Any],
    measure: bool,
) -> Description:
    """Count what a model costs, and measure it; arguments and errors are those of `kerseg.describe`."""
    subject = _subject(model, num_classes, dict(model_options), weights=measure)
    _check_size(subject.network, size)
    trainable, other = figures.parameters(subject.network)
    description = Description(
        name=subject.name,
        options=subject.options,
        num_classes=int(subject.network.outputs[0].shape[-1]),
        size=size,
        batch_size=batch_size,
        paper=figures.paper(subject.name) if subject.name in MODELS else None,
        parameters=trainable,
        other_parameters=other,
        layers=_layers(subject.network),
        multiply_adds=multiply_adds(subject.network, *size),
        output_stride=output_stride(subject.network),
        losses=subject.losses,
        starts=_starts(subject),
        card=subject.card,
        forward=None,
        training=None,
        backend=keras.backend.backend(),
        device=_device(),
    )
    return _measured(description, subject) if measure else description


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """The model in question."""

    name: str
    network: keras.Model
    """For inference: one output."""
    options: dict[str, Any]
    losses: dict[str, float]
    card: ModelCard | None = None
    path: Path | None = None
    """The file it was read from."""


def _subject(
    model: keras.Model | str | Path, num_classes: int | None, options: dict[str, Any], *, weights: bool
) -> _Subject:
    if isinstance(model, str) and figures.is_name(model):
        classes = NUM_CLASSES if num_classes is None else num_classes
        return _built(MODELS.resolve(model), classes, options, weights=weights)
    if num_classes is not None or options:
        raise ConfigError(
            "`num_classes` and `model_options` are for the name of an architecture; this model is built already."
        )
    if isinstance(model, keras.Model):
        return _Subject(name=model.name, network=model, options={}, losses={"logits": 1.0})
    network, card = modelfile.load(model)
    path = modelfile.locate(model)
    if card.architecture not in MODELS:
        return _Subject(
            name=network.name, network=network, options={}, losses={"logits": 1.0}, card=card, path=path
        )
    # The file has no training heads: they come from the architecture.
    built = _built(card.architecture, card.num_classes, dict(card.options), weights=False)
    return dataclasses.replace(built, network=network, card=card, path=path)


def _built(name: str, num_classes: int, options: dict[str, Any], *, weights: bool) -> _Subject:
    models.check(name, options)
    with nullcontext() if weights else shapes_only():
        network = models.build(name, num_classes=num_classes, auxiliary=True, **options)
    return _Subject(
        name=name,
        network=keras.Model(network.input, network.output["logits"], name=network.name),
        options=options,
        losses=models.loss_weights(name, network),
    )


def _check_size(network: keras.Model, size: tuple[int, int]) -> None:
    takes = tuple(network.inputs[0].shape[1:3])
    if any(needed not in (None, given) for given, needed in zip(size, takes, strict=True)):
        raise ConfigError(
            f"`size`: this model takes images of {takes[0]}x{takes[1]} pixels only (height x width). "
            f"Received: {size[0]}x{size[1]}."
        )


def _layers(network: keras.Model) -> int:
    return sum(
        _layers(layer) if isinstance(layer, keras.Model) else bool(layer.count_params())
        for layer in network.layers
    )


def _starts(subject: _Subject) -> Starts:
    """Return what this very model can start from, then what it could with other options."""
    fitting: Starts = {name: {} for name in figures.published(subject.network)}
    known = figures.read().get(subject.name)
    # Of other widths and variants nobody counted what fits.
    return fitting | (known.starts if known and not subject.options else {})


def _measured(description: Description, subject: _Subject) -> Description:
    # Training first: on a GPU this process takes less before its first prediction.
    training = _train(description, subject)
    return dataclasses.replace(description, training=training, forward=_forward(subject.network, description))


def _train(description: Description, subject: _Subject) -> Footprint:
    if subject.name not in MODELS and subject.path is None:
        return Footprint(None, "not measured: save the model to a .keras file, and describe that")
    task = Task(
        architecture=subject.name if subject.name in MODELS else "",
        num_classes=description.num_classes,
        options=description.options,
        file=str(subject.path or ""),
        size=description.size,
        batch_size=description.batch_size,
        backend=description.backend,
        dtype=keras.config.dtype_policy().name,
    )
    return measure(task)


def _forward(network: keras.Model, description: Description) -> Forward:
    """Time predictions of random images."""
    shape = (description.batch_size, *description.size, network.inputs[0].shape[-1])
    images = np.random.default_rng(0).integers(0, 256, shape, "uint8")
    predictor = Predictor(network)
    predictor(images)  # compiles
    seconds: list[float] = []
    least, most = RUNS
    while len(seconds) < least or (len(seconds) < most and sum(seconds) < SECONDS):
        began = time.perf_counter()
        predictor(images)
        seconds.append(time.perf_counter() - began)
    return Forward(seconds=statistics.median(seconds), runs=len(seconds))


def _device() -> str:
    device = device_of(keras.ops.zeros(1))
    return f"cpu, {default_workers()} cores" if device == "cpu" else device
