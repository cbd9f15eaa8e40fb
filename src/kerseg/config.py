"""Options of the verbs as typed dataclasses: YAML in, YAML out, what the caller gives over both.

The line under each field is its help on the command line and in the signature of ``kerseg.train``, which
``scripts/signatures.py`` writes; a recipe holds the same names. Checks are in ``__post_init__``.
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

import yaml

from kerseg.augment.options import Augment as Augment
from kerseg.core import recipes, schema
from kerseg.core.files import write_text
from kerseg.core.options import refuse_nul
from kerseg.core.ranges import check_range
from kerseg.errors import ConfigError
from kerseg.losses import CLASS_WEIGHTS
from kerseg.losses.expression import options_of, parse
from kerseg.optim import OPTIMIZERS, SCHEDULES
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
    """Options of the architecture, such as width; `kerseg list models NAME` shows them."""
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
    """What is drawn at random; a mapping changes single options of the recipe's."""

    epochs: int = 50
    """Passes over the training split."""
    steps: int | None = None
    """Training steps in all, in place of `epochs`; the last epoch may be cut short."""
    optimizer: str = "adam"
    """Update rule; `kerseg list optimizers`. Weight decay is L2 in the gradient, unless the list says otherwise."""
    optimizer_options: dict[str, Any] = field(default_factory=dict)
    """Options of the optimizer."""
    learning_rate: float = 1e-3
    """Highest learning rate of the schedule."""
    momentum: float = 0.9
    """Momentum of an optimizer that has one, such as sgd."""
    weight_decay: float = 1e-4
    """Weight decay of convolution kernels; norms, biases and activation slopes are spared."""
    schedule: str = "poly"
    """How the learning rate falls after the warm-up; `kerseg list schedules`."""
    schedule_options: dict[str, Any] = field(default_factory=dict)
    """Options of the schedule."""
    power: float = 0.9
    """Exponent of the poly schedule."""
    step_epochs: float = 100.0
    """Epochs between two drops of the step schedule."""
    step_factor: float = 0.1
    """Factor of a drop of the step schedule."""
    warmup_epochs: float = 0.0
    """Epochs over which the learning rate rises linearly from 0; parts of an epoch count."""

    accumulate: int = 1
    """Training steps whose gradients make one update, by their mean: a larger batch in the same memory."""
    clip_norm: float | None = None
    """Largest norm of all gradients together; larger ones are scaled down to it; default: any."""
    ema: float | None = None
    """Momentum of a moving average of the weights, such as 0.999, which is scored and saved; default: none."""
    layer_rates: Literal["equal", "release"] = "equal"
    """Learning rates and weight decays of the layers: equal, or multiplied as in the architecture's release."""
    freeze_backbone_epochs: float = 0.0
    """Epochs in which the backbone keeps its weights and only the rest learns; parts of an epoch count."""
    batch_norm: Literal["trained", "statistics_frozen", "frozen"] = "trained"
    """Batch norm: trained, with the statistics that were loaded, or with loaded scale and shift too."""

    loss: str | None = None
    """What is minimised, or a sum such as cross_entropy+0.5*dice; default: the model's own."""
    loss_options: dict[str, Any] = field(default_factory=dict)
    """Options of the loss; of one in a sum also by its name, such as {'dice': {'smooth': 1}}."""
    class_weights: str = "none"
    """Weights of the classes in the loss, from the pixel counts of the training split; none, or one of
    `kerseg list class_weights`."""
    class_weights_options: dict[str, Any] = field(default_factory=dict)
    """Options of the class weights."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Type of the computation; auto: the faster of float32 and bfloat16, as measured here where the run is long
    enough. Weights, logits, scores and saved models are float32."""
    jit: Literal["auto", "on", "off"] = "auto"
    """Compile the training step with XLA; auto: always with JAX, never with TensorFlow or PyTorch."""
    early_stop: int | None = None
    """Stop after this many epochs without a better mean IoU; default: never."""
    save_minutes: float = 5.0
    """Minutes between two saves of the training state within an epoch; its end saves in any case."""
    save_steps: int | None = None
    """Training steps between two saves of the training state, beside `save_minutes`."""
    previews: int = 4
    """Number of validation images in the previews."""
    seed: int = 0
    """Seed of everything random."""

    def __post_init__(self) -> None:
        refuse_nul(vars(self))
        if min(self.crop_size) < 1:
            raise ConfigError(
                f"`crop_size` takes a height and a width of 1 or more. Received: {self.crop_size}."
            )
        for name in ("batch_size", "epochs", "accumulate"):
            check_range(name, getattr(self, name), least=1)
        for name in ("learning_rate", "step_epochs", "step_factor", "save_minutes"):
            check_range(name, getattr(self, name), above=0.0)
        for name in ("weight_decay", "power", "warmup_epochs", "previews", "freeze_backbone_epochs"):
            check_range(name, getattr(self, name), least=0)
        check_range("seed", self.seed, least=0, most=MAX_SEED)
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"`momentum` is 0 or more and below 1. Received: {self.momentum}.")
        for name in ("train_samples", "val_samples", "steps", "early_stop", "save_steps"):
            if (value := getattr(self, name)) is not None:
                check_range(name, value, least=1)
        if self.steps is None and self.warmup_epochs > self.epochs:
            raise ConfigError(
                f"`warmup_epochs` ({self.warmup_epochs}) is longer than the run (`epochs={self.epochs}`)."
            )
        self._check_updates()
        self._check_tables()

    def _check_updates(self) -> None:
        """Refuse what an update of the weights cannot be made of."""
        if self.clip_norm is not None:
            check_range("clip_norm", self.clip_norm, above=0.0)
        if self.ema is not None and not 0 <= self.ema < 1:
            raise ConfigError(f"`ema` is 0 or more and below 1. Received: {self.ema}.")
        for name in ("freeze_backbone_epochs", "batch_norm"):
            if getattr(self, name) not in (0.0, "trained") and self.weights is None:
                raise ConfigError(f"`{name}` keeps what was loaded, and nothing is: give `weights`.")

    def _check_tables(self) -> None:
        """Refuse names that are in no table, and options that their entries do not take."""
        if self.loss is not None:
            options_of(parse(self.loss), self.loss_options)
        elif self.loss_options:
            raise ConfigError("`loss_options` are for `loss`, which is not given.")
        OPTIMIZERS.check(self.optimizer, self.optimizer_options, option="optimizer")
        SCHEDULES.check(self.schedule, self.schedule_options, option="schedule")
        if self.class_weights != "none":
            CLASS_WEIGHTS.check(self.class_weights, self.class_weights_options, option="class_weights")
        elif self.class_weights_options:
            raise ConfigError("`class_weights_options` are for `class_weights`, which is 'none'.")

    def options_of(self, what: Literal["optimizer", "schedule"]) -> dict[str, Any]:
        """Return the options of the optimizer or the schedule.

        Those that have a name of their own here (``momentum``, ``power``, ``step_epochs``, ``step_factor``) count
        for every entry that takes them, unless ``optimizer_options`` or ``schedule_options`` says otherwise.

        Example:
            >>> TrainConfig(optimizer="sgd", momentum=0.8).options_of("optimizer")["momentum"]
            0.8
        """
        known = {"optimizer": OPTIMIZERS, "schedule": SCHEDULES}[what].options(getattr(self, what))
        named = {name: getattr(self, name) for name in _NAMED[what] if name in known}
        return {**named, **getattr(self, f"{what}_options")}

    @property
    def data_folder(self) -> Path:
        """``data_dir`` as an absolute path, so that a run can be resumed and repeated from anywhere.

        Raises:
            ConfigError: It was not given.
        """
        if self.data_dir is None:
            raise ConfigError("`data_dir` is missing: the folder that `kerseg convert` wrote.")
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


