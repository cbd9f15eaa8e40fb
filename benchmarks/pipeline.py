"""Training crops a second: kerseg, tf.data as it is usually written, albumentations + PyTorch's DataLoader.

    pip install 'kerseg[benchmark]'
    python benchmarks/pipeline.py

Draws street-like 2048x1024 images (JPEG of about 450 KB, label PNG of about 85 KB) into a temporary folder,
then lets each contender make 512x512 crops of them, scaled by 0.5 to 2 and flipped, without and with colour
distortion. Each contender has a process of its own and two workers (kerseg and tf.data: as many threads as
there are cores); they take turns, so that whatever else the machine does meets all of them, and the table has
the median of the rounds. A round is timed from asking for the first batch to holding the last. CPU is the
processor time of the contender and its workers.
"""

import argparse
import io
import multiprocessing as mp
import os
import statistics
import tempfile
import time
from collections.abc import Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

import kept

HEIGHT, WIDTH, CROP, BATCH, CLASSES, SHARDS, WORKERS = 1024, 2048, 512, 8, 19, 4, 2
SCALE = (0.5, 2.0)
COLOUR = {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.05}
FILL = (124, 117, 104)


def draw(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return an image (height, width, 3) and its label (height, width): large regions, fine texture."""
    import cv2

    def field(cell: int, channels: int) -> np.ndarray:
        coarse = rng.normal(size=(HEIGHT // cell + 1, WIDTH // cell + 1, channels)).astype(np.float32)
        planes = [cv2.resize(c, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) for c in cv2.split(coarse)]
        return np.dstack(planes)

    label = field(64, CLASSES).argmax(-1).astype(np.uint8)
    image = 128 + rng.normal(0, 35, (CLASSES, 3))[label]
    for cell, strength in ((128, 40), (32, 18), (8, 10), (3, 7)):
        image = image + strength * (0.6 * field(cell, 1) + 0.4 * field(cell, 3))
    label[-60:] = 255
    return np.clip(image, 0, 255).astype(np.uint8), label


def write(folder: Path, images: int, passes: int) -> None:
    """Write the images as files, and as a kerseg data set in which each occurs ``passes`` times."""
    import tensorflow as tf
    from PIL import Image

    from kerseg.core.info import DatasetInfo, Shard, Split
    from kerseg.data.formats.records import Record, encode_label, serialize

    writers = [tf.io.TFRecordWriter(str(folder / f"train-{n}.tfrecord")) for n in range(SHARDS)]
    for number in range(images):
        image, label = draw(np.random.default_rng(number))
        encoded = io.BytesIO()
        Image.fromarray(image).save(encoded, "JPEG", quality=90)
        (folder / f"{number:03d}.jpg").write_bytes(encoded.getvalue())
        Image.fromarray(label).save(folder / f"{number:03d}.png")
        record = Record(str(number), encoded.getvalue(), "jpeg", HEIGHT, WIDTH, 3, encode_label(label))
        for repeat in range(passes):
            writers[(number + repeat) % SHARDS].write(serialize(record))
    for writer in writers:
        writer.close()
    paths = sorted(folder.glob("*.tfrecord"))
    counts = [sum((n + r) % SHARDS == s for n in range(images) for r in range(passes)) for s in range(SHARDS)]
    shards = [Shard(p.name, count, p.stat().st_size, "") for p, count in zip(paths, counts, strict=True)]
    names = tuple(f"class {c}" for c in range(CLASSES))
    split = Split(tuple(shards), (0,) * CLASSES, (0,) * CLASSES)
    DatasetInfo("synthetic", names, ((0, 0, 0),) * CLASSES, {"train": split}).save(folder)


# The contenders: each returns something that gives a pass of (image, label) batches whenever it is iterated.


def kerseg(folder: Path, files: list[Path], colour: bool) -> Iterable[Any]:
    import kerseg.data
    from kerseg.config import Augment

    augment = Augment(scale=SCALE, **(COLOUR if colour else {}))
    return kerseg.data.load(folder).train(crop_size=(CROP, CROP), batch_size=BATCH, augment=augment)


def plain_tf_data(folder: Path, files: list[Path], colour: bool) -> Iterable[Any]:
    import tensorflow as tf

    def example(path: Any) -> Any:
        image = tf.io.decode_jpeg(tf.io.read_file(path), 3)
        label = tf.io.decode_png(tf.io.read_file(tf.strings.regex_replace(path, "jpg$", "png")), 1)
        scale = tf.random.uniform([], *SCALE)
        size = tf.cast(scale * tf.constant([HEIGHT, WIDTH], tf.float32), tf.int32)
        image, label = tf.image.resize(image, size), tf.image.resize(label, size, "nearest")
        both = tf.concat([image - FILL, tf.cast(label, tf.float32) - 255], -1)
        room = tf.maximum(CROP - size, 0)
        both = tf.pad(both, [[0, room[0]], [0, room[1]], [0, 0]])
        both = tf.image.random_flip_left_right(tf.image.random_crop(both, [CROP, CROP, 4]))
        image = both[..., :3] + FILL
        if colour:
            image = tf.image.random_brightness(image, 255 * COLOUR["brightness"])
            image = tf.image.random_contrast(image, 1 - COLOUR["contrast"], 1 + COLOUR["contrast"])
            image = tf.image.random_saturation(image, 1 - COLOUR["saturation"], 1 + COLOUR["saturation"])
            image = tf.image.random_hue(image, COLOUR["hue"])
        return tf.saturate_cast(image, tf.uint8), tf.cast(both[..., 3] + 255, tf.uint8)

    data = tf.data.Dataset.from_tensor_slices([str(path) for path in files]).shuffle(len(files))
    data = data.map(example, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    return data


class CropFiles:
    """The PyTorch data set of the third contender, as albumentations' documentation writes it."""

    def __init__(self, files: list[Path], colour: bool):
        import albumentations as A  # noqa: N812
        import cv2

        cv2.setNumThreads(0)  # The workers are the parallelism, as PyTorch's and OpenCV's guides advise.
        changes = [
            A.RandomScale((SCALE[0] - 1, SCALE[1] - 1), p=1),
            A.PadIfNeeded(CROP, CROP, fill=FILL, fill_mask=255, border_mode=cv2.BORDER_CONSTANT),
            A.RandomCrop(CROP, CROP),
            A.HorizontalFlip(p=0.5),
        ]
        self.files, self.imread, self.to_rgb = files, cv2.imread, lambda x: cv2.cvtColor(x, cv2.COLOR_BGR2RGB)
        self.change = A.Compose([*changes, A.ColorJitter(**COLOUR, p=1)] if colour else changes)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        image = self.to_rgb(self.imread(str(self.files[index])))
        label = self.imread(str(self.files[index].with_suffix(".png")), 0)
        changed = self.change(image=image, mask=label)
        return changed["image"], changed["mask"]


def albumentations_torch(folder: Path, files: list[Path], colour: bool) -> Iterable[Any]:
    from torch.utils.data import DataLoader

    crops = CropFiles(files, colour)
    return DataLoader(crops, BATCH, shuffle=True, num_workers=WORKERS, multiprocessing_context="fork")


CONTENDERS = {
    "kerseg": kerseg,
    "plain tf.data": plain_tf_data,
    "albumentations + torch": albumentations_torch,
}
BASE = "albumentations + torch"


def serve(connection: Connection, folder: Path, files: list[Path]) -> None:
    """Run passes as they are asked for, in a process of its own; answer with (seconds, CPU seconds)."""
    passes: dict[tuple[str, bool], Iterable[Any]] = {}
    while request := _next_request(connection):
        name, colour = request
        if request not in passes:
            passes[request] = CONTENDERS[name](folder, files, colour)
            next(iter(passes[request]))  # Imports, tracing and a cold disk are not what is measured.
        start, cpu = time.perf_counter(), os.times()
        for image, label in passes[request]:
            shapes = tuple(image.shape), tuple(label.shape)
            if shapes != ((BATCH, CROP, CROP, 3), (BATCH, CROP, CROP)):
                raise SystemExit(f"{name}: {shapes}")
        connection.send((time.perf_counter() - start, sum(os.times()[:4]) - sum(cpu[:4])))


def _next_request(connection: Connection) -> tuple[str, bool] | None:
    try:
        request: tuple[str, bool] | None = connection.recv()
    except EOFError:  # Whoever asked is gone.
        return None
    return request


def measure(
    folder: Path, files: list[Path], rounds: int
) -> dict[tuple[str, bool], list[tuple[float, float]]]:
    """Let the contenders take turns; return each one's (seconds, CPU seconds) a round."""
    context = mp.get_context("spawn")
    results: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    processes = {}
    for name in CONTENDERS:
        here, there = context.Pipe()
        processes[name] = (context.Process(target=serve, args=(there, folder, files)), here)
        processes[name][0].start()
    for number in range(rounds):
        for colour in (False, True):
            for name, (process, connection) in processes.items():
                connection.send((name, colour))
                while not connection.poll(1.0):
                    if not process.is_alive():
                        raise SystemExit(f"{name} died; its error is above.")
                results.setdefault((name, colour), []).append(connection.recv())
        print(f"round {number + 1} of {rounds}, load {os.getloadavg()[0]:.1f}", flush=True)
    for process, connection in processes.values():
        connection.send(None)
        process.join()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=48, help="images to draw (default: 48)")
    parser.add_argument("--passes", type=int, default=4, help="crops of each in a round (default: 4)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    kept.add_option(parser, "pipeline")
    options, began = parser.parse_args(), kept.environment()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # Here and in the contenders' processes.
    from rich.console import Console
    from rich.table import Table

    table = Table("contender", "colour", title=f"512x512 crops of 2048x1024, against {BASE}")
    for heading in ("images/s", "ratio", "CPU ms", "ratio"):
        table.add_column(heading, justify="right")
    count = options.images * options.passes // BATCH * BATCH
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"drawing {options.images} images", flush=True)
        write(folder, options.images, options.passes)
        files = (sorted(folder.glob("*.jpg")) * options.passes)[:count]
        results = measure(folder, files, options.rounds)
    medians = {
        key: [statistics.median(column) for column in zip(*rows, strict=True)]
        for key, rows in results.items()
    }
    for (name, colour), (seconds, cpu) in medians.items():
        base_seconds, base_cpu = medians[BASE, colour]
        speed = f"{count / seconds:.1f}", f"{base_seconds / seconds:.2f}"
        work = f"{1000 * cpu / count:.1f}", f"{base_cpu / cpu:.2f}"
        table.add_row(name, "yes" if colour else "no", *speed, *work)
    Console().print(table)
    rows = [
        {"contender": name, "colour": colour, "crops": count, "seconds_and_cpu": rounds}
        for (name, colour), rounds in results.items()
    ]
    kept.write(options, began, rows)


if __name__ == "__main__":
    main()
