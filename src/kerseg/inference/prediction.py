"""Predict images: class indices, colours and an overlay for each, as PNG."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kerseg.core.console import note
from kerseg.core.info import Channels
from kerseg.core.progress import Progress
from kerseg.core.ranges import check_range
from kerseg.core.signed_png import save_signed
from kerseg.core.tensorflow import import_tensorflow
from kerseg.data.formats import arrays
from kerseg.data.formats.images import BadFileError
from kerseg.errors import DataError
from kerseg.inference import RUNTIMES
from kerseg.inference.images import read_input
from kerseg.inference.inputs import SOFTWARE, SUFFIXES, Failure, Input, collect, cut, is_result

if TYPE_CHECKING:  # they import Keras, and a refused option must not wait for that
    import keras

    from kerseg.inference.predictor import Predictor
    from kerseg.modelfile import ModelCard

KINDS = ("index", "colour", "overlay")


@dataclass(frozen=True)
class Written:
    """An image and its results."""

    image: Path
    index: Path
    """8-bit grey PNG: the class index of each pixel."""
    colour: Path
    """RGB PNG: each pixel in the colour of its class."""
    overlay: Path
    """RGB PNG: the colours over the image, with a legend below it."""


@dataclass(frozen=True)
class Report:
    """What came of a prediction."""

    output: Path
    written: tuple[Written, ...]
    failed: tuple[Failure, ...]


def predict(
    model: "keras.Model | str | Path",
    inputs: str | Path | Sequence[str | Path],
    *,
    output: str | Path,
    batch_size: int = 1,
    alpha: float = 0.5,
    runtime: str = "keras",
) -> Report:
    """Predict images: index PNG, colour PNG and overlay with a legend.

        output/index/city/a.png      class index of each pixel, 8-bit grey
        output/colour/city/a.png     each pixel in the colour of its class
        output/overlay/city/a.png    the colours over the image, and a legend

    An image that cannot be read does not stop the others. Results of an earlier prediction are replaced; a
    file that is none is never overwritten: its image then counts as failed.

    Args:
        model: Run folder, .keras file, or a model in memory.
        inputs: Images, folders of images, at any depth, or glob patterns.
        output: Folder to write to; names and sub-folders are kept, see `kerseg.inference.inputs.collect`.
        batch_size: Images predicted at a time, 1 or more; only neighbours of equal size share a batch.
        alpha: Strength of the colours in the overlay, 0 to 1.
        runtime: What runs the model; `kerseg list runtimes`. OpenVINO's are faster on a CPU.

    Returns:
        What was written, and what failed and why.

    Raises:
        ConfigError: An option is out of range, or the runtime is unknown or not installed.
        DataError: There is no image at all.
        WeightsError: The model file is missing, damaged or no segmentation model.

    Example:
        >>> report = predict("runs/enet", ["photos"], output="predictions")
        >>> [failure.path for failure in report.failed]
        []
    """
    check_range("batch_size", batch_size, least=1)
    check_range("alpha", alpha, least=0, most=1)
    RUNTIMES.resolve(runtime)
    import_tensorflow()
    import keras

    from kerseg import modelfile
    from kerseg.inference.predictor import Predictor, predict_batches

    if isinstance(model, keras.Model):
        predictor = Predictor(model, runtime=runtime)
        card = modelfile.blank_card(predictor.num_classes)
    else:
        network, card = modelfile.load(model)
        predictor = Predictor(network, runtime=runtime)
    images, failed = collect(
        [inputs] if isinstance(inputs, (str, Path)) else inputs,
        SUFFIXES if card.channels is None else (*arrays.SUFFIXES, *SUFFIXES),
    )
    if card.channels is not None:
        images = cut(images, card.channels.layout)
    written: list[Written] = []
    with Progress("predict", total=len(images), unit="images") as bar:
        examples = _examples(images, Path(output), predictor, card.channels, failed, bar)
        for example, label in predict_batches(predictor, examples, batch_size):
            _write(example["image"], label, example["written"], card, alpha)
            written.append(example["written"])
            bar.advance()
    # All slices of a volume fail for the same reason.
    report = Report(Path(output), tuple(written), tuple(dict.fromkeys(failed)))
    _tell(report)
    return report


def _examples(
    images: Sequence[Input],
    output: Path,
    predictor: "Predictor",
    channels: Channels | None,
    failed: list[Failure],
    bar: Progress,
) -> Iterator[dict[str, Any]]:
    """Read the images one by one; note those that have to be left out in ``failed``."""
    for place in images:
        written = Written(place.path, *(output / kind / place.result for kind in KINDS))
        try:
            _check_free(written)
            image = read_input(place, channels)
            predictor.check(image[np.newaxis])
        except BadFileError as error:
            failed.append(Failure(place.path, error.reason))
        except DataError as error:
            failed.append(Failure(place.path, str(error)))
        else:
            yield {"image": image, "written": written}
            continue
        bar.advance()


def _check_free(written: Written) -> None:
    for path in (written.index, written.colour, written.overlay):
        if path.exists() and not is_result(path):
            raise DataError(f"{path} exists and is not a result of kerseg predict. Give another `output`.")


def _write(
    image: NDArray[Any], label: NDArray[Any], written: Written, card: "ModelCard", alpha: float
) -> None:
    from kerseg import visualize

    # A prediction has no ignored pixels: -1 is never predicted.
    colours = visualize.colourise(label, card.palette, ignore_label=-1)
    shown = visualize.as_rgb(image, card.channels.names if card.channels else ())
    mixed = visualize.overlay(shown, label, card.palette, alpha=alpha, ignore_label=-1)
    framed = visualize.with_legend(mixed, label, card.palette, card.class_names, ignore_label=-1)
    index = label if label.dtype == np.uint8 else label.astype(np.uint16)
    save_signed(Image.fromarray(index), written.index, SOFTWARE)
    save_signed(Image.fromarray(colours), written.colour, SOFTWARE)
    save_signed(framed, written.overlay, SOFTWARE)


def _tell(report: Report) -> None:
    if report.written:
        folders = ", ".join(str(report.output / kind) for kind in KINDS)
        note(f"{len(report.written)} predicted: {folders}")
    if report.failed:
        note(f"{len(report.failed)} failed:")
        for failure in report.failed:
            note(f"  {failure.path}: {failure.reason}")
