"""Every verb that writes, with a fault at each of its changes to the disk, and then once more without.

    python tests/faults/kills.py --verbs train predict --faults kill full

Each case is a process forked from this one, which has imported TensorFlow once and used nothing of it. With
``kill`` it must die; with a fault of the disk it must say one line and exit with 1, or get by without that file.
The next run of the verb must then end with what an undisturbed one leaves, and nothing besides.
"""

import argparse
import contextlib
import os
import pickle
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any, get_args

import verbs
from inject import Call, Fault, Injector
from verbs import VERBS, Verb, Words

TIMEOUT = 300
CACHE = Path(tempfile.gettempdir(), f"kerseg-faults-{os.getpid()}")
"""Folder for what many runs would read alike."""
_LEFT, _END = "\1left ", "\0"
"""Around what a child prints of itself after each command line."""
FAULTS: tuple[Fault, ...] = get_args(Fault)[1:]


@dataclass
class Count:
    """What became of one verb."""

    name: str
    calls: int = 0
    injected: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FAULTS, 0))
    bad: int = 0
    seconds: float = 0.0

    def row(self) -> str:
        """Return a line of the table."""
        numbers = " ".join(f"{self.injected[fault]:>7}" for fault in FAULTS)
        total = sum(self.injected.values())
        return f"{self.name:<18} {self.calls:>6} {numbers} {total:>7} {self.bad:>5} {self.seconds:>6.0f}"


def in_child(
    words: Words,
    folder: Path,
    fault: Fault = "none",
    at: int = 0,
    calls: list[Call] | None = None,
    then: Words | None = None,
) -> list[tuple[int, str]]:
    """Run a command line in a forked process, and perhaps another after it.

    Args:
        words: Of the command line, given the folder.
        folder: Where changes are counted.
        fault: What happens at one of them.
        at: At which.
        calls: Gets the counted changes.
        then: Of the second, without a fault.

    Returns:
        Of each that ran, the exit code, negative for a signal, and what was said.
    """
    read, write = os.pipe()
    with tempfile.NamedTemporaryFile() as counted:
        child = os.fork()
        if child == 0:
            try:
                os.dup2(write, 1)
                os.dup2(write, 2)
                counts = Path(counted.name) if calls is not None else None
                _be_child([words, then] if then else [words], folder, fault, at, counts)
            finally:
                os._exit(99)  # a traceback has been printed
        os.close(write)
        with os.fdopen(read, "rb") as file, _killed_after(child, TIMEOUT):
            *ended, last = file.read().decode("utf-8", "replace").split(_END)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if calls is not None and code == 0:
            calls += pickle.loads(Path(counted.name).read_bytes())
    results = [(int(text.rpartition("\n")[2]), text) for text in ended]
    return results if code == 0 else [*results, (code, last)]


def _be_child(steps: list[Words], folder: Path, fault: Fault, at: int, counted: Path | None) -> None:
    import tensorflow as tf

    from kerseg.cli import main
    from kerseg.core import files

    # To trace a function takes longer than the few steps of these runs, and cases run beside one another.
    tf.config.run_functions_eagerly(True)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    verbs.small_quickstart()
    verbs.read_once(CACHE)
    os.chdir(folder)
    injector = None if fault == "none" and counted is None else Injector(folder, fault, at)
    for words in steps:
        with verbs.inline():
            code = main(words(folder))
        if injector is not None:
            injector.end()
        left = [str(path.relative_to(folder)) for path in folder.rglob("*partial*")]
        print(f"{_LEFT}{left}\n{code}{_END}", end="", flush=True)
        files._cleaned.clear()  # as in a new process
    if counted is not None and injector is not None:
        counted.write_bytes(pickle.dumps(injector.calls[:]))
    sys.stderr.flush()
    os._exit(0)


