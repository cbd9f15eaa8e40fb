"""A data set as a notebook shows it: splits, classes, and a few labelled images."""

import io
from collections.abc import Iterable, Mapping
from typing import Any

from PIL import Image

from kerseg.core import notebook
from kerseg.core.info import DatasetInfo
from kerseg.visualize import as_rgb, overlay

IMAGES = 4
WIDTH = 220
"""Of an image, pixels."""


def shown(info: DatasetInfo, examples: Iterable[Mapping[str, Any]]) -> str:
    """Return HTML.

    Args:
        info: What the data set says of itself.
        examples: With ``name``, ``image`` and ``label``; the first few are shown.
    """
    splits = notebook.table(
        ["split", "images", "shards"],
        [(name, split.records, len(split.shards)) for name, split in info.splits.items()],
        title=f"{info.name}: {info.num_classes} classes, {info.channels or 'RGB'}",
    )
    totals = {name: sum(split.class_pixels) for name, split in info.splits.items() if split.class_pixels}
    rows = [
        (
            name,
            *(
                100 * info.splits[split].class_pixels[index] / max(1, total)
                for split, total in totals.items()
            ),
        )
        for index, name in enumerate(info.class_names)
    ]
    return (
        splits
        + notebook.table(["class", *(f"{split} %" for split in totals)], rows)
        + _images(info, examples)
    )


def _images(info: DatasetInfo, examples: Iterable[Mapping[str, Any]]) -> str:
    drawn = ""
    for _, example in zip(range(IMAGES), examples, strict=False):
        pixels = as_rgb(example["image"], info.channels.names if info.channels else ())
        mixed = overlay(pixels, example["label"], info.palette, alpha=0.5, ignore_label=info.ignore_label)
        image = Image.fromarray(mixed)
        image.thumbnail((2 * WIDTH, 2 * WIDTH))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85)
        drawn += notebook.image(
            buffer.getvalue(), "jpeg", width=WIDTH, caption=example["name"].decode("utf-8", "replace")
        )
    return drawn
