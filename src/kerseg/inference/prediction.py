"""Predict images, rasters and videos: the verb. How is in `jobs`, what is written in `outputs`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from kerseg.core import notebook
from kerseg.core.console import note
from kerseg.core.files import explained
from kerseg.core.options import refuse_nul
from kerseg.core.ranges import check_range
from kerseg.core.tensorflow import import_tensorflow
from kerseg.data.conversion.pipelines import require_beam
from kerseg.errors import ConfigError
from kerseg.inference.choice import Precision, check_runtime
from kerseg.inference.crf_options import CrfOptions, crf_given
from kerseg.inference.inputs import Failure
from kerseg.inference.outputs import JOINT, Kind, Outputs, PolygonFormat, Written, root_of
from kerseg.inference.outputs import SUFFIXES as SUFFIXES_OF
from kerseg.inference.procedure import Procedure
from kerseg.inference.work import Plan
from kerseg.registry import nearest

if TYPE_CHECKING:  # they import Keras, and a refused option must not wait for that
    import keras


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
    runtime: str = "auto",
    precision: Precision = "auto",
    save: Sequence[Kind] = ("index", "colour", "overlay"),
    polygon_format: PolygonFormat = "coco",
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    window: tuple[int, int] | None = None,
    overlap: int | None = None,
    mosaic: bool = False,
    sequence: bool = False,
    rate: float = 25.0,
    crf: bool = False,
    crf_options: CrfOptions | Mapping[str, Any] | None = None,
    runner: Literal["local", "beam"] = "local",
    beam_options: str = "",
) -> Report:
    """Predict images: index PNG, colour PNG and overlay with a legend; on request probabilities and polygons.

        output/index/city/a.png              class index of each pixel, 8-bit grey
        output/colour/city/a.png             each pixel in the colour of its class
        output/overlay/city/a.png            the colours over the image, and a legend
        output/probabilities/city/a.npz      of each class at each pixel, float16
        output/polygons/annotations.json     outlines of all images, as COCO's format has them; CVAT's are an XML,
                                             LabelMe's and GeoJSON a file for each image

    A raster that is georeferenced or very large is predicted window by window, and its results are GeoTIFFs. Of a
    volume in NIfTI the index is a volume, too. Of a video the overlay is written, as a video, and of numbered
    frames (``frames/%06d.png``, or a folder with `sequence=True`), too.

    An image that cannot be read does not stop the others. Results of an earlier prediction are replaced; a
    file that is none is never overwritten: its image then counts as failed.

    Args:
        model: Run folder, .keras file, or a model in memory.
        inputs: Images, folders of images, at any depth, or glob patterns; rasters, videos, numbered frames.
        output: Folder to write to; names and sub-folders are kept, see `kerseg.inference.inputs.collect`.
        batch_size: Images predicted at a time, 1 or more; only neighbours of equal size share a batch.
        alpha: Strength of the colours in the overlay, 0 to 1.
        runtime: What runs the model, of `kerseg list runtimes`; auto takes the fastest that is installed.
        precision: In what it computes; auto takes bfloat16 where it gives float32's labels on 99.9 % of the pixels
            of the first images.
        save: What to write of each image.
        polygon_format: Format of the polygons.
        scales: Factors by which images are scaled; the probabilities are averaged over them.
        flip: Average over mirrored images, too.
        window: Height and width, in pixels, of windows in which images are predicted; by default they are whole.
        overlap: Strip that neighbouring windows share, pixels, at most half a window; default: a quarter of it.
        mosaic: Predict all rasters as one scene, of which they are the tiles.
        sequence: Take the numbered images of each folder as the frames of a video. A pattern such as
            ``frames/%06d.png`` always is one.
        rate: Of the frames of such videos, a second.
        crf: Refine the labels with a dense CRF, of the weights that evaluation has found for the model, if any.
        crf_options: Weights of the CRF, in place of those that were found, or of the defaults; each can be given.
        runner: Who does the work: this process, or Apache Beam, which also runs on clusters; what is done is not
            done again after a stop.
        beam_options: Apache Beam's own options in one text: '--runner=FlinkRunner --parallelism=64'. By default
            Beam runs on this machine, with a process for each processor.

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
    refuse_nul(locals())
    check_range("batch_size", batch_size, least=1)
    check_range("alpha", alpha, least=0, most=1)
    check_range("rate", rate, above=0, most=1000)
    check_runtime(runtime, precision)
    procedure = Procedure(
        scales=tuple(scales), flip=flip, window=window, overlap=overlap, crf=crf_given(crf_options)
    )
    _check_kinds(save)
    given = [inputs] if isinstance(inputs, (str, Path)) else inputs
    plan = Plan(
        inputs=tuple(map(Path, given)),
        output=Path(output),
        kinds=tuple(save),
        polygon_format=polygon_format,
        alpha=alpha,
        batch_size=batch_size,
        mosaic=mosaic,
        sequence=sequence,
        rate=rate,
        procedure=procedure,
        runtime=runtime,
        precision=precision,
    )
    if runner == "beam":
        _check_beam(model, plan)
    elif beam_options:
        raise ConfigError("`beam_options` are for `runner='beam'`.")
    import_tensorflow()
    if crf:
        from kerseg.inference.crf_tuning import with_crf

        plan = replace(plan, procedure=with_crf(procedure, model))
    if runner == "beam":
        from kerseg import modelfile
        from kerseg.inference import beam

        written, failed = beam.predict(modelfile.locate(cast(Path, model)), plan, beam_options)
    else:
        written, failed = _here(model, plan)
    # All slices of a volume fail for the same reason.
    report = Report(plan.output, tuple(written), tuple(dict.fromkeys(failed)))
    _tell(report)
    return report


