"""One prediction run: images read ahead and written behind, rasters in windows, videos frame by frame."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from kerseg.core.ahead import Behind, ahead
from kerseg.core.console import note
from kerseg.core.progress import Progress
from kerseg.data.formats.files import BadFileError
from kerseg.errors import DataError
from kerseg.inference import rasters, video
from kerseg.inference.choice import TRIAL, Choice, decide
from kerseg.inference.images import read_input
from kerseg.inference.inputs import Failure, Input
from kerseg.inference.outputs import Outputs, Written, refuse_foreign
from kerseg.inference.predictor import Predictor, batches
from kerseg.inference.procedure import Procedure
from kerseg.inference.segmenter import Segmenter
from kerseg.inference.sequences import ImageSequence, stills
from kerseg.inference.windows import Windows
from kerseg.inference.work import Plan, Work

T = TypeVar("T")
Example = dict[str, Any]
_NO_POLYGONS = (
    "polygons of a raster, which may have millions, are made of its index by a tool that streams them: "
    "gdal_polygonize index/NAME.tif polygons.gpkg."
)


@dataclass
class Job:
    """What all images of a run share, and what came of them.

    Example:
        >>> result = kerseg.predict("runs/unet", "street.jpg", output="predicted")
        >>> [written.image.name for written in result.written]    # a job's `written`
        ['street.jpg']
    """

    plain: Predictor
    """The model in Keras: it says what it takes."""
    procedure: Procedure
    outputs: Outputs
    runtime: str = "auto"
    precision: str = "auto"
    written: list[Written] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    console: Console | None = None
    """Where progress is shown; None for standard error."""
    choice: Choice | None = None
    """What predicts, once it was decided on the first images; told to the user then."""

    def run(self, work: Work, plan: Plan) -> None:
        """Predict all there is; what is wrong with one file does not stop the others."""
        self.images(work.images, batch_size=plan.batch_size)
        self.rasters(work.rasters, alpha=plan.alpha, mosaic=plan.mosaic)
        self.videos(work.videos, alpha=plan.alpha)
        self.sequences(work.sequences, alpha=plan.alpha, rate=plan.rate)

    def images(self, images: Sequence[Input], *, batch_size: int = 1) -> None:
        """Predict images: the next one is read and the last one written while one is computed."""
        if not images:
            return
        wanted = "probabilities" in self.outputs.kinds
        with Progress("predict", total=len(images), unit="images", console=self.console) as bar:
            stream = ahead(self._read(images))
            with closing(stream), Behind() as behind:
                groups = batches(self._good(stream, bar), batch_size)
                first = _first(groups, TRIAL)
                segmenter = self.segmenter([_stacked(batch) for batch in first])
                for batch in chain(first, groups):
                    labels, probabilities = segmenter.both(_stacked(batch), wanted)
                    for example, label, each in zip(batch, labels, probabilities, strict=True):
                        result = example["written"]
                        behind.do(self.outputs.write, example["input"], example["image"], label, each, result)
                        self.written.append(result)
                        bar.advance()

    def rasters(self, images: Sequence[Input], *, alpha: float, mosaic: bool = False) -> None:
        """Predict rasters window by window, each by itself or all as one scene."""
        if not images:
            return
        groups = [tuple(images)] if mosaic else [(image,) for image in images]
        for group in groups:
            self._guarded(group[0], partial(self._raster, group, alpha, mosaic))

    def videos(self, images: Sequence[Input], *, alpha: float) -> None:
        """Predict videos frame by frame."""
        for image in images:
            self._guarded(image, partial(self._video, image, alpha, video.frames(image.path)))

    def sequences(self, sequences: Sequence[ImageSequence], *, alpha: float, rate: float) -> None:
        """Predict image sequences as the videos that they are the frames of."""
        for each in sequences:
            self._guarded(each.place, partial(self._video, each.place, alpha, stills(each, rate)))

    def segmenter(self, samples: Sequence[NDArray[Any]], procedure: Procedure | None = None) -> Segmenter:
        """Return what predicts; decide on the runtime and precision with the first images that come."""
        if self.choice is None:
            self.choice = decide(
                self.plain.model,
                samples,
                procedure=procedure or self.procedure,
                runtime=self.runtime,
                precision=self.precision,
                wanted="probabilities" in self.outputs.kinds,
            )
            note(str(self.choice))
        return Segmenter(self.choice.predictor, procedure or self.procedure)

    def _raster(self, group: Sequence[Input], alpha: float, mosaic: bool) -> None:
        folder, kinds = self.outputs.folder, ("index", "colour", "overlay", "probabilities")
        name = Path("mosaic.tif") if mosaic else group[0].result.with_suffix(".tif")
        paths = {kind: folder / kind / name for kind in self.outputs.kinds if kind in kinds}
        if not paths:
            raise DataError(f"{group[0].path}: {_NO_POLYGONS} Give `save=('index',)`.")
        if "polygons" in self.outputs.kinds:
            note(f"{group[0].path}: {_NO_POLYGONS}")
        for path in paths.values():
            refuse_foreign(path)
        windows = self.procedure.windows or Windows(rasters.WINDOW, rasters.WINDOW, rasters.OVERLAP)
        with rasters.Scene([image.path for image in group], self.outputs.card.channels) as scene:
            corners = _corners(scene.height, scene.width, windows.height, windows.width)
            samples = [scene.read(*corner)[np.newaxis] for corner in corners]
            self.plain.check(samples[0])
            segmenter = self.segmenter(samples, replace(self.procedure, window=None, overlap=None))
            rasters.predict_raster(
                scene,
                lambda pixels: segmenter.probabilities(pixels[np.newaxis])[0],
                rasters.Results(**paths),
                self.outputs.card,
                windows=windows,
                alpha=alpha,
            )
        self.written += [Written(image.path, **paths) for image in group]

    def _video(self, image: Input, alpha: float, opened: AbstractContextManager[video.Clip]) -> None:
        path = self.outputs.folder / "video" / image.result.with_suffix(".mp4")
        refuse_foreign(path)
        with opened as clip, closing(ahead(clip.frames)) as stream:
            first = list(islice(stream, TRIAL))
            if not first:
                raise DataError(f"{image.path}: damaged: it has no frame.")
            self.plain.check(first[0][np.newaxis])
            segmenter = self.segmenter([frame[np.newaxis] for frame in first])
            labelled = ((frame, segmenter(frame[np.newaxis])[0]) for frame in chain(first, stream))
            total = clip.count or None
            told = f"predict {image.path.name}"
            with Progress(told, total=total, unit="frames", console=self.console) as bar:
                video.write_overlay(labelled, path, clip.rate, self.outputs.card, alpha=alpha, bar=bar)
        self.written.append(Written(image.path, video=path))

    def _guarded(self, image: Input, work: Callable[[], None]) -> None:
        """Do the work of one file; what is wrong with it does not stop the others."""
        try:
            work()
        except BadFileError as error:
            self.failed.append(Failure(image.path, error.reason))
        except DataError as error:
            self.failed.append(Failure(image.path, str(error)))

    def _read(self, images: Sequence[Input]) -> Iterator[Example | Failure]:
        """Read the images one by one, or say why they have to be left out."""
        for place in images:
            try:
                written = self.outputs.places(place)
                image = read_input(place, self.outputs.card.channels)
                self.plain.check(image[np.newaxis])
            except BadFileError as error:
                yield Failure(place.path, error.reason)
            except DataError as error:
                yield Failure(place.path, str(error))
            else:
                yield {"image": image, "input": place, "written": written}

    def _good(self, stream: Iterable[Example | Failure], bar: Progress) -> Iterator[Example]:
        for each in stream:
            if isinstance(each, Failure):
                self.failed.append(each)
                bar.advance()
            else:
                yield each


def _stacked(batch: Sequence[Mapping[str, Any]]) -> NDArray[Any]:
    return np.stack([example["image"] for example in batch])


def _first(groups: Iterator[list[T]], count: int) -> list[list[T]]:
    """Take groups until they have ``count`` members, or there are no more."""
    found: list[list[T]] = []
    while sum(map(len, found)) < count and (group := next(groups, None)) is not None:
        found.append(group)
    return found


def _corners(height: int, width: int, rows: int, columns: int) -> list[tuple[slice, slice]]:
    """Return windows in the corners of a raster; they are one and the same where it is no larger."""
    tops, lefts = sorted({0, max(height - rows, 0)}), sorted({0, max(width - columns, 0)})
    return [
        (slice(top, min(top + rows, height)), slice(left, min(left + columns, width)))
        for top in tops
        for left in lefts
    ]
