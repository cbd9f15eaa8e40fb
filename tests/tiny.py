"""A data set of tiny images, as `kerseg convert` would have written it, drawn from numbers."""

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

from kerseg.core.info import DatasetInfo, Shard, Split

TINY_CLASSES = ("ground", "box", "ball")
TINY_PALETTE = ((128, 128, 128), (192, 0, 0), (0, 128, 192))


def png(array: np.ndarray) -> bytes:
    """Return ``array`` as the bytes of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def tiny_pair(index: int, height: int = 32, width: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Return an image (height, width, 3) and its label: a box or a ball on noisy ground, an ignored row."""
    random = np.random.default_rng(index)
    label = np.zeros((height, width), np.uint8)
    kind = 1 + index % 2
    rows, columns = np.mgrid[:height, :width]
    top, left = random.integers(2, height // 2), random.integers(2, width // 2)
    if kind == 1:
        label[top : top + 12, left : left + 14] = 1
    else:
        label[(rows - top - 6) ** 2 + (columns - left - 6) ** 2 < 40] = 2
    image = np.array(TINY_PALETTE, np.float64)[label] + random.normal(0, 12, (height, width, 3))
    label[-1] = 255
    return image.clip(0, 255).astype(np.uint8), label


def write_tiny_dataset(folder: Path, *, train: int = 10, val: int = 4) -> Path:
    """Write a converted data set of tiny pairs and return its folder."""
    import tensorflow as tf

    from kerseg.data.formats.records import Record, serialize

    folder.mkdir(parents=True)
    splits = {}
    for name, first, count in (("train", 0, train), ("val", 100, val)):
        file = folder / f"{name}-00000-of-00001.tfrecord"
        pixels, image_pixels, ignored = np.zeros(3, int), np.zeros(3, int), 0
        with tf.io.TFRecordWriter(str(file)) as writer:
            for index in range(first, first + count):
                image, label = tiny_pair(index)
                height, width = label.shape
                record = Record(f"{index:03d}", png(image), "png", height, width, 3, png(label))
                writer.write(serialize(record))
                counts = np.bincount(label.ravel(), minlength=256)
                pixels += counts[:3]
                image_pixels += np.where(counts[:3] > 0, counts[:3].sum(), 0)
                ignored += int(counts[255])
        data = file.read_bytes()
        shard = Shard(file.name, count, len(data), hashlib.sha256(data).hexdigest())
        splits[name] = Split((shard,), tuple(pixels.tolist()), tuple(image_pixels.tolist()), ignored)
    DatasetInfo("tiny", TINY_CLASSES, TINY_PALETTE, splits).save(folder)
    return folder
