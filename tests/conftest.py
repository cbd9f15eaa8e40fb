"""What several test files need: a tiny data set, as `kerseg convert` would have written it."""

import hashlib
import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
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


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted data set: 10 training and 4 validation pairs of 32x40, three classes and ignored pixels."""
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny") / "data")


@pytest.fixture(scope="session")
def unbroken(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three epochs on it; read only."""
    import kerseg
    from tiny_runs import OPTIONS

    output = tmp_path_factory.mktemp("runs") / "unbroken"
    assert kerseg.train(data_dir=tiny_data, output=output, **OPTIONS).finished
    return output


@pytest.fixture
def copied(unbroken: Path, tmp_path: Path) -> Path:
    """A copy of the run, to do harm to."""
    return Path(shutil.copytree(unbroken, tmp_path / "copied"))


@pytest.fixture(scope="session")
def clean_streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw tree of streets as kerseg draws them: 24 training and 12 validation pairs of 64x96; read only."""
    from kerseg import street

    folder = tmp_path_factory.mktemp("clean") / "streets"
    street.draw(folder, train=24, val=12, size=(64, 96))
    return folder


@pytest.fixture
def streets(clean_streets: Path, tmp_path: Path) -> Path:
    """A copy of it, to plant faults in."""
    return Path(shutil.copytree(clean_streets, tmp_path / "streets"))


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the doctor do its workers' work in this process: starting one takes most of a second."""
    from kerseg.data import doctor
    from kerseg.data.doctor import mending

    @contextmanager
    def here(function: Callable[[Any], Any], items: Any, *, workers: int) -> Iterator[Iterator[Any]]:
        yield ((item, function(item)) for item in items)

    for module in (doctor, mending):
        monkeypatch.setattr(module, "map_in_order", here)
