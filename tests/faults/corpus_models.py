"""Hostile model files and run folders."""

import io
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from corpus import Case

from kerseg import modelfile, models
from kerseg.training.environment import Environment
from kerseg.training.run import Run, RunProgress

Members = dict[str, bytes]
CARD, CONFIG, WEIGHTS = "kerseg.json", "config.json", "model.weights.h5"


@cache
def _sound() -> Mapping[str, bytes]:
    """The members of a sound model file."""
    path = Path(f".sound-{os.getpid()}.keras")
    try:
        modelfile.save(models.build("segnet_basic", num_classes=3, width=2), path, modelfile.blank_card(3))
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    finally:
        path.unlink(missing_ok=True)


def _write(path: Path, members: Mapping[str, bytes], packing: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _model(change: Callable[[Members], object], *, packing: int = zipfile.ZIP_STORED) -> Any:
    """Return what makes a case of a model file with changed members."""

    def make(folder: Path) -> Callable[[], object]:
        members = dict(_sound())
        change(members)
        _write(folder / "a.keras", members, packing)
        return lambda: modelfile.load(folder / "a.keras")

    return make


def _file(content: bytes | Callable[[Path], object]) -> Any:
    """Return what makes a case of a file that is no model."""

    def make(folder: Path) -> Callable[[], object]:
        path = folder / "a.keras"
        path.write_bytes(content) if isinstance(content, bytes) else content(path)
        return lambda: modelfile.load(path)

    return make


def _card(**change: Any) -> Any:
    """Return what makes a case of a card with other values, raw where they are bytes."""
    values = json.loads(_sound()[CARD]) | change
    return _model(lambda members: members.update({CARD: json.dumps(values).encode()}))


def _config(before: str, after: str) -> Any:
    def change(members: Members) -> None:
        text = members[CONFIG].decode()
        if before not in text:
            raise ValueError(f"the configuration holds no {before}")
        members[CONFIG] = text.replace(before, after).encode()

    return _model(change)


def _with_lambda(members: Members) -> None:
    config = json.loads(members[CONFIG])
    layer = next(layer for layer in config["config"]["layers"] if layer["class_name"] == "LocalResponseNorm")
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None, "closure": None}}
    layer |= {"module": "keras.layers", "class_name": "Lambda", "registered_name": None}
    layer["config"] = {"name": layer["config"]["name"], "function": code}
    members[CONFIG] = json.dumps(config).encode()


def _weights(change: Callable[[h5py.File], object]) -> Any:
    def changed(members: Members) -> None:
        content = io.BytesIO(members[WEIGHTS])
        with h5py.File(content, "a") as file:
            change(file)
        members[WEIGHTS] = content.getvalue()

    return _model(changed)


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((9,), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "a", (9,))
    file.create_virtual_dataset("out", layout)


def _all_weights(file: h5py.File, value: float) -> None:
    def fill(_: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset) and entry.dtype.kind == "f":
            entry[...] = value

    file.visititems(fill)


