"""What a worker process measures of one pair: small, and enough for every check.

Each file is decoded once, with Pillow and NumPy. What a label's values mean is not known here: the whole tree
tells, so values and colours are counted as they are.
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from kerseg.data.formats.files import BadFileError, Place, read_bytes
from kerseg.data.formats.flaws import JPEG_FORMATS
from kerseg.data.formats.images import EncodedImage, decode, read_image
from kerseg.data.formats.wording import colour_codes
from kerseg.data.sources.base import Pair

THUMB = 16
"""Height and width of the grey thumbnails that nearly equal images are told by."""
MANY = 4096
"""Values of one label that are kept, the most frequent: more are a photograph, and known to be one."""

LEAST_BETWEEN = 20
"""Pixels between two classes that it takes to see a pattern in them."""
ONE_VALUE = 0.8
"""Share of the pixels between two classes that one value has if it is an outline and no blend: on CamVid, 0.24
once it is blended."""
FEW = 32
"""Values that a label has at most if it is plainly no photograph."""


@dataclass(frozen=True)
class PairTask:
    """A pair to measure, and the split it is in."""

    split: str
    pair: Pair


@dataclass(frozen=True)
class ImageFacts:
    """What matters of an image."""

    shape: tuple[int, int]
    """Height and width of the stored pixels."""
    upright_shape: tuple[int, int]
    """Height and width once turned as EXIF says."""
    orientation: int
    mode: str
    clear: int | None
    """Pixels that are not opaque; None without an alpha channel."""
    sums: NDArray[np.float64]
    """``(2, 3)``: sum of red, green and blue, and of their squares."""
    digest: bytes
    """Of the upright RGB pixels."""
    hash: int
    """Difference hash, 64 bits: is each of 8x8 pixels brighter than its left neighbour?"""
    thumb: NDArray[np.uint8]
    """``(THUMB, THUMB)``, grey, upright."""

    @property
    def blank(self) -> bool:
        """Whether all pixels are equal."""
        count = self.shape[0] * self.shape[1]
        return bool((self.sums[0] ** 2 == self.sums[1] * count).all())


@dataclass(frozen=True)
class LabelFacts:
    """What matters of a label."""

    shape: tuple[int, int]
    mode: str
    """Pillow's, once an alpha channel is dropped."""
    jpeg: bool
    clear: int | None
    """Pixels that are not opaque; None without an alpha channel."""
    colours: bool
    """Whether its values are colours, 0xRRGGBB; otherwise they are what a grey or indexed image holds."""
    values: NDArray[np.int64]
    """Values that occur, sorted."""
    counts: NDArray[np.int64]
    """Pixels of each."""
    one_pixel_wide: NDArray[np.int64]
    """Pixels of each that differ from both neighbours in their row, or from both in their column."""
    distinct: int
    """How many values occur, those that were not kept included."""
    between: float = 0.0
    """As `share_between`; 0 where values are colours."""
    palette: tuple[int, ...] = ()
    """Colour, 0xRRGGBB, of each of ``values`` of an indexed image."""
    digest: bytes = b""
    """Of the pixels, as RGB where there are many values: its image's if the label is a copy of that."""


@dataclass(frozen=True)
class Facts:
    """What is known of one pair."""

    split: str
    pair: Pair
    image: ImageFacts | None = None
    label: LabelFacts | None = None
    faults: tuple[tuple[str, Place, str], ...] = field(default=())
    """Of files that cannot be read: ``"image"`` or ``"label"``, the file, the reason."""


def measure(task: PairTask) -> Facts:
    """Read both files of a pair to the last pixel and return what the checks need.

    Nothing that is wrong with a file raises.
    """
    faults: list[tuple[str, Place, str]] = []
    image = label = None
    if task.pair.image is not None:
        try:
            image = _image(read_image(task.pair.image))
        except MemoryError:
            raise  # for which no file is to blame
        except Exception as error:
            faults.append(("image", task.pair.image, _reason(task.pair.image, error)))
    if task.pair.label is not None:
        try:
            label = label_facts(decode(task.pair.label, read_bytes(task.pair.label)))
        except MemoryError:
            raise
        except Exception as error:
            faults.append(("label", task.pair.label, _reason(task.pair.label, error)))
    return Facts(task.split, task.pair, image, label, tuple(faults))


def open_label(image: Image.Image) -> tuple[NDArray[np.int64], bool, Image.Image]:
    """Return a label's values ``(height, width)``, whether they are colours 0xRRGGBB, and it without alpha.

    Grey saved as RGB is grey.
    """
    if image.mode in ("LA", "PA", "RGBA"):
        image = image.convert({"LA": "L", "PA": "P", "RGBA": "RGB"}[image.mode])
    elif image.format == "GIF":  # its indices are the writer's choice, as `images.read_label` says
        image = image.convert("RGB")
    if image.mode in ("1", "L", "P") or image.mode.startswith("I"):
        return np.asarray(image).astype(np.int64), False, image
    pixels = np.asarray(image.convert("RGB"))
    if (pixels == pixels[..., :1]).all():
        return pixels[..., 0].astype(np.int64), False, image
    return colour_codes(pixels).astype(np.int64), True, image


