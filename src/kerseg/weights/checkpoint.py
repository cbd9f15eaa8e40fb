"""TF-Slim's ImageNet checkpoints: ``vgg_16`` and ``resnet_v2_{50,101,152}``, in either checkpoint format.

Names and shapes: https://github.com/google-research/tf-slim, commit 1287b1e, tf_slim/nets/{vgg,resnet_v2}.py.
TensorFlow reads the files, whatever the backend.
"""

import re
from pathlib import Path

import keras
import numpy as np

from kerseg import backbones
from kerseg.backbones import BACKBONES
from kerseg.backbones.backbone import Checkpoint
from kerseg.core.tensorflow import import_tensorflow
from kerseg.errors import WeightsError
from kerseg.weights import trunk
from kerseg.weights.source import PretrainedWeights

_NOT_WEIGHTS = re.compile(
    r"(^|/)(global_step|mean_rgb|Momentum|RMSProp(_1)?|Adam(_1)?|ExponentialMovingAverage)$"
)
_VARIABLES = {"weights": "kernel", "biases": "bias"}
_TABLE_END = bytes.fromhex("57fb808b247547db")
"""The last bytes of a checkpoint's first file in both formats: a sorted table, as LevelDB writes it."""


def is_checkpoint(path: Path) -> bool:
    """Tell whether ``path`` is a checkpoint, or the prefix or folder of one, by what the file holds."""
    return _prefix(path) is not None


def _prefix(path: Path) -> Path | None:
    """Return what TensorFlow calls the checkpoint: the one file of V1, the common prefix of V2's."""
    if path.is_dir():
        listed = path / "checkpoint"
        match = listed.is_file() and re.search(r'model_checkpoint_path: "(.+)"', listed.read_text("utf-8"))
        return _prefix(path / match[1]) if match else None
    for prefix in (path, path.with_name(re.sub(r"\.(index|data-\d+-of-\d+)$", "", path.name))):
        if prefix.with_name(prefix.name + ".index").is_file():
            return prefix
    return path if path.is_file() and _ends_a_table(path) else None


def _ends_a_table(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - len(_TABLE_END)))
        return file.read() == _TABLE_END


def read(path: Path, model: keras.Model) -> PretrainedWeights:
    """Read a TF-Slim checkpoint.

    Args:
        path: Its file, prefix or folder.
        model: The model it is for.

    Raises:
        WeightsError: The file is damaged, is no TF-Slim VGG16 or ResNet v2, or of another backbone than the model.
    """
    values = _tensors(path)
    scopes = {name.split("/", 1)[0] for name in values}
    published = _published()
    scope = next((scope for scope in published if scope in scopes), None)
    if scope is None:
        raise WeightsError(
            f"{path}: a TensorFlow checkpoint, but not one of TF-Slim's {', '.join(published)}. It holds "
            f"{', '.join(sorted(scopes)[:6])}."
        )
    origin = f"{path} (TF-Slim {scope})"
    backbone, checkpoint = published[scope]
    trunk.require(model, backbone, origin)
    named = {name: _kerseg_name(name.partition("/")[2], checkpoint) for name in values}
    return PretrainedWeights(
        origin,
        {mine: values[name] for name, mine in named.items() if mine},
        unknown=tuple(name for name, mine in named.items() if not mine),
    )


def _tensors(path: Path) -> dict[str, np.ndarray]:
    import_tensorflow()
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(str(_prefix(path)))
        names = sorted(reader.get_variable_to_shape_map())
        return {name: reader.get_tensor(name) for name in names if not _NOT_WEIGHTS.search(name)}
    except (tf.errors.OpError, IndexError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0][:300]
        raise WeightsError(f"{path}: TensorFlow cannot read this checkpoint: {reason}") from error


def _published() -> dict[str, tuple[str, Checkpoint]]:
    """Return the checkpoints that kerseg reads, and the backbones they are of, by scope."""
    found = {name: backbones.get(name).checkpoint for name in BACKBONES}
    return {checkpoint.scope: (name, checkpoint) for name, checkpoint in found.items() if checkpoint}


def _kerseg_name(name: str, checkpoint: Checkpoint) -> str | None:
    """Translate a variable's name without its scope: ``conv1/conv1_1/weights`` -> ``block1_conv1/kernel``."""
    layer, _, variable = name.rpartition("/")
    variable = _VARIABLES.get(variable, variable)
    for pattern, rename in checkpoint.layers.items():
        if match := re.fullmatch(pattern, layer):
            return f"{rename(match)}/{variable}"
    return None
