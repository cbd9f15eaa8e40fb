"""What there is to predict, sorted by how it is done: images, rasters, videos, image sequences."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kerseg.core.info import Channels
from kerseg.data.formats import arrays
from kerseg.inference.inputs import RASTERS, SUFFIXES, VIDEOS, Failure, Input, collect, cut
from kerseg.inference.rasters import is_raster
from kerseg.inference.sequences import ImageSequence, split_off


@dataclass(frozen=True)
class Work:
    """What is to be predicted."""

    images: list[Input] = field(default_factory=list)
    rasters: list[Input] = field(default_factory=list)
    videos: list[Input] = field(default_factory=list)
    sequences: list[ImageSequence] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    """What was given and stands for nothing."""


def gather(given: Sequence[str | Path], channels: Channels | None, *, sequence: bool = False) -> Work:
    """Find what is meant.

    Args:
        given: Files, folders and patterns.
        channels: What the model takes; None for 8-bit RGB.
        sequence: Whether a folder is an image sequence.

    Raises:
        DataError: There is nothing to predict, or two results would have one name.
        ConfigError: A library that reads the files is not installed.
    """
    suffixes = SUFFIXES if channels is None else (*arrays.SUFFIXES, *SUFFIXES)
    sequences, rest, failed = split_off(given, suffixes, folders=sequence)
    if not rest and sequences:
        return Work(sequences=sequences, failed=failed)
    found, more = collect(rest or given, (*suffixes, *RASTERS, *VIDEOS))
    work = Work(sequences=sequences, failed=[*failed, *more])
    for image in found:
        if image.path.suffix.lower() in VIDEOS:
            work.videos.append(image)
        elif is_raster(image.path):
            work.rasters.append(image)
        else:
            work.images.append(image)
    if channels is not None and work.images:
        work.images[:] = cut(work.images, channels.layout)
    return work
