"""What measuring costs beside predicting: each metric, on images of CamVid's size, beside U-Net and ENet.

    python benchmarks/measuring.py

CPU time of all threads, the median over the images, because a metric runs in one thread and a network in all.
Images are those of CamVid val as converted, given with --data-dir, else drawn; predictions are the labels moved
by three pixels, with a tenth of their regions given another class.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import ndimage

import kept
import kerseg
from kerseg.metrics import ALWAYS, METRICS, Meter, choose
from kerseg.metrics.confusion import count
from kerseg.metrics.measure import Observation
from kerseg.metrics.meter import label_checksum, measures

CLASSES = 11
NAMES = tuple(f"class {index}" for index in range(CLASSES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, help="converted CamVid")
    parser.add_argument("--images", type=int, default=20)
    kept.add_option(parser, "measuring")
    options, environment = parser.parse_args(), kept.environment()
    pairs = read(options.data_dir, options.images) if options.data_dir else draw(options.images)
    networks = {name: prediction(name, [image for image, _ in pairs][:4]) for name in ("unet", "enet")}
    found = {"confusion matrix and checksum": cost(pairs, lambda pair: counted(*pair))}
    for name in METRICS:
        metric = METRICS.load(name)
        if metric.needs == "counts":
            continue
        observations = [observed(label, guessed(label)) for _, label in pairs]
        metric(observations[0])  # tables are made once
        found[name] = cost(observations, metric)
    meter = Meter(NAMES, choose())
    for _ in range(5):
        for index, (_, label) in enumerate(pairs):
            meter.add(str(index), label, guessed(label))
    began = time.process_time()
    measures(meter.measurements(), choose())
    intervals = time.process_time() - began
    table = Table("what", "CPU ms an image", *(f"% of {name}" for name in networks))
    for name, seconds in [*networks.items(), *found.items()]:
        table.add_row(
            name, f"{1000 * seconds:.2f}", *(f"{100 * seconds / other:.2f}" for other in networks.values())
        )
    Console().print(table)
    print(
        f"intervals of {len(ALWAYS)} metrics with all their parts, {5 * len(pairs)} images: {intervals:.2f} s once"
    )
    rows = [{"what": name, "cpu_ms": 1000 * seconds} for name, seconds in (networks | found).items()]
    kept.write(options, environment, [*rows, {"what": "intervals", "cpu_ms": 1000 * intervals}])


def counted(image: np.ndarray, label: np.ndarray) -> None:
    count(label, label, CLASSES)
    label_checksum(label)


def read(folder: Path, images: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return images and labels of the validation split."""
    examples = kerseg.data.load(folder).examples("val").take(images)
    return [(example["image"], example["label"]) for example in examples.as_numpy_iterator()]


def draw(images: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return images and labels of blobs, 360 x 480."""
    random = np.random.default_rng(0)
    pairs = []
    for _ in range(images):
        noise = ndimage.gaussian_filter(random.normal(size=(CLASSES, 360, 480)), (0, 12, 12))
        label = noise.argmax(axis=0).astype(np.uint8)
        label[random.random(label.shape) < 0.02] = 255
        pairs.append((random.integers(0, 256, (360, 480, 3), np.uint8), label))
    return pairs


def guessed(label: np.ndarray) -> np.ndarray:
    """Return a plausible prediction of a label."""
    random = np.random.default_rng(0)
    moved = np.roll(np.where(label == 255, 0, label), 3, axis=1)
    wrong = ndimage.gaussian_filter(random.normal(size=label.shape), 4) > 0.09
    return np.where(wrong, (moved + 1) % CLASSES, moved).astype(np.uint8)


def observed(label: np.ndarray, guess: np.ndarray) -> Observation:
    chances = np.eye(CLASSES, dtype=np.float32)[guess] * 0.8 + 0.2 / CLASSES
    return Observation(count(label, guess, CLASSES), NAMES, label, guess, chances)


def cost(items: list[Any], function: Callable[[Any], Any]) -> float:
    """Return the median CPU seconds of a call."""
    seconds = []
    for item in items:
        began = time.process_time()
        function(item)
        seconds.append(time.process_time() - began)
    return statistics.median(seconds)


def prediction(name: str, images: list[np.ndarray]) -> float:
    """Return the median CPU seconds of predicting an image, on all threads."""
    from kerseg.inference.predictor import Predictor

    predictor = Predictor(kerseg.models.build(name, num_classes=CLASSES))
    predictor(images[0][None])
    return cost(images, lambda image: predictor(image[None]))


if __name__ == "__main__":
    main()
