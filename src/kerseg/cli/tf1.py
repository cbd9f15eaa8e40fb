"""The TensorFlow 1 scripts' command lines, in kerseg's own options.

``train.py`` and ``build_TFRecord.py`` of https://github.com/xlmou/Semantic-Segmentation-TensorFlow: their
arguments run unchanged after ``kerseg train`` and ``kerseg convert folder``, with their defaults. Here words
become words, before anything is parsed; what an option means is said where it is defined, and what differs
from the scripts in ``docs/how-to/coming-from-tf1.md``.
"""

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from kerseg.backbones import BACKBONES
from kerseg.core.info import FILE_NAME
from kerseg.errors import ConfigError
from kerseg.models import MODELS

Given = tuple[str, list[str]]
"""A flag and its values; the flag is ``""`` for the words before the first one."""

PAGE = "docs/how-to/coming-from-tf1.md"

RENAMED = {
    "--snapshot-dir": "--output",
    "--restore-from": "--weights",
    "--num-train-samples": "--train-samples",
    "--num-val-samples": "--val-samples",
    "--random-seed": "--seed",
    "--scale-factor-step-size": "--augment.scale-step",
    "--num-steps": "--steps",
    "--save-num-images": "--previews",
    "--save-model-every": "--save-steps",
}
"""Flags of ``train.py`` that kerseg has by another name."""

CONVERTED = (
    "--segmentation-model",
    "--pretrained-model",
    "--input-size",
    "--min-scale-factor",
    "--max-scale-factor",
    "--ignore-label",
)
"""Flags whose value changes too, or that two make one of."""

WITHOUT_EFFECT = {"--save-pred-every": 1, "--is-training": 0, "--not-restore-last": 0}
"""Flags with nothing to do in kerseg, and the number of their values."""

TRAIN_DEFAULTS = {
    "--data-dir": ["dataset/tfrecord"],
    "--optimizer": ["sgd"],
    "--learning-rate": ["0.001"],
    "--momentum": ["0.9"],
    "--weight-decay": ["0.0005"],
    "--schedule": ["poly"],
    "--power": ["0.9"],
    "--steps": ["100001"],
    "--batch-size": ["4"],
    "--crop-size": ["320", "320"],
    "--augment.scale": ["0.5", "2.0"],
    "--augment.scale-step": ["0.25"],
    "--save-steps": ["5000"],
    "--previews": ["2"],
}
"""What ``train.py`` does unless told otherwise (its lines 26 to 53), in kerseg's options."""

MODEL, DATASET = "FCN8", "pascal_voc2012"
"""The defaults of ``--segmentation-model`` and ``--dataset``."""

CONVERT_DEFAULTS = {
    "--train-image-path": "images/train",
    "--train-label-path": "profiles/train",
    "--val-image-path": "images/val",
    "--val-label-path": "profiles/val",
}
"""Where ``build_TFRecord.py`` looks for images and labels; it writes to `OUTPUT`."""
OUTPUT = "tfrecord"


def translate(words: Sequence[str], note: Callable[[str], None] = lambda text: None) -> list[str]:
    """Return a command line in kerseg's own options.

    Args:
        words: What was typed after ``kerseg``.
        note: Called with a line for the user, where something was translated.

    Returns:
        ``words``, unless it is of ``train`` or ``convert folder`` with arguments of the scripts.

    Raises:
        ConfigError: A flag of the scripts lacks its value, or has one that kerseg cannot do.

    Example:
        >>> translate(["train", "--model", "enet", "--num-steps", "500"])
        ['train', '--model', 'enet', '--steps', '500']
    """
    words = list(words)
    for verb, rewrite in ((["train"], _train), (["convert", "folder"], _convert)):
        if words[: len(verb)] == verb and not {"--help", "-h"} & set(words):
            options = _options(words[len(verb) :])
            own = rewrite(options)
            if own != options:
                words = [*verb, *(word for flag, values in own for word in [flag] * bool(flag) + values)]
                idle = [flag for flag, _ in options if flag in WITHOUT_EFFECT]
                without = f" Without effect here: {', '.join(idle)}; {PAGE} says why." if idle else ""
                note(f"In kerseg's own options: {shlex.join(['kerseg', *words])}{without}")
    return words


def _options(words: Sequence[str]) -> list[Given]:
    """Return flags with the words up to the next flag; ``--flag=value`` is taken apart."""
    options: list[Given] = [("", [])]
    for word in words:
        if match := re.fullmatch(r"(--[a-zA-Z][^=]*)(?:=(.*))?", word, flags=re.DOTALL):
            options.append((match[1], [] if match[2] is None else [match[2]]))
        else:
            options[-1][1].append(word)
    return options if options[0][1] else options[1:]


