"""Writing tiny data sets in the layouts of the published ones, and reading back what `convert` made of them."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from kerseg.core.info import DatasetInfo
from kerseg.data.conversion.convert import convert
from kerseg.data.sources.base import Source

HEIGHT, WIDTH = 6, 8


def draw_image(path: Path, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Write an image drawn from its own name and return its pixels as they are read back."""
    random = np.random.default_rng(sum(path.name.encode()))
    return save(path, random.integers(0, 256, (height, width, 3), dtype=np.uint8))


def save(path: Path, pixels: np.ndarray, palette: list[int] | None = None) -> np.ndarray:
    """Write ``pixels``, with a palette if they are indices into one; return them as they are read back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette:
        image.putpalette(palette)
    image.save(path)
    with Image.open(path) as saved:
        return np.asarray(saved)


def values(*allowed: int, seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Return a label in which each of these values occurs."""
    pixels = np.resize(np.array(allowed, np.uint8), height * width)
    return np.random.default_rng(seed).permutation(pixels).reshape(height, width)


def mapped(pixels: np.ndarray, table: dict[int, int]) -> np.ndarray:
    """Return ``pixels`` with each value replaced by what ``table`` says."""
    return np.vectorize(table.__getitem__)(pixels).astype(np.uint8)


def lines(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names))
    return path


def converted(source: Source, folder: Path) -> tuple[DatasetInfo, dict[str, dict[str, np.ndarray]]]:
    """Convert with one worker; return the description and, for each split, name -> label as stored.

    That the images are stored as they are is checked here: a JPEG's bytes, another format's pixels.
    """
    import tensorflow as tf

    from kerseg.data.formats.records import parse

    info = convert(source, output=folder, workers=1)
    found: dict[str, dict[str, np.ndarray]] = {}
    for split, pairs in source.splits().items():
        files = {pair.name: pair.image for pair in pairs}
        found[split] = {}
        for shard in info.splits[split].shards:
            for serialized in tf.data.TFRecordDataset(str(folder / shard.file)):
                fields = parse(serialized)
                name = fields["name"].numpy().decode()
                raw = files[name].read_bytes()
                if fields["image"].numpy() != raw:
                    assert not str(files[name]).endswith(".jpg")
                    stored = tf.io.decode_image(fields["image"], channels=3).numpy()
                    expected = Image.open(io.BytesIO(raw)).convert("RGB")
                    np.testing.assert_array_equal(stored, np.asarray(expected))
                found[split][name] = tf.io.decode_png(fields["label"], channels=1).numpy()[..., 0]
    return info, found
