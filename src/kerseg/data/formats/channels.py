"""Images that are not 8-bit RGB: how many channels, which values become 0 and 255, and how they are stored.

Models take 0 to 255. Of other images a range of values is brought there, as float32 and not rounded, and what
lies beyond is clipped: ``(value - low) * 255 / (high - low)``. The range is never guessed from the data. It is the
data set's (`kerseg.core.info.Channels`), goes into the model's card, and is applied again when it predicts.
"""

import io
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kerseg.core.info import Channels, Layout
from kerseg.data.formats.arrays import Values, is_plain
from kerseg.data.formats.files import BadFileError, read_bytes
from kerseg.data.formats.flaws import JPEG_FORMATS
from kerseg.data.formats.images import FORMATS
from kerseg.data.formats.records import ARRAY, DTYPES
from kerseg.data.formats.volumes import ArrayPart
from kerseg.errors import ConfigError

_GLANCE = 8
"""Images looked at to say how many channels there are, and which values."""
_LEVEL = 1
"""Of zlib's compression: slices are little larger than at 9 and written nine times as fast
(``benchmarks/choices.py``, slices)."""


@dataclass(frozen=True)
class ArrayImage:
    """An image of any channels, as `kerseg.data.formats.images.EncodedImage` is one of RGB."""

    path: ArrayPart
    values: Values
    """Of one of `DTYPES`."""
    orientation = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        height, width, _ = self.values.shape
        return height, width

    @property
    def upright_shape(self) -> tuple[int, int]:
        """Height and width: the image is upright."""
        return self.shape

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.values.shape[2])

    @property
    def dtype(self) -> str:
        """Type of the stored numbers."""
        return self.values.dtype.name

    def stored(self, *, upright: bool) -> tuple[bytes, str]:
        """Return bytes that TensorFlow decodes to `values`, and their format.

        They are the file's own for JPEG and PNG that TensorFlow decodes to the same numbers, ``"jpeg"`` and
        ``"png"``. Otherwise they are ``"array"``: the numbers in C order, little-endian, compressed by zlib.
        """
        if (kept := _own_bytes(self)) is not None:
            return kept
        return zlib.compress(self.values.astype(self.values.dtype.newbyteorder("<")).tobytes(), _LEVEL), ARRAY


def read_channels(path: ArrayPart, channels: Channels) -> ArrayImage:
    """Read an image as it is stored.

    Args:
        path: Where it is.
        channels: What it must have.

    Raises:
        BadFileError: Unreadable, of another number of channels, or of values that are no finite real numbers.
    """
    values = path.read()
    if values.shape[-1] != len(channels.names):
        raise BadFileError(
            path,
            f"channels differ: it has {values.shape[-1]}, the data set {len(channels.names)} "
            f"({', '.join(channels.names)}).",
        )
    return ArrayImage(path, storable(path, values))


def storable(path: ArrayPart, values: Values) -> Values:
    """Return ``values`` in the one of `DTYPES` that holds them: 64-bit floats are rounded to 32 bits.

    Raises:
        BadFileError: They are no finite real numbers, or integers beyond 32 bits.
    """
    kind = values.dtype.kind
    if kind == "f":
        if bad := values.size - int(np.isfinite(values).sum()):
            nan = int(np.isnan(values).sum())
            raise BadFileError(
                path,
                f"not finite: {nan} values are NaN, {bad - nan} infinite. Save it with a number in their place, "
                "and give these pixels the ignored value in the label.",
            )
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
        if not np.isfinite(values).all():
            raise BadFileError(path, "unusable image: values beyond what 32-bit floating point holds.")
        return values
    if kind not in "biu":
        raise BadFileError(path, f"unusable image: values of type {values.dtype}. Save it as real numbers.")
    if kind == "b" or values.dtype.name in DTYPES:
        return values.astype(values.dtype.newbyteorder("=")) if kind != "b" else values.astype(np.uint8)
    smallest = np.int16 if values.dtype == np.int8 else np.int32
    limits = np.iinfo(smallest)
    if not limits.min <= values.min() <= values.max() <= limits.max:
        raise BadFileError(path, f"unusable image: values of type {values.dtype} beyond 32-bit integers.")
    return values.astype(smallest)


