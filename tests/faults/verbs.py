"""The verbs that write, as `kills.py` calls them, on a few tiny images; and what they leave, to be compared."""

import csv
import hashlib
import json
import os
import pickle
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from workers_here import workers_here

Words = Callable[[Path], list[str]]


@dataclass(frozen=True)
class Verb:
    """A command line below one folder."""

    words: Words
    """Of the command line, given the folder."""
    again: Words | None = None
    """Of the run after a fault; default: the same."""
    every: int = 1
    """Only each so-maniest fault, where the calls are those of other verbs."""
    every_broken: int = 1
    """Only each so-maniest of those at a single call, where a run takes seconds and its files are written alike."""


def _train(folder: Path, output: str = "out") -> list[str]:
    words = "train --model segnet_basic --model-options.width 2 --crop-size 32 48 --batch-size 3 --epochs 1"
    words += " --previews 1 --save-steps 1"
    return [*words.split(), "--data-dir", str(folder / "data"), "--output", str(folder / output)]


def _go_on(folder: Path) -> list[str]:
    begun = (folder / "out" / "config.yaml").exists()
    return ["train", "--resume", str(folder / "out")] if begun else _train(folder)


def _resume(folder: Path) -> list[str]:
    return ["train", "--resume", str(folder / "half")]


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


def _update(folder: Path) -> list[str]:
    return [*_convert(folder, "old"), "--update"]


def _doctor(folder: Path) -> list[str]:
    return ["doctor", str(folder / "street"), "--page", str(folder / "out.html"), "--workers", "1"]


def _fix(folder: Path) -> list[str]:
    return [*_doctor(folder), "--fix", "--output", str(folder / "out")]


def _fix_again(folder: Path) -> list[str]:
    # A copy that was whole when the fault came is refused, and all that is missing is the page.
    return _doctor(folder) if (folder / "out").exists() else _fix(folder)


def _evaluate(folder: Path) -> list[str]:
    return ["evaluate", str(folder / "run"), "--data-dir", str(folder / "data")]


def _predict(folder: Path) -> list[str]:
    words = ["--save", "index", "colour", "overlay", "probabilities", "polygons", "--runtime", "keras"]
    image = folder / "street" / "val" / "images" / "street_0000.jpg"
    return ["predict", str(folder / "run"), str(image), "--output", str(folder / "out"), *words]


def _preview(folder: Path) -> list[str]:
    return ["preview", str(folder / "data"), "--output", str(folder / "out.png"), "--count", "1"]


def _quickstart(folder: Path) -> list[str]:
    words = ["quickstart", "--train", "8", "--val", "1", "--size", "32", "48", "--epochs", "1", "--output"]
    return [*words, str(folder / "out")]


VERBS = {
    # What an earlier run has finished is refused, and may be replaced.
    "convert": Verb(_convert, lambda folder: [*_convert(folder), "--overwrite"]),
    "convert --update": Verb(_update),
    "doctor": Verb(_doctor),
    "doctor --fix": Verb(_fix, _fix_again, every_broken=4),
    "train": Verb(_train, _go_on, every_broken=4),
    "train --resume": Verb(_resume, every_broken=4),
    "evaluate": Verb(_evaluate),
    "evaluate --report": Verb(lambda folder: [*_evaluate(folder), "--report", "--suspects"], every_broken=4),
    "predict": Verb(_predict, every_broken=4),
    "preview": Verb(_preview),
    "quickstart": Verb(_quickstart, every=40),
}


def prepare(folder: Path, run: Callable[..., list[tuple[int, str]]]) -> None:
    """Draw, convert and train what the verbs need.

    Args:
        folder: Where to.
        run: `kills.in_child`.
    """
    from kerseg import street
    from kerseg.training import curves

    with inline():
        street.draw(folder / "street", train=6, val=2, size=(32, 48))
    for path in (folder / "street").rglob("*"):
        os.utime(
            path, (1e9, 1e9)
        )  # long ago: what has just changed may change again, and is not kept by --update
    # The first figure that a process draws looks for the fonts of this machine.
    curves.draw([{"epoch": 1, "loss": 0.5, "learning_rate": 0.1}], folder.parent / "curves.png")
    for words, output in ((_convert, "data"), (_convert, "old"), (_train, "run")):
        [(code, said)] = run(partial(words, output=output), folder)
        if code:
            raise RuntimeError(said)
    # A pair less: the shards change, and the other pairs are kept.
    for name in ("images/street_0003.jpg", "labels/street_0003.png"):
        (folder / "street/train" / name).unlink()
    # A run that was killed before it saved for the second time.
    calls: list[Any] = []
    run(partial(_train, output="dry"), folder, calls=calls)
    saves = [
        number for number, call in enumerate(calls, 1) if re.fullmatch(r"open .*\.state-\w+\..*", call.text)
    ]
    [(code, said)] = run(partial(_train, output="half"), folder, "kill", saves[2])
    if code != -9:
        raise RuntimeError(said)
    shutil.rmtree(folder / "dry")


