"""What is asked of a model file before anything of it is believed: it may come from anyone.

Nothing is read that is larger than the size of the file makes plausible, and nothing that leads out of it.
"""

import io
import math
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from kerseg.core.files import explained
from kerseg.errors import WeightsError

_WEIGHTS = "model.weights.h5"
_LARGEST_JSON, _MOST_PARTS = 2**22, 10_000
"""Of JSON: bytes, and layers, initializers and so on. GCN on ResNet-152, the largest, has 520 kB and 2,716."""
_EXPANSION = 4
"""Bytes in memory for one in the file: Keras compresses nothing, and packing trained weights anew halves them."""
_ALWAYS = 2**26
"""Bytes in memory that any file may take."""


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a model file, and refuse members that are larger than plausible.

    Raises:
        WeightsError: They are, or it is no model file.
        KersegError: It cannot be read.
    """
    try:
        with explained(path):
            archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        with path.open("rb") as file:
            started = file.read(4) == b"PK\x03\x04"
        what = "the file is cut off: copy it again" if started else "not a .keras file (a zip archive)"
        raise WeightsError(f"{path}: {what}.") from error
    with archive:
        members = archive.infolist()
        if "config.json" not in archive.namelist():
            raise WeightsError(f"{path}: a zip archive, but not a Keras model: it holds no config.json.")
        for member in members:
            if ".." in Path(member.filename).parts or Path(member.filename).is_absolute():
                raise WeightsError(
                    f"{path}: its {member.filename!r} leads out of the archive: do not use this file."
                )
            if member.filename.endswith(".json") and member.file_size > _LARGEST_JSON:
                raise WeightsError(
                    f"{path}: its {member.filename} has {member.file_size:,} bytes, where a model's has at most "
                    f"{_LARGEST_JSON:,}. No kerseg wrote this file: do not use it."
                )
        _check_size(sum(member.file_size for member in members), path.stat().st_size, path)
        yield archive


def _check_size(unpacked: int, packed: int, what: object) -> None:
    if unpacked > _EXPANSION * packed + _ALWAYS:
        raise WeightsError(
            f"{what}: its {packed:,} bytes unpack to {unpacked:,}, which trained weights never do. No kerseg wrote "
            "this file: do not use it."
        )


def check_config(archive: zipfile.ZipFile) -> None:
    """Refuse a configuration of more layers than any model has, which Keras would build one by one.

    Raises:
        ValueError: It is one.
    """
    if (parts := archive.read("config.json").count(b'"class_name"')) > _MOST_PARTS:
        raise ValueError(f"Not allowed: {parts:,} layers and other parts, of which no model has so many")


def check_weights(archive: zipfile.ZipFile) -> int:
    """Refuse HDF5 that claims more than it holds, or that leads out of the file.

    Returns:
        Bytes of all arrays, or 0 for a model without HDF5.

    Raises:
        ValueError: It does; the words name the entry.
        WeightsError: Its arrays are larger than plausible.
    """
    if _WEIGHTS not in archive.namelist():
        return 0
    content = archive.read(_WEIGHTS)
    with h5py.File(io.BytesIO(content), "r") as file:
        total = sum(_sizes(file, set()))
    _check_size(total, len(content), f"{archive.filename}: {_WEIGHTS}")
    return total


def _sizes(group: h5py.Group, seen: set[Any]) -> Iterator[int]:
    """Yield the bytes of each array below a group."""
    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ValueError(
                f"Not allowed: {group.name}/{name} is a {type(link).__name__}, which leads elsewhere"
            )
        entry = group[name]
        place = h5py.h5o.get_info(entry.id).addr
        if place in seen:
            raise ValueError(f"Not allowed: {entry.name} is there under a second name")
        seen.add(place)
        if isinstance(entry, h5py.Group):
            yield from _sizes(entry, seen)
        elif not isinstance(entry, h5py.Dataset):
            raise ValueError(f"Not allowed: {entry.name} is neither a group nor an array")
        elif entry.external or entry.is_virtual:
            raise ValueError(f"Not allowed: {entry.name} keeps its values in other files")
        else:
            yield int(entry.nbytes)


_loading = threading.Lock()


@contextmanager
def variables_within(stored: int) -> Iterator[None]:
    """Refuse layers whose variables have more numbers than the file holds, before these take memory.

    Keras makes a model's variables from the configuration, and looks at the weights afterwards.

    Args:
        stored: Bytes of all arrays in the file, as `check_weights` returned them.

    Raises:
        ValueError: A layer has such a variable.
    """
    layer, here, left = keras.layers.Layer, threading.get_ident(), stored + _ALWAYS // 4
    real = layer.add_weight

    def add_weight(self: Any, shape: Any = None, *arguments: Any, **options: Any) -> Any:
        nonlocal left
        if threading.get_ident() == here:
            left -= math.prod(shape or ())
            if left < 0:
                raise ValueError(
                    f"layer {self.name!r} needs a variable of shape {tuple(shape)}, which is not in the file"
                )
        return real(self, shape, *arguments, **options)

    with _loading:
        layer.add_weight = add_weight
        try:
            yield
        finally:
            layer.add_weight = real


def check_finite(model: keras.Model, path: Path) -> None:
    """Refuse a model with weights that are not numbers.

    Raises:
        WeightsError: It is one; the message names the weight.
    """
    for weight in model.weights:
        if not np.all(np.isfinite(keras.ops.convert_to_numpy(weight))):
            raise WeightsError(
                f"{path}: the weight {weight.path} holds NaN or infinity: the training that wrote this file had "
                "diverged. Train again, with a lower `learning_rate`."
            )
