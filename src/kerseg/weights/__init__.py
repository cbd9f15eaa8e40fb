"""Where weights come from: TF-Slim checkpoints, Keras's ImageNet weights, kerseg's own model files.

Each source is read into kerseg's names, ``layer/variable``; what fits is put into the model, and the rest is
told: nothing starts from random numbers without a word.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerseg.errors import WeightsError
from kerseg.weights import applications, checkpoint, trunk
from kerseg.weights.source import PretrainedWeights
from kerseg.weights.trunk import variables_of

IMAGENET = "imagenet"


@dataclass(frozen=True)
class Loaded:
    """What became of a source's weights; names are ``layer/variable``.

    Example:
        >>> loaded = load(kerseg.models.build("unet", num_classes=3, width=2), "runs/unet")
        >>> loaded.loaded[0], loaded.random
        ('down1_conv1/kernel', ('logits/kernel', 'logits/bias'))
    """

    origin: str
    """What was read, in words."""
    loaded: tuple[str, ...]
    """Variables of the model that have the source's values now."""
    skipped: tuple[str, ...]
    """Variables of the source that the model has no place for."""
    random: tuple[str, ...]
    """Variables of the model that keep their first, mostly random values."""
    notes: tuple[str, ...] = ()
    """What else one should know."""

    def __str__(self) -> str:
        lines = [f"{self.origin}: {len(self.loaded)} variables loaded"]
        lines += [f"{len(self.skipped)} skipped: {_shorten(self.skipped)}"] if self.skipped else []
        lines += [f"{len(self.random)} start anew: {_shorten(self.random)}"] if self.random else []
        return "\n  ".join([*lines, *self.notes])


def load(model: keras.Model, source: str | Path, *, say: Callable[[str], None] | None = None) -> Loaded:
    """Start a model from weights trained elsewhere.

    Args:
        model: A model that kerseg built.
        source: ``"imagenet"``, which downloads what ``keras.applications`` offers for the model's backbone
            (VGG16, ResNet or ResNetV2); or the path of a TF-Slim checkpoint (``vgg_16``, ``resnet_v2_50``,
            ``_101`` or ``_152``; one file, or the prefix of several), of a ``.keras`` file or of a run folder.
        say: Takes the report, as text; default: standard error.

    Returns:
        What was loaded, what was skipped, what stays random.

    Raises:
        WeightsError: The source cannot be read, is of another backbone, has another shape, or fits nothing.

    Example:
        >>> load(kerseg.models.build("unet", num_classes=7, width=2), "runs/unet").random
        ()
    """
    read = _read(model, source)
    mine = variables_of(model)
    values, other_channels = trunk.fit_channels(
        trunk.fit_classifier(read.values, mine), mine, read.channels, int(model.inputs[0].shape[-1])
    )
    shared = [name for name in values if name in mine]
    if len(shared) < len(values) / 2:  # a name or two, such as logits, may be shared by chance
        raise WeightsError(
            f"{read.origin}: weights of another architecture: {model.name} has {len(shared)} of its {len(values)} "
            f"variables, such as {_shorten(tuple(values), 3)}."
        )
    fitting, other_classes = _fitting(values, mine, read)
    for name, value in fitting.items():
        mine[name].assign(value)
    result = Loaded(
        origin=read.origin,
        loaded=tuple(fitting),
        skipped=tuple(name for name in (*values, *read.unknown) if name not in fitting),
        random=tuple(name for name in mine if name not in fitting),
        notes=(*read.notes, *other_channels, *other_classes),
    )
    (say or _to_stderr)(str(result))
    return result


def _read(model: keras.Model, source: str | Path) -> PretrainedWeights:
    """Read a source, which is recognised by what it holds and not by its name."""
    if source == IMAGENET:
        return applications.read(model)
    path = Path(source)
    if checkpoint.is_checkpoint(path):
        return checkpoint.read(path, model)
    return _read_model(path)


def _read_model(path: Path) -> PretrainedWeights:
    from kerseg import modelfile

    if not path.exists():
        raise WeightsError(
            f"{path}: does not exist. `weights` takes 'imagenet', a TF-Slim checkpoint (its one file, or the "
            "prefix of its .index and .data files), a .keras file or a run folder."
        )
    other, card = modelfile.load(path)
    values = {name: keras.ops.convert_to_numpy(variable) for name, variable in variables_of(other).items()}
    return PretrainedWeights(
        f"{path} ({card.architecture or other.name})",
        values,
        classes=card.num_classes,
        channels=int(other.inputs[0].shape[-1]),
    )


def _fitting(
    values: Mapping[str, np.ndarray], mine: Mapping[str, Any], read: PretrainedWeights
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the values that have a place; a shape that does not fit is an error.

    But where a kerseg model was trained on another number of classes, what depends on it starts anew.
    """
    fitting, anew, wrong = {}, [], []
    for name, value in values.items():
        if name not in mine:
            continue
        shape = tuple(mine[name].shape)
        if shape == value.shape:
            fitting[name] = value
        elif read.depends_on_classes(value.shape, shape):
            anew.append(name)
        else:
            wrong.append(f"{name} is {value.shape} there and {shape} here")
    if wrong:
        more = f" ({len(wrong)} variables differ)" if len(wrong) > 1 else ""
        raise WeightsError(
            f"{read.origin}: does not fit: {wrong[0]}{more}. Published weights fit the paper's width and stem; "
            "your own fit a model with the same options."
        )
    note = f"other number of classes, so these start anew: {', '.join(anew)}"
    return fitting, [note] if anew else []


def _shorten(names: tuple[str, ...], most: int = 6) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)
