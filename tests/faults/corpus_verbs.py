"""The hostile files of the other modules before the verbs that need a model: evaluate, predict, preview, train."""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import corpus_data as data
import corpus_models as models
from corpus import Case

import kerseg
from kerseg.errors import DataError
from kerseg.training import trainer
from kerseg.training.environment import Environment
from kerseg.training.opening import TrainingData
from kerseg.training.run import Run

CASES: dict[str, Case] = {}
Make = Callable[[Path], Callable[[], object]]
_TRAINING: Mapping[str, Any] = {
    **{"model": "segnet_basic", "model_options": {"width": 2}, "crop_size": (16, 16), "batch_size": 1},
    **{"steps": 1, "previews": 0},
}
_FILES = {name: f"{name}-00000-of-00001.tfrecord" for name in ("train", "val")}


# --- doors


@cache
def _model(classes: int) -> Any:
    return kerseg.models.build("segnet_basic", num_classes=classes, width=2)


def evaluate(folder: Path) -> None:
    kerseg.evaluate(_model(2), folder)


def preview(folder: Path) -> None:
    sheet = folder.parent / "preview.png"
    try:
        kerseg.preview(folder, output=sheet, count=1, draws=1, crop_size=(16, 16), batch_size=1)
    finally:
        sheet.unlink(missing_ok=True)


def train(folder: Path) -> None:
    try:
        kerseg.train(data_dir=folder, output=folder.parent / "run", **_TRAINING)
    finally:
        shutil.rmtree(folder.parent / "run", ignore_errors=True)


def begin_training(folder: Path) -> None:
    """Do all of a training up to its first batch but the network, which takes a second to build."""
    with _no_network():
        train(folder)


@contextmanager
def _no_network() -> Iterator[None]:
    before, trainer.Trainer = trainer.Trainer, _FirstBatch  # type: ignore[assignment, misc]
    try:
        yield
    finally:
        trainer.Trainer = before  # type: ignore[misc]


class _FirstBatch:
    def __init__(self, config: Any, run: Run, opened: TrainingData, before: Environment | None = None):
        self.config, self.opened = config, opened

    def train(self) -> None:
        config, found = self.config, self.opened.data
        batches = found.train(crop_size=config.crop_size, batch_size=config.batch_size, seed=0, epoch=0)
        with found.naming_damage("train"):
            for _ in batches.take(1):
                pass


def predict(folder: Path, image: Path) -> None:
    """Raise what `kerseg.predict` could not predict, which is a list that it returns."""
    output = folder / "predictions"
    try:
        report = kerseg.predict(_model(2), [image], output=output, save=("index",), runtime="keras")
        if report.failed:
            raise DataError("\n".join(f"{failure.path}: {failure.reason}" for failure in report.failed[:3]))
    finally:
        shutil.rmtree(output, ignore_errors=True)


# --- converted data


def _tiny() -> dict[str, Any]:
    """Return what ``dataset.json`` says of the shards that `_converted` writes."""
    counts = {"class_pixels": [1280, 0], "class_image_pixels": [1280, 0], "ignored_pixels": 0, "skipped": []}
    splits = {
        name: {"shards": [{"file": file, "records": 1, **_described(_shard_of(name))}], **counts}
        for name, file in _FILES.items()
    }
    return {
        **{"name": "x", "class_names": ["a", "b"], "palette": [[0, 0, 0], [9, 9, 9]], "splits": splits},
        "ignore_label": 255,
    }


def _described(shard: bytes) -> dict[str, Any]:
    return {"bytes": len(shard), "sha256": hashlib.sha256(shard).hexdigest()}


def _shard_of(split: str) -> bytes:
    return data.frame(data._record(name=split))


def _converted(values: Any, door: Callable[[Path], object]) -> Make:
    def make(folder: Path) -> Callable[[], object]:
        (folder / "data").mkdir()
        for name, file in _FILES.items():
            (folder / "data" / file).write_bytes(_shard_of(name))
        (folder / "data/dataset.json").write_text(json.dumps(values))
        return lambda: door(folder / "data")

    return make


def _with_shard(shard: bytes, door: Callable[[Path], object]) -> Make:
    """Return what makes data of which one shard of val, and of train, is hostile; ``dataset.json`` knows it so."""
    values = _tiny()
    for split in values["splits"].values():
        split["shards"][0] |= _described(shard)

    def make(folder: Path) -> Callable[[], object]:
        call = _converted(values, door)(folder)
        for path in (folder / "data").glob("*.tfrecord"):
            path.write_bytes(shard)
        return call

    return make


