"""Predict images, reading ahead and writing behind; what is written is in `outputs`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerseg.core import notebook
from kerseg.core.ahead import Behind, ahead
from kerseg.core.console import note
from kerseg.core.files import explained
from kerseg.core.info import Channels
from kerseg.core.progress import Progress
from kerseg.core.ranges import check_range
from kerseg.core.tensorflow import import_tensorflow
from kerseg.data.formats import arrays
from kerseg.data.formats.files import BadFileError
from kerseg.errors import ConfigError, DataError
from kerseg.inference import RUNTIMES
from kerseg.inference.crf import CrfOptions, crf_given
from kerseg.inference.images import read_input
from kerseg.inference.inputs import SUFFIXES, Failure, Input, collect, cut
from kerseg.inference.outputs import SUFFIXES as SUFFIXES_OF
from kerseg.inference.outputs import Kind, Outputs, PolygonFormat, Written
from kerseg.inference.procedure import Procedure
from kerseg.registry import nearest

if TYPE_CHECKING:  # they import Keras, and a refused option must not wait for that
    import keras

    from kerseg.inference.predictor import Predictor


@dataclass(frozen=True)
class Report:
    """What came of a prediction."""

    output: Path
    written: tuple[Written, ...]
    failed: tuple[Failure, ...]

    def _repr_html_(self) -> str:
        """Return what a notebook shows: how many images, and the first overlays."""
        rows = [("written to", str(self.output)), ("images", len(self.written)), ("failed", len(self.failed))]
        overlays = [written.overlay for written in self.written if written.overlay is not None][:4]
        return notebook.table(["", ""], rows) + "".join(
            notebook.image_file(path, width=320) for path in overlays
        )


def predict(
    model: "keras.Model | str | Path",
    inputs: str | Path | Sequence[str | Path],
    *,
    output: str | Path,
    batch_size: int = 1,
    alpha: float = 0.5,
    runtime: str = "keras",
    save: Sequence[Kind] = ("index", "colour", "overlay"),
    polygon_format: PolygonFormat = "coco",
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    window: tuple[int, int] | None = None,
    overlap: int | None = None,
    crf: bool = False,
    crf_options: CrfOptions | Mapping[str, Any] | None = None,
) -> Report:
    """Predict images: index PNG, colour PNG and overlay with a legend; on request probabilities and polygons.

        output/index/city/a.png              class index of each pixel, 8-bit grey
        output/colour/city/a.png             each pixel in the colour of its class
        output/overlay/city/a.png            the colours over the image, and a legend
        output/probabilities/city/a.npz      of each class at each pixel, float16
        output/polygons/annotations.json     outlines of all images, as COCO's format has them; CVAT's are an XML,
                                             LabelMe's and GeoJSON a file for each image

    An image that cannot be read does not stop the others. Results of an earlier prediction are replaced; a
    file that is none is never overwritten: its image then counts as failed.

    Args:
        model: Run folder, .keras file, or a model in memory.
        inputs: Images, folders of images, at any depth, or glob patterns.
        output: Folder to write to; names and sub-folders are kept, see `kerseg.inference.inputs.collect`.
        batch_size: Images predicted at a time, 1 or more; only neighbours of equal size share a batch.
        alpha: Strength of the colours in the overlay, 0 to 1.
        runtime: What runs the model; `kerseg list runtimes`. OpenVINO's are faster on a CPU.
        save: What to write of each image.
        polygon_format: Format of the polygons.
        scales: Factors by which images are scaled; the probabilities are averaged over them.
        flip: Average over mirrored images, too.
        window: Height and width, in pixels, of windows in which images are predicted; by default they are whole.
        overlap: Strip that neighbouring windows share, pixels, at most half a window; default: a quarter of it.
        crf: Refine the labels with a dense CRF, of the weights that evaluation has found for the model, if any.
        crf_options: Weights of the CRF, in place of those that were found, or of the defaults; each can be given.

    Returns:
        What was written, and what failed and why.

    Raises:
        ConfigError: An option is out of range, or the runtime is unknown or not installed.
        DataError: There is no image at all.
        KersegError: A result cannot be written.
        WeightsError: The model file is missing, damaged or no segmentation model.

    Example:
        >>> report = predict("runs/unet", ["street/val/images"], output="predictions")
        >>> [failure.path for failure in report.failed]
        []
    """
    check_range("batch_size", batch_size, least=1)
    check_range("alpha", alpha, least=0, most=1)
    RUNTIMES.resolve(runtime)
    procedure = Procedure(
        scales=tuple(scales), flip=flip, window=window, overlap=overlap, crf=crf_given(crf_options)
    )
    _check_kinds(save)
    import_tensorflow()
    import keras

    from kerseg import modelfile
    from kerseg.inference.crf_tuning import with_crf
    from kerseg.inference.predictor import Predictor, batches
    from kerseg.inference.segmenter import Segmenter

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
    segmenter = Segmenter(predictor, with_crf(procedure, model) if crf else procedure)
    outputs = Outputs(Path(output), card, images, save, alpha=alpha, polygon_format=polygon_format)
    written: list[Written] = []
    with explained(Path(output)), Progress("predict", total=len(images), unit="images") as bar:
        stream = ahead(_read(images, outputs, predictor, card.channels))
        with outputs, Behind() as behind, closing(stream):
            for batch in batches(_good(stream, failed, bar), batch_size):
                pixels = np.stack([example["image"] for example in batch])
                labels, probabilities = segmenter.both(pixels, "probabilities" in save)
                for example, label, each in zip(batch, labels, probabilities, strict=True):
                    behind.do(
                        outputs.write, example["input"], example["image"], label, each, example["written"]
                    )
                    written.append(example["written"])
                    bar.advance()
    # All slices of a volume fail for the same reason.
    report = Report(Path(output), tuple(written), tuple(dict.fromkeys(failed)))
    _tell(report, save)
    return report


def _read(
    images: Sequence[Input], outputs: Outputs, predictor: "Predictor", channels: Channels | None
) -> Iterator[dict[str, Any] | Failure]:
    """Read the images one by one, or say why they have to be left out."""
    for place in images:
        try:
            written = outputs.places(place)
            image = read_input(place, channels)
            predictor.check(image[np.newaxis])
        except BadFileError as error:
            yield Failure(place.path, error.reason)
        except DataError as error:
            yield Failure(place.path, str(error))
        else:
            yield {"image": image, "input": place, "written": written}


def _good(
    stream: Iterable[dict[str, Any] | Failure], failed: list[Failure], bar: Progress
) -> Iterator[dict[str, Any]]:
    for each in stream:
        if isinstance(each, Failure):
            failed.append(each)
            bar.advance()
        else:
            yield each


def _check_kinds(save: Sequence[str]) -> None:
    known = ", ".join(SUFFIXES_OF)
    for kind in save:
        if kind not in SUFFIXES_OF:
            raise ConfigError(f"There is no `save={kind!r}`.{nearest(kind, SUFFIXES_OF)} Known: {known}.")
    if not save:
        raise ConfigError("`save` names what to write. Received: nothing.")


def _tell(report: Report, save: Sequence[str]) -> None:
    if report.written:
        folders = ", ".join(str(report.output / kind) for kind in save)
        note(f"{len(report.written)} predicted: {folders}")
    if report.failed:
        note(f"{len(report.failed)} failed:")
        for failure in report.failed:
            note(f"  {failure.path}: {failure.reason}")
