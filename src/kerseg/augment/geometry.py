"""Scale, window, flips and quarter turns: drawn once, before anything is decoded, and used on image and label.

"Scale the image by s, pad it to the crop's size, cut a crop at random, flip it" touches every pixel of the
image and then throws most of them away. The same crop comes from its source window alone, which is the
crop's size divided by s: decode that window, resize it, and pad where the scaled image is smaller.

    height of the image           |----------------------------------|
    Span.start, Span.length              |==============|                    decoded
    Span.before, Span.out, Span.total  |..|==================|....|          resized, padded

The window is made of whole source pixels. Image and label are resized from the same window to the same size
with pixel centres at one half, the image bilinearly and the label to the nearest: whatever the scale, a label
pixel is the label of the source pixel nearest to the point that the image shows there.
"""

import math
from typing import NamedTuple

import tensorflow as tf

from kerseg.augment import rng
from kerseg.augment.options import Augment

FILL = (124, 117, 104)
"""RGB of padding: ImageNet's mean, which the normalisations inside the models turn to about 0, the value that
convolutions pad with. DeepLab pads with it too:
https://github.com/tensorflow/models/blob/master/research/deeplab/input_preprocess.py"""
MIDDLE = 127.5
"""Padding of images of another number of channels, whose normalisations take the middle of the range to 0."""


class Span(NamedTuple):
    """One axis: ``length`` source pixels from ``start`` on become ``out`` of ``total`` target pixels."""

    start: tf.Tensor
    length: tf.Tensor
    before: tf.Tensor
    """Target pixels of padding before the image."""
    out: tf.Tensor
    total: tf.Tensor


class Window(NamedTuple):
    """Which part of an image becomes which part of the crop."""

    rows: Span
    columns: Span
    flip: tf.Tensor
    """Scalar bool: left and right change places."""
    flip_vertical: tf.Tensor | None = None
    """Scalar bool: top and bottom change places; None where that is off."""
    turns: tf.Tensor | None = None
    """Scalar int32: quarter turns to the left, 0 to 3, of the padded crop; None where they are off."""


def draw(
    seed: tf.Tensor,
    size: tuple[tf.Tensor, tf.Tensor],
    crop_size: tuple[int, int] | None,
    augment: Augment,
    focus: tuple[tf.Tensor, tf.Tensor] | None = None,
) -> Window:
    """Draw scale, position, flips and quarter turns for one image.

    On each axis every position is equally likely: the window lies anywhere inside the image or, where the
    scaled image is smaller than the crop, the image lies anywhere inside the crop. There is no padding
    where the image is large enough.

    Args:
        seed: (2,) int64; the same seed gives the same window.
        size: The image's (height, width), pixels.
        crop_size: The crop's (height, width), pixels; None takes the whole scaled image.
        augment: The ranges.
        focus: Row and column of a pixel that must be in the window, anywhere in it with equal probability but
            for the image's edges; from `kerseg.augment.cropping`.

    Returns:
        The window, all its members scalar int32 tensors (flips: bool). Before an odd number of quarter turns
        it is as wide as the crop is high.

    Example:
        >>> window = draw((0, 1), (1024, 2048), (512, 512), Augment(scale=(0.5, 2.0)))
        >>> int(window.rows.out), int(window.columns.out)
        (512, 512)
    """
    scale = _draw_scale(seed, augment)
    height, width = crop_size or (None, None)
    turns = _draw_turns(seed, augment) if augment.quarter_turns else None
    if turns is not None and crop_size:
        odd = turns % 2 == 1
        height, width = tf.where(odd, width, height), tf.where(odd, height, width)
    row, column = focus or (None, None)
    return Window(
        rows=_draw_span(seed, "rows", size[0], height, scale, row),
        columns=_draw_span(seed, "columns", size[1], width, scale, column),
        flip=rng.chance(seed, "flip", augment.flip),
        flip_vertical=(
            rng.chance(seed, "flip_vertical", augment.flip_vertical) if augment.flip_vertical else None
        ),
        turns=turns,
    )


def resize_image(source: tf.Tensor, window: Window) -> tf.Tensor:
    """Resize the decoded window bilinearly and flip it.

    Args:
        source: (rows.length, columns.length, 3), any number type.
        window: From `draw`.

    Returns:
        (rows.out, columns.out, 3) float32, not yet padded.
    """
    # Not source[:, ::-1], which takes seven times as long (benchmarks/choices.py, flipped).
    source = _flipped(source, window.flip, 1)
    if window.flip_vertical is not None:
        source = _flipped(source, window.flip_vertical, 0)
    # Half-pixel centres and no antialiasing: the definition the papers' frameworks and OpenCV share.
    resized = tf.image.resize(source, [window.rows.out, window.columns.out], "bilinear")
    return tf.cast(resized, tf.float32)  # An unchanged size comes back in the source's type.


