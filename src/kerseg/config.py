"""Options of the verbs as typed dataclasses: YAML in, YAML out, flags over both.

The line under each field is its help on the command line; a recipe holds the same names with ``_`` for ``-``.
Checks are in ``__post_init__`` and speak the words of the flags.
"""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import cyclopts
import yaml
from cyclopts import Parameter
from cyclopts.config import Dict, Yaml

from kerseg.augment.options import Augment as Augment
from kerseg.core.files import write_text
from kerseg.core.ranges import check_range
from kerseg.errors import ConfigError
from kerseg.registry import nearest

Config = TypeVar("Config")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What one training run is made of.

    Example:
        >>> TrainConfig(data_dir=Path("data/camvid"), model="enet", epochs=50).schedule
        'poly'
    """

    data_dir: Path | None = None
    """Folder of the converted data, with its dataset.json."""
    dataset: str | None = None
    """Data set whose classes the records hold, where no dataset.json names them; `kerseg list datasets`."""
    output: Path | None = None
    """Run folder to make; default: runs/MODEL, or runs/MODEL-2 and so on where that exists."""

    model: str = "enet"
    """Architecture; `kerseg list models` shows them."""
    model_options: dict[str, Any] = field(default_factory=dict)
    """Options of the architecture, such as --model-options.width 16."""
    weights: str | None = None
    """Start from: imagenet, a TF-Slim checkpoint, a .keras file or a run folder; default: random weights."""

    train_split: str = "train"
    """Split to learn from."""
    val_split: str = "val"
    """Split that is scored after each epoch; where the data has none, nothing is scored."""
    train_samples: int | None = None
    """Images of the training split to use, the first ones; default: all."""
    val_samples: int | None = None
    """Images of the validation split to use, the first ones; default: all."""
    skip_bad: bool = False
    """Compare the shards with their checksums first, and leave out the damaged ones instead of stopping."""
    crop_size: tuple[int, int] = (512, 512)
    """Height and width of a training crop, in pixels."""
    batch_size: int = 8
    """Crops in one training step."""
    augment: Augment = field(default_factory=Augment)

    epochs: int = 50
    """Passes over the training split."""
    steps: int | None = None
    """Training steps in all, in place of --epochs; the last epoch may be cut short."""
    optimizer: Literal["sgd", "adam", "adamw"] = "adam"
    """Update rule. Weight decay is L2 in the gradient for sgd and adam, decoupled for adamw."""
    learning_rate: float = 1e-3
    """Highest learning rate of the schedule."""
    momentum: float = 0.9
    """Momentum of sgd."""
    weight_decay: float = 1e-4
    """Weight decay of convolution kernels; norms, biases and activation slopes are spared."""
    schedule: Literal["poly", "cosine", "step", "constant"] = "poly"
    """How the learning rate falls after the warm-up."""
    power: float = 0.9
    """Exponent of the poly schedule."""
    step_epochs: float = 100.0
    """Epochs between two drops of the step schedule."""
    step_factor: float = 0.1
    """Factor of a drop of the step schedule."""
    warmup_epochs: float = 0.0
    """Epochs over which the learning rate rises linearly from 0; parts of an epoch count."""

    class_weights: Literal["none", "median_frequency", "enet"] = "none"
    """Weights of the classes in the cross entropy, from the pixel counts of the training split."""
    mixed_precision: Literal["none", "float16", "bfloat16"] = "none"
    """Type of the computation; weights and logits stay float32."""
    jit: Literal["auto", "on", "off"] = "auto"
    """Compile the training step with XLA; auto: always with JAX, never with TensorFlow or PyTorch."""
    early_stop: int | None = None
    """Stop after this many epochs without a better mean IoU; default: never."""
    save_minutes: float = 5.0
    """Minutes between two saves of the training state within an epoch; its end saves in any case."""
    save_steps: int | None = None
    """Training steps between two saves of the training state, beside --save-minutes."""
    previews: int = 4
    """Number of validation images in the previews."""
    seed: int = 0
    """Seed of everything random."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "model_options", _read_values(self.model_options))
        if min(self.crop_size) < 1:
            raise ConfigError(
                f"--crop-size takes a height and a width of 1 or more. Received: {self.crop_size}."
            )
        for name in ("batch_size", "epochs"):
            check_range(_flag(name), getattr(self, name), least=1)
        for name in ("learning_rate", "step_epochs", "step_factor", "save_minutes"):
            check_range(_flag(name), getattr(self, name), above=0.0)
        for name in ("weight_decay", "power", "warmup_epochs", "previews", "seed"):
            check_range(_flag(name), getattr(self, name), least=0)
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"--momentum is 0 or more and below 1. Received: {self.momentum}.")
        for name in ("train_samples", "val_samples", "steps", "early_stop", "save_steps"):
            if (value := getattr(self, name)) is not None:
                check_range(_flag(name), value, least=1)
        if self.steps is None and self.warmup_epochs > self.epochs:
            raise ConfigError(
                f"--warmup-epochs ({self.warmup_epochs}) is longer than the run (--epochs {self.epochs})."
            )

    @property
    def data_folder(self) -> Path:
        """``data_dir`` as an absolute path, so that a run can be resumed and repeated from anywhere.

        Raises:
            ConfigError: It was not given.
        """
        if self.data_dir is None:
            raise ConfigError("--data-dir is missing: the folder that `kerseg convert` wrote.")
        return self.data_dir.resolve()

    @property
    def samples(self) -> dict[str, int]:
        """The number of images to use of each split of which not all are used."""
        wanted = {self.train_split: self.train_samples, self.val_split: self.val_samples}
        return {split: count for split, count in wanted.items() if count is not None}

    @property
    def weights_source(self) -> str | None:
        """``weights``, a path made absolute as ``data_folder`` is."""
        return self.weights if self.weights in (None, "imagenet") else str(Path(self.weights).resolve())


