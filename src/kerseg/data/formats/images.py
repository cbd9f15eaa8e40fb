"""Image and label files, read with every check that later steps rely on.

Only NumPy and Pillow: workers, the doctor and the command line import this without TensorFlow. What these
checks let through is what TensorFlow's decoders accept; a file that Pillow forgives and TensorFlow does not
(a PNG without its last bytes, say) is refused here and not in the middle of a training run.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from kerseg.core.info import RGB
from kerseg.data.formats.files import BadFileError, Place, read_bytes, refuse_blame
from kerseg.data.formats.flaws import JPEG_FORMATS, flaw
from kerseg.data.formats.wording import describe_colours

ORIENTATION = 0x0112
"""EXIF's tag for how to turn the image: https://exiftool.org/TagNames/EXIF.html"""

_BITS_PER_SAMPLE = 258
"""TIFF's tag for the bits of each channel, https://www.loc.gov/preservation/digital/formats/content/tiff_tags.shtml"""

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""What is read, in Pillow's names. It knows dozens more, among them PostScript, for which it starts a program."""
_OTHERS = {
    b"%!PS": "PostScript",
    b"%PDF": "PDF",
    b"PK\3\4": "a zip archive",
    b"\x1f\x8b": "gzip",
    b"version https://git-lfs": "a pointer of Git LFS: fetch the file itself with `git lfs pull`",
    b"<": "XML, SVG or HTML",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cjP": "JPEG 2000",
    b"\0\0\0\x0cJXL": "JPEG XL",
    b"\x89HDF": "HDF5",
    b"8BPS": "Photoshop's",
}
"""How files begin that are taken for images at times. What else a file holds is nobody's business: it is not
shown."""

_BEYOND_RGB = "To keep its values, convert with `kerseg convert folder` and `value_range=(LOW, HIGH)`."


@dataclass(frozen=True)
class EncodedImage:
    """An image file that was read and checked to its last pixel."""

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

        They are the file's own bytes for JPEG, PNG and 24-bit BMP. Everything else (TIFF, WebP, GIF, PPM, other
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


def read_image(path: Place, *, pixels: bool = True) -> EncodedImage:
    """Read a whole image, and decode it.

    Args:
        path: JPEG, PNG, BMP, GIF, TIFF, WebP or PPM (PGM and PBM too); the content decides, not the suffix.
        pixels: Whether they are needed. A JPEG is as well checked without being decoded by Pillow, which does it
            when they are asked for.

    Raises:
        BadFileError: Unreadable, empty, truncated, damaged, of several frames, or too large to decode safely.

    Example:
        >>> read_image(Path("street.jpg")).shape
        (32, 48)
    """
    data = read_bytes(path)
    image = decode(path, data, pixels=pixels)
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
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        except Exception:
            image = decode(path, data)  # which says what is wrong, in the words used for images
    return _turned((image.height, image.width), _orientation(image))


def read_label(path: Place) -> Image.Image:
    """Read and decode a label saved as an image.

    Args:
        path: PNG, BMP, GIF or TIFF.

    Raises:
        BadFileError: As for `read_image`, or saved as JPEG or PPM, or with transparent pixels.
    """
    image = decode(path, read_bytes(path))
    if image.format in JPEG_FORMATS:
        raise BadFileError(
            path,
            "JPEG label: labels saved as JPEG are blurred by compression and hold values between the "
            "classes. Save the label as PNG from its source; converting the JPEG keeps the damage.",
        )
    if image.format == "PPM":
        # Pillow stretches grey values from the largest one that the header names to 255: 0 to 7 are 0, 36 ... 255.
        raise BadFileError(path, "PGM or PPM label: its values depend on its reader. Save the label as PNG.")
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


def decode(path: Place, data: bytes, *, pixels: bool = True) -> Image.Image:
    """Decode all pixels of ``data``, the content of ``path``; the arguments and errors of `read_image`.

    Raises:
        MemoryError: There is too little of it, for which the file is not to blame.
    """
    missing = ""
    with _quiet():
        try:
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            frames = getattr(image, "n_frames", 1)
            if frames == 1 or image.format == "MPO":
                if image.format not in JPEG_FORMATS:
                    image.load()
                missing = flaw(data, image)
                if pixels and not missing:
                    image.load()
        except UnidentifiedImageError:
            raise BadFileError(path, f"unreadable: {_what_it_is(data)}") from None
        except Image.DecompressionBombError:
            limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
            raise BadFileError(path, f"too large: more than {limit} pixels. Cut it into tiles.") from None
        # Pillow's readers raise whatever they stumble on in a damaged file: OSError, SyntaxError and more.
        except Exception as error:
            refuse_blame(path, error)
            kind = "truncated" if "runcated" in str(error) else "damaged"
            raise BadFileError(path, f"{kind}: {_sentence(error)}") from error
    if frames > 1 and image.format != "MPO":
        raise BadFileError(
            path, f"several frames: {frames} in one file. Save the one that is meant by itself."
        )
    if missing:
        raise BadFileError(path, missing)
    return image


def _what_it_is(data: bytes) -> str:
    """Return in words what Pillow does not take for an image."""
    if data[:4] in (b"II*\0", b"MM\0*"):
        return f"a damaged TIFF, or one of more than 8-bit RGB. {_BEYOND_RGB}"
    kinds = [kind for beginning, kind in _OTHERS.items() if data.startswith(beginning)]
    return (
        f"not an image of a kind that is read ({', '.join(FORMATS)}){f': it is {kinds[0]}' if kinds else ''}."
    )


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
    elif image.mode == "I" and image.format == "PPM":  # 16-bit grey, in 32 bits
        image = Image.fromarray(np.asarray(image).astype(np.uint16))
    elif image.mode not in ("1", "L", "P", "RGB", "I;16", "I;16B"):
        raise BadFileError(
            path,
            f"unusable image: pixels of type {image.mode!r}. Save it as 8-bit RGB or grey. {_BEYOND_RGB}",
        )
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


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