def _reason(place: Place, error: Exception) -> str:
    if isinstance(error, BadFileError):
        return error.reason
    # Many formats' readers run here: what one file makes them raise must not end the run.
    return f"unexpected {type(error).__name__}: {str(error).removeprefix(f'{place}: ')}"


def _clear(image: Image.Image) -> int | None:
    if image.mode not in ("LA", "PA", "RGBA"):
        return None
    return int((np.asarray(image.getchannel("A")) < 255).sum())


def _image(encoded: EncodedImage) -> ImageFacts:
    image = encoded.image
    clear = _clear(image)
    if encoded.orientation != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    rgb = image.convert("RGB")
    histogram = np.array(rgb.histogram(), np.float64).reshape(3, 256)
    levels = np.arange(256.0)
    grey = rgb.convert("L")
    small = np.asarray(grey.resize((9, 8), Image.Resampling.BOX), np.int16)
    bits = np.packbits(small[:, 1:] > small[:, :-1])
    return ImageFacts(
        shape=encoded.shape,
        upright_shape=encoded.upright_shape,
        orientation=encoded.orientation,
        mode=encoded.image.mode,
        clear=clear,
        sums=np.stack([histogram @ levels, histogram @ levels**2]),
        digest=_digest(rgb),
        hash=int.from_bytes(bits.tobytes()),
        thumb=np.asarray(grey.resize((THUMB, THUMB), Image.Resampling.BOX)),
    )


def label_facts(image: Image.Image) -> LabelFacts:
    """Return what matters of a label as it was decoded."""
    pixels, colours, plain = open_label(image)
    values, counts = _counts(pixels)
    distinct = len(values)
    if distinct > MANY:
        kept = np.sort(np.argsort(-counts, kind="stable")[:MANY])
        values, counts = values[kept], counts[kept]
    thin = np.zeros_like(counts)
    # Three values make no ramp that is not also a thin line; most labels end here.
    if distinct > 3:
        found, numbers = np.unique(pixels[one_pixel_wide(pixels)], return_counts=True)
        known = np.isin(found, values)
        thin[np.searchsorted(values, found[known])] = numbers[known]
    palette: tuple[int, ...] = ()
    if plain.mode == "P":
        table = np.zeros((256, 3), np.uint8)
        raw = np.array(plain.getpalette("RGB"), np.uint8).reshape(-1, 3)
        table[: len(raw)] = raw[:256]
        palette = tuple(colour_codes(table[values]).tolist())
    return LabelFacts(
        shape=(image.height, image.width),
        mode=plain.mode,
        jpeg=image.format in JPEG_FORMATS,
        clear=_clear(image),
        colours=colours,
        values=values,
        counts=counts,
        one_pixel_wide=thin,
        distinct=distinct,
        between=0.0 if colours or distinct <= 3 else share_between(pixels),
        palette=palette,
        # Only what has many values can be a copy of an image; the others are spared the conversion.
        digest=_digest(plain.convert("RGB") if distinct > FEW else plain),
    )


def _digest(image: Image.Image) -> bytes:
    digest = hashlib.blake2b(repr(image.size).encode(), digest_size=16, usedforsecurity=False)
    digest.update(image.tobytes())
    return digest.digest()


def _counts(pixels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if pixels.min() >= 0 and pixels.max() < 2**16:
        counts = np.bincount(pixels.ravel())
        values = np.flatnonzero(counts)
        return values, counts[values]
    values, counts = np.unique(pixels, return_counts=True)
    return values, counts


def one_pixel_wide(pixels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where a pixel differs from both neighbours in its row, or from both in its column.

    Example:
        >>> one_pixel_wide(np.array([[0, 0, 3, 9, 9]]))
        array([[False, False,  True, False, False]])
    """
    thin = np.zeros(pixels.shape, bool)
    across, down = pixels[:, 1:] != pixels[:, :-1], pixels[1:] != pixels[:-1]
    thin[:, 1:-1] |= across[:, 1:] & across[:, :-1]
    thin[1:-1] |= down[1:] & down[:-1]
    return thin


def share_between(values: NDArray[np.int64]) -> float:
    """Return how often two different classes meet by way of a pixel with a value between theirs.

    Interpolation leaves such pixels wherever classes meet that are two or more apart. Where one value has nearly
    all of them, it is an outline one pixel wide.

    Args:
        values: (height, width), class indices.

    Returns:
        Share of the places, in rows and columns, where a pixel differs from the one before, and that one by two
        or more from the one after; 0 with too few pixels to tell, or if one value has nearly all of them.

    Example:
        >>> share_between(np.array([[0, 0, 3, 9, 9, 5, 1, 1]] * 20)), share_between(np.array([[0, 0, 9, 9]] * 20))
        (0.5, 0.0)
    """
    met, between = 0, np.zeros(0, np.int64)
    for lines in (values, values.T):
        before, here, after = lines[:, :-2], lines[:, 1:-1], lines[:, 2:]
        edge = (before != here) & (np.abs(before - after) >= 2)
        met += int(edge.sum())
        low, high = np.minimum(before, after), np.maximum(before, after)
        between = np.append(between, here[edge & (low < here) & (here < high)])
    if len(between) < LEAST_BETWEEN or np.unique(between, return_counts=True)[1].max() > ONE_VALUE * len(
        between
    ):
        return 0.0
    return len(between) / met