_NAMED = {"optimizer": ("momentum",), "schedule": ("power", "step_epochs", "step_factor")}

MAX_SEED = 2**32 - 1
"""The largest seed that NumPy's and TensorFlow's generators both take."""


def load(kind: type[Config], path: str | Path, options: Mapping[str, object] | None = None) -> Config:
    """Read a recipe.

    Args:
        kind: The dataclass to build, such as ``TrainConfig``.
        path: A YAML file with names of its fields; what it leaves out keeps its default.
        options: Values that win over the recipe's, by name; a mapping wins name by name.

    Raises:
        ConfigError: The file is missing or not YAML, a name is unknown, or a value is of the wrong type or out of
            range; the message begins with the file and the line.

    Example:
        >>> load(TrainConfig, Path("runs/unet/config.yaml")).model
        'unet'
    """
    recipe = recipes.read(Path(path))
    config = _build(kind, _as_written(recipe.values, kind), recipe=recipe)
    return config if options is None else override(config, options)


def override(config: Config, options: Mapping[str, object]) -> Config:
    """Return ``config`` with ``options`` put over its fields.

    Args:
        config: A dataclass of options.
        options: Values by name, of the fields' types; a mapping replaces single fields of a dataclass, and single
            entries of a dictionary.

    Raises:
        ConfigError: An option is not a field, and the message names the nearest one; or a value is of the wrong
            type or out of range.
    """
    values = {entry.name: getattr(config, entry.name) for entry in dataclasses.fields(config)}  # type: ignore[arg-type]
    return _build(type(config), _merged(values, options))


