"""Labels as images: colours, overlays, legends and previews. NumPy, Pillow, and a font of matplotlib's.

Pixels in, pixels out are uint8 RGB arrays (height, width, 3); what has text on it is a Pillow image.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from kerseg.core.info import IGNORE_LABEL, Colour
from kerseg.errors import DataError

RGBImage = NDArray[np.uint8]

IGNORE_COLOUR: Colour = (224, 224, 192)
"""Of pixels that do not count: the cream that VOC draws around its objects (entry 255 of its colour map)."""

_PAPER: Colour = (24, 26, 30)
_INK: Colour = (236, 236, 236)
_FAINT: Colour = (150, 154, 160)


def as_rgb(image: NDArray[Any], names: Sequence[str] = ()) -> RGBImage:
    """Show an image of any channels.

    Args:
        image: (height, width, channels), 0 to 255.
        names: Of the channels. Those called red, green and blue are shown as such; without them, the first three,
            or the first in grey where there are fewer.

    Returns:
        RGB, uint8 (height, width, 3).

    Example:
        >>> as_rgb(np.array([[[10.4, 20.0, 30.0, 9.0]]]), ("blue", "green", "red", "nir")).tolist()
        [[[30, 20, 10]]]
    """
    lower = [name.lower() for name in names]
    shown = [0, 1, 2] if image.shape[-1] >= 3 else [0, 0, 0]
    if {"red", "green", "blue"} <= {*lower}:
        shown = [lower.index(name) for name in ("red", "green", "blue")]
    if image.dtype == np.uint8 and image.shape[-1] == 3 and shown == [0, 1, 2]:
        return image
    rounded: RGBImage = np.rint(image[..., shown]).astype(np.uint8)
    return rounded


def colourise(
    label: NDArray[Any],
    palette: Sequence[Colour],
    *,
    ignore_colour: Colour = IGNORE_COLOUR,
    ignore_label: int = IGNORE_LABEL,
) -> RGBImage:
    """Paint each pixel in the colour of its class.

    Args:
        label: Class indices (height, width), integer.
        palette: One colour a class.
        ignore_colour: Colour of ignored pixels.
        ignore_label: Label value of ignored pixels.

    Returns:
        RGB, uint8 (height, width, 3).

    Raises:
        DataError: A label has no colour.

    Example:
        >>> colourise(np.array([[0, 1, 255]]), [(0, 0, 0), (128, 0, 0)]).tolist()
        [[[0, 0, 0], [128, 0, 0], [224, 224, 192]]]
    """
    colours = np.array([*palette, ignore_colour], np.uint8)
    return np.take(colours, _entries(label, len(palette), ignore_label), axis=0)


def _entries(label: NDArray[Any], classes: int, ignore_label: int) -> NDArray[Any]:
    """Return the label with ``classes`` in ignored pixels: an index into colours of which the last is for these.

    Raises:
        DataError: A label has no colour.
    """
    label = np.asarray(label)
    low, high = (int(label.min()), int(label.max())) if label.size else (0, 0)
    if 0 <= low <= high < classes and not low <= ignore_label <= high:
        return label  # as most labels are: nothing to ignore
    known = label != ignore_label
    if known.any() and not 0 <= label[known].min() <= label[known].max() < classes:
        worst = label[known].max() if label[known].min() >= 0 else label[known].min()
        raise DataError(f"The palette has colours for 0 to {classes - 1}. Received: label {worst}.")
    return np.where(known, label, classes)


def overlay(
    image: RGBImage,
    label: NDArray[Any],
    palette: Sequence[Colour],
    *,
    alpha: float = 0.5,
    ignore_label: int = IGNORE_LABEL,
) -> RGBImage:
    """Lay the colours of the classes over the image.

    Ignored pixels, and pixels of a class whose colour is black (the background of VOC), stay as they are:
    black would only darken them.

    Args:
        image: RGB, uint8 (height, width, 3).
        label: Class indices (height, width).
        palette: One colour a class.
        alpha: Weight of the colours, 0 (image only) to 1 (colours only).
        ignore_label: Label value of ignored pixels.

    Returns:
        RGB, uint8 (height, width, 3).

    Raises:
        DataError: Image and label differ in size, or a label has no colour.
    """
    if image.shape[:2] != np.shape(label):
        raise DataError(
            f"Image and label must have one size. Received: {image.shape[:2]} and {np.shape(label)}."
        )
    colours = np.array([*palette, (0, 0, 0)], np.uint8)
    # What each value of the image becomes under each colour: a table is faster than sums over all pixels.
    values = np.arange(256, dtype=np.float32) * np.float32(1 - alpha)
    table = np.rint(values + colours[..., np.newaxis] * np.float32(alpha)).astype(np.uint8)
    table[~colours.any(axis=-1)] = np.arange(256, dtype=np.uint8)
    places = np.asarray(_entries(label, len(palette), ignore_label), np.int32) << 8
    mixed = np.empty_like(image)
    for channel in range(3):
        mixed[..., channel] = table[:, channel].ravel().take(places | image[..., channel])
    return mixed


def legend(entries: Sequence[tuple[str, Colour]], width: int, *, text_size: int | None = None) -> Image.Image:
    """Draw a strip that names colours, in as many equal columns as fit.

    Args:
        entries: Text and colour; none gives a strip 0 high.
        width: Width of the strip in pixels.
        text_size: Height of the text in pixels; by default it follows ``width``.

    Returns:
        RGB, on a dark ground; as high as it needs.
    """
    size = text_size or _text_size(width)
    gap, row = size // 2, round(1.6 * size)
    longest = max((_length(text, size) for text, _ in entries), default=0.0)
    columns = max(1, min(len(entries), int((width - gap) // (longest + size + 3 * gap))))
    rows, column = math.ceil(len(entries) / columns), (width - gap) // columns
    strip = Image.new("RGB", (width, rows * row + gap if rows else 0), _PAPER)
    for place, (text, colour) in enumerate(entries):
        # Down the columns, as a list is read.
        corner = gap + place // rows * column, gap // 2 + place % rows * row
        strip.paste(_legend_entry(text, colour, size, column), corner)
    return strip


@lru_cache(maxsize=1024)  # the images of a prediction have the same classes, in nearly the same shares
def _legend_entry(text: str, colour: Colour, size: int, width: int) -> Image.Image:
    font, gap, row = _font(size), size // 2, round(1.6 * size)
    entry = Image.new("RGB", (width, row), _PAPER)
    draw, middle = ImageDraw.Draw(entry), row // 2
    box = (0, middle - size // 2, size, middle + size // 2)
    # The faint border shows where a black or dark swatch is.
    draw.rounded_rectangle(box, radius=size // 6, fill=colour, outline=_FAINT)
    shown = _fit(text, font, width - size - 2 * gap)
    draw.text((size + gap, middle), shown, font=font, fill=_INK, anchor="lm")
    return entry


def with_legend(
    image: RGBImage,
    label: NDArray[Any],
    palette: Sequence[Colour],
    class_names: Sequence[str],
    *,
    ignore_label: int = IGNORE_LABEL,
) -> Image.Image:
    """Put a legend below ``image``: the classes that occur in ``label``, with their share of its pixels.

    An image narrower than 320 pixels is first enlarged by a whole factor: its legend would be unreadable.

    Args:
        image: RGB, uint8 (height, width, 3).
        label: Class indices (height, width).
        palette: One colour a class.
        class_names: One name a class.
        ignore_label: Label value of ignored pixels, not listed.

    Returns:
        RGB, as wide as the (enlarged) image.
    """
    image = _enlarge(image, 320)
    label = np.ravel(label)
    counts = np.bincount(label) if label.dtype.kind in "u" else np.bincount(label[label >= 0])
    entries = [
        (f"{class_names[value]}  {_percent(counts[value] / label.size)}", palette[value])
        for value in np.flatnonzero(counts).tolist()
        if value != ignore_label
    ]
    return _below(Image.fromarray(image), legend(entries, image.shape[1]))


def panel(
    image: RGBImage,
    truth: NDArray[Any],
    prediction: NDArray[Any],
    palette: Sequence[Colour],
    class_names: Sequence[str] | None = None,
    *,
    title: str = "image",
    ignore_label: int = IGNORE_LABEL,
) -> Image.Image:
    """Draw image, truth and prediction side by side, captioned, over a legend of the classes in either.

    Args:
        image: RGB, uint8 (height, width, 3).
        truth: True class indices (height, width).
        prediction: Predicted class indices (height, width).
        palette: One colour a class.
        class_names: One name a class; without them there is no legend.
        title: Caption of the image, such as its name.
        ignore_label: Label value of pixels that do not count.

    Returns:
        RGB; each column as large as the image, or, below 240 pixels' width, a whole multiple of it.

    Raises:
        DataError: A label has no colour.
    """
    coloured = [colourise(label, palette, ignore_label=ignore_label) for label in (truth, prediction)]
    cells = [_enlarge(cell, 240) for cell in (np.asarray(image, np.uint8), *coloured)]
    counted = truth != ignore_label
    right = _percent(float(np.mean(truth[counted] == prediction[counted]))) if counted.any() else "none"
    captions = (title, "truth", f"prediction, {right} right")
    sheet, size = _row(cells, captions), _text_size(cells[0].shape[1])
    entries: list[tuple[str, Colour]] = []
    if class_names is not None:
        present = np.union1d(truth[counted], prediction).tolist()
        entries = [(class_names[value], palette[value]) for value in present if value != ignore_label]
        entries += [] if counted.all() else [("ignored", IGNORE_COLOUR)]
    return _below(sheet, legend(entries, sheet.width, text_size=size))


def contact_sheet(
    rows: Sequence[Sequence[tuple[str, RGBImage]]], entries: Sequence[tuple[str, Colour]]
) -> Image.Image:
    """Draw captioned images in rows, over one legend.

    Args:
        rows: Captions and images, each RGB, uint8 (height, width, 3); those of a row are of one height.
        entries: Texts and colours of the legend.

    Returns:
        RGB, as wide as the widest row.
    """
    drawn = [_row([image for _, image in row], [caption for caption, _ in row]) for row in rows]
    width = max(row.width for row in drawn)
    sheet = Image.new("RGB", (width, sum(row.height for row in drawn)), _PAPER)
    top = 0
    for row in drawn:
        sheet.paste(row, (0, top))
        top += row.height
    return _below(sheet, legend(entries, width, text_size=_text_size(width // 3)))


def _row(cells: Sequence[RGBImage], captions: Sequence[str]) -> Image.Image:
    """Draw images of one height side by side, a caption over each."""
    height, first = cells[0].shape[:2]
    size = _text_size(first)
    font, gap = _font(size), size // 2
    width = sum(cell.shape[1] for cell in cells) + (len(cells) - 1) * gap
    row = Image.new("RGB", (width, 2 * size + height), _PAPER)
    draw, left = ImageDraw.Draw(row), 0
    for cell, caption in zip(cells, captions, strict=True):
        shown = _fit(caption, font, cell.shape[1] - gap)
        draw.text((left + gap, size), shown, font=font, fill=_INK, anchor="lm")
        row.paste(Image.fromarray(cell), (left, 2 * size))
        left += cell.shape[1] + gap
    return row


def _below(top: Image.Image, strip: Image.Image) -> Image.Image:
    sheet = Image.new("RGB", (top.width, top.height + strip.height), _PAPER)
    sheet.paste(top, (0, 0))
    sheet.paste(strip, (0, top.height))
    return sheet


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 or share == 0 else "< 1 %"


def _text_size(width: int) -> int:
    return max(12, min(32, width // 40))


def _enlarge(image: RGBImage, width: int) -> RGBImage:
    factor = math.ceil(width / image.shape[1])
    if factor == 1:
        return image
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    # matplotlib's own copy of DejaVu Sans: the same on every machine, and it knows Greek and Cyrillic, which
    # Pillow's built-in font does not.
    from matplotlib import get_data_path

    return ImageFont.truetype(str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), size)


@lru_cache(maxsize=1024)
def _length(text: str, size: int) -> float:
    return _font(size).getlength(text)


def _fit(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """Shorten ``text`` until it is at most ``width`` pixels wide."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"
