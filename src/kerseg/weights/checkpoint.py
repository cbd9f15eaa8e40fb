"""TF-Slim's ImageNet checkpoints: ``vgg_16`` and ``resnet_v2_{50,101,152}``, in either checkpoint format.

Names and shapes: https://github.com/google-research/tf-slim, commit 1287b1e, tf_slim/nets/{vgg,resnet_v2}.py.
TensorFlow reads the files, whatever the backend.
"""

import re
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from kerseg.core.tensorflow import import_tensorflow
from kerseg.errors import WeightsError
from kerseg.weights import trunk
from kerseg.weights.source import Source

_TRUNKS = {
    "vgg_16": "vgg16",
    "resnet_v2_50": "resnet50_v2",
    "resnet_v2_101": "resnet101_v2",
    "resnet_v2_152": "resnet152_v2",
}
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


def read(path: Path, model: keras.Model) -> Source:
    """Read a TF-Slim checkpoint.

    Args:
        path: Its file, prefix or folder.
        model: The model it is for.

    Raises:
        WeightsError: The file is damaged, is no TF-Slim VGG16 or ResNet v2, or of another backbone than the model.
    """
    values = _tensors(path)
    scopes = {name.split("/", 1)[0] for name in values}
    slim = next((scope for scope in _TRUNKS if scope in scopes), None)
    if slim is None:
        raise WeightsError(
            f"{path}: a TensorFlow checkpoint, but not one of TF-Slim's {', '.join(_TRUNKS)}. It holds "
            f"{', '.join(sorted(scopes)[:6])}."
        )
    origin = f"{path} (TF-Slim {slim})"
    trunk.require(model, _TRUNKS[slim], origin)
    named = {name: _kerseg_name(name.partition("/")[2]) for name in values}
    return Source(
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


def _kerseg_name(name: str) -> str | None:
    """Translate a variable's name without its scope: ``conv1/conv1_1/weights`` -> ``block1_conv1/kernel``."""
    layer, _, variable = name.rpartition("/")
    variable = _VARIABLES.get(variable, variable)
    for pattern, replacement in _LAYERS.items():
        if match := re.fullmatch(pattern, layer):
            return f"{replacement(match)}/{variable}"
    return None


_LAYERS: dict[str, Callable[["re.Match[str]"], str]] = {
    r"conv(\d)/conv\d_(\d)": lambda m: f"block{m[1]}_conv{m[2]}",
    r"(fc6|fc7)": lambda m: m[1],
    r"conv1": lambda m: "conv1_conv",
    r"postnorm": lambda m: "post_bn",
    r"block(\d)/unit_(\d+)/bottleneck_v2/preact": lambda m: f"{_unit(m)}_preact_bn",
    r"block(\d)/unit_(\d+)/bottleneck_v2/shortcut": lambda m: f"{_unit(m)}_0_conv",
    r"block(\d)/unit_(\d+)/bottleneck_v2/conv(\d)": lambda m: f"{_unit(m)}_{m[3]}_conv",
    r"block(\d)/unit_(\d+)/bottleneck_v2/conv(\d)/BatchNorm": lambda m: f"{_unit(m)}_{m[3]}_bn",
}
"""TF-Slim's layer -> the name of ``keras.applications``, which kerseg's backbones use."""


def _unit(match: "re.Match[str]") -> str:
    return f"conv{int(match[1]) + 1}_block{match[2]}"
