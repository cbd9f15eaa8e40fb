"""Speed and memory of `kerseg.convert`, beside the loop that people write.

    python benchmarks/convert.py

Converts CamVid (or drawn images of its size, where it is absent) with every pair verified, once as it is
and once four times over: memory must not grow with the number of images. The usual way is the loop of the
TensorFlow 1 scripts (``build_TFRecord.py``): Pillow opens, ``tobytes``, ``TFRecordWriter``; one process,
nothing verified. Each run is a process of its own. Memory is the proportional share (PSS) of all its
processes, sampled 20 times a second; Linux only.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

import kept

CAMVID = Path(__file__).parents[1] / "../shared/datasets/camvid"

KERSEG = """
import json, sys, time
began = time.perf_counter()
from pathlib import Path
from kerseg.data.conversion.convert import convert
from kerseg.data.sources.camvid import CamVid
imported = time.perf_counter()
convert(CamVid(root=Path(sys.argv[1])), output=Path(sys.argv[2]))
print(json.dumps([imported - began, time.perf_counter() - imported, "tensorflow" in sys.modules]))
"""

USUAL = """
import json, os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
began = time.perf_counter()
import numpy as np
import tensorflow as tf
from PIL import Image
imported = time.perf_counter()

def number(value):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

def text(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

images, labels = sys.argv[1] + "/train/", sys.argv[1] + "/trainannot/"
with tf.io.TFRecordWriter(sys.argv[2]) as writer:
    for name in sorted(os.listdir(images)):
        image, label = np.array(Image.open(images + name)), np.array(Image.open(labels + name))
        features = {
            "height": number(image.shape[0]),
            "width": number(image.shape[1]),
            "image_raw": text(image.tobytes()),
            "mask_raw": text(label.tobytes()),
        }
        example = tf.train.Example(features=tf.train.Features(feature=features))
        writer.write(example.SerializeToString())
print(json.dumps([imported - began, time.perf_counter() - imported, True]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--pairs", type=int, default=468, help="pairs of the small run; the large has 4 times as many"
    )
    kept.add_option(parser, "convert")
    options, began, rows = parser.parse_args(), kept.environment(), []
    pairs = options.pairs
    table = Table(
        "what", "pairs", "pairs/s", "import s", "pairs/s in all", "CPU ms a pair", "peak MB", "MB out"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        origin = make_raw(folder, 4 * pairs)
        few = subset(folder, pairs)
        for what, script, raw, count in (
            ("usual loop", USUAL, few, pairs),
            ("kerseg.convert", KERSEG, few, pairs),
            ("kerseg.convert", KERSEG, folder / "all", 4 * pairs),
        ):
            taken = measure(script, raw, folder / "out")
            table.add_row(what, str(count), *shown(count, **taken))
            rows.append({"what": what, "pairs": count, **taken})
    table.title = f"{origin}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    Console().print(table)
    kept.write(options, began, rows)


def make_raw(folder: Path, count: int) -> str:
    """Fill ``folder/all`` with ``count`` pairs in CamVid's layout and return what they are."""
    images, labels = folder / "all/train", folder / "all/trainannot"
    images.mkdir(parents=True)
    labels.mkdir()
    if CAMVID.is_dir():
        found = [path for split in ("train", "val") for path in sorted((CAMVID / split).glob("*.png"))]
        for index in range(count):
            path = found[index % len(found)].resolve()
            (images / f"{index:06}.png").symlink_to(path)
            (labels / f"{index:06}.png").symlink_to(
                path.parent.with_name(f"{path.parent.name}annot") / path.name
            )
        return "CamVid, 480 x 360 PNG"
    random = np.random.default_rng(0)
    for index in range(count):
        coarse = random.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((480, 360), Image.Resampling.BICUBIC), np.int16)
        noisy = (smooth + random.integers(-12, 12, smooth.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(images / f"{index:06}.png")
        Image.fromarray(np.kron(coarse[..., 0] % 12, np.ones((15, 15), np.uint8))).save(
            labels / f"{index:06}.png"
        )
    return "drawn images, 480 x 360 PNG"


def subset(folder: Path, count: int) -> Path:
    """Link the first ``count`` pairs into a folder of their own."""
    for kind in ("train", "trainannot"):
        (folder / "few" / kind).mkdir(parents=True)
        for path in sorted((folder / "all" / kind).iterdir())[:count]:
            (folder / "few" / kind / path.name).symlink_to(path.resolve())
    return folder / "few"


def shown(
    count: int, *, whole: float, imports: float, seconds: float, cpu: float, peak: int, written: int
) -> list[str]:
    """Return the columns of a row."""
    return [
        f"{count / seconds:.0f}",
        f"{imports:.1f}",
        f"{count / whole:.0f}",
        f"{1000 * cpu / count:.1f}",
        f"{peak / 2**20:.0f}",
        f"{written / 2**20:.0f}",
    ]


def measure(script: str, raw: Path, output: Path) -> dict[str, float]:
    """Run ``script`` and return what it took: seconds, and bytes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began, peak = time.perf_counter(), 0
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(raw), str(output)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    while process.poll() is None:
        peak = max(peak, sum(map(share_of, tree(process.pid))))
        time.sleep(0.05)
    whole = time.perf_counter() - began
    imports, seconds, _ = json.loads(process.communicate()[0])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    files = list(output.iterdir()) if output.is_dir() else [output]
    written = sum(path.stat().st_size for path in files)
    for path in files:
        path.unlink()
    if output.is_dir():
        output.rmdir()
    return {
        "whole": whole,
        "imports": imports,
        "seconds": seconds,
        "cpu": cpu,
        "peak": peak,
        "written": written,
    }


def tree(process: int) -> list[int]:
    """Return ``process`` and all its descendants."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    return [process, *(member for child in children for member in tree(int(child)))]


def share_of(process: int) -> int:
    """Return the proportional share of memory of one process, bytes."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
