"""Predict a split and measure each image as it comes: nothing is kept of a pixel."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kerseg.core.files import explained
from kerseg.core.progress import Progress
from kerseg.data.reading.pipeline import Dataset
from kerseg.errors import DataError
from kerseg.inference.predictor import Example, batches
from kerseg.metrics import Meter
from kerseg.report.watcher import Predicted, Watcher


class Predicts(Protocol):
    """What an evaluation needs of a model: a `Predictor`, or what is used like one."""

    def __call__(self, images: NDArray[Any], /) -> NDArray[Any]:
        """Return the class of each pixel (batch, height, width)."""

    def probabilities(self, images: NDArray[Any], /) -> NDArray[np.float32]:
        """Return the probabilities of the classes (batch, height, width, C)."""


@dataclass
class Seconds:
    """Where the time of an evaluation goes."""

    predicting: float = 0.0
    """In the model, the images' way to it included."""
    counting: float = 0.0
    """In the confusion matrices, and in metrics that were asked for."""
    watching: float = 0.0
    """In what a report and suspects keep."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Of the counting, what each metric took."""


def measure(
    predictor: Predicts,
    data: Dataset,
    split: str,
    meter: Meter,
    *,
    batch_size: int = 4,
    watchers: Sequence[Watcher] = (),
) -> Seconds:
    """Predict every image of a split once and measure it.

    Args:
        predictor: The model.
        data: From `kerseg.data.load`.
        split: Split to predict.
        meter: What measures; it holds the result.
        batch_size: Images predicted at a time; only neighbours of equal size share a batch.
        watchers: See each image after it was measured.

    Returns:
        Where the time went.

    Raises:
        DataError: No such split, or the data is damaged.
        KersegError: A file cannot be read, for another reason.
    """
    seconds = Seconds(metrics=meter.seconds)
    with_probabilities = meter.needs_probabilities or any(watcher.needs_probabilities for watcher in watchers)
    examples = data.examples(split).as_numpy_iterator()
    bar = Progress(f"evaluate {split}", total=data.info.split(split).records, unit="images")
    with explained(data.folder), data.naming_damage(split), bar:
        for batch in batches(examples, batch_size):
            began = time.perf_counter()
            outcomes = list(_predicted(predictor, batch, with_probabilities))
            seconds.predicting += time.perf_counter() - began
            for example, (prediction, chances) in zip(batch, outcomes, strict=True):
                _see(example, prediction, chances, split, meter, watchers, seconds)
                bar.advance()
    return seconds


def _predicted(
    predictor: Predicts, batch: Sequence[Example], with_probabilities: bool
) -> Iterator[tuple[NDArray[Any], NDArray[np.float32] | None]]:
    """Yield the labels of each image, with the probabilities if need be."""
    images = np.stack([example["image"] for example in batch])
    if not with_probabilities:
        yield from ((labels, None) for labels in predictor(images))
        return
    # One pass through the network for both: the class is the one of the largest probability.
    for chances in predictor.probabilities(images):
        kind = np.uint8 if chances.shape[-1] <= 256 else np.int32
        yield chances.argmax(axis=-1).astype(kind), chances


def _see(
    example: Example,
    prediction: NDArray[Any],
    chances: NDArray[np.float32] | None,
    split: str,
    meter: Meter,
    watchers: Sequence[Watcher],
    seconds: Seconds,
) -> None:
    name = example["name"].decode("utf-8", "surrogateescape")
    began = time.perf_counter()
    try:
        counts = meter.add(name, example["label"], prediction, chances)
    except DataError as error:
        raise DataError(f"{name} (split {split!r}): {error}") from error
    counted = time.perf_counter()
    seconds.counting += counted - began
    if watchers:
        predicted = Predicted(name, example["image"], example["label"], prediction, chances, counts)
        for watcher in watchers:
            watcher.see(predicted)
        seconds.watching += time.perf_counter() - counted
