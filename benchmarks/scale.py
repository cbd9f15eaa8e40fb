"""How time and memory of conversion, of updates and of reading grow with the number of images.

    python benchmarks/scale.py

Draws 1,000, 10,000 and 100,000 images of 64x64 (JPEG, labels PNG; 256 different ones), converts them, converts
them again with ``--update`` when nothing and when a hundredth of the labels changed, then opens the data and reads
an epoch. Each line is a process of its own; its memory and that of its workers are proportional shares (PSS),
sampled 20 times a second; Linux only. The largest size needs about 2.5 GB of disk and some minutes.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import kept
from convert import share_of, tree

SIZE = 64
KINDS = 256
CLASSES = 8

CONVERT = """
import json, sys, time
from pathlib import Path
from kerseg.data.conversion.convert import convert
from kerseg.data.sources.folder import Folder
raw, output, update = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "update"
names = tuple("abcdefgh")
source = Folder(train_image_path=raw / "i", train_label_path=raw / "l", class_names=names)
began = time.perf_counter()
convert(source, output=output, update=update)
print(json.dumps({"seconds": time.perf_counter() - began}))
"""

PAIRS = """
import json, sys, time, tracemalloc
from pathlib import Path
from kerseg.data.sources.folder import Folder
raw = Path(sys.argv[1])
source = Folder(train_image_path=raw / "i", train_label_path=raw / "l", class_names=tuple("abcdefgh"))
began = time.perf_counter()
pairs = source.splits()
seconds = time.perf_counter() - began
del pairs
tracemalloc.start()
pairs = source.splits()
print(json.dumps({"seconds": seconds, "bytes": tracemalloc.get_traced_memory()[0]}))
"""

READ = """
import json, sys, time
import kerseg.data.reading.pipeline
began = time.perf_counter()
data = kerseg.data.load(sys.argv[2], skip_bad=sys.argv[3] == "skip-bad")
batches = data.train(crop_size=(64, 64), batch_size=32, epoch=0)
first = None
for _ in batches:
    first = first or time.perf_counter() - began
print(json.dumps({"seconds": time.perf_counter() - began, "first": first}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--folder", type=Path, help="where to draw them; by default where temporary files go")
    kept.add_option(parser, "scale")
    arguments, began, rows = parser.parse_args(), kept.environment(), []
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print("| images | what | s | images/s | peak MB, parent | peak MB, workers |")
    print("|---:|---|---:|---:|---:|---:|", flush=True)
    for count in arguments.images:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            for line in lines(Path(name), count, rows):
                print(line, flush=True)
    kept.write(arguments, began, rows)


def lines(folder: Path, count: int, rows: list[dict[str, object]]) -> list[str]:
    """Return the lines of one size, and note what is behind them in ``rows``."""
    raw, output = folder / "raw", folder / "out"
    draw(raw, count)
    whole, same = (measure(CONVERT, raw, output, how) for how in ("whole", "update"))
    change(raw, count)
    changed = measure(CONVERT, raw, output, "update")
    found = [row(count, "convert", whole), row(count, "`--update`, nothing changed", same)]
    found.append(row(count, "`--update`, 1 % changed", changed))
    pairs = measure(PAIRS, raw, output, "")
    # Tracing takes memory itself, so that of this line is what was traced.
    pairs |= {"parent": pairs["bytes"]}
    found.append(row(count, f"list the pairs: {pairs['bytes'] / count:.0f} bytes each", pairs))
    read = measure(READ, raw, output, "")
    found.append(row(count, f"open and read an epoch; first batch after {read['first']:.1f} s", read))
    checked = measure(READ, raw, output, "skip-bad")
    found.append(row(count, f"the same with `skip_bad`; first batch after {checked['first']:.1f} s", checked))
    manifest = (output / "manifest.jsonl").stat().st_size
    shards = sum(path.stat().st_size for path in output.glob("*.tfrecord"))
    found.append(
        f"| {count:,} | shards {shards / 2**20:.1f} MB, manifest {manifest / 2**20:.1f} MB | | | | |"
    )
    measured = {"convert": whole, "nothing changed": same, "changed": changed, "pairs": pairs, "read": read}
    measured["skip_bad"] = checked
    rows += [{"images": count, "what": what, **values} for what, values in measured.items()]
    rows.append({"images": count, "what": "files", "shards": shards, "manifest": manifest})
    return found


def draw(raw: Path, count: int) -> None:
    """Write ``count`` pairs; files an hour old, because an update does not trust what is new."""
    random = np.random.default_rng(0)
    images, labels = [], []
    for _ in range(KINDS):
        coarse = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        images.append(encoded(np.asarray(Image.fromarray(coarse).resize((SIZE, SIZE))), "JPEG"))
        labels.append(encoded(np.kron(coarse[..., 0] % CLASSES, np.ones((8, 8), np.uint8)), "PNG"))
    for kind, suffix, contents in (("i", "jpg", images), ("l", "png", labels)):
        (raw / kind).mkdir(parents=True)
        for index in range(count):
            write(raw / kind / f"{index:06}.{suffix}", contents[index % KINDS])


def change(raw: Path, count: int) -> None:
    """Give every hundredth image another label."""
    for index in range(0, count, 100):
        other = (raw / "l" / f"{(index + 1) % count:06}.png").read_bytes()
        write(raw / "l" / f"{index:06}.png", other, hours=0.5)


def encoded(pixels: np.ndarray, form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form)
    return buffer.getvalue()


def write(path: Path, data: bytes, hours: float = 1.0) -> None:
    path.write_bytes(data)
    then = time.time() - 3600 * hours
    os.utime(path, (then, then))


def measure(script: str, raw: Path, output: Path, how: str) -> dict[str, float]:
    """Run ``script`` and return what it printed, with the peak memory of itself and of its workers, bytes."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(raw), str(output), how],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    parent = workers = 0
    while process.poll() is None:
        first, *others = tree(process.pid)
        parent = max(parent, share_of(first))
        workers = max(workers, sum(map(share_of, others)))
        time.sleep(0.05)
    return {**json.loads(process.communicate()[0]), "parent": parent, "workers": workers}


def row(count: int, what: str, values: dict[str, float]) -> str:
    seconds = values["seconds"]
    memory = [f"{values[name] / 2**20:.0f}" if values[name] else "" for name in ("parent", "workers")]
    return f"| {count:,} | {what} | {seconds:.1f} | {count / seconds:,.0f} | {memory[0]} | {memory[1]} |"


if __name__ == "__main__":
    main()
