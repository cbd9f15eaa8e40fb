"""Any image file as the array that a model takes. NumPy and Pillow; tifffile and nibabel for other channels."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from kerseg.core.info import Channels
from kerseg.data.formats.channels import read_channels, to_255
from kerseg.data.formats.files import BadFileError, read_bytes
from kerseg.data.formats.images import decode
from kerseg.inference.inputs import Input

_ADVICE = "Save it as 8-bit RGB or grey."


def read_input(image: Input, channels: Channels | None) -> NDArray[Any]:
    """Read an image for a model as its training pipeline would have read it.

    Args:
        image: With ``part``, if there are channels.
        channels: What the model takes; None for 8-bit RGB.

    Returns:
        RGB, uint8 (height, width, 3); or float32 (height, width, channels), 0 to 255.

    Raises:
        BadFileError: Unreadable, of other channels, or of values that no model takes.
    """
    if channels is None or image.part is None:
        return read_image(image.path)
    return to_255(read_channels(image.part, channels).values, channels)


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image for prediction, upright, as the training pipeline would see it.

    Grey becomes RGB, alpha is dropped, 16 bits become the upper 8 (as in TensorFlow's PNG decoder), CMYK and
    palettes become RGB, of several frames the first is taken, and EXIF's orientation is applied.

    Args:
        path: JPEG, PNG, BMP, GIF, TIFF, WebP, PPM or PGM; the content decides, not the suffix.

    Returns:
        RGB, uint8 (height, width, 3).

    Raises:
        BadFileError: Unreadable, truncated, damaged, too large, or of pixels that 8-bit RGB cannot hold.

    Example:
        >>> read_image(Path("street.jpg")).shape
        (32, 48, 3)
    """
    data = read_bytes(path)
    try:
        image = decode(path, data)
    except BadFileError as error:
        # A raw data set may hold no animations; here the first frame will do, at which Pillow opens a file.
        if not error.reason.startswith("several frames"):
            raise
        image = Image.open(io.BytesIO(data))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata; they name no file
        return np.asarray(_rgb(path, _upright(image)), np.uint8)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    # Metadata that cannot be read turns nothing. Pillow raises whatever it stumbles on.
    except Exception:
        return image


def _rgb(path: Path, image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.size and not 0 <= values.min() <= values.max() < 2**16:
            raise BadFileError(path, f"unusable image: 32-bit pixels outside 0 to 65535. {_ADVICE}")
        # Pillow's own conversion clips at 255: nearly all of a 16-bit image would be white.
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise BadFileError(path, f"unusable image: floating-point pixels. {_ADVICE}")
    try:
        return image.convert("RGB")
    except (OSError, ValueError) as error:
        raise BadFileError(path, f"unusable image: {error}. {_ADVICE}") from error
