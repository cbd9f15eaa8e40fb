"""Small copies of every image of an evaluation, kept while it runs: what the report may show."""

import io
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kerseg.core.info import IGNORE_LABEL, Colour
from kerseg.report.watcher import Predicted
from kerseg.visualize import IGNORE_COLOUR, RGBImage, as_rgb, colourise
from kerseg.visualize.page import as_uri

IN_MEMORY = 64 * 2**20
"""Bytes of copies that are held in memory; more go to a temporary file."""
_ERROR: Colour = (224, 30, 40)
_IGNORED = 110
"""How opaque ignored pixels are, 0 to 255."""


@dataclass(frozen=True)
class _Place:
    """Where the copies of an image are: its address and the lengths of image, truth and prediction."""

    start: int
    lengths: tuple[int, int, int]


@dataclass(frozen=True)
class Layers:
    """An image as addresses of small copies, of one size."""

    image: str
    truth: str
    prediction: str
    error: str
    width: int
    height: int

    @property
    def size(self) -> int:
        """Characters that it takes in a page."""
        return len(self.image) + len(self.truth) + len(self.prediction) + len(self.error)


class Gallery:
    """Keeps a small copy of every image, its label and its prediction.

    Args:
        palette: One colour a class.
        ignore_label: Label value whose pixels do not count.
        channels: Names of the images' channels; none for RGB.
        side: Longest side of the copies, pixels. Images are not enlarged.
    """

    needs_probabilities = False

    def __init__(
        self,
        palette: Sequence[Colour],
        *,
        ignore_label: int = IGNORE_LABEL,
        channels: Sequence[str] = (),
        side: int = 480,
    ):
        self.palette = palette
        self.ignore_label = ignore_label
        self.channels = channels
        self.side = side
        self._places: list[_Place] = []
        self._end = 0
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        # An evaluation that fails gives it back, too.
        weakref.finalize(self, self._file.close)

    def see(self, predicted: Predicted) -> None:
        """Keep copies of an image."""
        width, height = reduced(predicted.label.shape, self.side)
        image = Image.fromarray(as_rgb(predicted.image, self.channels))
        copies = [_encoded(image.resize((width, height), Image.Resampling.LANCZOS), "JPEG", quality=80)]
        for label in (predicted.label, predicted.prediction):
            copies.append(_encoded(self._coloured(nearest(label, (width, height))), "PNG", optimize=True))
        self._file.seek(self._end)
        self._file.write(b"".join(copies))
        self._places.append(_Place(self._end, (len(copies[0]), len(copies[1]), len(copies[2]))))
        self._end += sum(map(len, copies))

    def __len__(self) -> int:
        return len(self._places)

    def layers(self, index: int) -> Layers:
        """Return the copies of the image seen as number ``index``."""
        image, truth, prediction = self._read(index)
        true, guess = (np.asarray(Image.open(io.BytesIO(copy))) for copy in (truth, prediction))
        wrong = _differs(true, guess) & ~self._is_ignored(true)
        return Layers(
            image=as_uri(image, "image/jpeg"),
            truth=as_uri(truth, "image/png"),
            prediction=as_uri(prediction, "image/png"),
            error=mask_uri(wrong, _ERROR),
            width=true.shape[1],
            height=true.shape[0],
        )

    def colours(self, index: int) -> tuple[RGBImage, RGBImage, RGBImage]:
        """Return image, truth and prediction of the image seen as number ``index``, each RGB in its colours."""
        # Through RGBA, for Pillow: ignored pixels are half clear.
        shown = [Image.open(io.BytesIO(copy)).convert("RGBA").convert("RGB") for copy in self._read(index)]
        return np.asarray(shown[0]), np.asarray(shown[1]), np.asarray(shown[2])

    def pair_mask(self, index: int, true: int, guess: int) -> NDArray[np.bool_]:
        """Return where an image, made small, has one class in truth and one in prediction."""
        _, truth, prediction = self._read(index)
        shown = (np.asarray(Image.open(io.BytesIO(copy))) for copy in (truth, prediction))
        masks = [self._is_class(pixels, index) for pixels, index in zip(shown, (true, guess), strict=True)]
        return masks[0] & masks[1]

    def close(self) -> None:
        """Give the memory or the temporary file back."""
        self._file.close()

    def _read(self, index: int) -> tuple[bytes, bytes, bytes]:
        place = self._places[index]
        self._file.seek(place.start)
        image, truth, prediction = (self._file.read(length) for length in place.lengths)
        return image, truth, prediction

    def _coloured(self, label: NDArray[Any]) -> Image.Image:
        """Return class indices as an image whose colours a browser shows: with a palette where it has room."""
        if len(self.palette) >= 256:
            return Image.fromarray(colourise(label, self.palette, ignore_label=self.ignore_label))
        count = len(self.palette)
        image = Image.fromarray(np.where(label == self.ignore_label, count, label).astype(np.uint8)).convert(
            "P"
        )
        image.putpalette([part for colour in (*self.palette, IGNORE_COLOUR) for part in colour])
        image.info["transparency"] = b"\xff" * count + bytes([_IGNORED])
        return image

    def _is_ignored(self, shown: NDArray[Any]) -> NDArray[np.bool_]:
        return self._is_class(shown, -1)

    def _is_class(self, shown: NDArray[Any], index: int) -> NDArray[np.bool_]:
        """Return where what `_coloured` wrote shows a class; -1 for ignored pixels."""
        if shown.ndim == 2:
            return np.asarray(shown == (len(self.palette) if index < 0 else index))
        colour = IGNORE_COLOUR if index < 0 else self.palette[index]
        return np.asarray((shown[..., :3] == colour).all(axis=-1))


def reduced(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """Return width and height of a copy of an image (height, width) whose longest side is at most ``side``.

    Example:
        >>> reduced((1024, 2048), 480)
        (480, 240)
    """
    scale = min(1.0, side / max(shape[:2]))
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def nearest(label: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return a label or mask at another width and height, each pixel that of the nearest one."""
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.int64), old - 1)
        for new, old in zip(reversed(size), label.shape, strict=True)
    )
    chosen: NDArray[Any] = label[rows[:, None], columns]
    return chosen


def mask_uri(mask: NDArray[np.bool_], colour: Colour) -> str:
    """Return a mask as an image: one colour where it is true, clear elsewhere."""
    image = Image.fromarray(mask.astype(np.uint8)).convert("P")
    image.putpalette([0, 0, 0, *colour])
    return as_uri(_encoded(image, "PNG", optimize=True, bits=1, transparency=b"\x00\xff"), "image/png")


def _differs(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
    differs = first != second
    return np.asarray(differs if differs.ndim == 2 else differs.any(axis=-1))


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
