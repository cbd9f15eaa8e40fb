"""What the tests of drawn labels share: labels written as letters, and conversion with all that came of it."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerseg.core.info import DatasetInfo
from kerseg.data.conversion.convert import convert
from kerseg.errors import DataError

HEIGHT, WIDTH = 4, 6


def draw_image(path: Path, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Write a PNG drawn from its own name; return its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(sum(path.name.encode()))
    pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def write_json(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def pixels(art: str) -> list[list[int]]:
    """Return the label of lines such as ``"..01"``: digits are classes, dots are ignored."""
    return [[255 if mark == "." else int(mark) for mark in row] for row in art.split()]


def convert_and_read(
    source: object, output: Path
) -> tuple[DatasetInfo, dict[str, dict[str, list[list[int]]]]]:
    """Convert; return dataset.json and split -> name -> label, as TensorFlow decodes it.

    That the images' bytes are kept is checked here."""
    import tensorflow as tf

    from kerseg.data.formats.records import parse

    info = convert(source, output=output, workers=1)
    pairs = source.splits()
    found: dict[str, dict[str, list[list[int]]]] = {}
    for split, entry in info.splits.items():
        found[split] = {}
        images = {pair.name: pair.image.read_bytes() for pair in pairs[split]}
        for shard in entry.shards:
            for serialized in tf.data.TFRecordDataset(str(output / shard.file)):
                fields = parse(serialized)
                name = fields["name"].numpy().decode()
                assert fields["image"].numpy() == images[name]
                label = tf.io.decode_png(fields["label"], channels=1)[..., 0]
                found[split][name] = label.numpy().tolist()
    return info, found


def label_of(source, name: str, split: str = "train") -> list[list[int]]:
    """Return the label that ``source`` reads for the image of this name."""
    (pair,) = (pair for pair in source.splits()[split] if pair.name == name)
    return source.read_label(pair.label).tolist()


def refusal(act, *arguments: object) -> str:
    """Return the message of the `DataError` or `ConfigError` that ``act(*arguments)`` raises."""
    with pytest.raises((DataError, ValueError)) as error:
        act(*arguments)
    return str(error.value)
