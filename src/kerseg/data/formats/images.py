"""Image and label files, read with every check that later steps rely on.

Only NumPy and Pillow: workers, the doctor and the command line import this without TensorFlow. What these
checks let through is what TensorFlow's decoders accept; a file that Pillow forgives and TensorFlow does not
(a PNG without its last bytes, say) is refused here and not in the middle of a training run.

A `BadFileError` carries its path and its reason. A reason starts with a few words that name the kind of
fault, then a colon, then the details: ``"truncated: ..."``.
"""

import io
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from kerseg.core.info import RGB
from kerseg.errors import DataError

ORIENTATION = 0x0112
"""EXIF's tag for how to turn the image: https://exiftool.org/TagNames/EXIF.html"""

_BITS_PER_SAMPLE = 258
"""TIFF's tag for the bits of each channel, https://www.loc.gov/preservation/digital/formats/content/tiff_tags.shtml"""

JPEG_FORMATS = ("JPEG", "MPO")
"""Pillow's names; MPO is a JPEG followed by further ones, as telephones write it."""

_BEYOND_RGB = "To keep its values, convert with `kerseg convert folder` and `value_range=(LOW, HIGH)`."


class Place(Protocol):
    """Where an image or a label is: a path, or a part of a file. Messages begin with ``str()`` of it."""

    def read_bytes(self) -> bytes:
        """Return what is there.

        Raises:
            OSError: It cannot be read.
        """


class BadFileError(DataError):
    """A file of a raw data set is not what it must be: ``"<path>: <reason>"``.

    Args:
        path: The file, or the part of one.
        reason: What is wrong, and what to do: ``"<kind>: <details>"``.
    """

    def __init__(self, path: Place, reason: str):
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason

    def __reduce__(self) -> tuple[Any, ...]:
        return BadFileError, (self.path, self.reason)


@dataclass(frozen=True)
class EncodedImage:
    """An image file that was read and decoded to its last pixel."""

    path: Place
    data: bytes
    """The file as it is."""
    image: Image.Image
    """Its pixels, not turned by EXIF."""
    orientation: int
    """EXIF orientation, 1 to 8; 1 is upright."""
    channels = RGB
    """Once decoded: TensorFlow turns grey, palettes, CMYK and transparency into RGB."""
    dtype = ""
    """What a record says of its numbers: nothing, where they become 8-bit RGB."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the stored pixels."""
        return self.image.height, self.image.width

    @property
    def upright_shape(self) -> tuple[int, int]:
        """Height and width once turned as EXIF says."""
        return _turned(self.shape, self.orientation)

    def stored(self, *, upright: bool) -> tuple[bytes, str]:
        """Return bytes that TensorFlow decodes, and their format: ``"jpeg"``, ``"png"`` or ``"bmp"``.

        They are the file's own bytes for JPEG, PNG and 24-bit BMP. Everything else (TIFF, WebP, GIF, other
        BMP) becomes a PNG with the same pixels; transparency is dropped and CMYK turned into RGB, which is
        what TensorFlow does with JPEG and PNG. 16-bit grey stays 16-bit.

        Args:
            upright: Turn the pixels as EXIF says, which TensorFlow does not do. A turned image is a PNG:
                another JPEG would lose quality.

        Raises:
            BadFileError: The pixels are of a type that 8-bit RGB cannot hold, such as floating point.
        """
        if upright and self.orientation != 1:
            return _png(self.path, ImageOps.exif_transpose(self.image)), "png"
        if self.image.format in JPEG_FORMATS:
            return self.data, "jpeg"
        if self.image.format == "PNG":
            return self.data, "png"
        # TensorFlow reads BMP palettes as grey and knows no compression: bits per pixel are at offset 28 of
        # the header, the compression at 30, https://learn.microsoft.com/windows/win32/api/wingdi/ns-wingdi-bitmapinfoheader
        if self.image.format == "BMP" and self.data[28:34] == b"\x18\x00\x00\x00\x00\x00":
            return self.data, "bmp"
        return _png(self.path, self.image), "png"


def read_image(path: Place) -> EncodedImage:
    """Read and decode a whole image.

    Args:
        path: JPEG, PNG, BMP, GIF, TIFF or WebP; the content decides, not the suffix.

    Raises:
        BadFileError: Unreadable, empty, truncated, damaged, of several frames, or too large to decode safely.

    Example:
        >>> read_image(Path("street.jpg")).shape
        (360, 480)
    """
    data = read_bytes(path)
    image = decode(path, data)
    return EncodedImage(path=path, data=data, image=image, orientation=_orientation(image))