def _here(model: "keras.Model | str | Path", plan: Plan) -> tuple[list[Written], list[Failure]]:
    """Predict on this machine; return what was written and what failed."""
    import keras

    from kerseg import modelfile
    from kerseg.inference.jobs import Job
    from kerseg.inference.predictor import Predictor

    if isinstance(model, keras.Model):
        plain = Predictor(model)
        card = modelfile.blank_card(plain.num_classes)
    else:
        network, card = modelfile.load(model)
        plain = Predictor(network)
    work = plan.gather(card.channels)
    with Outputs(
        plan.output,
        card,
        root_of(work.images),
        plan.kinds,
        alpha=plan.alpha,
        polygon_format=plan.polygon_format,
    ) as outputs:
        job = Job(plain, plan.procedure, outputs, plan.runtime, plan.precision, failed=work.failed)
        with explained(plan.output):
            job.run(work, plan)
    return job.written, job.failed


def _check_beam(model: "keras.Model | str | Path", plan: Plan) -> None:
    """Refuse what many machines cannot do, before anything is started."""
    if not isinstance(model, str | Path):
        raise ConfigError("`runner='beam'` takes a run folder or a .keras file, which all workers see.")
    if "polygons" in plan.kinds and plan.polygon_format in JOINT:
        raise ConfigError(
            f"`polygon_format={plan.polygon_format!r}` is one file of all images, which many machines cannot write "
            "together: give 'labelme' or 'geojson', a file for each image."
        )
    require_beam()


def _check_kinds(save: Sequence[str]) -> None:
    known = ", ".join(SUFFIXES_OF)
    for kind in save:
        if kind not in SUFFIXES_OF:
            raise ConfigError(f"There is no `save={kind!r}`.{nearest(kind, SUFFIXES_OF)} Known: {known}.")
    if not save:
        raise ConfigError("`save` names what to write. Received: nothing.")


def _tell(report: Report) -> None:
    if report.written:
        kinds = dict.fromkeys(
            path.relative_to(report.output).parts[0] for each in report.written for path in each.results
        )
        folders = ", ".join(str(report.output / kind) for kind in kinds)
        note(f"{len(report.written)} predicted: {folders}")
    if report.failed:
        note(f"{len(report.failed)} failed:")
        for failure in report.failed:
            note(f"  {failure.path}: {failure.reason}")
