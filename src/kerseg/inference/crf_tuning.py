"""The weights of a CRF for one network and data set, found on val and kept beside the model file.

As in DeepLab v1 (ICLR 2015, section 4), on at most a hundred images, coarse steps first and then fine ones. Each
option is varied in turn, the others held.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerseg import modelfile
from kerseg.core.console import note
from kerseg.core.files import write_text
from kerseg.core.info import DatasetInfo
from kerseg.core.progress import Progress
from kerseg.core.schema import decode_json
from kerseg.data.reading.pipeline import Dataset
from kerseg.errors import ConfigError, DataError
from kerseg.inference.crf import DenseCrf
from kerseg.inference.crf_options import CrfOptions
from kerseg.inference.procedure import Procedure
from kerseg.inference.segmenter import Segmenter
from kerseg.metrics import ConfusionMatrix

IMAGES = 100
"""Images that are searched on at most."""
MEMORY = 2**30
"""Bytes that their probabilities may take; a data set of large images has fewer."""
FACTORS = ((0.4, 2.5), (0.7, 1.4))
"""By which an option is multiplied: coarse, then fine."""
VARIED = ("colour_sigma", "appearance_sigma", "appearance_weight", "smoothness_weight")
"""The smoothness kernel's reach is left as it is: DeepLab found that it hardly matters."""

Example = tuple[NDArray[Any], NDArray[np.float16], NDArray[Any]]
"""Image, probabilities and label."""


@dataclass(frozen=True, kw_only=True)
class TunedCrf:
    """What a search found, as ``<model>.crf.json`` has it."""

    options: CrfOptions
    mean_iou: float
    """With the CRF, on the images of the search."""
    mean_iou_without: float
    dataset: str
    split: str
    images: int

    def save(self, model: str | Path) -> Path:
        """Write it beside the model file, and return where."""
        path = place(model)
        write_text(path, json.dumps(asdict(self), indent=1) + "\n")
        return path


def place(model: str | Path) -> Path:
    """Return where the weights of a model's CRF are kept: ``best.crf.json`` beside ``best.keras``.

    Raises:
        WeightsError: There is no such model.
    """
    return modelfile.locate(model).with_suffix(".crf.json")


def tuned(model: str | Path) -> CrfOptions | None:
    """Return the weights that were found for a model, if any were.

    Raises:
        WeightsError: There is no such model.
        DataError: The file is damaged.
    """
    path = place(model)
    return decode_json(path.read_bytes(), TunedCrf, where=path).options if path.exists() else None


def with_crf(procedure: Procedure, model: Any) -> Procedure:
    """Return a procedure with a CRF: of the weights it has, else those found for the model, else the defaults.

    Args:
        procedure: What is done with the model.
        model: A run folder, a ``.keras`` file, or a model, for which none can have been found.
    """
    if procedure.crf is not None:
        return procedure
    found = tuned(model) if isinstance(model, str | Path) else None
    return replace(procedure, crf=found or CrfOptions())


def tune(segmenter: Segmenter, data: Dataset, model: object) -> Segmenter:
    """Search the weights of a model's CRF on val, write them beside the model file, and return what uses them.

    Raises:
        ConfigError: The model is in memory alone.
        DataError: There is no val, or the data is damaged.
    """
    if not isinstance(model, str | Path):
        raise ConfigError("`crf='tune'` writes beside the model file: give a run folder or a .keras file.")
    found = search(segmenter, data, start=segmenter.procedure.crf)
    note(
        f"CRF: mean IoU {found.mean_iou_without:.4f} without and {found.mean_iou:.4f} with it, on {found.images} "
        f"images of {found.split}: {found.save(model)}"
    )
    return Segmenter(segmenter.predictor, replace(segmenter.procedure, crf=found.options))


def search(
    segmenter: Segmenter, data: Dataset, split: str = "val", *, start: CrfOptions | None = None
) -> TunedCrf:
    """Search the weights that give the highest mean IoU.

    Args:
        segmenter: What predicts; its own CRF is left out.
        data: From `kerseg.data.load`.
        split: Split to search on; images spread evenly over it.
        start: Weights to start from.

    Returns:
        The best ones, with the mean IoU that they reach.

    Raises:
        DataError: No such split, or the data is damaged.
    """
    examples = _examples(segmenter, data, split)
    best = start or CrfOptions()
    passes = 1 + len(FACTORS) * len(VARIED)
    with Progress("tune the CRF", total=passes * len(examples), unit="images") as bar:
        without, reached = _scores(examples, [None, best], data.info, bar)
        for factors in FACTORS:
            for name in VARIED:
                others = [replace(best, **{name: getattr(best, name) * factor}) for factor in factors]
                scores = _scores(examples, others, data.info, bar)
                leader = int(np.argmax(scores))
                if scores[leader] > reached:
                    best, reached = others[leader], scores[leader]
                bar.advance(0, note=f"mean IoU {reached:.4f}, without CRF {without:.4f}")
    return TunedCrf(
        options=best,
        mean_iou=reached,
        mean_iou_without=without,
        dataset=data.info.name,
        split=split,
        images=len(examples),
    )


def _examples(segmenter: Segmenter, data: Dataset, split: str) -> list[Example]:
    total = data.info.split(split).records
    every, size, found = -(-total // IMAGES), 0, list[Example]()
    with (
        data.naming_damage(split),
        Progress(f"predict {split}", total=-(-total // every), unit="images") as bar,
    ):
        stream = data.examples(split).as_numpy_iterator()
        chosen = (example for i, example in enumerate(stream) if i % every == 0)
        for example in chosen:
            probabilities = segmenter.network(example["image"][np.newaxis])[0].astype(np.float16)
            size += probabilities.nbytes
            if found and size > MEMORY:
                break
            found.append((example["image"], probabilities, example["label"]))
            bar.advance()
    if not found:
        raise DataError(
            f"Split {split!r} of {data.info.name!r} has no images to search the CRF's weights on."
        )
    return found


def _scores(
    examples: Sequence[Example], candidates: Sequence[CrfOptions | None], info: DatasetInfo, bar: Progress
) -> list[float]:
    """Return the mean IoU of each candidate; None is no CRF."""
    matrices = [ConfusionMatrix(info.num_classes, info.ignore_label) for _ in candidates]
    for image, half, label in examples:
        probabilities = half.astype(np.float32)
        pairs = zip(matrices, candidates, strict=True)
        for _, group in groupby(pairs, key=lambda pair: _lattices(pair[1])):
            crf: DenseCrf | None = None
            for matrix, options in group:
                found = probabilities
                if options is not None:
                    crf = crf or DenseCrf(image, options)
                    found = crf.marginals(
                        probabilities,
                        appearance_weight=options.appearance_weight,
                        smoothness_weight=options.smoothness_weight,
                    )
                matrix.update(label, found.argmax(axis=-1))
        bar.advance()
    return [matrix.scores(info.class_names).mean_iou for matrix in matrices]


def _lattices(options: CrfOptions | None) -> CrfOptions | None:
    """Return what of the options decides the lattices: candidates that share it share them."""
    return options and replace(options, appearance_weight=0, smoothness_weight=0)
