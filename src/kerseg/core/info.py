"""What a converted data set says of itself: ``dataset.json``, written last: where it is, all is.

data/camvid/
    dataset.json               this file
    train-00000-of-00003.tfrecord ...
"""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from kerseg.core.files import write_text
from kerseg.core.info_checks import misfits
from kerseg.core.schema import decode_json
from kerseg.core.spacing import Spacing
from kerseg.errors import ConfigError, DataError

FILE_NAME = "dataset.json"
IGNORE_LABEL = 255
"""The label value that counts neither in the loss nor in the metric, whatever the raw data used for void."""

RGB = 3
"""Channels of every image where no `Channels` say otherwise: grey, palettes and CMYK are turned into RGB."""

Byte = Annotated[int, Meta(ge=0, le=255)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Checksum = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Colour = tuple[Byte, Byte, Byte]
"""Red, green and blue, 0 to 255."""

_LARGEST = 2**28
"""Bytes of a ``dataset.json``; one that lists 100,000 faults of 200 bytes has 2e7."""


@dataclass(frozen=True)
class Shard:
    """One TFRecord file."""

    file: str
    """Name, relative to the folder of ``dataset.json``."""
    records: Count
    """Number of image and label pairs in it."""
    bytes: Count
    """Size of the file."""
    sha256: Checksum
    """Checksum of the file, hexadecimal; for a file without ``dataset.json``, that of its frames."""


@dataclass(frozen=True)
class Skipped:
    """A raw pair that ``skip_bad`` left out."""

    path: str
    """The file at fault."""
    reason: str
    """What is wrong with it."""


@dataclass(frozen=True)
class Split:
    """One part of a data set: ``train``, ``val`` or ``test``."""

    shards: tuple[Shard, ...]
    class_pixels: tuple[Count, ...]
    """Pixels of each class; empty where nobody has counted them, and so nobody has checked the labels."""
    class_image_pixels: tuple[Count, ...]
    """For each class, the labelled pixels of all images it occurs in (median-frequency weights need it)."""
    ignored_pixels: Count = 0
    """Pixels that carry the ignore label."""
    skipped: tuple[Skipped, ...] = ()

    @property
    def records(self) -> int:
        """Number of image and label pairs."""
        return sum(shard.records for shard in self.shards)

    def first(self, count: int | None) -> "Split":
        """Return the first ``count`` pairs, or all of them where there are no more; ``None`` means all."""
        if count is None or count >= self.records:
            return self
        shards: list[Shard] = []
        for shard in self.shards:
            if count > 0:
                shards.append(replace(shard, records=min(shard.records, count)))
            count -= shard.records
        return replace(self, shards=tuple(shards), class_pixels=(), class_image_pixels=(), ignored_pixels=0)

    def without(self, files: Collection[str]) -> "Split":
        """Return the split without the shards called ``files``; nobody has counted what is left."""
        shards = tuple(shard for shard in self.shards if shard.file not in files)
        if shards == self.shards:
            return self
        return replace(self, shards=shards, class_pixels=(), class_image_pixels=(), ignored_pixels=0)

    def padded(self, count: int) -> "Split":
        """Return the split with ``count`` more classes, of which it has no pixel."""
        none = (0,) * count if self.class_pixels else ()
        return replace(
            self,
            class_pixels=self.class_pixels + none,
            class_image_pixels=self.class_image_pixels + none,
        )


@dataclass(frozen=True)
class Layout:
    """Where height, width and channels of an image are in its files."""

    slice_axis: int | None = None
    """Axis along which a volume is cut into images; of NIfTI the third unless this says otherwise."""
    channel_axis: int | None = None
    """Axis of the channels, counted before anything is cut; None where the file's own kind decides."""
    tails: tuple[str, ...] = ()
    """Endings of the files that are the channels of one image: ``("_t1", "_t2")``; none if one file has all."""

    def __post_init__(self) -> None:
        if self.slice_axis is not None and self.slice_axis < 0:
            raise ConfigError(
                f"`slice_axis` is 0 or more, the first axis being 0. Received: {self.slice_axis}."
            )
        if self.channel_axis is not None and self.channel_axis < -1:
            raise ConfigError(
                f"`channel_axis` is 0 or more, or -1 for the last. Received: {self.channel_axis}."
            )

    @property
    def of_labels(self) -> "Layout":
        """Where the slices of the labels are, which have no channels and one file."""
        axis = self.slice_axis
        if axis is not None and self.channel_axis is not None and 0 <= self.channel_axis < axis:
            axis -= 1
        return Layout(axis)


STORED = Layout()
"""That of files which say themselves what their axes are, or have but two."""


@dataclass(frozen=True)
class Channels:
    """What images are made of that are not 8-bit RGB, and which of their values become 0 and 255.

    Example:
        >>> Channels(("vv", "vh"), ((-25.0, 0.0), (-32.0, -5.0))).names
        ('vv', 'vh')
    """

    names: tuple[str, ...]
    value_ranges: tuple[tuple[float, float], ...]
    """One a channel: the value that becomes 0 and the one that becomes 255; what lies beyond is clipped."""
    layout: Layout = STORED

    def __post_init__(self) -> None:
        if not 0 < len(self.names) == len(self.value_ranges):
            raise ConfigError(
                f"Each channel has a name and a value range. Received: {len(self.names)} names, "
                f"{len(self.value_ranges)} ranges."
            )
        for low, high in self.value_ranges:
            if not (low < high and math.isfinite(high - low)):
                raise ConfigError(
                    f"A value range is LOW below HIGH, both finite. Received: {low:g} {high:g}."
                )

    def __str__(self) -> str:
        ranges = zip(self.names, self.value_ranges, strict=True)
        return ", ".join(f"{name} {low:g} to {high:g}" for name, (low, high) in ranges)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Channels":
        """Return what ``dataclasses.asdict`` and JSON made of one."""
        layout = values["layout"]
        return cls(
            names=tuple(values["names"]),
            value_ranges=tuple((float(low), float(high)) for low, high in values["value_ranges"]),
            layout=Layout(layout["slice_axis"], layout["channel_axis"], tuple(layout["tails"])),
        )


@dataclass(frozen=True)
class DatasetInfo:
    """Classes, colours, splits and counts of a converted data set.

    Example:
        >>> info = DatasetInfo.load("data/street")
        >>> info.num_classes, info.splits["train"].records
        (7, 8)
    """

    name: str
    class_names: tuple[str, ...]
    palette: tuple[Colour, ...]
    """One colour a class, for images of labels."""
    splits: Mapping[str, Split]
    ignore_label: Byte = field(default=IGNORE_LABEL)
    channels: Channels | None = None
    """What the images are made of; None for 8-bit RGB."""
    spacing: Spacing | None = None
    """How large their pixels are; None where nobody knows."""

    @property
    def num_channels(self) -> int:
        """Number of channels of the images as models see them."""
        return len(self.channels.names) if self.channels else RGB

    @property
    def num_classes(self) -> int:
        """Number of classes, the ignore label not counted."""
        return len(self.class_names)

    @property
    def is_numbered(self) -> bool:
        """Whether nobody has named the classes: their names are their values, as text."""
        return self.class_names == tuple(map(str, range(self.num_classes)))

    def split(self, name: str) -> Split:
        """Return the split called ``name``.

        Raises:
            DataError: The data set has no such split; the message lists those it has.
        """
        if name not in self.splits:
            raise DataError(
                f"Data set {self.name!r} has no split {name!r}. It has: {', '.join(self.splits)}."
            )
        return self.splits[name]

    def first(self, samples: Mapping[str, int]) -> "DatasetInfo":
        """Return the description of a data set that ends earlier.

        Args:
            samples: Split -> the number of pairs to keep, the first ones; splits not named keep all.

        Example:
            >>> info.first({"train": 4}).splits["train"].records
            4
        """
        splits = {name: split.first(samples.get(name)) for name, split in self.splits.items()}
        return replace(self, splits=splits)

    def text(self) -> str:
        """Return what ``dataset.json`` holds."""
        values = asdict(self)
        for name in ("channels", "spacing"):
            if values[name] is None:
                del values[name]  # which most data sets have no need to explain
        return json.dumps(values, indent=1) + "\n"

    def save(self, folder: Path) -> None:
        """Write ``dataset.json`` into ``folder``, whole or not at all."""
        write_text(folder / FILE_NAME, self.text())

    @classmethod
    def load(cls, folder: str | Path) -> "DatasetInfo":
        """Read ``dataset.json`` from ``folder``.

        Raises:
            DataError: The folder or the file is missing, or is not JSON; or a field is missing, of another type or
                out of range, or does not fit the others.
        """
        path = Path(folder) / FILE_NAME
        if path.parent.is_file():
            raise DataError(f"{path.parent}: is a file. Give the folder that `kerseg convert` wrote.")
        if not path.is_file():
            what = "the folder does not exist" if not path.parent.is_dir() else "the file does not exist"
            raise DataError(
                f"{path}: {what}. It is what `kerseg convert` writes last: give the folder it wrote to, "
                "or convert again if that run did not finish."
            )
        try:
            if (size := path.stat().st_size) > _LARGEST:
                raise DataError(f"{path}: {size:,} bytes are no description of a data set.")
            info = decode_json(path.read_bytes(), cls, where=path)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}.") from error
        except DataError as error:
            raise DataError(f"{error} {_ADVICE}") from error
        if misfit := next(misfits(info), None):
            raise DataError(f"{path}: {misfit} {_ADVICE}")
        return info


_ADVICE = "Copy dataset.json again, or convert the data again."


def as_palette(colours: Sequence[Sequence[int]]) -> tuple[Colour, ...]:
    """Return ``colours`` as tuples of three integers."""
    return tuple((int(red), int(green), int(blue)) for red, green, blue in colours)


def default_palette(count: int) -> tuple[Colour, ...]:
    """Return ``count`` colours that differ well, the first one black: those of PASCAL VOC.

    Source: ``VOClabelcolormap.m`` of the VOC development kit: bits 0, 1 and 2 of the index go to the highest
    bit of red, green and blue, bits 3, 4 and 5 to the next one, and so on.

    Example:
        >>> default_palette(3)
        ((0, 0, 0), (128, 0, 0), (0, 128, 0))
    """

    def channel(index: int, offset: int) -> int:
        return sum((index >> (3 * bit + offset) & 1) << (7 - bit) for bit in range(8))

    return tuple((channel(index, 0), channel(index, 1), channel(index, 2)) for index in range(count))