def resize_label(label: tf.Tensor, window: Window) -> tf.Tensor:
    """Cut the window out of the label, resize it to the nearest pixel and flip it.

    Args:
        label: (height, width), the whole image's label.
        window: From `draw`.

    Returns:
        (rows.out, columns.out), of the label's type, not yet padded; no value that is not in ``label``.
    """
    rows, columns = _nearest(window.rows), _nearest(window.columns)
    columns = _flipped(columns, window.flip, 0)
    if window.flip_vertical is not None:
        rows = _flipped(rows, window.flip_vertical, 0)
    return tf.gather(tf.gather(label, rows), columns, axis=1)


def pad(image: tf.Tensor, label: tf.Tensor, window: Window, ignore_label: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Place image and label in the crop, the image on `FILL` or `MIDDLE`, the label on the ignore label.

    Args:
        image: (rows.out, columns.out, 3) uint8, or of any channels in float32.
        label: (rows.out, columns.out) uint8.
        window: From `draw`.
        ignore_label: Padding of the label.

    Returns:
        (rows.total, columns.total, channels) and (rows.total, columns.total).
    """
    margins = [[span.before, span.total - span.out - span.before] for span in (window.rows, window.columns)]
    fill = fill_of(image)

    def padded() -> tuple[tf.Tensor, tf.Tensor]:
        # tf.pad knows one constant for all channels; uint8 wraps around, so the shift by FILL is exact.
        if image.dtype == tf.uint8:
            around = tf.pad(image - fill, [*margins, [0, 0]]) + fill
        else:
            inside = tf.pad(tf.ones_like(image[..., :1], tf.bool), [*margins, [0, 0]])
            around = tf.where(inside, tf.pad(image, [*margins, [0, 0]]), fill)
        return around, tf.pad(label, margins, constant_values=ignore_label)

    image, label = tf.cond(tf.reduce_any(tf.stack(margins) > 0), padded, lambda: (image, label))
    return image, label


def fill_of(image: tf.Tensor) -> tf.Tensor:
    """Return what pads an image (height, width, channels), in its type: `FILL` for RGB, else `MIDDLE`."""
    return tf.constant(FILL if image.shape[-1] == len(FILL) else MIDDLE, image.dtype)


def turn(image: tf.Tensor, label: tf.Tensor, window: Window) -> tuple[tf.Tensor, tf.Tensor]:
    """Turn the crop by the window's quarter turns, to the left as ``numpy.rot90`` does.

    Args:
        image: (rows.total, columns.total, 3).
        label: (rows.total, columns.total).
        window: From `draw`.

    Returns:
        (height, width, 3) and (height, width) of the crop that was asked for.
    """
    if window.turns is None:
        return image, label
    return tf.image.rot90(image, window.turns), tf.image.rot90(label[..., tf.newaxis], window.turns)[..., 0]


def _flipped(values: tf.Tensor, flip: tf.Tensor, axis: int) -> tf.Tensor:
    return tf.cond(flip, lambda: tf.reverse(values, [axis]), lambda: values)


def _draw_turns(seed: tf.Tensor, augment: Augment) -> tf.Tensor:
    turned = rng.chance(seed, "quarter_turns.probability", augment.quarter_turns)
    return tf.where(turned, 1 + rng.integer(seed, "quarter_turns", 3), 0)


def _draw_scale(seed: tf.Tensor, augment: Augment) -> tf.Tensor:
    low, high = augment.scale
    if augment.scale_step == 0.0:
        return rng.uniform(seed, "scale", low, high)
    # A millionth of a step forgives (2.0 - 0.5) / 0.1 = 14.999...
    steps = math.floor((high - low) / augment.scale_step + 1e-6)
    return low + augment.scale_step * tf.cast(rng.integer(seed, "scale", steps + 1), tf.float32)


def _draw_span(
    seed: tf.Tensor,
    name: str,
    size: tf.Tensor,
    crop: int | tf.Tensor | None,
    scale: tf.Tensor,
    focus: tf.Tensor | None,
) -> Span:
    size = tf.convert_to_tensor(size, tf.int32)
    scaled = _at_least_one(tf.cast(size, tf.float32) * scale)
    if crop is None:
        zero = tf.zeros_like(size)
        return Span(zero, size, zero, scaled, scaled)
    wanted = _at_least_one((crop if isinstance(crop, int) else tf.cast(crop, tf.float32)) / scale)
    length = tf.minimum(wanted, size)
    out = tf.where(wanted <= size, crop, tf.minimum(scaled, crop))
    # Room to move is either in the image or in the crop, never in both, so one draw serves.
    room, margin = size - length, crop - out
    position = rng.integer(seed, name, tf.maximum(room, margin) + 1)
    start = tf.minimum(position, room)
    if focus is not None:
        start = tf.clip_by_value(focus - rng.integer(seed, f"{name}.focus", length), 0, room)
    return Span(start, length, tf.minimum(position, margin), out, tf.convert_to_tensor(crop))


def _at_least_one(pixels: tf.Tensor) -> tf.Tensor:
    return tf.maximum(tf.cast(tf.floor(pixels + 0.5), tf.int32), 1)


def _nearest(span: Span) -> tf.Tensor:
    """Return the source index of each target pixel: the one that (i + 1/2) length / out falls into."""
    return span.start + (2 * tf.range(span.out) + 1) * span.length // (2 * span.out)
