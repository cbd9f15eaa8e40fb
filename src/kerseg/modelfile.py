"""Model files: a ``.keras`` file that carries its own card.

A ``.keras`` file is a zip archive; kerseg adds one member, ``kerseg.json``, which Keras ignores:

    metadata.json  config.json  model.weights.h5     Keras's own
    kerseg.json                                      architecture, classes, palette, channels, data set, scores

So one file is all that evaluation, prediction and export need. `keras.saving.load_model` reads it too, once
the modules of `kerseg.layers` are imported.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import keras

from kerseg.__version__ import __version__
from kerseg.core.files import whole
from kerseg.core.info import IGNORE_LABEL, RGB, Channels, Colour, as_palette, default_palette
from kerseg.errors import WeightsError

BEST = "best.keras"
"""Name of the model file in a run folder."""
_CARD = "kerseg.json"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a model file says of its model.

    Example:
        >>> model, card = modelfile.load("runs/enet")
        >>> card.architecture, card.class_names[:2]
        ('enet', ('sky', 'building'))
    """

    architecture: str
    """Name in `kerseg.models.MODELS`; empty if kerseg did not build the model."""
    class_names: tuple[str, ...]
    palette: tuple[Colour, ...]
    """One colour a class."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What `kerseg.models.build` was given besides the number of classes."""
    dataset: str = ""
    """Name of the data set it was trained on."""
    ignore_label: int = IGNORE_LABEL
    channels: Channels | None = None
    """What it takes, and which values of an image are 0 and 255 to it; None for 8-bit RGB."""
    scores: Mapping[str, Any] = field(default_factory=dict)
    """`Scores.to_json` of the validation that chose these weights."""
    kerseg_version: str = __version__
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    """Date and time, UTC."""

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def num_channels(self) -> int:
        """Number of channels of the images that it takes."""
        return len(self.channels.names) if self.channels else RGB


def save(model: keras.Model, path: Path, card: ModelCard) -> None:
    """Write ``model`` and ``card`` to ``path``, whole or not at all.

    The optimizer is left out: it would double or treble the size, and what resuming needs is in ``last/``.

    Args:
        model: A functional model with one input and one output.
        path: The file; its name ends in ``.keras``.
        card: What to say of the model.
    """
    # A twin on the same layers: what `compile` and `fit` have hung on the model does not come along.
    twin = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    with whole(path) as temporary:
        twin.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_CARD, json.dumps(asdict(card), indent=1))


def load(path: str | Path) -> tuple[keras.Model, ModelCard]:
    """Read a model and its card.

    Args:
        path: A ``.keras`` file, or a run folder (then ``best.keras`` in it). A file that kerseg did not write
            gets a card with numbered class names and the colours of `default_palette`.

    Returns:
        The model, not compiled, and its card.

    Raises:
        WeightsError: The file is missing, damaged, no Keras model, or no segmentation model.
    """
    path = locate(path)
    with _open(path) as archive:
        card = _read_card(archive, path)
        version = _keras_version(archive)
    _register_layers(card.architecture if card else "")
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras, h5py and zipfile raise whatever they please at a damaged file.
        # What is wrong stands after the configuration of the whole model, which Keras prints first.
        text = str(error).rpartition("Exception encountered: ")[2].strip() or repr(error)
        reason = text.splitlines()[0][:300]
        raise WeightsError(
            f"{path}: Keras cannot read this model: {reason} "
            f"(The file was written by Keras {version}; this is {keras.__version__}.)"
        ) from error
    classes = _num_classes(model, path)
    card = card or blank_card(classes)
    if card.num_classes != classes:
        raise WeightsError(
            f"{path}: the model gives {classes} classes, and its {_CARD} names {card.num_classes}."
        )
    return model, card


def card(path: str | Path) -> ModelCard:
    """Return the card of a model without building the model, unless it has none.

    Raises:
        WeightsError: As for `load`.
    """
    path = locate(path)
    with _open(path) as archive:
        found = _read_card(archive, path)
    return found or load(path)[1]


def locate(path: str | Path) -> Path:
    """Return the model file that ``path``, a ``.keras`` file or a run folder, stands for.

    Raises:
        WeightsError: There is none.
    """
    path = Path(path)
    if not path.is_dir():
        if not path.exists():
            raise WeightsError(f"{path}: does not exist. Give a run folder or a .keras file.")
        return path
    if (path / BEST).is_file():
        return path / BEST
    if (path / "config.yaml").is_file():
        raise WeightsError(
            f"{path}: this run has no {BEST} yet: training writes it at the end of an epoch. "
            f"Go on with: `kerseg.train(resume={str(path)!r})`"
        )
    raise WeightsError(f"{path}: not a run folder: it has no {BEST}. Give a run folder or a .keras file.")


def _open(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        with path.open("rb") as file:
            started = file.read(4) == b"PK\x03\x04"
        what = "the file is cut off: copy it again" if started else "not a .keras file (a zip archive)"
        raise WeightsError(f"{path}: {what}.") from error
    if "config.json" not in archive.namelist():
        archive.close()
        raise WeightsError(f"{path}: a zip archive, but not a Keras model: it holds no config.json.")
    return archive


def _read_card(archive: zipfile.ZipFile, path: Path) -> ModelCard | None:
    if _CARD not in archive.namelist():
        return None
    try:
        values = json.loads(archive.read(_CARD))
        # A later kerseg may say more: what this one does not know, it leaves.
        known = {entry.name: values[entry.name] for entry in fields(ModelCard) if entry.name in values}
        known["class_names"] = tuple(known["class_names"])
        known["palette"] = as_palette(known["palette"])
        if known.get("channels"):
            known["channels"] = Channels.from_json(known["channels"])
        return ModelCard(**known)
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path}: its {_CARD} is damaged ({error!r}).") from error


def blank_card(num_classes: int) -> ModelCard:
    """Return the card of a model that has none: numbered class names, the colours of `default_palette`."""
    return ModelCard(
        architecture="",
        class_names=tuple(f"class {index}" for index in range(num_classes)),
        palette=default_palette(num_classes),
        kerseg_version="",
        created="",
    )


def _keras_version(archive: zipfile.ZipFile) -> str:
    try:
        return str(json.loads(archive.read("metadata.json"))["keras_version"])
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return "?"


def _register_layers(architecture: str) -> None:
    """Import the modules that register kerseg's layers with Keras, which rebuilds them by name."""
    folder = import_module("kerseg.layers")
    for module in iter_modules(folder.__path__, "kerseg.layers."):
        import_module(module.name)


def _num_classes(model: keras.Model, path: Path) -> int:
    shapes: Sequence[Any] = [tuple(tensor.shape) for tensor in model.outputs]
    inputs: Sequence[Any] = [tuple(tensor.shape) for tensor in model.inputs]
    if len(inputs) != 1 or len(shapes) != 1 or len(inputs[0]) != 4 or len(shapes[0]) != 4:
        raise WeightsError(
            f"{path}: not a segmentation model: that takes one (batch, height, width, channels) and gives one "
            f"(batch, height, width, classes). This takes {inputs} and gives {shapes}."
        )
    return int(shapes[0][-1])