def _convert(options: list[Given]) -> list[Given]:
    """Return the options of ``build_TFRecord.py``, which is told from kerseg's own by naming no output."""
    given = {flag for flag, _ in options}
    if "--output" in given:
        if "--output-dir" in given:
            raise ConfigError("--output-dir and --output say the same: give one.")
        return options
    own = [("--output" if flag == "--output-dir" else flag, values) for flag, values in options]
    # Of a folder that does not exist, the script made an empty split: the same as none.
    own += [
        (flag, [folder])
        for flag, folder in CONVERT_DEFAULTS.items()
        if flag not in given and Path(folder).is_dir()
    ]
    if "--output-dir" not in given:
        own.append(("--output", [OUTPUT]))
    if not given & {"--class-names", "--palette", "--label-values", "--ignore-values", "--number-classes"}:
        own.append(("--number-classes", []))
    return own


def _train(options: list[Given]) -> list[Given]:
    """Return the options of ``train.py``, with its defaults unless ``--model`` or a recipe is given."""
    given = {flag for flag, _ in options}
    if not given & {*RENAMED, *CONVERTED, *WITHOUT_EFFECT}:
        return options
    if {"--model", "--segmentation-model"} <= given:
        raise ConfigError("--segmentation-model and --model say the same: give one.")
    own = [made for option in options for made in _own(*option)]
    if scale := _scale(options):
        own.append(scale)
    if not given & {"--model", "--resume"} and not _has_recipe(options):
        own += _missing(own, [("--model", [MODELS.resolve(MODEL)])])
        own += _missing(own, list(TRAIN_DEFAULTS.items()))
        own += _missing(own, _dataset(own))
    return own + _missing(own, _backbone(options, own))


def _own(flag: str, values: list[str]) -> list[Given]:
    """Return what becomes of one option: itself, its like in kerseg, or nothing."""
    if flag in WITHOUT_EFFECT:
        return _rest(flag, values, WITHOUT_EFFECT[flag])
    if flag not in (*RENAMED, *CONVERTED):
        return [(flag, values)]
    rest, value = _rest(flag, values, 1), values[0]
    if flag == "--segmentation-model":
        return [("--model", [MODELS.resolve(value)]), *rest]
    if flag == "--input-size":
        return [("--crop-size", _size(value)), *rest]
    if flag == "--ignore-label" and value != "255":
        raise ConfigError(
            f"--ignore-label is 255 in kerseg. Received: {value}. Convert the raw data with `kerseg convert "
            f"folder --ignore-values {value}`, which stores those pixels as 255."
        )
    if flag in RENAMED and value != "None":
        return [(RENAMED[flag], [value]), *rest]
    return rest


def _rest(flag: str, values: list[str], count: int) -> list[Given]:
    """Return the words after those that belong to a flag of the script, such as a recipe.

    Raises:
        ConfigError: There are too few.
    """
    if len(values) < count:
        raise ConfigError(f"{flag} takes a value, and none follows it.")
    return [("", values[count:])] if values[count:] else []


def _size(value: str) -> list[str]:
    if not re.fullmatch(r"\d+,\s*\d+", value):
        raise ConfigError(f"--input-size takes a height and a width, such as 320,320. Received: {value!r}.")
    return re.findall(r"\d+", value)


def _scale(options: list[Given]) -> Given | None:
    """Return the one option for smallest and largest factor; a missing one is the script's default."""
    given = {flag: values[0] for flag, values in options if flag.endswith("-scale-factor") and values}
    if not given:
        return None
    low, high = TRAIN_DEFAULTS["--augment.scale"]
    return "--augment.scale", [given.get("--min-scale-factor", low), given.get("--max-scale-factor", high)]


def _dataset(own: list[Given]) -> list[Given]:
    """Return the default of ``--dataset``, where no ``dataset.json`` says whose classes they are."""
    folder = Path(*(dict(own)["--data-dir"][:1] or ["."]))
    return [] if (folder / FILE_NAME).exists() else [("--dataset", [DATASET])]


def _backbone(options: list[Given], own: list[Given]) -> list[Given]:
    """Return the option for ``--pretrained-model``, where the architecture has it with another default."""
    name = dict(options).get("--pretrained-model", ["None"])[0]
    if name in ("None", ""):
        return []
    backbone = BACKBONES.resolve(name)
    if model := dict(own).get("--model"):
        default = MODELS.default(model[0], "backbone")
        if default is None or BACKBONES.resolve(default) == backbone:
            return []
    return [("--model-options.backbone", [backbone])]


def _missing(given: list[Given], wanted: list[Given]) -> list[Given]:
    """Return the options of ``wanted`` that nobody has given; ``--epochs`` stands in for ``--steps``."""
    flags = {flag.replace("_", "-") for flag, _ in given}
    if "--epochs" in flags:
        flags.add("--steps")
    return [option for option in wanted if option[0] not in flags]


def _has_recipe(options: list[Given]) -> bool:
    """Tell whether a recipe is among the words; its options are not the script's."""
    return bool(
        options[0][0] == "" or any(word.endswith((".yaml", ".yml")) for _, v in options for word in v)
    )
