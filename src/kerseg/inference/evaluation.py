"""Score a model on a data set: every image whole, every label at its own size, one confusion matrix."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

import kerseg.data
from kerseg import modelfile
from kerseg.__version__ import __version__
from kerseg.core.files import write_text
from kerseg.core.info import Channels, DatasetInfo
from kerseg.data.reading.integrity import describe_damage
from kerseg.errors import ConfigError
from kerseg.inference.measuring import Seconds, measure
from kerseg.inference.predictor import Predictor
from kerseg.metrics import ConfusionMatrix, Measure, Measurements, Meter, Scores, choose
from kerseg.metrics.bootstrap import FEW, LEVEL, RESAMPLES
from kerseg.metrics.meter import measures


def evaluate(
    model: keras.Model | str | Path,
    data_dir: str | Path,
    *,
    split: str = "val",
    batch_size: int = 4,
    output: str | Path | None = None,
    dataset: str | None = None,
    runtime: str = "keras",
    skip_bad: bool = False,
    metrics: Sequence[str] = (),
    metric_options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Scores:
    """Score a model on one split of a data set and write the result: JSON, and what was measured of each image.

    Args:
        model: A run folder, a ``.keras`` file, or a model.
        data_dir: Folder of the converted data, with its ``dataset.json``.
        split: Split to score on.
        batch_size: Images predicted at a time, 1 or more; only neighbours of equal size share a batch.
        output: JSON file to write, or an existing folder, for ``<split>.json`` in it. By default it is
            ``report/<split>.json`` in the run folder, or ``<name>.<split>.json`` beside the model file; for a
            model that was passed as an object, nothing is written.
        dataset: Data set whose classes the records hold, where no ``dataset.json`` names them.
        runtime: What runs the model, a name of `kerseg.inference.RUNTIMES`.
        skip_bad: Compare the shards with their checksums first, and leave out the damaged ones; the JSON and a
            warning list them.
        metrics: What to measure besides the figures of overlap, names of `kerseg.metrics.METRICS`.
        metric_options: Name of a metric -> its options.

    Returns:
        The scores, all measures with bootstrap intervals among them. The JSON holds them too, with the confusion
        matrix and what they were measured on; beside it, ``<split>.npz`` holds one confusion matrix an image, from
        which `kerseg.compare` compares models.

    Raises:
        WeightsError: The model file is missing, damaged or no segmentation model.
        DataError: The data is missing or damaged, has no such split, or not one labelled pixel.
        ConfigError: Model and data differ in the number of classes or channels, or an option is out of range or
            unknown.

    Example:
        >>> evaluate("runs/enet", "data/camvid", split="test").mean_iou
        0.51
    """
    if batch_size < 1:
        raise ConfigError(f"--batch-size is 1 or more. Received: {batch_size}.")
    chosen = choose(metrics, metric_options)
    data = kerseg.data.load(data_dir, dataset=dataset, skip_bad=skip_bad)
    data.info.split(split)  # refuses an unknown one before the model is loaded
    left_out = [damage for damage in data.left_out if damage.split == split]
    _warn(*describe_damage(data.folder, left_out))
    if isinstance(model, keras.Model):
        network, card, where = model, None, model.name
    else:
        (network, card), where = modelfile.load(model), str(modelfile.locate(model))
    predictor = Predictor(network, runtime=runtime)
    _check_channels(predictor.num_channels, card, data.info, where)
    _check_classes(predictor.num_classes, card, data.info, where)
    began = time.monotonic()
    meter = Meter(data.info.class_names, chosen, data.info.ignore_label)
    seconds = measure(predictor, data, split, meter, batch_size=batch_size)
    measured = {
        "model": where,
        "architecture": card.architecture if card else network.name,
        "data_dir": str(data_dir),
        "seconds": round(time.monotonic() - began, 3),
        "seconds_of": _rounded(seconds),
        "batch_size": batch_size,
        "runtime": runtime,
        "left_out": [asdict(damage) for damage in left_out],
        "backend": keras.backend.backend(),
        "kerseg_version": __version__,
        "dataset": data.info.name,
        "split": split,
    }
    found = meter.measurements(measured)
    scores = _scores(found, measures(found, chosen, seconds=seconds.metrics))
    _warn(*_remarks(found, seconds))
    if (target := _target(model, split, output)) is not None:
        found.save(target.with_suffix(".npz"))
        report = measured | _report(found, scores)
        write_text(target, json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return scores


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
    meter = Meter(data.info.class_names, ignore_label=data.info.ignore_label)
    measure(predictor, data, split, meter, batch_size=batch_size)
    return meter.measurements().pooled()


def _check_channels(count: int, card: modelfile.ModelCard | None, info: DatasetInfo, where: str) -> None:
    """Refuse a model for another number of channels; warn of others, or of another range of values."""
    if count != info.num_channels:
        raise ConfigError(
            f"{where}: the model takes images of {count} channel{'s' * (count > 1)}, and those of data set "
            f"{info.name!r} have {info.num_channels} ({info.channels or 'RGB'}). Evaluate a model on data with the "
            "channels it was trained on."
        )
    if card is not None and card.kerseg_version and _shown(card.channels) != _shown(info.channels):
        _warn(
            "Warning: the model was trained on other channels or values (model / data): "
            f"{_shown(card.channels)} / {_shown(info.channels)}."
        )


def _shown(channels: Channels | None) -> str:
    return str(channels) if channels else "8-bit RGB"


def _check_classes(count: int, card: modelfile.ModelCard | None, info: DatasetInfo, where: str) -> None:
    """Refuse a model for another number of classes; warn of other names, which only a person can judge."""
    if count != info.num_classes:
        raise ConfigError(
            f"{where}: the model has {count} classes, and data set {info.name!r} has {info.num_classes}. "
            "Evaluate a model on data with the classes it was trained on."
        )
    # A file without kerseg's card has no names to compare.
    if card is None or not card.kerseg_version:
        return
    pairs = enumerate(zip(card.class_names, info.class_names, strict=True))
    other = [f"{i}: {ours} / {theirs}" for i, (ours, theirs) in pairs if ours != theirs]
    if other:
        shown = ", ".join(other[:5]) + (f" and {len(other) - 5} more" if len(other) > 5 else "")
        _warn(f"Warning: model and data name {len(other)} classes differently (model / data): {shown}.")


def _warn(*lines: str) -> None:
    for line in lines:
        Console(stderr=True).print(line, markup=False, highlight=False, soft_wrap=True)


def _scores(found: Measurements, measured: Mapping[str, Measure]) -> Scores:
    return replace(found.pooled().scores(found.class_names), measures=measured)


def _remarks(found: Measurements, seconds: Seconds) -> list[str]:
    """Return what the reader of the figures has to know: how few images there were, what metrics cost."""
    count = len(set(found.groups)) if found.groups else len(found.names)
    what = "volumes" if found.groups else "images"
    remarks = []
    if count < FEW:
        remarks = [
            f"Warning: {count} {what} are few: below {FEW}, intervals are narrower than they should be."
        ]
    for name, taken in seconds.metrics.items():
        share = 100 * taken / max(seconds.predicting, 1e-9)
        remarks.append(
            f"{name}: measured in {taken:.1f} s, {share:.0f} % of the {seconds.predicting:.1f} s of predicting"
        )
    return remarks


def _rounded(seconds: Seconds) -> dict[str, Any]:
    found = asdict(seconds)
    found["metrics"] = {name: round(value, 3) for name, value in seconds.metrics.items()}
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in found.items()}


def _report(found: Measurements, scores: Scores) -> dict[str, Any]:
    counts = found.pooled().counts
    return {
        "images": len(found.names),
        "labelled_pixels": int(counts.sum()),
        "data_checksum": found.checksum,
        **scores.to_json(),
        "bootstrap": {"resamples": RESAMPLES, "level": LEVEL, "of": "volumes" if found.groups else "images"},
        "confusion_matrix": {"rows": "truth", "columns": "prediction", "pixels": counts.tolist()},
    }


def _target(model: keras.Model | str | Path, split: str, output: str | Path | None) -> Path | None:
    """Return the JSON file to write, if any."""
    if output is not None:
        return Path(output) / f"{split}.json" if Path(output).is_dir() else Path(output)
    if isinstance(model, keras.Model):
        return None
    path = Path(model)
    return path / "report" / f"{split}.json" if path.is_dir() else path.with_suffix(f".{split}.json")