def _merged(values: dict[str, Any], options: Mapping[str, object]) -> dict[str, Any]:
    merged = dict(values)
    for name, value in options.items():
        before = values.get(name)
        if isinstance(value, Mapping) and dataclasses.is_dataclass(before):
            before = {entry.name: getattr(before, entry.name) for entry in dataclasses.fields(before)}
        both = isinstance(value, Mapping) and isinstance(before, Mapping)
        merged[name] = _merged(dict(before), value) if both else value  # type: ignore[arg-type]
    return merged


def _build(kind: type[Config], values: Mapping[str, Any], *, recipe: recipes.Recipe | None = None) -> Config:
    """Return the dataclass of these values, all of which are checked."""
    _refuse_unknown(kind, values, recipe)
    try:
        return schema.convert(_plain(values), kind, where="", error=ConfigError)
    except ConfigError as error:
        # In Python "`epochs`: Expected ...", and in front of that, of a recipe, where it stands.
        text = re.sub(r"^([\w.\[\]]+): ", r"`\1`: ", str(error).removeprefix(": "))
        if recipe is None:
            raise ConfigError(text) from error
        named = re.match(r"`([\w.\[\]]+)", text)
        raise ConfigError(f"{recipe.place(named[1]) if named else recipe.path}: {text}") from error


def _refuse_unknown(
    kind: type, values: Mapping[str, object], recipe: recipes.Recipe | None, prefix: str = ""
) -> None:
    """Refuse names that are no fields; of tables for other dataclasses, likewise."""
    hints = get_type_hints(kind)
    for name, value in values.items():
        if name not in hints:
            where = f"{recipe.place(prefix + name)}: " if recipe else ""
            known = "" if prefix else f" Known: {', '.join(hints)}."
            raise ConfigError(f"{where}There is no option `{prefix}{name}`.{nearest(name, hints)}{known}")
        if isinstance(value, Mapping) and dataclasses.is_dataclass(hints[name]):
            _refuse_unknown(hints[name], value, recipe, f"{prefix}{name}.")


def _as_written(values: Mapping[str, object], kind: type) -> dict[str, object]:
    """Return a recipe's values as 0.1 took them: ``"3"`` or 3.0 for 3, 3 for ``"3"``, one word for a list."""
    hints, found = get_type_hints(kind), dict(values)
    if "precision" in hints and (former := found.pop("mixed_precision", None)) is not None:
        found["precision"] = "float32" if former == "none" else former
    for name, value in found.copy().items():
        wanted = get_args(hints.get(name)) or (hints.get(name),)
        if isinstance(value, Mapping) and dataclasses.is_dataclass(hints.get(name)):
            found[name] = _as_written(value, hints[name])
        elif isinstance(value, str) and str not in wanted and {int, float, bool} & set(wanted):
            found[name] = recipes.scalar(value)
        elif isinstance(value, float) and value.is_integer() and int in wanted and float not in wanted:
            found[name] = int(value)
        elif isinstance(value, int | float) and not isinstance(value, bool) and {str, Path} & set(wanted):
            found[name] = str(value)
        elif isinstance(value, str) and hints.get(name) == tuple[str, ...]:
            found[name] = [value]
    return found


def dump(config: object, path: Path, *, header: str, leave_out: tuple[str, ...] = ()) -> None:
    """Write ``config`` as a recipe that :func:`load` reads back to an equal one.

    Args:
        config: A dataclass of options.
        path: The YAML file to write.
        header: Comment lines for its top, without ``#``.
        leave_out: Fields that do not belong to what a rerun repeats.
    """
    values = _plain({each.name: getattr(config, each.name) for each in dataclasses.fields(config)})  # type: ignore[arg-type]
    kept = {
        name: value for name, value in values.items() if name not in leave_out and value not in (None, {})
    }
    comment = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
    write_text(path, comment + yaml.safe_dump(kept, sort_keys=False, allow_unicode=True))


def _plain(value: object) -> Any:
    """Return ``value`` as YAML's own types: text for paths, Python's numbers for NumPy's."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, Path):
        return str(value)
    return value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value
