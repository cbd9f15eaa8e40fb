"""What is fuzzed: how an input is drawn, and the call that meets it. ``scripts/fuzz`` does it for as long as asked.

An input begins as a sound document, of which parts are replaced by junk, or bytes changed, cut or added.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import corpus_data as data
import corpus_models as models
import yaml
from hypothesis import strategies as st

import kerseg
from kerseg import modelfile
from kerseg.config import TrainConfig
from kerseg.core.schema import to_builtins
from kerseg.data.conversion import convert as conversion
from kerseg.training.environment import Environment
from kerseg.training.run import RunProgress

Make = Callable[[Path], Callable[[], object]]


@dataclass(frozen=True)
class Target:
    """One door, and what is put before it."""

    inputs: st.SearchStrategy[bytes]
    make: Callable[[bytes], Make]
    """Of an input, what writes it into an empty folder and returns the call."""


# --- inputs

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_YAML = (
    *("&a ", "*a", "<<: ", "? ", "- ", "{", "}", "[", "]", ": ", "#", "|", ">", "'", '"', "\t", "\n", "\n  "),
    *("!!python/object/apply:os.system ['true']", "!!binary ", "!!set ", "!!timestamp ", "!a ", "%YAML 9\n"),
    *(
        "---\n",
        "...\n",
        ".inf",
        ".nan",
        "1e999",
        "0o17",
        "1:30:00",
        "2020-01-01",
        "~",
        "yes",
        "2" * 400,
        "\0",
    ),
)


@st.composite
def edited(draw: st.DrawFn, values: Any) -> Any:
    """Draw a document with up to three of its parts replaced, gone, or under another name."""
    copy = json.loads(json.dumps(values))
    for _ in range(draw(st.integers(0, 3))):
        holder, key, part = None, None, copy
        while isinstance(part, dict | list) and part and draw(st.booleans() | st.just(True)):
            holder = part
            names = sorted(part) if isinstance(part, dict) else range(len(part))
            key = draw(st.sampled_from(names))
            part = part[key]
        if holder is None:
            continue
        match draw(st.sampled_from(["value", "value", "value", "gone", "name"])):
            case "value":
                holder[key] = draw(VALUES)
            case "gone":
                del holder[key]
            case "name" if isinstance(holder, dict):
                holder[draw(st.text(max_size=8))] = holder.pop(key)
    return copy


@st.composite
def flipped(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw bytes with a few of them changed, cut or added."""
    found = bytearray(content)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, max(0, len(found) - 1)))
        match draw(st.sampled_from(["change", "cut", "insert", "end"])):
            case "change" if found:
                found[place] = draw(st.integers(0, 255))
            case "cut":
                del found[place : place + draw(st.integers(1, 50))]
            case "insert":
                found[place:place] = draw(st.binary(max_size=20))
            case "end":
                del found[place:]
    return bytes(found)


def json_of(values: Any) -> st.SearchStrategy[bytes]:
    """Draw JSON with parts replaced, and bytes of its text changed."""
    return edited(values).flatmap(lambda copy: flipped(json.dumps(copy).encode()))


@st.composite
def yaml_of(draw: st.DrawFn, values: Any) -> bytes:
    """Draw YAML with parts replaced, what means something in YAML put in, and bytes changed."""
    copy = draw(edited(values))
    # JSON is YAML, too, and spells what PyYAML does not write down.
    text = yaml.safe_dump(copy, sort_keys=False) if draw(st.booleans()) else json.dumps(copy, indent=1)
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from(_YAML)) + text[place:]
    return draw(flipped(text.encode("utf-8", "surrogatepass")))


# --- doors


def dataset(door: Callable[[Path], object]) -> Callable[[bytes], Make]:
    def of(text: bytes) -> Make:
        def make(folder: Path) -> Callable[[], object]:
            call = data._edited({}, door)(folder)
            (folder / "data/dataset.json").write_bytes(text)
            return call

        return make

    return of


def recipe(text: bytes) -> Make:
    def make(folder: Path) -> Callable[[], object]:
        (folder / "recipe.yaml").write_bytes(text)
        # The data is missing, which is looked for last, before TensorFlow and the network.
        return lambda: kerseg.train(folder / "recipe.yaml")

    return make


def card(text: bytes, *, whole: bool = False) -> Make:
    def make(folder: Path) -> Callable[[], object]:
        door = modelfile.load if whole else modelfile.card
        members = dict(models._sound()) | {models.CARD: text}
        models._write(folder / "a.keras", members)
        return lambda: door(folder / "a.keras")

    return make


def environment(text: bytes) -> Make:
    def make(folder: Path) -> Callable[[], object]:
        (folder / "environment.json").write_bytes(text)
        return lambda: Environment.read(folder / "environment.json")

    return make


