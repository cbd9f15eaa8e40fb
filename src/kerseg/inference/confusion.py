"""Predict every image of a split and count its pixels by true and predicted class."""

import keras

from kerseg.data.reading.pipeline import Dataset
from kerseg.inference.measuring import measure
from kerseg.inference.predictor import Predictor
from kerseg.inference.segmenter import Segmenter
from kerseg.metrics import ConfusionMatrix, Meter


def confusion(
    model: keras.Model | Predictor | Segmenter, data: Dataset, split: str = "val", *, batch_size: int = 4
) -> ConfusionMatrix:
    """Predict every image of a split and count its pixels by true and predicted class.

    Args:
        model: A model, or what predicts with it: made once, it serves all epochs of a training run, compiled once.
        data: From `kerseg.data.load`.
        split: Split to predict.
        batch_size: Images predicted at a time; only neighbours of equal size share a batch.

    Returns:
        The counts over the whole split, at the labels' own size.

    Raises:
        DataError: No such split, or the data is damaged.
        KersegError: A file cannot be read, for another reason.
    """
    predictor = Predictor(model) if isinstance(model, keras.Model) else model
    meter = Meter(data.info.class_names, ignore_label=data.info.ignore_label)
    measure(predictor, data, split, meter, batch_size=batch_size)
    return meter.measurements().pooled()
