"""Score a model on a data set: every image whole, every label at its own size, one confusion matrix."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import keras
from rich.console import Console

import kerseg.data
from kerseg import modelfile
from kerseg.__version__ import __version__
from kerseg.core.files import write_text
from kerseg.core.info import Channels, DatasetInfo
from kerseg.core.progress import Progress
from kerseg.data.reading.integrity import describe_damage
from kerseg.errors import ConfigError, DataError
from kerseg.inference.crf import CrfOptions
from kerseg.inference.crf_tuning import chosen, tune
from kerseg.inference.predictor import Predictor, predict_batches
from kerseg.inference.segmenter import Procedure, Segmenter
from kerseg.metrics import ConfusionMatrix, Scores


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
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    window: tuple[int, int] | None = None,
    overlap: int | None = None,
    crf: bool | Literal["tune"] = False,
    crf_options: CrfOptions | None = None,
) -> Scores:
    """Score a model on one split of a data set and write the result as JSON.

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
        scales: Factors by which images are scaled; probabilities are averaged over them.
        flip: Average over mirrored images, too.
        window: Height and width of windows in which images are predicted, pixels; by default they are whole.
        overlap: Strip that neighbouring windows share, pixels, at most half a window; default: a quarter of it.
        crf: Refine the labels with a dense CRF. ``"tune"`` first searches its weights on val and writes them beside
            the model file, where this verb and prediction find them from then on.
        crf_options: Weights of the CRF, in place of those that were found, or the defaults.

    Returns:
        The scores. The JSON holds them too, with the confusion matrix and what they were measured on.

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
    data = kerseg.data.load(data_dir, dataset=dataset, skip_bad=skip_bad)
    data.info.split(split)  # refuses an unknown one before the model is loaded
    left_out = [damage for damage in data.left_out if damage.split == split]
    _warn(*describe_damage(data.folder, left_out))
    if isinstance(model, keras.Model):
        network, card, where = model, None, model.name
    else:
        (network, card), where = modelfile.load(model), str(modelfile.locate(model))
    procedure = Procedure(
        scales=tuple(scales),
        flip=flip,
        window=window,
        overlap=overlap,
        crf=chosen(model, crf is True, crf_options),
    )
    predictor = Predictor(network, runtime=runtime)
    _check_channels(predictor.num_channels, card, data.info, where)
    _check_classes(predictor.num_classes, card, data.info, where)
    if crf == "tune":
        procedure = _tuned(Segmenter(predictor, procedure), data, model)
    began = time.monotonic()
    matrix = confusion(Segmenter(predictor, procedure), data, split, batch_size=batch_size)
    measured = {
        "model": where,
        "architecture": card.architecture if card else network.name,
        "data_dir": str(data_dir),
        "seconds": round(time.monotonic() - began, 3),
        "batch_size": batch_size,
        "runtime": runtime,
        "procedure": procedure.to_json(),
        "left_out": [asdict(damage) for damage in left_out],
    }
    scores = matrix.scores(data.info.class_names)
    if (target := _target(model, split, output)) is not None:
        report = measured | _report(data.info, split, matrix, scores)
        write_text(target, json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return scores


def confusion(
    model: keras.Model | Predictor | Segmenter, data: Any, split: str = "val", *, batch_size: int = 4
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
    """
    predictor = Predictor(model) if isinstance(model, keras.Model) else model
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


def _tuned(segmenter: Segmenter, data: Any, model: keras.Model | str | Path) -> Procedure:
    """Search the CRF's weights on val, write them beside the model file, and return the procedure with them."""
    if isinstance(model, keras.Model):
        raise ConfigError('crf="tune" writes beside the model file: give a run folder or a .keras file.')
    found = tune(segmenter, data, start=segmenter.procedure.crf)
    _warn(
        f"CRF: mean IoU {found.mean_iou_without:.4f} without and {found.mean_iou:.4f} with it, on {found.images} "
        f"images of {found.split}: {found.save(model)}"
    )
    return replace(segmenter.procedure, crf=found.options)


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


def _report(info: DatasetInfo, split: str, matrix: ConfusionMatrix, scores: Scores) -> dict[str, Any]:
    return {
        "backend": keras.backend.backend(),
        "kerseg_version": __version__,
        "dataset": info.name,
        "split": split,
        "images": info.split(split).records,
        "labelled_pixels": int(matrix.counts.sum()),
        **scores.to_json(),
        "confusion_matrix": {"rows": "truth", "columns": "prediction", "pixels": matrix.counts.tolist()},
    }


def _target(model: keras.Model | str | Path, split: str, output: str | Path | None) -> Path | None:
    """Return the JSON file to write, if any."""
    if output is not None:
        return Path(output) / f"{split}.json" if Path(output).is_dir() else Path(output)
    if isinstance(model, keras.Model):
        return None
    path = Path(model)
    return path / "report" / f"{split}.json" if path.is_dir() else path.with_suffix(f".{split}.json")