def _flipped(number: int) -> Any:
    """Return what makes a case of a model file with one byte changed, of a hundred places the ``number``-th."""

    def make(folder: Path) -> Callable[[], object]:
        path = folder / "a.keras"
        _write(path, _sound())
        content = bytearray(path.read_bytes())
        content[len(content) * number // 100] ^= 0xFF
        path.write_bytes(content)
        return lambda: modelfile.load(path)

    return make


def _cut(number: int) -> Any:
    def make(folder: Path) -> Callable[[], object]:
        path = folder / "a.keras"
        _write(path, _sound())
        path.write_bytes(path.read_bytes()[: path.stat().st_size * number // 100])
        return lambda: modelfile.load(path)

    return make


def _state(write: Callable[[Path], object]) -> Any:
    def make(folder: Path) -> Callable[[], object]:
        run = Run(folder)
        run.state_file.parent.mkdir()
        write(run.state_file)
        return run.load_state

    return make


def _progress(text: bytes) -> Any:
    return _state(lambda path: np.savez(path, progress=np.frombuffer(text, np.uint8)))


def _of_progress(**values: Any) -> Any:
    return _progress(json.dumps(vars(RunProgress()) | values).encode())


def _header(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
    return header.getvalue()


def _environment(**change: Any) -> Any:
    values: dict[str, Any] = {"versions": {}, "platform": "", "backend": "", "devices": [], "seed": 0}
    values |= {"data_checksum": ""}

    def make(folder: Path) -> Callable[[], object]:
        (folder / "environment.json").write_text(json.dumps(values | change))
        return lambda: Environment.read(folder / "environment.json")

    return make


_DEEP = b'{"a":' * 100_000
_LAYERS = (
    b'{"class_name": "Functional", "config": {"layers": [' + b'{"class_name": "Dense"},' * 100_000 + b"]}}"
)
_FILES = {
    "empty": _file(b""),
    "text": _file(b"hello"),
    "a pipe": _file(os.mkfifo),
    "a device": _file(lambda path: path.symlink_to("/dev/zero")),
    "a link to itself": _file(lambda path: path.symlink_to(path)),
    "only the end of a zip": _file(b"PK\x05\x06" + bytes(18)),
    "no configuration": _model(lambda members: members.pop(CONFIG)),
    "no weights": _model(lambda members: members.pop(WEIGHTS)),
    "a packed bomb": _model(
        lambda members: members.update({"assets/a": bytes(2**29)}), packing=zipfile.ZIP_DEFLATED
    ),
    "a packed bomb for weights": _model(
        lambda members: members.update({WEIGHTS: bytes(2**29)}), packing=zipfile.ZIP_DEFLATED
    ),
    "a packed bomb for a card": _model(
        lambda members: members.update({CARD: b" " * 2**29}), packing=zipfile.ZIP_DEFLATED
    ),
    "a name that leads out": _model(lambda members: members.update({"../../out": b"x"})),
    **{f"byte {number} of 100 changed": _flipped(number) for number in range(0, 100, 5)},
    **{f"{number} of 100 bytes": _cut(number) for number in (1, 10, 50, 90, 99)},
}
_CONFIGS = {
    name: _model(lambda members, content=content: members.update({CONFIG: content}))
    for name, content in {
        "empty": b"",
        "no JSON": b"{",
        "a list": b"[]",
        "a number": b"7",
        "no model": b"{}",
        "deep": _DEEP,
        "many layers": _LAYERS,
        "4 MB": b" " * (2**22 + 1),
        "os.system": b'{"module": "os", "class_name": "system", "config": "touch out"}',
        "a function of builtins": b'{"module": "builtins", "class_name": "exec", "config": {"name": "out"}}',
    }.items()
} | {
    "a layer of a billion filters": _config('"filters": 2', '"filters": 1000000000'),
    "a kernel of a million": _config('"kernel_size": [7, 7]', '"kernel_size": [1000000, 1000000]'),
    "filters that are text": _config('"filters": 2', '"filters": "two"'),
    "negative filters": _config('"filters": 2', '"filters": -2'),
    "an unknown layer": _config("kerseg>LocalResponseNorm", "kerseg>Nothing"),
    "a lambda": _model(_with_lambda),
    "an input of a million channels": _config("[null, null, null, 3]", "[null, null, null, 1000000000]"),
}
_HDF5 = {
    "not HDF5": _model(lambda members: members.update({WEIGHTS: b"hello"})),
    "half of it": _model(
        lambda members: members.update({WEIGHTS: members[WEIGHTS][: len(members[WEIGHTS]) // 2]})
    ),
    "no group": _weights(lambda file: file.clear()),
    "a layer less": _weights(lambda file: file["layers"].pop(sorted(file["layers"])[0])),
    "an array of a terabyte": _weights(lambda file: file.create_dataset("a", (2**37,), "f8", fillvalue=1.0)),
    "a packed array": _weights(
        lambda file: file.create_dataset("a", data=np.zeros(2**26, "f4"), compression=9)
    ),
    "a link to a file": _weights(lambda file: file.update({"a": h5py.ExternalLink("/etc/passwd", "/")})),
    "a soft link": _weights(lambda file: file.update({"a": h5py.SoftLink("/layers")})),
    "a circle": _weights(lambda file: file.update({"a": file["layers"]})),
    "values elsewhere": _weights(
        lambda file: file.create_dataset("a", (9,), "u1", external=[("/etc/passwd", 0, 9)])
    ),
    "virtual values": _weights(_virtual),
    "NaN": _weights(lambda file: _all_weights(file, np.nan)),
    "infinity": _weights(lambda file: _all_weights(file, np.inf)),
}
_CARDS = {
    "no JSON": _model(lambda members: members.update({CARD: b"{"})),
    "a list": _model(lambda members: members.update({CARD: b"[]"})),
    "deep": _model(lambda members: members.update({CARD: _DEEP})),
    "not UTF-8": _model(lambda members: members.update({CARD: b'{"architecture": "\xff"}'})),
    "no class": _card(class_names=[], palette=[]),
    "another number of classes": _card(class_names=["a"], palette=[[0, 0, 0]]),
    "classes that are numbers": _card(class_names=[1, 2, 3]),
    "a class that is an escape": _card(class_names=["\x1b[2J", "b", "c"]),
    "a class of two lines": _card(class_names=["a\nb", "b", "c"]),
    "a short palette": _card(palette=[[0, 0, 0]]),
    "colours of two": _card(palette=[[0, 0]] * 3),
    "colours of 256": _card(palette=[[0, 0, 256]] * 3),
    "negative colours": _card(palette=[[0, 0, -1]] * 3),
    "colours in quotes": _card(palette=[["0", "0", "0"]] * 3),
    "an architecture that is a list": _card(architecture=[]),
    "options that are a list": _card(options=[1]),
    "an ignore label in quotes": _card(ignore_label="255"),
    "NaN in the scores": _card(scores={"mean_iou": float("nan")}),
    "channels without ranges": _card(channels={"names": ["a"]}),
    "channels that are text": _card(channels="rgb"),
    "ranges in quotes": _card(channels={"names": ["a"], "value_ranges": [["0", "1"]]}),
    "an axis in quotes": _card(
        channels={"names": ["a"], "value_ranges": [[0, 1]], "layout": {"slice_axis": "0"}}
    ),
    "a negative axis": _card(
        channels={"names": ["a"], "value_ranges": [[0, 1]], "layout": {"slice_axis": -1}}
    ),
}
_STATES = {
    "empty": _state(lambda path: path.write_bytes(b"")),
    "text": _state(lambda path: path.write_bytes(b"hello")),
    "no progress": _state(lambda path: np.savez(path, a=np.zeros(3))),
    "objects, which are code": _state(lambda path: np.savez(path, progress=np.array([Path("a")], object))),
    "packed": _state(lambda path: np.savez_compressed(path, a=np.zeros(2**26))),
    "a header of terabytes": _state(lambda path: _write(path, {"a.npy": _header((2**45,))})),
    "a header that overflows": _state(lambda path: _write(path, {"a.npy": _header((2**62, 2**62))})),
    "a negative shape": _state(lambda path: _write(path, {"a.npy": _header((-1,))})),
    "a header of another version": _state(
        lambda path: _write(path, {"a.npy": b"\x93NUMPY\x09\x00" + bytes(99)})
    ),
    "a header that is code": _state(
        lambda path: _write(path, {"a.npy": b"\x93NUMPY\x01\x00\x20\x00__import__('os').system('x')   \n"})
    ),
    "not an array": _state(lambda path: _write(path, {"a.npy": b"hello"})),
    "a progress that is no JSON": _progress(b"{"),
    "a progress that is deep": _progress(_DEEP),
    "a progress of another kind": _progress(b"[]"),
    "an epoch in quotes": _of_progress(epoch="1"),
    "a negative epoch": _of_progress(epoch=-1),
    "a batch of 1.5": _of_progress(batch=1.5),
    "a best that is text": _of_progress(best="0.5"),
    "a history of texts": _of_progress(history=["a"]),
    "a history of nulls": _of_progress(history=[{"loss": None}]),
}
_ENVIRONMENTS = {
    "versions that are a list": _environment(versions=[]),
    "versions that are numbers": _environment(versions={"kerseg": 1}),
    "a negative seed": _environment(seed=-1),
    "devices that are text": _environment(devices="cpu"),
    "a checksum that is a number": _environment(data_checksum=1),
    "left out without a file": _environment(left_out=[{"split": "train"}]),
}
CASES = {
    name: Case(name, make, says=r"a\.keras|state\.npz|environment\.json", sound=name.endswith("changed"))
    for kind, group in {
        "model": _FILES,
        "config": _CONFIGS,
        "HDF5": _HDF5,
        "card": _CARDS,
        "state": _STATES,
        "environment": _ENVIRONMENTS,
    }.items()
    for name, make in ((f"{kind}: {name}", make) for name, make in group.items())
}
