"""Every verb with a fault at each of its changes to the disk, and then once more without.

    python tests/faults/kills.py --verbs train predict --faults kill full --every 2

Each case is a process forked from this one, which has imported TensorFlow once and used nothing of it. With
``kill`` it must die; with a fault of the disk it must say one line and exit with 1, or get by without that file.
The next run of the verb must then end with what an undisturbed one leaves, and nothing besides.
"""

import argparse
import contextlib
import csv
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from inject import Fault, Injector

TIMEOUT = 180
Words = Callable[[Path], list[str]]


@dataclass(frozen=True)
class Verb:
    """A command line below one folder."""

    words: Words
    """Of the command line, given the folder."""
    again: Words | None = None
    """Of the run after a fault; default: the same."""


def _train(folder: Path, output: str = "out") -> list[str]:
    words = "train --model segnet_basic --model-options.width 2 --crop-size 32 48 --batch-size 3 --epochs 1"
    words += " --previews 1 --save-steps 1"
    return [*words.split(), "--data-dir", str(folder / "data"), "--output", str(folder / output)]


def _resume(folder: Path) -> list[str]:
    begun = (folder / "out" / "config.yaml").exists()
    return ["train", "--resume", str(folder / "out")] if begun else _train(folder)


def _convert(folder: Path, output: str = "out") -> list[str]:
    raw = folder / "street"
    places = [
        word
        for split in ("train", "val")
        for kind in ("image", "label")
        for word in (f"--{split}-{kind}-path", str(raw / split / f"{kind}s"))
    ]
    names = ["--palette", str(raw / "classes.txt"), "--output", str(folder / output), "--workers", "1"]
    return ["convert", "folder", *places, *names]


def _converted_already(folder: Path) -> list[str]:
    # What an earlier run has finished is refused, and may be replaced.
    return [*_convert(folder), "--overwrite"]


VERBS = {
    "train": Verb(_train, _resume),
    "evaluate": Verb(lambda folder: ["evaluate", str(folder / "run"), "--data-dir", str(folder / "data")]),
    "predict": Verb(
        lambda folder: [
            *("predict", str(folder / "run"), str(folder / "street" / "val" / "images")),
            *("--output", str(folder / "out")),
        ]
    ),
    "convert": Verb(_convert, _converted_already),
    "preview": Verb(
        lambda folder: ["preview", str(folder / "data"), "--output", str(folder / "out.png"), "--count", "1"]
    ),
    "doctor": Verb(
        lambda folder: [
            "doctor",
            str(folder / "street"),
            "--page",
            str(folder / "out.html"),
            "--workers",
            "1",
        ]
    ),
}


def prepare(folder: Path) -> None:
    """Draw, convert and train what the verbs need."""
    from kerseg import street

    street.draw(folder / "street", train=6, val=2, size=(32, 48))
    for words in (_convert(folder, "data"), _train(folder, "run")):
        code, said = in_child(words, folder)
        if code:
            raise RuntimeError(said)


def in_child(
    words: Callable[[], list[str]],
    folder: Path,
    fault: Fault = "none",
    at: int = 0,
    calls: Path | None = None,
) -> tuple[int, str]:
    """Run a command line in a forked process.

    Args:
        words: Of the command line.
        folder: Where changes are counted.
        fault: What happens at one of them.
        at: At which.
        calls: File to write the counted changes to.

    Returns:
        The exit code, negative for a signal, and what was said.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _be_child(words, folder, fault, at, calls, write)
        finally:
            os._exit(99)  # a traceback has been printed
    os.close(write)
    with os.fdopen(read, "rb") as file, _killed_after(child, TIMEOUT):
        said = file.read().decode("utf-8", "replace")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def _be_child(words: list[str], folder: Path, fault: Fault, at: int, calls: Path | None, output: int) -> None:
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    from kerseg.cli import main

    # To trace a function takes longer than the few steps of these runs.
    tf.config.run_functions_eagerly(True)
    os.chdir(folder)
    injector = Injector(folder, fault, at)
    code = main(words)
    injector.at = 0
    if calls is not None:
        calls.write_text("\n".join(injector.calls[:]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextlib.contextmanager
def _killed_after(process: int, seconds: float) -> Iterator[None]:
    """Kill a process that does not end in time, whose pipe the block reads."""
    from threading import Timer

    timer = Timer(seconds, os.kill, (process, signal.SIGKILL))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def contents(folder: Path) -> dict[str, Any]:
    """Return what is below a folder, without what two sound runs differ in: times, and names with times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if (
            path.is_file()
            and "tensorboard" not in path.parts
            and path.name not in ("lock", "environment.json")
        ):
            found[name] = _content(path, folder)
    return found