def index(root: Path) -> Callable[[bytes], Make]:
    """Return what converts with ``update=True`` upon a data set whose ``manifest.jsonl`` is the input."""
    source = data.folder_source(root / "raw")

    def of(text: bytes) -> Make:
        def make(folder: Path) -> Callable[[], object]:
            def call() -> None:
                try:
                    shutil.copytree(root / "out", folder / "out")
                    (folder / "out/manifest.jsonl").write_bytes(text)
                    with data.inline():
                        conversion.convert(source, output=folder / "out", workers=1, update=True)
                    for path in (root / "out").iterdir():  # whatever the index says, the records are the same
                        if path.name.endswith(".tfrecord"):
                            assert (folder / "out" / path.name).read_bytes() == path.read_bytes()
                finally:
                    shutil.rmtree(folder / "out")

            return call

        return make

    return of


@cache
def converted(root: Path) -> bytes:
    """Convert a raw tree below ``root`` and return its index; its files look as if they were old."""
    import os

    data.tree(root / "raw")
    for path in (root / "raw").rglob("*.png"):
        os.utime(path, (1e9, 1e9))
    with data.inline():
        conversion.convert(data.folder_source(root / "raw"), output=root / "out", workers=1)
    return (root / "out/manifest.jsonl").read_bytes()


# --- targets

_RECIPE = {
    **to_builtins(TrainConfig(model="unet", loss="cross_entropy+0.5*dice", class_weights="enet")),
    **{"data_dir": "missing", "model_options": {"width": 8}, "loss_options": {"dice": {"smooth": 1}}},
}
_XML = data.XML % (b"a.png", b"40", b"32", b'<box label="cat" xtl="1" ytl="1" xbr="5" ybr="5"/>')
_RLE = b'<mask label="cat" left="0" top="0" width="9" height="2" rle="3, 9, 6"/>'
_SHAPES = b'<polygon label="cat" points="1,1;9,2;8,9"/><ellipse label="cat" cx="9" cy="9" rx="3" ry="2"/>'
_RUN = {
    **{
        "versions": {"kerseg": "0.2.0", "jax": None},
        "platform": "x",
        "backend": "tensorflow",
        "devices": ["cpu"],
    },
    **{"seed": 0, "data_checksum": "0", "begun": "2026-01-01T00:00:00+00:00", "begun_by": "0.2.0"},
    "left_out": [{"split": "train", "file": "a.tfrecord", "records": 1, "reason": "missing"}],
}
_PROGRESS = {**vars(RunProgress()), "best": 0.5, "history": [{"epoch": 1, "loss": 0.5, "val_mean_iou": 0.5}]}


def targets(root: Path) -> dict[str, Target]:
    """Return all targets, by name.

    Args:
        root: Folder for what several inputs share.
    """
    annotated, shard = data._annotated, data._shard
    channels = {"names": ["a", "b", "c"], "value_ranges": [[0, 1]] * 3}
    sound = json.loads(models._sound()[models.CARD]) | {"channels": {**channels, "layout": {"slice_axis": 0}}}
    return {
        "dataset.json, read": Target(json_of(data._DATASET), dataset(data.read)),
        "dataset.json, doctor": Target(json_of(data._DATASET), dataset(data.diagnose)),
        "card": Target(json_of(sound), card),
        "card, with its model": Target(json_of(sound), lambda text: card(text, whole=True)),
        "recipe": Target(yaml_of(_RECIPE), recipe),
        "environment.json": Target(json_of(_RUN), environment),
        "state": Target(json_of(_PROGRESS), models._progress),
        "index": Target(flipped(converted(root)), index(root)),
        **_annotations(annotated),
        "shard, read": Target(flipped(data._GOOD), lambda text: shard(text, 1, data.read)),
        "shard, doctor": Target(flipped(data._GOOD), lambda text: shard(text, 1, data.diagnose)),
        "record, read": Target(flipped(data._record()), lambda text: shard(data.frame(text), 1, data.read)),
    }


def _annotations(annotated: Callable[[Any], Make]) -> Mapping[str, Target]:
    lines = b"0 0.1 0.1 0.5 0.1 0.5 0.5\n"
    cvat = st.sampled_from(
        [_XML, _XML.replace(b"<box", _RLE + b"<box"), _XML.replace(b"<box", _SHAPES + b"<box")]
    )
    return {
        "coco": Target(json_of(data.COCO), lambda text: annotated(data.coco(text))),
        "labelme": Target(json_of(data.LABELME), lambda text: annotated(data.labelme(text))),
        "cvat": Target(cvat.flatmap(flipped), lambda text: annotated(data.cvat(text))),
        "yolo": Target(yaml_of(data.YOLO), lambda text: annotated(data.yolo(text))),
        "yolo lines": Target(
            flipped(lines * 2), lambda text: annotated(data.yolo(json.dumps(data.YOLO).encode(), text))
        ),
    }