@contextlib.contextmanager
def _killed_after(process: int, seconds: float) -> Iterator[None]:
    """Kill a process that does not end in time, whose pipe the block reads."""
    timer = Timer(seconds, os.kill, (process, signal.SIGKILL))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def faults_of(
    verb: Verb, ready: Path, expected: dict[str, Any], fault: Fault, at: int, call: Call
) -> list[str]:
    """Return what is wrong after a fault at one change, and after the run that follows."""
    with tempfile.TemporaryDirectory(dir=ready.parent) as name:
        folder = Path(name) / "w"  # as long a name as that of the expected run, which pages and recipes hold
        shutil.copytree(ready, folder)
        again = verb.again or verb.words
        if fault == "kill":
            results = [*in_child(verb.words, folder, fault, at), *in_child(again, folder)]
        else:
            results = in_child(verb.words, folder, fault, at, then=again)
        wrong = _wrong(results[0], fault, call)
        code, said = results[1] if len(results) > 1 else (-1, "did not begin")
        if code:
            wrong.append(f"the next run exited with {code}: {said[-1500:]}")
        found = verbs.contents(folder)
        if different := [n for n in sorted(found.keys() | expected) if found.get(n) != expected.get(n)]:
            wrong.append(f"in the end {', '.join(different)} differ")
        return wrong


def _wrong(result: tuple[int, str], fault: Fault, call: Call) -> list[str]:
    """Return what a run under a fault did that it must not do."""
    code, said = result
    if fault == "kill":
        return [] if code == -signal.SIGKILL else [f"was to be killed, and exited with {code}: {said[-300:]}"]
    wrong = []
    said, _, left = said.rpartition(_LEFT)
    if code not in (0, 1) or "Traceback" in said or "Exception ignored" in said:
        wrong.append(f"exited with {code}, and said {said[-1500:]}")
    if code == 1 and not ("error:" in said or "failed" in said):
        wrong.append(f"did not say why: {said[-500:]}")
    # What cannot be deleted, because that is what fails, is left to the next run.
    if not left.startswith("[]") and not (
        fault == "broken" and call.text.startswith(("os.remove", "os.rmdir"))
    ):
        wrong.append(f"left {left}")
    return wrong


def _cases(calls: Sequence[Call], fault: Fault, verb: Verb) -> list[tuple[Fault, int, Call]]:
    """Return where a fault is put."""
    places = [(fault, at, call) for at, call in enumerate(calls, 1) if call.is_met_by(fault)]
    return places[:: verb.every * (verb.every_broken if fault == "broken" else 1)]


def run(name: str, base: Path, ready: Path, faults: Sequence[Fault], jobs: int) -> Count:
    """Try one verb, and say what goes wrong."""
    verb, count, began = VERBS[name], Count(name), time.monotonic()
    calls: list[Call] = []
    with tempfile.TemporaryDirectory(dir=base) as first:
        folder = Path(first) / "w"
        shutil.copytree(ready, folder)
        [(code, said)] = in_child(verb.words, folder, calls=calls)
        if code:
            raise RuntimeError(f"{name} fails by itself: {said}")
        expected = verbs.contents(folder)
    cases = [case for fault in faults for case in _cases(calls, fault, verb)]
    count.calls = len(calls)
    with ThreadPoolExecutor(jobs) as pool:
        done = pool.map(lambda case: faults_of(verb, ready, expected, *case), cases)
        for (fault, at, call), wrong in zip(cases, done, strict=True):
            count.injected[fault] += 1
            count.bad += bool(wrong)
            for line in wrong:
                print(f"{name}, {fault} at {at} ({call.text}): {line}", flush=True)
    count.seconds = time.monotonic() - began
    print(count.row(), flush=True)
    return count


def main() -> int:
    """Try all verbs that are asked for; return 1 if something went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--verbs", nargs="+", choices=VERBS, default=list(VERBS))
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=FAULTS)
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import kerseg.cli
    import kerseg.inference.prediction
    import kerseg.report.page
    import kerseg.training.trainer  # noqa: F401

    print(
        f"{'verb':<18} {'calls':>6} {' '.join(f'{fault:>7}' for fault in FAULTS)} {'faults':>7} {'bad':>5}  seconds"
    )
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        ready = base / "ready"
        for folder in (ready, CACHE):
            folder.mkdir()
        verbs.prepare(ready, in_child)
        counts = [run(verb, base, ready, options.faults, options.jobs) for verb in options.verbs]
        shutil.rmtree(CACHE)
    total, bad = sum(sum(count.injected.values()) for count in counts), sum(count.bad for count in counts)
    kills = sum(count.injected["kill"] for count in counts)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{total} faults injected, {kills} of them kills, {bad} bad; {used.ru_utime + used.ru_stime:.0f} s of CPU"
    )
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
