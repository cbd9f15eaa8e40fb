"""Score a model on a data set: every image whole, every label at its own size, one confusion matrix."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kerseg.data
from kerseg.__version__ import __version__
from kerseg.core.console import note
from kerseg.core.files import write_text
from kerseg.core.info import Channels, DatasetInfo
from kerseg.core.ranges import check_range
from kerseg.core.tensorflow import import_tensorflow
from kerseg.data.reading.integrity import describe_damage
from kerseg.errors import ConfigError
from kerseg.inference import RUNTIMES

if TYPE_CHECKING:  # they import Keras, and a refused option must not wait for that
    import keras

    from kerseg.metrics import ConfusionMatrix, Scores
    from kerseg.modelfile import ModelCard


def evaluate(
    model: "keras.Model | str | Path",
    data_dir: str | Path,
    *,
    split: str = "val",
    batch_size: int = 4,
    output: str | Path | None = None,
    dataset: str | None = None,
    runtime: str = "keras",
    skip_bad: bool = False,
) -> "Scores":
    """Score a model on a data set, at the labels' own size, and write the result as JSON.

    Args:
        model: Run folder, .keras file, or a model in memory.
        data_dir: Folder of the converted data, with its dataset.json.
        split: Split to score on.
        batch_size: Images predicted at a time, 1 or more; only neighbours of equal size share a batch.
        output: JSON file to write, or an existing folder, for ``<split>.json`` in it. By default it is
            ``report/<split>.json`` in the run folder, or ``<name>.<split>.json`` beside the model file; for a
            model that was passed as an object, nothing is written.
        dataset: Data set whose classes the records hold, where no dataset.json names them.
        runtime: What runs the model; `kerseg list runtimes`. OpenVINO's are faster on a CPU.
        skip_bad: Compare the shards with their checksums first, and leave out the damaged ones; the JSON and a
            warning list them.

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
    check_range("batch_size", batch_size, least=1)
    RUNTIMES.resolve(runtime)
    import_tensorflow()
    import keras

    from kerseg import modelfile
    from kerseg.inference.confusion import confusion
    from kerseg.inference.predictor import Predictor

    data = kerseg.data.load(data_dir, dataset=dataset, skip_bad=skip_bad)
    data.info.split(split)  # refuses an unknown one before the model is loaded
    left_out = [damage for damage in data.left_out if damage.split == split]
    for line in describe_damage(data.folder, left_out):
        note(line)
    if isinstance(model, keras.Model):
        network, card, where = model, None, model.name
    else:
        (network, card), where = modelfile.load(model), str(modelfile.locate(model))
    predictor = Predictor(network, runtime=runtime)
    _check_channels(predictor.num_channels, card, data.info, where)
    _check_classes(predictor.num_classes, card, data.info, where)
    began = time.monotonic()
    matrix = confusion(predictor, data, split, batch_size=batch_size)
    measured = {
        "model": where,
        "architecture": card.architecture if card else network.name,
        "data_dir": str(data_dir),
        "seconds": round(time.monotonic() - began, 3),
        "batch_size": batch_size,
        "runtime": runtime,
        "left_out": [asdict(damage) for damage in left_out],
    }
    scores = matrix.scores(data.info.class_names)
    if (target := _target(model, split, output)) is not None:
        report = measured | _report(data.info, split, matrix, scores)
        write_text(target, json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return scores


def _check_channels(count: int, card: "ModelCard | None", info: DatasetInfo, where: str) -> None:
    """Refuse a model for another number of channels; warn of others, or of another range of values."""
    if count != info.num_channels:
        raise ConfigError(
            f"{where}: the model takes images of {count} channel{'s' * (count > 1)}, and those of data set "
            f"{info.name!r} have {info.num_channels} ({info.channels or 'RGB'}). Evaluate a model on data with the "
            "channels it was trained on."
        )
    if card is not None and card.kerseg_version and _shown(card.channels) != _shown(info.channels):
        note(
            "Warning: the model was trained on other channels or values (model / data): "
            f"{_shown(card.channels)} / {_shown(info.channels)}."
        )


def _shown(channels: Channels | None) -> str:
    return str(channels) if channels else "8-bit RGB"


def _check_classes(count: int, card: "ModelCard | None", info: DatasetInfo, where: str) -> None:
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
        note(f"Warning: model and data name {len(other)} classes differently (model / data): {shown}.")


def _report(info: DatasetInfo, split: str, matrix: "ConfusionMatrix", scores: "Scores") -> dict[str, Any]:
    import keras

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


def _target(model: "keras.Model | str | Path", split: str, output: str | Path | None) -> Path | None:
    """Return the JSON file to write, if any."""
    if output is not None:
        return Path(output) / f"{split}.json" if Path(output).is_dir() else Path(output)
    if not isinstance(model, str | Path):
        return None
    path = Path(model)
    return path / "report" / f"{split}.json" if path.is_dir() else path.with_suffix(f".{split}.json")
