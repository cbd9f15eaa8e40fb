"""Model files: a ``.keras`` file that carries its own card.

A ``.keras`` file is a zip archive; kerseg adds one member, ``kerseg.json``, which Keras ignores:

    metadata.json  config.json  model.weights.h5     Keras's own
    kerseg.json                                      architecture, classes, palette, channels, data set, scores

So one file is all that evaluation, prediction and export need. `keras.saving.load_model` reads it too, once kerseg
is imported. Equal models make equal files, byte for byte. A file may come from anyone: nothing of it is read before
it is known to be no larger than the file makes plausible.
"""

import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras

from kerseg.__version__ import __version__
from kerseg.core.files import whole
from kerseg.core.info import IGNORE_LABEL, RGB, Channels, Colour, default_palette
from kerseg.core.schema import decode_json
from kerseg.errors import ConfigError, KersegError, WeightsError
from kerseg.modelfile import guard

BEST = "best.keras"
"""Name of the model file in a run folder."""
_CARD = "kerseg.json"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a model file says of its model.

    Example:
        >>> model, card = load("runs/unet")
        >>> card.architecture, card.class_names[:2]
        ('unet', ('sky', 'building'))
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
    created: str = ""
    """Date and time, UTC, in files of kerseg 0.1; equal models of later ones make equal files."""

    def __post_init__(self) -> None:
        if not self.class_names:
            raise ConfigError("class_names is empty: a model has a class or more.")
        if spoilt := [name for name in self.class_names if _CONTROL.search(name)]:
            raise ConfigError(f"class_names holds {spoilt[0]!r}: control characters cannot be printed.")
        if len(self.palette) != len(self.class_names):
            raise ConfigError(
                f"palette has {len(self.palette)} colours, and class_names {len(self.class_names)} names."
            )
        if wrong := [colour for colour in self.palette if not 0 <= min(colour) <= max(colour) <= 255]:
            raise ConfigError(f"palette holds {wrong[0]}: a colour is three numbers of 0 to 255.")

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
        with zipfile.ZipFile(temporary) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        members["metadata.json"] = json.dumps({"keras_version": keras.__version__}).encode()
        members["config.json"] = json.dumps(_without_addresses(json.loads(members["config.json"]))).encode()
        members[_CARD] = json.dumps(asdict(card), indent=1).encode()
        with zipfile.ZipFile(temporary, "w") as archive:
            for name, content in members.items():
                # A ZipInfo of its own has a fixed date.
                archive.writestr(zipfile.ZipInfo(name), content)


def _without_addresses(config: Any) -> Any:
    """Number the objects that several layers share: Keras takes their addresses in memory."""
    numbers: dict[int, int] = {}

    def renumbered(value: Any) -> Any:
        if isinstance(value, list):
            return [renumbered(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        return {
            key: numbers.setdefault(entry, len(numbers)) if key == "shared_object_id" else renumbered(entry)
            for key, entry in value.items()
        }

    return renumbered(config)


def load(path: str | Path) -> tuple[keras.Model, ModelCard]:
    """Read a model and its card.

    Args:
        path: A ``.keras`` file, or a run folder (then ``best.keras`` in it). A file that kerseg did not write
            gets a card with numbered class names and the colours of `default_palette`.

    Returns:
        The model, not compiled, and its card.

    Raises:
        WeightsError: The file is missing, damaged, no Keras model, or no segmentation model; or a weight is NaN or
            infinite.
    """
    path = locate(path)
    with guard.opened(path) as archive:
        card = _read_card(archive, path)
        version = _keras_version(archive)
        with _named(path, version):
            guard.check_config(archive)
            stored = guard.check_weights(archive)
    with _named(path, version), guard.variables_within(stored):
        model = keras.saving.load_model(path, compile=False)
    guard.check_finite(model, path)
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
    with guard.opened(path) as archive:
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
        if not path.is_file():  # to read a pipe or a device may never end
            raise WeightsError(f"{path}: neither a file nor a folder. Give a run folder or a .keras file.")
        return path
    if (path / BEST).is_file():
        return path / BEST
    if (path / "config.yaml").is_file():
        raise WeightsError(
            f"{path}: this run has no {BEST} yet: training writes it at the end of an epoch. "
            f"Go on with: `kerseg.train(resume={str(path)!r})`"
        )
    raise WeightsError(f"{path}: not a run folder: it has no {BEST}. Give a run folder or a .keras file.")


def _read_card(archive: zipfile.ZipFile, path: Path) -> ModelCard | None:
    if _CARD not in archive.namelist():
        return None
    try:
        content = archive.read(_CARD)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error) as error:
        raise WeightsError(f"{path}: its {_CARD} is damaged: {error}.") from error
    return decode_json(content, ModelCard, where=f"{path}: its {_CARD}", error=WeightsError)


@contextmanager
def _named(path: Path, version: str) -> Iterator[None]:
    """Say of which file Keras, h5py or zipfile speak, which raise whatever they please at a damaged one."""
    try:
        yield
    except (KersegError, MemoryError):
        raise
    except Exception as error:
        # What is wrong stands after the configuration of the whole model, which Keras prints first.
        text = str(error).rpartition("Exception encountered: ")[2].strip() or repr(error)
        reason = " ".join(text.split())
        raise WeightsError(
            f"{path}: Keras cannot read this model: {reason[:1000].rstrip('.')}. "
            f"(The file was written by Keras {version}; this is {keras.__version__}.)"
        ) from error


def blank_card(num_classes: int) -> ModelCard:
    """Return the card of a model that has none: numbered class names, the colours of `default_palette`."""
    return ModelCard(
        architecture="",
        class_names=tuple(f"class {index}" for index in range(num_classes)),
        palette=default_palette(num_classes),
        kerseg_version="",
    )


def _keras_version(archive: zipfile.ZipFile) -> str:
    try:
        return str(json.loads(archive.read("metadata.json"))["keras_version"])
    except (ValueError, KeyError, TypeError, RecursionError, RuntimeError, zlib.error, zipfile.BadZipFile):
        return "?"


def _num_classes(model: keras.Model, path: Path) -> int:
    shapes: Sequence[Any] = [tuple(tensor.shape) for tensor in model.outputs]
    inputs: Sequence[Any] = [tuple(tensor.shape) for tensor in model.inputs]
    if len(inputs) != 1 or len(shapes) != 1 or len(inputs[0]) != 4 or len(shapes[0]) != 4:
        raise WeightsError(
            f"{path}: not a segmentation model: that takes one (batch, height, width, channels) and gives one "
            f"(batch, height, width, classes). This takes {inputs} and gives {shapes}."
        )
    return int(shapes[0][-1])
