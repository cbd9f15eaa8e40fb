"""The records of converted data as pairs to be measured, read without TensorFlow."""

import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from kerseg.core.info import Channels, DatasetInfo, Shard
from kerseg.data.formats.channels import to_255
from kerseg.data.formats.files import BadFileError, Part
from kerseg.data.formats.images import decode
from kerseg.data.formats.records import ARRAY, RAW
from kerseg.data.formats.tfrecord import features, places, read
from kerseg.data.reading.integrity import checksum, difference
from kerseg.data.sources.base import Pair
from kerseg.errors import DataError
from kerseg.visualize import as_rgb


@dataclass(frozen=True)
class Member(Part):
    """The image or the label of one record."""

    place: int
    """Byte at which the record's data begins."""
    length: int
    """Bytes of data."""
    label: bool
    channels: Channels | None = None
    """Of an image that is not 8-bit RGB."""

    def read_bytes(self) -> bytes:
        """Return the image's or the label's file; bare pixels, and images of other channels, as a BMP.

        Of those, it shows what `kerseg.visualize.as_rgb` shows.

        Raises:
            BadFileError: The record is damaged, or has no such thing.
            OSError: The shard cannot be read.
        """
        try:
            found = features(read(self.file, self.place, self.length))
        except DataError as error:
            reason = str(error).removeprefix(f"{self.file}: ").rstrip(".")
            raise BadFileError(self, f"damaged record: {reason}. Copy the shard again.") from error
        data = found.get("image/segmentation/class/encoded" if self.label else "image/encoded")
        if isinstance(data, bytes) and data:
            self._check(data, found)
            return data if self.channels is None else _bmp(self._as_rgb(data, found, self.channels))
        raw, height, width = (
            found.get(key) for key in ("mask_raw" if self.label else "image_raw", "height", "width")
        )
        if not (isinstance(raw, bytes) and isinstance(height, int) and isinstance(width, int)):
            raise BadFileError(self, f"damaged record: no {'label' if self.label else 'image'} in it.")
        shape = (height, width) if self.label else (height, width, 3)
        if len(raw) != np.prod(shape):
            raise BadFileError(
                self, f"damaged record: {len(raw)} bytes are not {' x '.join(map(str, shape))}."
            )
        return _bmp(np.frombuffer(raw, np.uint8).reshape(shape))

    def _check(self, data: bytes, record: Mapping[str, bytes | int]) -> None:
        """Refuse what Pillow reads and training does not: other formats, and other sizes than the record's.

        Raises:
            BadFileError: It is such.
        """
        kinds = ("PNG",) if self.label else ("JPEG", "PNG", "BMP", "GIF", "WEBP")
        if record.get("image/format") == RAW.encode():
            raise BadFileError(self, "damaged record: of format 'raw', and encoded. Convert the data again.")
        if not self.label and self.channels is not None:
            return
        # What PNG's bit depth and colour type say, as the decoder of labels asks.
        if self.label and data[24:26] not in (b"\x08\x00", b"\x08\x03"):
            raise BadFileError(
                self, "damaged record: the label is not an 8-bit grey PNG. Convert the data again."
            )
        try:
            with Image.open(io.BytesIO(data), formats=kinds) as image:
                size = image.height, image.width
        except UnidentifiedImageError:
            raise BadFileError(
                self,
                f"damaged record: not one of {', '.join(kinds)}, which are read. Convert the data again.",
            ) from None
        except Exception:
            return  # decoding it will say more
        said = record.get("image/height"), record.get("image/width")
        if size != said:
            raise BadFileError(
                self,
                f"damaged record: it is {size[0]} x {size[1]} (height x width), the record says "
                f"{said[0]!r} x {said[1]!r}. Convert the data again.",
            )

    def _as_rgb(
        self, data: bytes, record: Mapping[str, bytes | int], channels: Channels
    ) -> NDArray[np.uint8]:
        if record.get("image/format") != ARRAY.encode():
            values = np.asarray(decode(self, data))
        else:
            try:
                shape = record["image/height"], record["image/width"], len(channels.names)
                dtype = np.dtype(bytes(record["image/dtype"]).decode()).newbyteorder("<")
                values = np.frombuffer(zlib.decompress(data), dtype).reshape(shape)  # type: ignore[arg-type]
            except (KeyError, TypeError, ValueError, zlib.error) as error:
                raise BadFileError(self, f"damaged record: {error}. Convert the data again.") from error
        return as_rgb(to_255(values.reshape(*values.shape[:2], -1), channels), channels.names)


def _bmp(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "BMP")
    return buffer.getvalue()


@dataclass(frozen=True)
class ShardFault:
    """What is wrong with one shard as a file."""

    path: Path
    reason: str


def find(folder: Path, info: DatasetInfo) -> tuple[dict[str, list[Pair]], list[ShardFault]]:
    """Return the records of each split, and what is wrong with the shards as files."""
    splits: dict[str, list[Pair]] = {}
    faults: list[ShardFault] = []
    for name, split in info.splits.items():
        splits[name] = []
        for shard in split.shards:
            path = folder / shard.file
            start, reasons = len(splits[name]), []
            try:
                for number, (place, length) in enumerate(places(path)):
                    key = f"record {number}"
                    image = Member(path, key, place, length, label=False, channels=info.channels)
                    label = Member(path, key, place, length, label=True)
                    splits[name].append(Pair(f"{path.name}: {key}", image, label))
                reasons = _differences(path, shard, len(splits[name]) - start)
            except OSError as error:
                reasons.append(f"cannot be read: {error.strerror}.")
            except DataError as error:
                reasons.append(str(error).removeprefix(f"{path}: "))
            faults += [ShardFault(path, reason) for reason in reasons]
    return splits, faults


def _differences(path: Path, shard: Shard, records: int) -> list[str]:
    """Return in what a shard differs from what ``dataset.json`` says of it."""
    if records != shard.records:
        return [f"{records} records, dataset.json says {shard.records}."]
    reason = difference(shard, *checksum(path))
    return [f"{reason}."] if reason else []
