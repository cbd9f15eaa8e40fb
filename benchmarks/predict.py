"""What `kerseg predict` costs beside the network: reading, colours, legend, PNG, polygons.

    python benchmarks/predict.py [--images DIR] [--count 100] [--json results.json]

The network is left out: a stand-in gives the true labels of CamVid (``--images`` is its val as downloaded, its
labels beside it) at once. CPU is the processor time of all threads of the process, the start of Keras not counted.
The parts are timed alone, one after the other, in one thread; the whole runs as the verb runs it, reading ahead and
writing behind.
"""

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

import kept

CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
KINDS: dict[str, tuple[str, ...]] = {
    "the default: index, colour, overlay": ("index", "colour", "overlay"),
    "index": ("index",),
    "polygons (COCO)": ("polygons",),
    "probabilities": ("probabilities",),
}


def whole(images: list[Path], kinds: tuple[str, ...]) -> tuple[float, float]:
    """Return the processor and wall time of an image, in ms."""
    import keras

    from kerseg.inference import prediction
    from kerseg.inference.segmenter import Segmenter

    labels = {path: label_of(path) for path in images}
    odds = np.eye(len(CLASSES), dtype=np.float32)[labels[images[0]]]
    turn = iter(images)

    def both(self: Segmenter, pixels: np.ndarray, wanted: bool) -> tuple[np.ndarray, list[np.ndarray | None]]:
        return labels[next(turn)][np.newaxis], [odds if wanted else None]

    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(len(CLASSES), 1)(image))
    original, Segmenter.both = Segmenter.both, both
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            cpu, wall = time.process_time(), time.perf_counter()
            prediction.predict(model, images, output=folder, save=kinds)
            return (
                (time.process_time() - cpu) / len(images) * 1e3,
                (time.perf_counter() - wall) / len(images) * 1e3,
            )
    finally:
        Segmenter.both = original


def label_of(path: Path) -> np.ndarray:
    label = np.array(Image.open(path.parent.with_name(f"{path.parent.name}annot") / path.name))
    label[label >= len(CLASSES)] = 3
    return label


def parts(path: Path) -> dict[str, float]:
    """Return the processor time of each part for one image, in ms."""
    from kerseg import visualize
    from kerseg.core.info import default_palette
    from kerseg.core.png import encode
    from kerseg.data.formats.outlines import outlines
    from kerseg.inference.images import read_image

    palette, label, image = default_palette(len(CLASSES)), label_of(path), read_image(path)
    colours = visualize.colourise(label, palette)
    mixed = visualize.overlay(image, label, palette)
    framed = np.asarray(visualize.with_legend(mixed, label, palette, CLASSES))

    def by_pillow() -> None:
        Image.fromarray(framed).save(io.BytesIO(), "PNG", compress_level=1)

    return {
        "read": clocked(lambda: read_image(path)),
        "colours": clocked(lambda: visualize.colourise(label, palette)),
        "overlay": clocked(lambda: visualize.overlay(image, label, palette)),
        "legend": clocked(lambda: visualize.with_legend(mixed, label, palette, CLASSES)),
        "PNG of the index": clocked(lambda: encode(label)),
        "PNG of the colours": clocked(lambda: encode(colours)),
        "PNG of the overlay": clocked(lambda: encode(framed)),
        "PNG of the overlay by Pillow, level 1": clocked(by_pillow),
        "outlines": clocked(lambda: outlines(label)),
    }


def clocked(function: Callable[[], object]) -> float:
    function()
    times = []
    for _ in range(5):
        cpu = time.process_time()
        function()
        times.append(time.process_time() - cpu)
    return min(times) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, default=Path("../shared/datasets/camvid/val"))
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    kept.add_option(parser, "predict")
    options, began = parser.parse_args(), kept.environment()
    images = sorted(options.images.glob("*.png"))[: options.count]
    whole(images[:2], KINDS["polygons (COCO)"])  # which imports
    rows = [("part", name, value, None) for name, value in parts(images[0]).items()]
    for name, kinds in KINDS.items():
        found = [whole(images, kinds) for _ in range(options.rounds)]
        rows.append(("whole", name, *(statistics.median(values) for values in zip(*found, strict=True))))
    columns = ("kind", "what", "cpu_ms", "wall_ms")
    kept.write(options, began, [dict(zip(columns, row, strict=True)) for row in rows])
    print("| | what | CPU ms an image | ms an image |\n|---|---|---:|---:|")
    for kind, name, cpu, wall in rows:
        print(f"| {kind} | {name} | {cpu:.1f} | {'' if wall is None else format(wall, '.1f')} |")


if __name__ == "__main__":
    main()