def _add(name: str, make: Make, *, says: str = "", sound: bool = False) -> None:
    if name in CASES:
        raise ValueError(name)
    CASES[name] = Case(name, make, says, sound)


for _name, _values in data.changed(_tiny()):
    for _door_name, _door in (
        ("evaluate", evaluate),
        ("preview", preview),
        ("begin training", begin_training),
    ):
        _add(f"{_door_name}: dataset.json: {_name}", _converted(_values, _door), sound=True)
for _door_name, _door in (("evaluate", evaluate), ("preview", preview), ("train", train)):
    for _name, _shard in data.SHARDS.items():
        _add(f"{_door_name}: a shard {_name}", _with_shard(_shard, _door), says="tfrecord")
    for _name, _record in data.RECORDS.items():
        _add(f"{_door_name}: a record {_name}", _with_shard(data.frame(_record), _door), says="tfrecord")


# --- images


def _image(write: data.Write) -> Make:
    def make(folder: Path) -> Callable[[], object]:
        write(folder / "1.png")
        return lambda: predict(folder, folder / "1.png")

    return make


for _name, _write in data._files():
    # Of several frames the first is predicted.
    _add(f"predict: images: {_name}", _image(_write), says=r"1\.png", sound="frames" in _name)


# --- models and runs


def _met_by(make: Make, door: Callable[[Path, Path], object]) -> Make:
    """Return what writes a hostile model file as `make` does, and puts it before another door."""

    def made(folder: Path) -> Callable[[], object]:
        make(folder)
        return lambda: door(folder / "a.keras", folder)

    return made


def _evaluate_with(model: Path, folder: Path) -> None:
    try:
        kerseg.evaluate(model, _sound_data(), output=folder / "scores.json")
    finally:
        for path in folder.glob("scores*"):
            path.unlink()


def _predict_with(model: Path, folder: Path) -> None:
    image = _sound_data().parent / "a.png"
    try:
        kerseg.predict(model, [image], output=folder / "predictions", save=("index",), runtime="keras")
    finally:
        shutil.rmtree(folder / "predictions", ignore_errors=True)


def _doctor_with(model: Path, folder: Path) -> None:
    with data.inline():
        kerseg.doctor(_sound_data(), model=model, workers=1)


@cache
def _sound_data() -> Path:
    """Write data of three classes below the working folder, once, and an image beside it."""
    folder = Path(".sound-data").resolve()
    (folder / "x").mkdir(parents=True)
    values = _tiny() | {"class_names": ["a", "b", "c"], "palette": [[0, 0, 0], [9, 9, 9], [5, 5, 5]]}
    for split in values["splits"].values():
        split |= {"class_pixels": [1280, 0, 0], "class_image_pixels": [1280, 0, 0]}
    _converted(values, lambda path: None)(folder / "x")
    data.drawing().save(folder / "x/a.png")
    return folder / "x/data"


for _name, _case in models.CASES.items():
    if _name.startswith(("state", "environment")):
        continue
    for _door_name, _door_of in (
        ("evaluate", _evaluate_with),
        ("predict", _predict_with),
        ("doctor", _doctor_with),
        ("describe", lambda model, folder: kerseg.describe(model)),
    ):
        # The doctor reads the card alone.
        _sound = _case.sound or _door_name == "doctor"
        _add(f"{_door_name}: {_name}", _met_by(_case.make, _door_of), says=_case.says, sound=_sound)


def _resumed(make: Make, name: str) -> Make:
    """Return what puts a hostile file of a run, as `make` writes it, into a run that is resumed."""

    def made(folder: Path) -> Callable[[], object]:
        for path in _sound_run().iterdir():
            if path.is_file():
                shutil.copy(path, folder / path.name)
        shutil.copytree(_sound_run() / "last", folder / "last")
        (folder / name).unlink()
        if name.startswith("last"):
            shutil.rmtree(folder / "last")
        make(folder)
        (folder / "last").mkdir(exist_ok=True)
        # As this process will write it: the file stays, and names the last holder.
        (folder / "last/lock").write_text(f"process {os.getpid()} on {platform.node()}\n")
        return lambda: kerseg.train(resume=folder)

    return made


@cache
def _sound_run() -> Path:
    """Train one step of two below the working folder, once."""
    folder = Path(".sound-run").resolve()
    kerseg.train(data_dir=_sound_data(), output=folder, **_TRAINING)
    return folder


for _name, _case in models.CASES.items():
    if _name.startswith(("state", "environment")):
        _file = "last/state.npz" if _name.startswith("state") else "environment.json"
        _add(f"resume: {_name}", _resumed(_case.make, _file), says=_case.says, sound=_case.sound)
