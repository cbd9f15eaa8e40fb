"""Score a model on a data set: every image whole, every label at its own size, one confusion matrix."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kerseg.__version__ import __version__
from kerseg.core.console import note
from kerseg.core.files import explained
from kerseg.core.info import Channels, DatasetInfo
from kerseg.core.options import refuse_nul
from kerseg.core.ranges import check_range
from kerseg.core.tensorflow import import_tensorflow
from kerseg.errors import ConfigError
from kerseg.inference.choice import AUTO, TRIAL, Choice, Precision, check_runtime, decide
from kerseg.inference.crf_options import CrfOptions, crf_given
from kerseg.inference.procedure import Procedure

if TYPE_CHECKING:  # they import Keras, and a refused option must not wait for that
    import keras

    from kerseg.data.reading.pipeline import Dataset
    from kerseg.inference.segmenter import Segmenter
    from kerseg.metrics import Scores
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
    precision: Precision = "float32",
    skip_bad: bool = False,
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    window: tuple[int, int] | None = None,
    overlap: int | None = None,
    crf: bool | Literal["tune"] = False,
    crf_options: CrfOptions | Mapping[str, Any] | None = None,
    metrics: Sequence[str] = (),
    metric_options: Mapping[str, Any] | None = None,
    report: bool = False,
    suspects: bool = False,
) -> "Scores":
    """Score a model on a data set, at the labels' own size, with intervals, and write the result.

    Two files: JSON with all figures, and beside it an .npz with one confusion matrix an image, from which `kerseg
    compare` tells whether another model is better.

    Args:
        model: Run folder, .keras file, or a model in memory.
        data_dir: Folder of the converted data, with its dataset.json.
        split: Split to score on.
        batch_size: Images predicted at a time, 1 or more; only neighbours of equal size share a batch.
        output: JSON file to write, or an existing folder, for ``<split>.json`` in it. By default it is
            ``report/<split>.json`` in the run folder, or ``<name>.<split>.json`` beside the model file; for a
            model that was passed as an object, nothing is written.
        dataset: Data set whose classes the records hold, where no dataset.json names them.
        runtime: What runs the model, of `kerseg list runtimes`; auto takes the fastest that is installed.
        precision: In what it computes: float32, bfloat16, or auto, which takes bfloat16 where it gives float32's
            labels on 99.9 % of the pixels of the first images.
        skip_bad: Compare the shards with their checksums first, and leave out the damaged ones; the JSON and a
            warning list them.
        scales: Factors by which images are scaled; the probabilities are averaged over them.
        flip: Average over mirrored images, too.
        window: Height and width, in pixels, of windows in which images are predicted; by default they are whole.
        overlap: Strip that neighbouring windows share, pixels, at most half a window; default: a quarter of it.
        crf: Refine the labels with a dense CRF. ``tune`` first searches its weights on val, and writes them beside
            the model file, where evaluation and prediction find them from then on.
        crf_options: Weights of the CRF, in place of those that were found, or of the defaults; each can be given.
        metrics: What to measure besides the figures of overlap; `kerseg list metrics`.
        metric_options: Options of these metrics, such as `metric_options.tolerance=3`.
        report: Write a page too, <split>.html beside the JSON: scores, classes, confusion matrix, images, labels
            that look wrong.
        suspects: List the labels that look wrong, the most suspect first, in <split>.suspects.json, with a contact
            sheet (.png) and polygons to correct (.coco.json).

    Returns:
        The scores, with all measures and their bootstrap intervals.

    Raises:
        WeightsError: The model file is missing, damaged or no segmentation model.
        DataError: The data is missing or damaged, has no such split, or not one labelled pixel.
        ConfigError: Model and data differ in the number of classes or channels, or an option is out of range or
            unknown.

    Example:
        >>> scores = evaluate("runs/unet", "data/street", split="val")
        >>> 0 <= scores.mean_iou <= 1
        True
    """
    refuse_nul(locals())
    check_range("batch_size", batch_size, least=1)
    check_runtime(runtime, precision)
    procedure = Procedure(
        scales=tuple(scales), flip=flip, window=window, overlap=overlap, crf=crf_given(crf_options)
    )
    from kerseg.metrics import Meter, choose

    choose(metrics, metric_options)  # refuses unknown ones before the seconds of the other imports
    import_tensorflow()
    from kerseg.data.reading.pipeline import load
    from kerseg.inference.measuring import measure
    from kerseg.inference.outcome import planned, remarks, rounded

    with explained(Path(data_dir)):
        data = load(data_dir, dataset=dataset, skip_bad=skip_bad)
    data.info.split(split)  # refuses an unknown one before the model is loaded
    from kerseg.data.reading.integrity import describe_damage

    for line in describe_damage(data.folder, [damage for damage in data.left_out if damage.split == split]):
        note(line)
    segmenter, facts = _opened(model, data, split, procedure, crf, runtime, precision)
    target = _target(model, split, output)
    outcome = planned(
        target, data.info, split, metrics, metric_options or {}, report=report, suspects=suspects
    )
    meter = Meter(data.info.class_names, outcome.metrics, data.info.ignore_label, data.info.spacing)
    began = time.monotonic()
    seconds = measure(segmenter, data, split, meter, batch_size=batch_size, watchers=outcome.watchers)
    facts |= {
        "data_dir": str(data_dir),
        "seconds": round(time.monotonic() - began, 3),
        "seconds_of": rounded(seconds),
        "batch_size": batch_size,
        "procedure": segmenter.procedure.to_json(),
    }
    found = meter.measurements(facts)
    for line in remarks(found, seconds):
        note(line)
    return outcome.write(found, seconds, data.info, _run_folder(model))


def _opened(
    model: "keras.Model | str | Path",
    data: "Dataset",
    split: str,
    procedure: Procedure,
    crf: bool | Literal["tune"],
    runtime: str,
    precision: Precision,
) -> "tuple[Segmenter, dict[str, Any]]":
    """Return what predicts, which fits the data, and what is measured with it."""
    import keras

    from kerseg import modelfile
    from kerseg.inference.crf_tuning import tune, with_crf
    from kerseg.inference.predictor import Predictor
    from kerseg.inference.segmenter import Segmenter

    if isinstance(model, keras.Model):
        network, card, where = model, None, model.name
    else:
        (network, card), where = modelfile.load(model), str(modelfile.locate(model))
    predictor = Predictor(network)
    _check_channels(predictor.num_channels, card, data.info, where)
    _check_classes(predictor.num_classes, card, data.info, where)
    procedure = with_crf(procedure, model) if crf is True else procedure
    choice = _chosen(network, data, split, procedure, runtime, precision)
    segmenter = Segmenter(choice.predictor, procedure)
    if crf == "tune":
        segmenter = tune(segmenter, data, model)
    facts = _facts(data, split, runtime=choice.runtime, precision=choice.precision)
    facts |= {"model": where, "architecture": card.architecture if card else network.name}
    return segmenter, facts


def _chosen(
    network: "keras.Model",
    data: "Dataset",
    split: str,
    procedure: Procedure,
    runtime: str,
    precision: Precision,
) -> Choice:
    """Return what runs the network, tried on the first images where that is left to kerseg."""
    samples = []
    if AUTO in (runtime, precision):
        samples = [example["image"][None] for example in data.examples(split).take(TRIAL).as_numpy_iterator()]
    choice = decide(network, samples, procedure=procedure, runtime=runtime, precision=precision)
    if samples:
        note(str(choice))
    return choice


def _facts(data: "Dataset", split: str, **runs: str) -> dict[str, Any]:
    """Return what was measured, when and with what, as far as the data and the machine tell."""
    import keras

    return {
        "dataset": data.info.name,
        **({"unit": data.info.spacing.unit} if data.info.spacing else {}),
        "split": split,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        **runs,
        "backend": keras.backend.backend(),
        "kerseg_version": __version__,
        "left_out": [asdict(damage) for damage in data.left_out if damage.split == split],
    }


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


def _run_folder(model: "keras.Model | str | Path") -> Path | None:
    """Return the folder of the run that a model is of, if it is one's."""
    if not isinstance(model, str | Path):
        return None
    folder = Path(model) if Path(model).is_dir() else Path(model).parent
    return folder if (folder / "config.yaml").is_file() else None


def _target(model: "keras.Model | str | Path", split: str, output: str | Path | None) -> Path | None:
    """Return the JSON file to write, if any."""
    if output is not None:
        return Path(output) / f"{split}.json" if Path(output).is_dir() else Path(output)
    if not isinstance(model, str | Path):
        return None
    path = Path(model)
    return path / "report" / f"{split}.json" if path.is_dir() else path.with_suffix(f".{split}.json")
