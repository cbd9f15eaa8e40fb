"""Predict every image of a split and count its pixels by true and predicted class."""

from typing import Any

import keras

from kerseg.core.progress import Progress
from kerseg.errors import DataError
from kerseg.inference.predictor import Predictor, predict_batches
from kerseg.metrics import ConfusionMatrix


def confusion(
    model: keras.Model | Predictor, data: Any, split: str = "val", *, batch_size: int = 4
) -> ConfusionMatrix:
    """Predict every image of a split and count its pixels by true and predicted class.

    Args:
        model: A model, or a predictor: made once, it serves all epochs of a training run, compiled once.
        data: From `kerseg.data.load`.
        split: Split to predict.
        batch_size: Images predicted at a time; only neighbours of equal size share a batch.

    Returns:
        The counts over the whole split, at the labels' own size.

    Raises:
        DataError: No such split, or the data is damaged.
    """
    predictor = model if isinstance(model, Predictor) else Predictor(model)
    info = data.info
    matrix = ConfusionMatrix(info.num_classes, info.ignore_label)
    examples = data.examples(split).as_numpy_iterator()
    bar = Progress(f"evaluate {split}", total=info.split(split).records, unit="images")
    with data.naming_damage(split), bar:
        for example, prediction in predict_batches(predictor, examples, batch_size):
            try:
                matrix.update(example["label"], prediction)
            except DataError as error:
                raise DataError(f"{example['name'].decode()} (split {split!r}): {error}") from error
            bar.advance()
    return matrix
