"""What it costs to stretch scores over an image that is not k x stride + 1 pixels, and what padding it gives back.

    python benchmarks/geometry.py [--labels FOLDER] [--seeds 3] [--epochs 6] [--json FILE]

Two tables. With perfect features, from labels alone: each feature knows how much of the pixels around its centre is
of which class, and nothing is wrong but where scores are put. And trained: a narrow DeepLab v3 on the streets that
kerseg draws, with ``pad=False`` and with ``pad=True``, from the same weights, in the same order, for several seeds.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image

import kept
import kerseg

STRIDES = (8, 16)
SIZE, TRAIN, VAL, BATCH = (96, 144), 480, 160, 8
"""Of the streets: neither side is 16k + 1."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--labels", type=Path, help="folder of PNG labels of class indices, of one size")
    parser.add_argument("--void", type=int, default=11, help="label that is no class (default: 11, CamVid's)")
    parser.add_argument("--seeds", type=int, default=3, help="0 trains nothing (default: 3)")
    parser.add_argument("--epochs", type=int, default=6, help="of each training (default: 6)")
    kept.add_option(parser, "geometry")
    options, began = parser.parse_args(), kept.environment()
    rows = []
    for row in measured(options):
        rows.append(row)
        kept.write(options, began, rows)
    print_tables(rows)


def measured(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield one row a figure."""
    if options.labels:
        yield from perfect(options.labels, options.void)
    if options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            yield from trained(Path(folder), options.seeds, options.epochs)


def perfect(folder: Path, void: int) -> Iterator[dict[str, Any]]:
    """Yield the mean IoU of labels that are averaged around each feature and enlarged as a model's scores are."""
    from kerseg.metrics.confusion import ConfusionMatrix

    labels = [np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))]
    names = [str(index) for index in range(void)]
    for stride in STRIDES:
        for pad in (False, True):
            counted = ConfusionMatrix(void, ignore_label=void)
            for label in labels:
                counted.update(label, enlarged(label, void, stride, pad=pad))
            score = counted.scores(names).mean_iou
            yield {"what": "perfect", "stride": stride, "pad": pad, "mean_iou": score, "images": len(labels)}


def enlarged(label: np.ndarray, classes: int, stride: int, *, pad: bool) -> np.ndarray:
    """Return the best classes of scores that are right around each pixel ``(stride i, stride j)``."""
    import keras
    from scipy.ndimage import uniform_filter

    from kerseg.layers.resize import resize

    height, width = label.shape
    if pad:  # to k x stride + 1, with what is no class
        label = np.pad(label, [(0, (1 - size) % stride) for size in label.shape], constant_values=classes)
    one_hot = np.eye(classes + 1, dtype="float32")[label][..., :classes]
    shares = uniform_filter(one_hot, (stride + 1, stride + 1, 0), mode="constant")[::stride, ::stride]
    logits = keras.ops.convert_to_numpy(resize(shares[None], *label.shape, align_corners=True))[0]
    return logits[:height, :width].argmax(-1)


def trained(folder: Path, seeds: int, epochs: int) -> Iterator[dict[str, Any]]:
    """Yield the validation scores of one training a seed and kind of padding."""
    data = streets(folder)
    for seed in range(seeds):
        for pad in (False, True):
            start, run = time.monotonic(), folder / f"{seed}-{pad}"
            kerseg.train(
                data_dir=data,
                output=run,
                model="deeplab_v3",
                model_options={"backbone": "resnet50", "width": 16, "pad": pad},
                crop_size=SIZE,
                batch_size=BATCH,
                epochs=epochs,
                learning_rate=0.003,
                class_weights="enet",
                augment={"flip": 0.5, "brightness": 0.1},
                previews=0,
                seed=seed,
            )
            scores = kerseg.evaluate(run, data)
            yield {
                "what": "trained",
                "seed": seed,
                "pad": pad,
                "mean_iou": scores.mean_iou,
                "iou": dict(zip(scores.class_names, scores.iou, strict=True)),
                "seconds": round(time.monotonic() - start, 1),
            }


def streets(folder: Path) -> Path:
    """Draw the streets, convert them, and return the data's folder."""
    from kerseg import street
    from kerseg.data.sources.folder import Folder

    raw, data = folder / "raw", folder / "data"
    street.draw(raw, train=TRAIN, val=VAL, size=SIZE)
    paths = {
        f"{split}_{kind}_path": raw / split / f"{kind}s"
        for split in ("train", "val")
        for kind in ("image", "label")
    }
    kerseg.convert(Folder(**paths, palette=(str(raw / street.CLASSES_FILE),)), output=data)
    return data


def print_tables(rows: list[dict[str, Any]]) -> None:
    """Print what was measured, in percent."""
    scores = {
        what: [
            [100 * row["mean_iou"] for row in rows if row["what"] == what and row["pad"] == pad]
            for pad in (0, 1)
        ]
        for what in ("perfect", "trained")
    }
    for what, (stretched, padded) in scores.items():
        if not padded:
            continue
        print(f"\n| {what} | stretched | padded | gain |\n|---|---:|---:|---:|")
        names = [f"seed {seed}" for seed in range(len(padded))]
        if what == "perfect":
            names = [f"stride {stride}" for stride in STRIDES]
        gains = [after - before for before, after in zip(stretched, padded, strict=True)]
        for name, before, after, gain in zip(names, stretched, padded, gains, strict=True):
            print(f"| {name} | {before:.1f} | {after:.1f} | {gain:+.1f} |")
        if what == "trained" and len(padded) > 1:
            cells = [
                f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"
                for values in (stretched, padded, gains)
            ]
            print(f"| mean ± deviation | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
