"""The run folder: what a training run writes, reads back, and never half-writes.

runs/enet/
    config.yaml          complete; `kerseg train runs/enet/config.yaml` repeats the run
    environment.json     versions, device, seed, checksum of the data
    history.csv          one row an epoch
    best.keras           the model of the epoch with the best mean IoU
    last/state.npz       all that resuming needs: weights, optimizer, seeds, and where the run stands
    tensorboard/ previews/ report/
"""

import csv
import hashlib
import io
import json
import platform
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from kerseg import config as configs
from kerseg.config import TrainConfig
from kerseg.core.files import whole, write_text
from kerseg.core.info import FILE_NAME as DATASET_FILE
from kerseg.data.reading.integrity import Damage
from kerseg.data.reading.unconverted import describe
from kerseg.errors import ConfigError, DataError, WeightsError

HISTORY_COLUMNS = (
    "epoch",
    "step",
    "learning_rate",
    "loss",
    "val_mean_iou",
    "val_mean_pixel_accuracy",
    "val_pixel_accuracy",
    "val_frequency_weighted_iou",
    "images_per_second",
    "seconds",
)
Row = dict[str, float]


@dataclass(frozen=True)
class Plan:
    """How long a run is: epochs of so many steps, the last of which may be cut short.

    Example:
        >>> plan = Plan(epoch_steps=366, total=1000)
        >>> plan.epochs, plan.steps(0), plan.steps(2)
        (3, 366, 268)
    """

    epoch_steps: int
    """Steps of a whole epoch."""
    total: int
    """Steps of the run."""

    @property
    def epochs(self) -> int:
        """Number of epochs, begun ones included."""
        return -(-self.total // self.epoch_steps)

    def steps(self, epoch: int) -> int:
        """Return the steps of an epoch, counted from 0."""
        return min(self.epoch_steps, self.total - epoch * self.epoch_steps)

    def warmup(self, epochs: float) -> int:
        """Return the steps of a warm-up of so many epochs."""
        return round(epochs * self.epoch_steps)


@dataclass
class Progress:
    """Where a run stands: enough, with the variables, to go on as if it had never stopped."""

    epoch: int = 0
    """Epoch in progress, from 0; the number of finished epochs."""
    batch: int = 0
    """Batches of that epoch that are done."""
    seconds: float = 0.0
    """Time spent training in that epoch."""
    best: float | None = None
    """Best validation mean IoU so far."""
    best_epoch: int = 0
    """Epoch it was reached in, from 1; 0 before the first."""
    history: list[Row] = field(default_factory=list)
    """The rows of history.csv."""


class Run:
    """A run folder and the paths in it.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path):
        self.path = path
        self.config_file = path / "config.yaml"
        self.environment_file = path / "environment.json"
        self.history_file = path / "history.csv"
        self.best_file = path / "best.keras"
        self.state_file = path / "last" / "state.npz"
        self.tensorboard = path / "tensorboard"
        self.previews = path / "previews"
        self.report = path / "report"

    @classmethod
    def create(cls, config: TrainConfig) -> "Run":
        """Make the folder of a new run and write ``config.yaml``.

        Raises:
            ConfigError: ``config.output`` exists and is not an empty folder.
        """
        run = cls(config.output or _free_name(Path("runs") / config.model))
        if run.path.exists() and (not run.path.is_dir() or any(run.path.iterdir())):
            raise ConfigError(
                f"{run.path}: already exists, and a run overwrites nothing. Give another `output`, or "
                f"continue it with `kerseg.train(resume={str(run.path)!r})`."
            )
        run.path.mkdir(parents=True, exist_ok=True)
        header = f"Repeat this run: kerseg train {run.config_file}"
        configs.dump(config, run.config_file, header=header, leave_out=("output",))
        return run

    def discard(self) -> None:
        """Take back what `create` and `write_environment` wrote, for a run that could not begin."""
        for file in (self.config_file, self.environment_file):
            file.unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()

    @classmethod
    def open(cls, path: Path) -> tuple["Run", TrainConfig]:
        """Return an existing run and its options.

        Raises:
            ConfigError: The folder is missing or is not a run.
        """
        run = cls(path)
        if not run.config_file.is_file():
            what = "is not a run folder: it has no config.yaml" if path.is_dir() else "does not exist"
            raise ConfigError(f"{path}: {what}. `resume` takes the folder that `kerseg train` made.")
        return run, configs.load(TrainConfig, run.config_file)

    def save_state(self, variables: dict[str, np.ndarray], progress: Progress) -> None:
        """Write ``last/state.npz``, whole or not at all: a kill leaves the state before or the one after."""
        text = np.frombuffer(json.dumps(asdict(progress)).encode(), np.uint8)
        with whole(self.state_file) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, progress=text, **variables)

    def load_state(self) -> tuple[dict[str, np.ndarray], Progress]:
        """Read ``last/state.npz``; a run that was killed before its first save starts at the beginning.

        Raises:
            WeightsError: The file is damaged.
        """
        if not self.state_file.exists():
            return {}, Progress()
        try:
            # Opened here, because np.load leaves a damaged file open.
            with self.state_file.open("rb") as file, np.load(file) as archive:
                variables = {name: archive[name] for name in archive.files}
            progress = Progress(**json.loads(variables.pop("progress").tobytes()))
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise WeightsError(
                f"{self.state_file}: the training state cannot be read ({error}). The best model so far is "
                f"{self.best_file}."
            ) from error
        return variables, progress

    def write_history(self, rows: list[Row]) -> None:
        """Write ``history.csv`` from all rows so far, so that a resumed run has no epoch twice."""
        text = io.StringIO()
        writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _number(value) for name, value in row.items()} for row in rows)
        write_text(self.history_file, text.getvalue())

    def write_environment(
        self, config: TrainConfig, devices: list[str], backend: str, left_out: Sequence[Damage] = ()
    ) -> None:
        """Write ``environment.json``: what else a result may depend on.

        Args:
            config: The run's options.
            devices: Names of the devices that the backend sees.
            backend: Name of the backend.
            left_out: Damaged shards that ``skip_bad`` leaves out.

        Raises:
            DataError: The data has changed since the run began.
        """
        checksum = data_checksum(config)
        shards = [asdict(damage) for damage in left_out]
        if self.environment_file.exists():
            before = json.loads(self.environment_file.read_text(encoding="utf-8"))
            if before["data_checksum"] != checksum:
                raise DataError(
                    f"{config.data_dir}: the data has changed since {self.path} began (checksum "
                    f"{checksum[:12]}, was {before['data_checksum'][:12]}). Start a new run on it."
                )
            # With other shards, the steps to come would not be those of the unbroken run.
            earlier, now = (
                {shard["file"] for shard in shards} for shards in (before.get("left_out", []), shards)
            )
            if earlier != now:
                raise DataError(
                    f"{config.data_dir}: the damaged shards are not those that {self.path} left out when it began: "
                    f"{', '.join(sorted(earlier ^ now))}. Bring the data into the state of then, or start a new "
                    "run on it."
                )
        values = {
            "versions": {name: _version(name) for name in _PACKAGES} | {"python": platform.python_version()},
            "platform": platform.platform(),
            "backend": backend,
            "devices": devices,
            "seed": config.seed,
            "data_checksum": checksum,
            "left_out": shards,
        }
        write_text(self.environment_file, json.dumps(values, indent=1) + "\n")


_PACKAGES = ("kerseg", "keras", "tensorflow", "jax", "torch", "numpy", "pillow")


def data_checksum(config: TrainConfig) -> str:
    """Return the SHA-256 of ``dataset.json``, which itself holds the checksum of every shard.

    Where there is none, it is that of what the file would say.
    """
    file = config.data_folder / DATASET_FILE
    if file.exists():
        return hashlib.sha256(file.read_bytes()).hexdigest()
    info = describe(config.data_folder, config.dataset)
    return hashlib.sha256(json.dumps(asdict(info)).encode()).hexdigest()


def _free_name(path: Path) -> Path:
    """Return ``path``, or ``path-2``, ``path-3`` ... where it exists."""
    candidate, count = path, 1
    while candidate.exists():
        count += 1
        candidate = path.with_name(f"{path.name}-{count}")
    return candidate


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _number(value: Any) -> Any:
    """Return ``value`` short enough to read: seven digits are all that float32 has."""
    return float(f"{value:.7g}") if isinstance(value, float) else value