@contextmanager
def inline() -> Iterator[None]:
    """Let the work of worker processes be done here, where it is counted and nobody waits for their start."""
    from kerseg import street
    from kerseg.data import doctor
    from kerseg.data.conversion import convert
    from kerseg.data.doctor import mending

    with workers_here(convert, doctor, mending, street):
        yield


def small_quickstart() -> None:
    """Let the quickstart train a network that is built at once."""
    from kerseg.cli import quickstart

    options = quickstart._options

    def small(*arguments: Any) -> dict[str, Any]:
        return options(*arguments) | {"model": "segnet_basic", "model_options": {"width": 2}}

    quickstart._options = small


def read_once(cache: Path) -> None:
    """Let the same batches and examples be read and augmented once, and kept: most of a tiny run is to trace that.

    Args:
        cache: Folder that all processes share.
    """
    import tensorflow as tf

    from kerseg.core.info import DatasetInfo
    from kerseg.data.reading.pipeline import Dataset

    def kept(what: str, data: Dataset, options: dict[str, Any], read: Callable[[], Any]) -> Any:
        info = DatasetInfo.load(data.folder)
        file = cache / hashlib.sha256(repr((what, info, sorted(options.items()))).encode()).hexdigest()
        if not file.exists():
            own = file.with_suffix(f".{os.getpid()}")
            own.write_bytes(pickle.dumps(tf.nest.map_structure(lambda *parts: np.stack(parts), *read())))
            own.rename(file)
        return pickle.loads(file.read_bytes())

    train, examples = Dataset.train, Dataset.examples

    def train_once(self: Dataset, *, skip_batches: int = 0, **options: Any) -> Any:
        batches = kept("train", self, options, lambda: list(train(self, **options).as_numpy_iterator()))
        return tf.data.Dataset.from_tensor_slices(tuple(part[skip_batches:] for part in batches))

    def examples_once(self: Dataset, split: str) -> Any:
        read = kept(
            "examples", self, {"split": split}, lambda: list(examples(self, split).as_numpy_iterator())
        )
        return tf.data.Dataset.from_tensor_slices(read)

    Dataset.train, Dataset.examples = train_once, examples_once  # type: ignore[method-assign]


# --- what is there in the end


def contents(folder: Path) -> dict[str, Any]:
    """Return what is below a folder, without what two sound runs differ in: times, and names with times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir():
            found[name] = "folder"
        elif "tensorboard" not in path.parts and path.name not in ("lock", "environment.json"):
            found[name] = _content(path, folder)
    return found


def _content(path: Path, folder: Path) -> Any:
    if path.name == "history.csv":
        rows = csv.DictReader(path.read_text().splitlines())
        return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in rows]
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            names = [name for name in arrays if name not in ("progress", "text")]
            return {name: hashlib.sha256(arrays[name].tobytes()).hexdigest() for name in names}
    content = path.read_bytes().replace(bytes(folder), b".")  # what names its own place
    if path.name == "manifest.jsonl":  # whose sums stand for absolute paths, too
        return re.sub(rb'"(key|lines|made_by)":"\w*"', b"", content)
    if path.suffix == ".html":
        return hashlib.sha256(re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC|[\d.]+ s\b", b"", content)).hexdigest()
    if path.suffix == ".json" and path.parent.name == "report":
        values = json.loads(content)
        times = ("seconds", "seconds_of", "date")
        return {k: v for k, v in values.items() if k not in times} if isinstance(values, dict) else values
    return hashlib.sha256(content).hexdigest()
