"""One pair of a raw data set, checked by decoding it, and made ready to be stored.

This is what the worker processes of `kerseg convert` run: NumPy and Pillow only, never TensorFlow.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kerseg.core.console import printable
from kerseg.core.info import IGNORE_LABEL, Skipped
from kerseg.data.formats.channels import ArrayImage, read_channels
from kerseg.data.formats.files import BadFileError, Place
from kerseg.data.formats.images import EncodedImage, read_image
from kerseg.data.formats.labels import Label
from kerseg.data.formats.names import unusable
from kerseg.data.formats.records import Record, encode_label, serialize
from kerseg.data.formats.tfrecord import frame
from kerseg.data.formats.volumes import ArrayPart
from kerseg.data.formats.wording import describe_counts, describe_size
from kerseg.data.sources.base import Pair, Source
from kerseg.errors import DataError

P = TypeVar("P", bound=Place)
T = TypeVar("T")


@dataclass(frozen=True)
class Checked:
    """A pair in which nothing is wrong, as it is stored."""

    record: bytes
    """Its record of a TFRecord file."""
    counts: NDArray[np.int64]
    """``(256,)``: pixels of each label value."""
    key: str = ""
    """Stands for all that the record was made of (`kerseg.data.conversion.manifest.key_of`)."""


def check_pair(source: Source, pair: Pair) -> Checked | list[Skipped]:
    """Read image and label to the last pixel and see whether they fit each other and the classes.

    Args:
        source: Says what the classes are, and reads the label.
        pair: What to check.

    Returns:
        The pair as it is stored, or all that is wrong with it. Nothing that is wrong with a file raises.

    Example:
        >>> check_pair(source, Pair("street", Path("street.jpg"), Path("missing.png")))
        [Skipped(path='missing.png', reason='unreadable: No such file or directory.')]
    """
    faults = _faults_of_name(pair)
    image = _attempt(lambda path: _read_image(source, path), pair.image, faults)
    label = _attempt(lambda path: _read_label(source, path), pair.label, faults)
    if image is None or label is None or pair.label is None or faults:
        # A label whose size is that of its image stumbles on what is wrong with the image, too.
        return list(dict.fromkeys(faults))
    stored = _attempt(lambda path: _store(pair.name, image, label, path), pair.label, faults)
    return faults if stored is None else stored


def fault(path: Place | None, reason: str) -> Skipped:
    """Return what is reported of a file: text that can be printed, whatever its name consists of."""
    return Skipped(path=printable(str(path)), reason=printable(reason))


def _faults_of_name(pair: Pair) -> list[Skipped]:
    faults = []
    if pair.label is None:
        faults.append(fault(pair.image, f"no label: no label file of the name {pair.name!r} belongs to it."))
    if pair.image is None:
        faults.append(fault(pair.label, f"no image: no image file of the name {pair.name!r} belongs to it."))
    if why := unusable(pair.name):
        faults.append(fault(pair.image or pair.label, f"unusable name: {why}. Rename the file."))
    return faults


def _attempt(read: Callable[[P], T], path: P | None, faults: list[Skipped]) -> T | None:
    """Return ``read(path)``; if that fails, note why and return None."""
    if path is None:
        return None
    try:
        return read(path)
    except BadFileError as error:
        faults.append(fault(error.path, error.reason))
    except MemoryError:
        raise  # for which no file is to blame
    except DataError as error:
        faults.append(fault(path, str(error).removeprefix(f"{path}: ")))
    # Reading goes through the code of many formats and sources. What one file makes it raise must not end
    # the run, which is there to find every such file.
    except Exception as error:
        faults.append(fault(path, f"unexpected {type(error).__name__}: {error}."))
    return None


def _read_image(source: Source, path: Place) -> EncodedImage | ArrayImage:
    channels = source.channels if isinstance(path, ArrayPart) else None
    return (
        read_channels(path, channels)
        if channels and isinstance(path, ArrayPart)
        else read_image(path, pixels=False)
    )


def _read_label(source: Source, path: Place) -> tuple[Label, NDArray[np.int64]]:
    """Return the label and the pixels of each of its values."""
    label = source.read_label(path)
    if label.dtype != np.uint8 or label.ndim != 2:
        raise TypeError(f"read_label gave {label.dtype} {label.shape}, not uint8 (height, width)")
    counts = np.bincount(label.ravel(), minlength=256)
    outside = len(source.classes.names) + np.flatnonzero(counts[len(source.classes.names) : IGNORE_LABEL])
    if len(outside):
        raise BadFileError(
            path,
            f"value outside the classes: {describe_counts(outside, counts[outside])}. "
            f"Known: 0 to {len(source.classes.names) - 1}, {IGNORE_LABEL} (ignored).",
        )
    return label, counts


def _store(
    name: str, image: EncodedImage | ArrayImage, label: tuple[Label, NDArray[np.int64]], label_path: Place
) -> Checked:
    pixels, counts = label
    # Annotation tools and OpenCV show images turned as EXIF says, Pillow and TensorFlow do not: the label's
    # shape tells which of them it was made with. Where it does not (half turns, squares) it is the former.
    upright = pixels.shape == image.upright_shape
    if not upright and pixels.shape != image.shape:
        turned = (
            "" if image.orientation == 1 else f" before its EXIF orientation {image.orientation} is applied"
        )
        raise BadFileError(
            label_path,
            f"size differs: the label is {describe_size(pixels.shape)}, its image {image.path} is "
            f"{describe_size(image.shape)}{turned} (width x height).",
        )
    data, image_format = image.stored(upright=upright)
    height, width = pixels.shape
    encoded = encode_label(pixels)
    record = Record(name, data, image_format, height, width, image.channels, encoded, dtype=image.dtype)
    return Checked(frame(serialize(record)), counts)