def upright_shape(path: Place) -> tuple[int, int]:
    """Return height and width of an image once turned as EXIF says; only its header is decoded.

    Raises:
        BadFileError: Unreadable, empty, or not an image.
    """
    data = read_bytes(path)
    with _quiet():
        image: Image.Image
        try:
            image = Image.open(io.BytesIO(data))
        except Exception:
            image = decode(path, data)  # which says what is wrong, in the words used for images
    return _turned((image.height, image.width), _orientation(image))


def read_label(path: Place) -> Image.Image:
    """Read and decode a label saved as an image.

    Args:
        path: PNG, BMP, GIF or TIFF.

    Raises:
        BadFileError: As for `read_image`, or saved as JPEG, or with transparent pixels.
    """
    image = decode(path, read_bytes(path))
    if image.format in JPEG_FORMATS:
        raise BadFileError(
            path,
            "JPEG label: labels saved as JPEG are blurred by compression and hold values between the "
            "classes. Save the label as PNG from its source; converting the JPEG keeps the damage.",
        )
    if image.mode in ("LA", "PA", "RGBA"):
        alpha = np.asarray(image.getchannel("A"))
        if clear := int((alpha < 255).sum()):
            raise BadFileError(
                path, f"transparent label: {clear} pixels are not opaque. Save it without transparency."
            )
        image = image.convert({"LA": "L", "PA": "P", "RGBA": "RGB"}[image.mode])
    # A GIF's colours are what was saved. Its indices are the writer's choice: Pillow leaves out unused ones.
    return image.convert("RGB") if image.format == "GIF" else image


def label_values(path: Place, image: Image.Image, *, advice: str = "") -> NDArray[np.integer]:
    """Return the values of a label that is not colour-coded.

    Args:
        path: For messages.
        image: From `read_label`: grey of 1, 8 or 16 bits, indexed colour (its indices), or RGB whose three
            channels are equal.
        advice: What to do about colours.

    Returns:
        ``(height, width)``: uint8, or a wider integer type for wider files; 0 and 1 for 1-bit files.

    Raises:
        BadFileError: The label is colour-coded, or not made of integers.
    """
    if image.mode in ("1", "L", "P") or image.mode.startswith("I"):
        values = np.asarray(image)
        return values.astype(np.uint8) if values.dtype == np.bool_ else values
    if image.mode == "RGB":
        colours = np.asarray(image)
        if (colours == colours[..., :1]).all():
            return colours[..., 0]
        raise BadFileError(
            path,
            "colour label without a palette: its pixels are colours, not class indices. "
            f"Found {describe_colours(colours.reshape(-1, 3))}.{' ' * bool(advice)}{advice}",
        )
    raise BadFileError(
        path, f"unusable label: pixels of type {image.mode!r}. Save it as 8-bit grey PNG of class indices."
    )


def decode(path: Place, data: bytes) -> Image.Image:
    """Decode all pixels of ``data``, the content of ``path``; the arguments and errors of `read_image`."""
    with _quiet():
        try:
            image = Image.open(io.BytesIO(data))
            frames = getattr(image, "n_frames", 1)
            if frames == 1 or image.format == "MPO":
                image.load()
        except UnidentifiedImageError:
            if data[:4] in (b"II*\0", b"MM\0*"):
                raise BadFileError(
                    path, f"unreadable: a TIFF of more than 8-bit RGB. {_BEYOND_RGB}"
                ) from None
            raise BadFileError(
                path, f"unreadable: not an image, its first bytes are {data[:16]!r}."
            ) from None
        except Image.DecompressionBombError:
            limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
            raise BadFileError(path, f"too large: more than {limit} pixels. Cut it into tiles.") from None
        # Pillow's readers raise whatever they stumble on in a damaged file: OSError, SyntaxError and more.
        except Exception as error:
            kind = "truncated" if "runcated" in str(error) else "damaged"
            raise BadFileError(path, f"{kind}: {_sentence(error)}") from error
    if frames > 1 and image.format != "MPO":
        raise BadFileError(
            path, f"several frames: {frames} in one file. Save the one that is meant by itself."
        )
    _check_end(path, data, image.format)
    return image