def _content(path: Path, folder: Path) -> Any:
    if path.name == "history.csv":
        rows = csv.DictReader(path.read_text().splitlines())
        return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in rows]
    if path.suffix == ".npz":
        with np.load(path) as state:
            return {
                name: hashlib.sha256(state[name].tobytes()).hexdigest()
                for name in state
                if name != "progress"
            }
    content = path.read_bytes().replace(bytes(folder), b".")  # what names its own place
    if path.suffix == ".json" and path.parent.name == "report":
        return {k: v for k, v in json.loads(content).items() if k != "seconds"}
    return hashlib.sha256(content).hexdigest()


def faults_of(verb: Verb, ready: Path, expected: dict[str, Any], fault: Fault, at: int) -> list[str]:
    """Return what is wrong after a fault at one change, and after the run that follows."""
    with tempfile.TemporaryDirectory(dir=ready.parent) as name:
        folder = Path(name) / "w"  # as long a name as that of the expected run, which pages and recipes hold
        shutil.copytree(ready, folder)
        wrong = []
        code, said = in_child(verb.words(folder), folder, fault, at)
        if fault == "kill" and code != -signal.SIGKILL:
            wrong.append(f"was to be killed, and exited with {code}: {said[-300:]}")
        if fault != "kill":
            if code not in (0, 1) or "Traceback" in said or "Exception ignored" in said:
                wrong.append(f"exited with {code}, and said {said[-1500:]}")
            if code == 1 and not ("error:" in said or "failed" in said):
                wrong.append(f"did not say why: {said[-500:]}")
            if left := [str(path) for path in folder.rglob("*partial*")]:
                wrong.append(f"left {left}")
        code, said = in_child((verb.again or verb.words)(folder), folder)
        if code:
            wrong.append(f"the next run exited with {code}: {said[-1500:]}")
        found = contents(folder)
        if different := [n for n in sorted(found.keys() | expected) if found.get(n) != expected.get(n)]:
            wrong.append(f"in the end {', '.join(different)} differ")
        return wrong


def run(
    name: str, base: Path, ready: Path, faults: Sequence[Fault], every: int, jobs: int
) -> tuple[int, int]:
    """Try one verb; return the numbers of cases and of those that went wrong."""
    verb = VERBS[name]
    with tempfile.TemporaryDirectory(dir=base) as first:
        folder = Path(first) / "w"
        shutil.copytree(ready, folder)
        calls_file = base / f"{name}.calls"
        code, said = in_child(verb.words(folder), folder, calls=calls_file)
        if code:
            raise RuntimeError(f"{name} fails by itself: {said}")
        expected = contents(folder)
    calls = calls_file.read_text().splitlines()
    cases = [
        (fault, at) for fault in faults for at in range(1, len(calls) + 1, every if fault != "kill" else 1)
    ]
    began, bad = time.monotonic(), 0
    with ThreadPoolExecutor(jobs) as pool:
        jobs_done = pool.map(lambda case: faults_of(verb, ready, expected, *case), cases)
        for (fault, at), wrong in zip(cases, jobs_done, strict=True):
            bad += bool(wrong)
            for line in wrong:
                print(f"{name}, {fault} at {at} ({calls[at - 1]}): {line}", flush=True)
    print(
        f"{name}: {len(calls)} changes, {len(cases)} faults, {bad} bad, {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return len(cases), bad


def main() -> int:
    """Try all verbs that are asked for; return 1 if something went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--verbs", nargs="+", choices=VERBS, default=list(VERBS))
    parser.add_argument(
        "--faults", nargs="+", choices=["kill", "full", "stuck"], default=["kill", "full", "stuck"]
    )
    parser.add_argument(
        "--every", type=int, default=1, help="only each so-maniest change for full and stuck disks"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    options = parser.parse_args()
    import kerseg.cli
    import kerseg.inference.prediction
    import kerseg.training.trainer  # noqa: F401

    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        ready = base / "ready"
        ready.mkdir()
        prepare(ready)
        results = [
            run(verb, base, ready, options.faults, options.every, options.jobs) for verb in options.verbs
        ]
    total, bad = (sum(column) for column in zip(*results, strict=True))
    print(f"{total} faults injected, {bad} bad")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