def load(kind: type[Config], path: Path) -> Config:
    """Read a recipe.

    Args:
        kind: The dataclass to build, such as ``TrainConfig``.
        path: A YAML file with names of its fields; what it leaves out keeps its default.

    Raises:
        ConfigError: The file is missing or not YAML, a name is unknown, or a value is of the wrong type.

    Example:
        >>> load(TrainConfig, Path("runs/unet/config.yaml")).model
        'unet'
    """
    reader = cyclopts.App(config=recipe_file(path), result_action="return_value")

    @reader.default
    def build(*, config: Annotated[kind | None, Parameter(name="*")] = None) -> Config:  # type: ignore[valid-type]
        return config if config is not None else kind()

    try:
        result: Config = reader([], exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        raise ConfigError(f"{path}: {error}") from error
    return result


def recipe_file(path: Path, only: Collection[str] | None = None) -> Yaml | Dict:
    """Return ``path`` as a source of options for a cyclopts command.

    Args:
        path: A YAML file.
        only: Names that the command takes of a recipe for training; None for whatever is in the file.

    Raises:
        ConfigError: The file is missing, is not YAML, or is not a table of names and values; or, with ``only``,
            the rest of it is no recipe for training.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such recipe.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: not a YAML recipe: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a recipe is a table of `name: value` lines. Received: {values!r:.60}.")
    if only is None:
        return Yaml(path, must_exist=True, use_commands_as_keys=False)
    load(TrainConfig, path)
    part = {name: values[name] for name in only if name in values}
    return Dict(part, source=str(path), use_commands_as_keys=False)


def override(config: Config, options: Mapping[str, Any]) -> Config:
    """Return ``config`` with ``options`` put over its fields.

    Raises:
        ConfigError: An option is not a field; the message names the nearest one.
    """
    names = [entry.name for entry in dataclasses.fields(config)]  # type: ignore[arg-type]
    for name in options:
        if name not in names:
            raise ConfigError(
                f"There is no option {name!r}.{nearest(name, names)} Known: {', '.join(names)}."
            )
    return dataclasses.replace(config, **options)  # type: ignore[type-var]


def dump(config: Any, path: Path, *, header: str, leave_out: tuple[str, ...] = ()) -> None:
    """Write ``config`` as a recipe that :func:`load` reads back to an equal one.

    Args:
        config: A dataclass of options.
        path: The YAML file to write.
        header: Comment lines for its top, without ``#``.
        leave_out: Fields that do not belong to what a rerun repeats.
    """
    values = _plain(
        {name: value for name, value in dataclasses.asdict(config).items() if name not in leave_out}
    )
    kept = {name: value for name, value in values.items() if value is not None and value != {}}
    comment = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
    write_text(path, comment + yaml.safe_dump(kept, sort_keys=False, allow_unicode=True))


def _plain(value: Any) -> Any:
    """Return ``value`` as YAML's own types."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


def _read_values(value: Any) -> Any:
    """Return ``value`` with its text read as YAML, so that ``--model-options.width 16`` is a number."""
    if isinstance(value, Mapping):
        return {key: _read_values(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_read_values(entry) for entry in value]
    return yaml.safe_load(value) if isinstance(value, str) else value


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