def to_255(values: Values, channels: Channels) -> NDArray[np.float32]:
    """Bring the range of each channel to 0..255 and clip the rest, as the training pipeline does.

    Example:
        >>> to_255(np.array([[[-1100.0, 40.0]]]), Channels(("ct", "pet"), ((-1000.0, 400.0), (0.0, 80.0))))
        array([[[  0. , 127.5]]], dtype=float32)
    """
    low, scale = shift_and_scale(channels)
    brought: NDArray[np.float32] = (values.astype(np.float32) - low) * scale
    return brought.clip(0.0, 255.0)


def shift_and_scale(channels: Channels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what is subtracted from each channel, and what the difference is multiplied with: (channels,)."""
    low, high = np.array(channels.value_ranges, np.float64).T
    return low.astype(np.float32), (255.0 / (high - low)).astype(np.float32)


def declare(
    images: Sequence[ArrayPart], layout: Layout, names: Sequence[str], value_range: Sequence[float]
) -> Channels:
    """Return what the images of a data set are made of, by what the user says and a few of them.

    Args:
        images: All of them; the first that can be read says how many channels there are.
        layout: How they are read.
        names: Of the channels; none for 1, 2 and so on.
        value_range: What becomes 0 and 255, for all channels or one after the other; may be left out for
            images of 8 bits, and is 0 and 255 then.

    Raises:
        ConfigError: Names or ranges do not fit the channels, or the range is missing; the message says which
            values the images hold.
        BadFileError: No image can be read.
    """
    values = _glance(images[:: max(1, len(images) // _GLANCE)][:_GLANCE])
    count = values[0].shape[-1]
    if names and len(names) != count:
        raise ConfigError(f"`channel_names` has {len(names)} names; the first image has {count} channels.")
    if not value_range:
        if any(found.dtype != np.uint8 for found in values):
            raise ConfigError(f"`value_range` is missing. {_what_images_hold(values, len(images))}")
        value_range = (0.0, 255.0)
    pairs = tuple(zip(map(float, value_range[::2]), map(float, value_range[1::2]), strict=False))
    if len(value_range) % 2 or len(pairs) not in (1, count):
        raise ConfigError(
            f"`value_range` takes LOW HIGH, or one such pair for each of the {count} channels. "
            f"Received: {len(value_range)} numbers."
        )
    for low, high in pairs:
        if not (low < high and math.isfinite(high - low)):
            raise ConfigError(f"`value_range` takes LOW below HIGH. Received: {low:g} {high:g}.")
    return Channels(
        tuple(names) or tuple(str(1 + i) for i in range(count)),
        pairs * count if len(pairs) == 1 else pairs,
        layout,
    )


def _glance(images: Sequence[ArrayPart]) -> list[Values]:
    """Return those images that can be read."""
    found, first = [], None
    for path in images:
        try:
            found.append(storable(path, path.read()))
        except BadFileError as error:
            first = first or error
    if first and not found:
        raise first
    return found


def _what_images_hold(values: list[Values], total: int) -> str:
    """Return sentences that say which values some images hold, and what to give."""
    every = np.concatenate([found.ravel() for found in values]).astype(np.float64)
    low, high = np.percentile(every, [1, 99])
    return (
        f"The images are {values[0].dtype}: {len(values)} of {total} hold values from {every.min():g} to "
        f"{every.max():g}, nearly all of them from {low:g} to {high:g} (1 % are below, 1 % above). Say which "
        f"become 0 and 255, the same for all images to come: `value_range=({low:g}, {high:g})`, or what the manual "
        "of the sensor or scanner says. What lies beyond is clipped."
    )


def _own_bytes(array: ArrayImage) -> tuple[bytes, str] | None:
    """Return the file and its format if TensorFlow decodes it to the same numbers as Pillow."""
    if array.path.others or not is_plain(array.path.file):
        return None
    data = read_bytes(array.path.file)
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        turned = image.getexif().get(0x0112, 1) != 1
        kind, mode, clear = image.format, image.mode, "transparency" in image.info
    if kind in JPEG_FORMATS and mode in ("L", "RGB") and not turned:
        return data, "jpeg"
    # Byte 24 is the bit depth; of fewer than 8 bits the decoders make different numbers.
    whole = kind == "PNG" and (array.dtype == "uint16" or (data[24] == 8 and mode in ("L", "RGB", "RGBA")))
    return (data, "png") if whole and not (turned or clear) else None
