"""A sheet of augmented images with their labels: the work of `kerseg.preview`."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from kerseg import visualize
from kerseg.augment.options import Augment
from kerseg.core.signed_png import save_signed
from kerseg.data.reading.augmented import seeds
from kerseg.data.reading.pipeline import Dataset
from kerseg.data.reading.shards import Shards, as_written
from kerseg.visualize import IGNORE_COLOUR, RGBImage

REACH = 50
"""The images of a sheet are spread over the first so many times as many records: no more is read."""
CELL_HEIGHT = 192
"""Pixels."""

Cells = list[tuple[str, RGBImage]]
Record = tuple[np.int64, bytes]
"""Index in the split, and the record as it lies in its shard."""


class Original(NamedTuple):
    """An image as it is stored, before any crop."""

    name: str
    image: NDArray[np.uint8 | np.float32]
    label: NDArray[np.uint8]


def draw(
    data: Dataset,
    output: Path,
    *,
    augment: Augment,
    crop_size: tuple[int, int],
    batch_size: int,
    count: int,
    draws: int,
    split: str,
    seed: int,
    software: str,
) -> None:
    """Draw a sheet; arguments and errors are those of `kerseg.preview`.

    Args:
        data: The data set.
        output: PNG file to write.
        augment: What is drawn at random.
        crop_size: (height, width) of the crops, pixels.
        batch_size: Crops that mix with one another.
        count: Images, spread over the first records of the split.
        draws: Crops of each.
        split: Which part of the data set.
        seed: Seed of the augmentation.
        software: What the file says that it was written by.
    """
    with data.naming_damage(split):
        records = _spread(Shards(data.folder, data.info, split), count)
        mixed_among = min(batch_size, max(len(records), 2))
        crops = list(_crops(data, records, split, crop_size, mixed_among, augment, seed, draws))
        rows = [
            _row(data, original, crops[place :: len(records)])
            for place, original in enumerate(_originals(data, records, split))
        ]
    present = np.unique(np.concatenate([np.unique(label) for _, label in crops])).tolist()
    known = [value for value in present if value != data.info.ignore_label]
    entries = [(data.info.class_names[value], data.info.palette[value]) for value in known]
    entries += [] if known == present else [("ignored", IGNORE_COLOUR)]
    save_signed(visualize.contact_sheet(rows, entries), output, software)


def _spread(shards: Shards, count: int) -> list[Record]:
    """Return (index, record) of ``count`` images, or of all if there are no more."""
    total = sum(shards.counts)
    count = min(count, total)
    wanted = np.linspace(0, min(total, REACH * count) - 1, count).round().astype(np.int64)
    found = shards.in_order().take(wanted[-1] + 1).filter(lambda index, _: tf.reduce_any(index == wanted))
    return list(found.as_numpy_iterator())


def _originals(data: Dataset, records: list[Record], split: str) -> Iterator[Original]:
    shards = Shards(data.folder, data.info, split)
    for index, record in records:
        found = shards.decoded(tf.constant(index), tf.constant(record))
        yield Original(found["name"].numpy().decode(), found["image"].numpy(), found["label"].numpy())


def _crops(
    data: Dataset,
    records: list[Record],
    split: str,
    crop_size: tuple[int, int],
    batch_size: int,
    augment: Augment,
    seed: int,
    draws: int,
) -> Iterator[tuple[RGBImage, RGBImage]]:
    """Yield the crops of all images in epoch 0, then those in epoch 1, and so on."""
    indices, serialized = (list(column) for column in zip(*records, strict=True))
    of_epoch = tf.data.Dataset.from_tensor_slices((np.array(indices, np.int64), serialized))

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        own_seed = seeds(seed, number)
        return of_epoch.map(as_written(lambda index, record: (own_seed(index), index, record)))

    examples = tf.data.Dataset.range(draws).flat_map(as_written(epoch))
    augmenter = data.augmenter(split, crop_size, batch_size, augment)
    for images, labels in augmenter.batches(examples, drop_remainder=False).as_numpy_iterator():
        yield from zip(images, labels, strict=True)


def _row(data: Dataset, original: Original, crops: list[tuple[RGBImage, RGBImage]]) -> Cells:
    cells = _pair(data, original.name, original.image, original.label)
    for epoch, (image, label) in enumerate(crops):
        cells += _pair(data, f"epoch {epoch}", image, label)
    return cells


def _pair(
    data: Dataset, caption: str, pixels: NDArray[np.uint8 | np.float32], label: NDArray[np.uint8]
) -> Cells:
    info = data.info
    image = visualize.as_rgb(pixels, info.channels.names if info.channels else ())
    shown = visualize.overlay(image, label, info.palette, alpha=0.6, ignore_label=info.ignore_label)
    shown[label == info.ignore_label] = IGNORE_COLOUR
    return [(caption, _resized(image)), ("label", _resized(shown))]


def _resized(image: RGBImage) -> RGBImage:
    height, width = image.shape[:2]
    size = max(1, round(width * CELL_HEIGHT / height)), CELL_HEIGHT
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