def read_bytes(path: Place) -> bytes:
    """Return the content of ``path``.

    Raises:
        BadFileError: It cannot be read, or is empty.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadFileError(path, f"unreadable: {error.strerror or error}.") from error
    if not data:
        raise BadFileError(path, "empty file: 0 bytes.")
    return data


def describe_counts(values: NDArray[Any], counts: NDArray[Any], most: int = 8) -> str:
    """Return ``"3 (120 pixels), 7 (1 pixel) and 2 more"`` for values and how often each occurs."""
    parts = [
        f"{value} ({count} pixel{'' if count == 1 else 's'})"
        for value, count in zip(values[:most].tolist(), counts[:most].tolist(), strict=True)
    ]
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(parts) + more


def describe_colours(colours: NDArray[np.uint8]) -> str:
    """Return the most frequent ``(n, 3)`` colours and their pixel counts, as `describe_counts` does."""
    codes, counts = np.unique(colour_codes(colours), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    names = np.array([f"{code >> 16} {code >> 8 & 255} {code & 255}" for code in codes[order].tolist()])
    return describe_counts(names, counts[order])


def describe_size(shape: tuple[int, ...]) -> str:
    """Return ``"480 x 360"`` for height 360 and width 480."""
    return f"{shape[1]} x {shape[0]}"


def colour_codes(colours: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Turn RGB ``(..., 3)`` into one integer a pixel, ``(...)``: ``0xRRGGBB``."""
    red, green, blue = np.moveaxis(colours.astype(np.uint32), -1, 0)
    return np.asarray(red << 16 | green << 8 | blue, np.uint32)


def _turned(shape: tuple[int, int], orientation: int) -> tuple[int, int]:
    # Orientations 5 to 8 are the quarter turns.
    return shape[::-1] if orientation >= 5 else shape


def _orientation(image: Image.Image) -> int:
    with _quiet():
        try:
            orientation = int(image.getexif()[ORIENTATION])
        # Metadata that is absent or cannot be read turns nothing; the pixels were decoded.
        except Exception:
            return 1
    return orientation if orientation in range(1, 9) else 1


def _png(path: Place, image: Image.Image) -> bytes:
    # Of 16-bit colours Pillow's TIFF reader gives the upper 8 bits, without a word.
    depths = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, ())
    if len(depths) > 1 and max(depths) > 8:
        raise BadFileError(
            path, f"unusable image: {len(depths)} channels of {max(depths)} bits. {_BEYOND_RGB}"
        )
    if image.mode in ("RGBA", "LA", "PA", "RGBX", "CMYK", "YCbCr"):
        image = image.convert("RGB")
    elif image.mode not in ("1", "L", "P", "RGB", "I;16", "I;16B"):
        raise BadFileError(
            path,
            f"unusable image: pixels of type {image.mode!r}. Save it as 8-bit RGB or grey. {_BEYOND_RGB}",
        )
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _check_end(path: Place, data: bytes, file_format: str | None) -> None:
    """Refuse what Pillow forgives and TensorFlow's decoders do not: bytes missing or wrong near the end."""
    if file_format in JPEG_FORMATS and b"\xff\xd9" not in data:
        raise BadFileError(path, "truncated: the end marker of the JPEG is missing.")
    if file_format != "PNG":
        return
    # Chunks of a PNG: length (4 bytes), type (4), content, CRC-32 of type and content (4).
    # https://www.w3.org/TR/png-3/#5Chunk-layout
    start, kind = 8, b""
    while kind != b"IEND":
        length = int.from_bytes(data[start : start + 4])
        end = start + 8 + length
        kind = data[start + 4 : start + 8]
        if len(data) < end + 4:
            raise BadFileError(
                path, f"truncated: the PNG ends within or before a chunk, after {len(data)} bytes."
            )
        if zlib.crc32(data[start + 4 : end]) != int.from_bytes(data[end : end + 4]):
            raise BadFileError(
                path, f"damaged: wrong checksum in the {kind.decode('latin-1')} chunk of the PNG."
            )
        start = end + 4


@contextmanager
def _quiet() -> Iterator[None]:
    """Let no setting of the calling program soften the checks, and no warning of Pillow's through.

    Its warnings (odd metadata, images that are merely large) name no file, and what matters is checked.
    """
    forgiving, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = forgiving


def _sentence(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if text.endswith(".") else f"{text}."


@dataclass(frozen=True)
class Part:
    """An image or a label that is one of many in a file: an image's polygons in a JSON, a row of a table.

    A source derives its own from it, with what ``read_label`` needs. It is pickled, once, to the worker that
    reads it; what is large belongs here and not into the source, which every worker gets.
    """

    file: Path
    key: str
    """Says which part it is."""

    def __str__(self) -> str:
        return f"{self.file}: {self.key}"

    def read_bytes(self) -> bytes:
        """Return the bytes of the file; of the part, where a derived class can tell."""
        return self.file.read_bytes()
