"""Speed of `kerseg doctor`: the whole command on CamVid, and the search for leakage among many images.

    python benchmarks/doctor.py

Checks CamVid's 468 pairs (or as many drawn ones, where it is absent), page included, each run a process of its own
with as many workers as there are processors. Time is the median; CPU time is that of all processes. The search
compares drawn hashes of 90 % training and 10 % validation images in one process.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import kept
from convert import CAMVID, make_raw
from kerseg.data.doctor import near_duplicates
from kerseg.data.doctor.facts import THUMB, Facts, ImageFacts
from kerseg.data.sources.base import Pair


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="runs of the command")
    parser.add_argument("--images", type=int, default=100_000, help="images that are compared")
    kept.add_option(parser, "doctor")
    options, began = parser.parse_args(), kept.environment()
    table = Table("what", "images", "median s", "least s", "CPU s")
    with tempfile.TemporaryDirectory() as name:
        origin, raw = "CamVid, 480 x 360 PNG", CAMVID
        if not CAMVID.is_dir():
            origin, raw = make_raw(Path(name), 468), Path(name) / "all"
        runs = [command(raw, Path(name) / "page.html") for _ in range(options.rounds)]
    table.add_row("kerseg doctor", "468", *shown(runs))
    searches = [search(options.images)]
    table.add_row("leakage alone", f"{options.images:,}", *shown(searches))
    table.title = f"{origin}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    Console().print(table)
    rows = [{"what": "kerseg doctor", "images": 468, "seconds_and_cpu": runs}]
    rows += [{"what": "leakage alone", "images": options.images, "seconds_and_cpu": searches}]
    kept.write(options, began, rows)


def shown(runs: list[tuple[float, float]]) -> list[str]:
    seconds = [run[0] for run in runs]
    cpu = statistics.median(run[1] for run in runs)
    return [f"{statistics.median(seconds):.1f}", f"{min(seconds):.1f}", f"{cpu:.1f}"]


def command(raw: Path, page: Path) -> tuple[float, float]:
    """Return seconds and CPU seconds of one run."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "kerseg", "doctor", str(raw), "--page", str(page)],
        check=True,
        capture_output=True,
    )
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def search(count: int) -> tuple[float, float]:
    """Return seconds and CPU seconds of comparing drawn hashes, of which none is like another."""
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**64, count, dtype=np.uint64).tolist()
    thumbs = random.integers(0, 256, (count, THUMB, THUMB), dtype=np.uint8)
    facts = [
        Facts(
            "val" if index % 10 == 0 else "train",
            Pair(f"{index}", Path(f"{index}.jpg"), None),
            ImageFacts((9, 9), (9, 9), 1, "RGB", None, np.zeros((2, 3)), index.to_bytes(8), *both),
        )
        for index, both in enumerate(zip(hashes, thumbs, strict=True))
    ]
    began, used = time.perf_counter(), time.process_time()
    near_duplicates.near(facts)
    return time.perf_counter() - began, time.process_time() - used


if __name__ == "__main__":
    main()
