"""Rotation, shear and elastic deformation: where each pixel of the crop comes from, for image and label alike.

    pixel of the crop -> moved by each step of `TABLE` -> `geometry.Window` -> point of the image

The steps move points of the crop, in pixels from its middle, and the window takes them on to the image, so scale,
position and flips cost no second resampling, and what turns into the crop from beside the window is the image.
Only the region that the points lie in is decoded. The image is read bilinearly, the label at the nearest pixel,
with pixel centres at one half as in `geometry`; points outside the image become padding.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from kerseg.augment import rng
from kerseg.augment.geometry import Span, Window, fill_of
from kerseg.augment.options import Augment

GRID = 3
"""Points of the elastic grid on each axis (Ronneberger et al.)."""


class Warp(NamedTuple):
    """Where the pixels of a crop come from."""

    points: tf.Tensor
    """(2, height, width) float32: row and column in the image; whole numbers are pixel centres."""
    nearest: tf.Tensor
    """(2, height, width) int32: the pixel that each point lies in, which may be outside the image."""
    inside: tf.Tensor
    """(height, width) bool: whether it is in the image."""
    start: tf.Tensor
    """(2,) int32: first row and column of the region to decode."""
    length: tf.Tensor
    """(2,) int32: rows and columns of the region."""


def rotation(points: tf.Tensor, degrees: tf.Tensor) -> tf.Tensor:
    """Turn the image to the left, as ``numpy.rot90`` does, around the middle of the crop.

    Args:
        points: (2, height, width): row and column, from the middle.
        degrees: Scalar.

    Returns:
        Where the image's pixels at ``points`` come from, of the same shape.
    """
    angle = degrees * (math.pi / 180.0)
    rows, columns = tf.unstack(points)
    sine, cosine = tf.sin(angle), tf.cos(angle)
    return tf.stack([cosine * rows + sine * columns, cosine * columns - sine * rows])


def shear(points: tf.Tensor, degrees: tf.Tensor) -> tf.Tensor:
    """Shear the image along its rows: uprights lean to the right by ``degrees``.

    Args:
        points: (2, height, width): row and column, from the middle.
        degrees: Scalar, -60 to 60.

    Returns:
        Where the image's pixels at ``points`` come from, of the same shape.
    """
    rows, columns = tf.unstack(points)
    return tf.stack([rows, columns + tf.tan(degrees * (math.pi / 180.0)) * rows])


def elastic(points: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
    """Move the points by a smooth field, given on a coarse grid whose corners are the crop's.

    Source: Ronneberger et al. 2015, U-Net, section 3.1 (https://arxiv.org/abs/1505.04597): "random displacement
    vectors on a coarse 3 by 3 grid", drawn from a Gaussian of 10 pixels, and "bicubic interpolation" between
    them: here the bicubic spline through them, mirrored at the edges.

    Args:
        points: (2, height, width): row and column.
        offsets: (2, 3, 3): of rows and of columns, in pixels of the crop.

    Returns:
        The points with the field added.
    """
    size = tf.shape(points)
    rows, columns = _spline(size[1]), _spline(size[2])
    return points + tf.einsum("hi,cij,wj->chw", rows, offsets, columns)


def _evenly(seed: tf.Tensor, name: str, limit: float) -> tf.Tensor:
    return rng.uniform(seed, name, -limit, limit)


def _grid(seed: tf.Tensor, name: str, limit: float) -> tf.Tensor:
    return limit * rng.normal(seed, name, [2, GRID, GRID])


class Step(NamedTuple):
    """One kind of warp."""

    move: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    """Points and amount -> points."""
    draw: Callable[[tf.Tensor, str, float], tf.Tensor]
    """Seed, name and the limit in `Augment` -> amount; 0 moves nothing."""


TABLE: dict[str, Step] = {
    "rotation": Step(rotation, _evenly),
    "shear": Step(shear, _evenly),
    "elastic": Step(elastic, _grid),
}
"""The name is also that of the limit in `Augment`, and of the random draw."""


def is_on(augment: Augment) -> bool:
    """Return whether anything here is to be done; else `geometry` alone is faster, and exact."""
    return any(getattr(augment, name) for name in TABLE)


def draw(seed: tf.Tensor, window: Window, size: tuple[tf.Tensor, tf.Tensor], augment: Augment) -> Warp:
    """Draw the steps that are on, and follow them from the crop to the image.

    Args:
        seed: (2,) int64; the same seed gives the same warp.
        window: From `geometry.draw`.
        size: The image's (height, width), pixels.
        augment: The limits.
    """
    spans = (window.rows, window.columns)
    middle = [tf.cast(span.total - 1, tf.float32) / 2.0 for span in spans]
    axes = [tf.range(span.total) for span in spans]
    grid = [tf.cast(axis, tf.float32) - half for axis, half in zip(axes, middle, strict=True)]
    points = tf.stack(tf.meshgrid(*grid, indexing="ij"))
    for name, step in TABLE.items():
        if limit := getattr(augment, name):
            amount = step.draw(seed, name, limit)
            happens = rng.chance(seed, f"{name}.probability", getattr(augment, f"{name}_probability"))
            points = step.move(points, tf.where(happens, amount, tf.zeros_like(amount)))
    flips = (window.flip_vertical, window.flip)
    along = [_in_image(points[axis] + middle[axis], spans[axis], flips[axis]) for axis in range(len(spans))]
    return between(tf.stack(along), tf.stack(size))


def between(points: tf.Tensor, size: tf.Tensor) -> Warp:
    """Return the warp that reads an image of ``size`` (2,) at ``points`` (2, height, width)."""
    last = tf.reshape(size - 1, [2, 1, 1])
    nearest = tf.cast(tf.floor(points + 0.5), tf.int32)
    inside = tf.reduce_all((nearest >= 0) & (nearest <= last), 0)
    floor = tf.cast(tf.floor(points), tf.int32)
    first = tf.clip_by_value(tf.reduce_min(floor, [1, 2]), 0, size - 1)
    end = tf.clip_by_value(tf.reduce_max(floor, [1, 2]) + 2, first + 1, size)
    return Warp(points, nearest, inside, first, end - first)


def sample_image(source: tf.Tensor, warp: Warp) -> tf.Tensor:
    """Read the image at the points, bilinearly.

    Args:
        source: (length[0], length[1], channels), the warp's region, any number type.
        warp: From `draw`.

    Returns:
        (height, width, channels) float32; outside the image its edge goes on, until `fill`.
    """
    pixels, last = tf.reshape(source, [-1, source.shape[-1]]), tf.reshape(warp.length - 1, [2, 1, 1])
    points = warp.points - tf.cast(tf.reshape(warp.start, [2, 1, 1]), tf.float32)
    points = tf.clip_by_value(points, 0.0, tf.cast(last, tf.float32))
    floor = tf.floor(points)
    down, right = tf.unstack((points - floor)[..., tf.newaxis])
    low = tf.cast(floor, tf.int32)
    high = tf.minimum(low + 1, last)

    def at(rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.gather(pixels, rows * warp.length[1] + columns), tf.float32)

    upper, lower = (
        left + right * (at(row, high[1]) - left) for row in (low[0], high[0]) for left in (at(row, low[1]),)
    )
    return upper + down * (lower - upper)


def sample_label(label: tf.Tensor, warp: Warp) -> tf.Tensor:
    """Read the label at the nearest pixels.

    Args:
        label: (height, width) of the whole image.
        warp: From `draw`.

    Returns:
        (height, width) of the crop, of the label's type; outside the image its edge goes on, until `fill`.
    """
    size = tf.shape(label)
    row, column = tf.unstack(tf.clip_by_value(warp.nearest, 0, tf.reshape(size - 1, [2, 1, 1])))
    return tf.gather(tf.reshape(label, [-1]), row * size[1] + column)


def fill(image: tf.Tensor, label: tf.Tensor, warp: Warp, ignore_label: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Put padding where the points lie outside the image: `FILL` or `MIDDLE`, and the ignore label.

    Args:
        image: (height, width, channels).
        label: (height, width) uint8.
        warp: From `draw`.
        ignore_label: Padding of the label.
    """
    ignored = tf.constant(ignore_label, tf.uint8)
    return tf.where(warp.inside[..., tf.newaxis], image, fill_of(image)), tf.where(
        warp.inside, label, ignored
    )


def _in_image(place: tf.Tensor, span: Span, flip: tf.Tensor | None) -> tf.Tensor:
    """Take one coordinate from the crop to the image: the inverse of what `geometry` does to a span."""
    start, length, before, out = (
        tf.cast(value, tf.float32) for value in (span.start, span.length, span.before, span.out)
    )
    place = place - before
    if flip is not None:
        place = tf.where(flip, out - 1.0 - place, place)
    return start + (place + 0.5) * (length / out) - 0.5


# From the values at the three points, (c[k-1] + 4 c[k] + c[k+1]) / 6 with c mirrored at both ends.
_COEFFICIENTS = np.linalg.inv(np.array([[4, 2, 0], [1, 4, 1], [0, 2, 4]]) / 6).astype(np.float32)
_MIRRORED = np.array([[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0]], np.float32)
"""Coefficients at -1, 0, 1, 2, 3 from those at 0, 1, 2."""


def _spline(size: tf.Tensor) -> tf.Tensor:
    """Return (size, 3): the weight of each of three points, the ends of an axis and its middle, in each pixel."""
    place = tf.cast(tf.range(size), tf.float32) * (2.0 / tf.cast(tf.maximum(size - 1, 1), tf.float32))
    away = tf.abs(place[:, tf.newaxis] - tf.range(-1.0, 4.0))
    # The cubic B-spline.
    near, far = 2.0 / 3.0 - away**2 + away**3 / 2.0, tf.maximum(2.0 - away, 0.0) ** 3 / 6.0
    return tf.where(away < 1.0, near, far) @ (_MIRRORED @ _COEFFICIENTS)
