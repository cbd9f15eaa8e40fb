"""What there is to predict, sorted by how it is done: images, rasters, videos, image sequences; and how."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from kerseg.core.info import Channels
from kerseg.data.formats import arrays
from kerseg.data.formats.suffixes import IMAGE_SUFFIXES
from kerseg.inference.inputs import RASTERS, VIDEOS, Failure, Input, collect, cut
from kerseg.inference.outputs import Kind, PolygonFormat
from kerseg.inference.procedure import Procedure
from kerseg.inference.rasters import is_raster
from kerseg.inference.sequences import ImageSequence, split_off
from kerseg.inference.volumes import is_slice


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to predict and how: all that a worker is told besides the model."""

    inputs: tuple[Path, ...]
    output: Path
    kinds: tuple[Kind, ...]
    polygon_format: PolygonFormat
    alpha: float
    batch_size: int
    mosaic: bool
    sequence: bool
    rate: float
    procedure: Procedure
    runtime: str
    precision: str

    def gather(self, channels: Channels | None) -> "Work":
        """Find what is meant, for a model that takes these channels; raises as `gather`."""
        return gather(self.inputs, channels, sequence=self.sequence)


@dataclass(frozen=True)
class Work:
    """What is to be predicted."""

    images: list[Input] = field(default_factory=list)
    rasters: list[Input] = field(default_factory=list)
    videos: list[Input] = field(default_factory=list)
    sequences: list[ImageSequence] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    """What was given and stands for nothing."""

    def parts(self, batch_size: int, *, mosaic: bool) -> Iterator["Work"]:
        """Yield what can be done by itself: a batch of images, a volume, a raster, a video.

        Args:
            batch_size: Images that are predicted at a time.
            mosaic: Whether all rasters are one scene.
        """
        # Of a volume, the slices are put together again by whoever predicts them.
        for slices, images in groupby(self.images, lambda one: one.path if is_slice(one.part) else None):
            group = list(images)
            step = len(group) if slices else batch_size
            for start in range(0, len(group), step):
                yield Work(images=group[start : start + step])
        scenes = [self.rasters] if mosaic and self.rasters else [[raster] for raster in self.rasters]
        yield from (Work(rasters=scene) for scene in scenes)
        yield from (Work(videos=[film]) for film in self.videos)
        yield from (Work(sequences=[film]) for film in self.sequences)

    @property
    def files(self) -> list[Path]:
        """All files that it reads."""
        found = [path for one in self.images for path in (one.part.files if one.part else (one.path,))]
        found += [one.path for one in (*self.rasters, *self.videos)]
        return [*dict.fromkeys(found), *(path for film in self.sequences for path in film.frames)]


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
    suffixes = IMAGE_SUFFIXES if channels is None else (*arrays.SUFFIXES, *IMAGE_SUFFIXES)
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
