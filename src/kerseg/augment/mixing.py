"""Copy-paste, mosaic, ClassMix and CutMix: examples mixed with others of their batch.

Each says which pixels of an example another one of the batch takes, image and label, at their own place: the crops
are random windows already, and what is usually at the top of an image stays there. Whether, with whom and where
follows from the example's own seed, so a batch of the same members is mixed the same way on every run. Those
whose partner has nothing to give stay as they are.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from kerseg.augment import rng
from kerseg.augment.options import Augment


class Values(NamedTuple):
    """What label values stand for."""

    rare: NDArray[np.bool_]
    """(256,): whether a value is a rare class, for copy-paste."""
    ignored: int
    """The ignore label."""


Masks = list[tf.Tensor]
"""For each partner in turn, (height, width) bool: the pixels that it takes."""


def copy_paste(seed: tf.Tensor, partners: tf.Tensor, values: Values) -> Masks:
    """Paste all pixels of the partner's rare classes.

    Source: Ghiasi et al. 2021, Simple Copy-Paste (https://arxiv.org/abs/2012.07177), which pastes a random subset
    of an image's objects. A semantic label has no objects, so whole classes are pasted: the rare ones, which
    gain most by it. Scale jitter and flip, which the paper gives both images first, are those of the crops.

    Args:
        seed: (2,) int64, the example's; unused.
        partners: (1, height, width) uint8, the label of the partner.
        values: The rare classes.
    """
    return [tf.gather(values.rare, tf.cast(partners[0], tf.int32))]


def mosaic(seed: tf.Tensor, partners: tf.Tensor, values: Values) -> Masks:
    """Make three of the four parts around a random centre those of three partners.

    Source: Bochkovskiy et al. 2020, YOLOv4, section 3.3 (https://arxiv.org/abs/2004.10934). The centre is drawn
    from the middle half of each axis; the part above it on the left stays the example's own.

    Args:
        seed: (2,) int64, the example's.
        partners: (3, height, width) uint8, the labels of the partners.
        values: Unused.
    """
    height, width = _size(partners)
    below = tf.range(height) >= _share(rng.uniform(seed, "mosaic.row", 0.25, 0.75), height)
    right = tf.range(width) >= _share(rng.uniform(seed, "mosaic.column", 0.25, 0.75), width)
    below = below[:, tf.newaxis]
    return [~below & right, below & ~right, below & right]


def classmix(seed: tf.Tensor, partners: tf.Tensor, values: Values) -> Masks:
    """Paste the pixels of half of the partner's classes, drawn at random; of an odd number, the smaller half.

    Source: Olsson et al. 2021, ClassMix, section 3.1 (https://arxiv.org/abs/2007.07936), with the true label in
    place of the predicted one.

    Args:
        seed: (2,) int64, the example's.
        partners: (1, height, width) uint8, the label of the partner.
        values: The ignore label, which is no class.
    """
    label = tf.cast(partners[0], tf.int32)
    counts = tf.math.bincount(tf.reshape(label, [-1]), minlength=256, maxlength=256)
    present = (counts > 0) & (tf.range(256) != values.ignored)
    # In order of a random number: those that are there come first, and of them half is taken.
    place = tf.where(present, rng.uniform(seed, "classmix.classes", 0.0, 1.0, [256]), 2.0)
    rank = tf.argsort(tf.argsort(place))
    taken = present & (rank < tf.reduce_sum(tf.cast(present, tf.int32)) // 2)
    return [tf.gather(taken, label)]


def cutmix(seed: tf.Tensor, partners: tf.Tensor, values: Values) -> Masks:
    """Paste a rectangle of the crop's proportions, its middle anywhere, cut off at the edges.

    Source: Yun et al. 2019, CutMix, eq. 2 (https://arxiv.org/abs/1905.04899): it covers a share 1 - lambda of the
    crop, with lambda drawn evenly from 0 to 1.

    Args:
        seed: (2,) int64, the example's.
        partners: (1, height, width) uint8, the label of the partner.
        values: Unused.
    """
    side = tf.sqrt(1.0 - rng.uniform(seed, "cutmix.lambda", 0.0, 1.0))
    rows, columns = (
        tf.abs(
            tf.cast(tf.range(size), tf.float32)
            + 0.5
            - rng.uniform(seed, f"cutmix.{axis}", 0.0, 1.0) * tf.cast(size, tf.float32)
        )
        < side * tf.cast(size, tf.float32) / 2.0
        for axis, size in zip(("row", "column"), _size(partners), strict=True)
    )
    return [rows[:, tf.newaxis] & columns]


class Mix(NamedTuple):
    """One kind of mixing."""

    masks: Callable[[tf.Tensor, tf.Tensor, Values], Masks]
    """The example's seed, the partners' labels and what these mean -> what each partner takes."""
    partners: int = 1


TABLE: dict[str, Mix] = {
    "copy_paste": Mix(copy_paste),
    "mosaic": Mix(mosaic, partners=3),
    "classmix": Mix(classmix),
    "cutmix": Mix(cutmix),
}
"""In the order they are applied; the name is also that of the probability in `Augment`, and of the random draw."""


def is_on(augment: Augment) -> bool:
    """Return whether examples of a batch are to be mixed."""
    return any(getattr(augment, name) for name in TABLE)


def mix(
    images: tf.Tensor, labels: tf.Tensor, seeds: tf.Tensor, augment: Augment, values: Values
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mix the examples of a batch by each kind that is on, each with its probability.

    Args:
        images: (batch, height, width, channels).
        labels: (batch, height, width) uint8.
        seeds: (batch, 2) int64, those of the examples; the same batch with the same seeds is mixed alike.
        augment: The probabilities; one that is 0 costs nothing.
        values: The rare classes and the ignore label.

    Returns:
        Images and labels of the same shapes. A batch of one comes back as it is.

    Example:
        >>> mixed, _ = mix(images, labels, seeds, Augment(cutmix=0.5), Values(np.zeros(256, bool), 255))
        >>> mixed.shape == images.shape
        True
    """
    for name, kind in TABLE.items():
        if probability := getattr(augment, name):
            images, labels = _mixed(name, kind, images, labels, seeds, probability, values)
    return images, labels


def _mixed(
    name: str,
    kind: Mix,
    images: tf.Tensor,
    labels: tf.Tensor,
    seeds: tf.Tensor,
    probability: float,
    values: Values,
) -> tuple[tf.Tensor, tf.Tensor]:
    count = tf.shape(labels)[0]

    def example(place: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image, label = images[place], labels[place]

        def changed() -> tuple[tf.Tensor, tf.Tensor]:
            others = _partners(seed, name, kind.partners, place, count)
            mixed_image, mixed_label = image, label
            masks = kind.masks(seed, tf.gather(labels, others), values)
            for other, mask in zip(tf.unstack(others), masks, strict=True):
                mixed_image = tf.where(mask[..., tf.newaxis], images[other], mixed_image)
                mixed_label = tf.where(mask, labels[other], mixed_label)
            return mixed_image, mixed_label

        happens = (count > 1) & rng.chance(seed, f"{name}.probability", probability)
        result: tuple[tf.Tensor, tf.Tensor] = tf.cond(happens, changed, lambda: (image, label))
        return result

    mixed_images, mixed_labels = tf.map_fn(
        lambda each: example(*each),
        (tf.range(count), seeds),
        fn_output_signature=(images.dtype, labels.dtype),
    )
    return tf.ensure_shape(mixed_images, images.shape), tf.ensure_shape(mixed_labels, labels.shape)


def _partners(seed: tf.Tensor, name: str, number: int, place: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Return (number,) places of others in the batch, each drawn evenly from all others."""
    steps = [
        1 + rng.integer(seed, f"{name}.partner{which}", tf.maximum(count - 1, 1)) for which in range(number)
    ]
    return (place + tf.stack(steps)) % count


def _size(partners: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    shape = tf.shape(partners)
    return shape[1], shape[2]


def _share(share: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    return tf.cast(share * tf.cast(size, tf.float32) + 0.5, tf.int32)
