"""The run folder: what a training run writes, reads back, and never half-writes.

runs/enet/
    config.yaml          complete; `kerseg train runs/enet/config.yaml` repeats the run
    environment.json     versions, device, seed, checksum of the data, time
    history.csv          one row an epoch, written after all else that reports it
    best.keras           the model of the epoch with the best mean IoU
    last/state.npz       all that resuming needs: weights, optimizer, seeds, and where the run stands
    last/lock            who trains here; the lock ends with the process, the file stays
    tensorboard/ previews/ report/
"""

import csv
import io
import json
import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from kerseg import config as configs
from kerseg.config import TrainConfig
from kerseg.core.files import clean, explained, remove_empty, whole, write_text
from kerseg.core.lock import lock
from kerseg.core.schema import decode_json
from kerseg.errors import ConfigError, KersegError, WeightsError

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
Row = dict[str, int | float]
_Count = Annotated[int, msgspec.Meta(ge=0)]


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
class RunProgress:
    """Where a run stands: enough, with the variables, to go on as if it had never stopped."""

    epoch: _Count = 0
    """Epoch in progress, from 0; the number of finished epochs."""
    batch: _Count = 0
    """Batches of that epoch that are done."""
    seconds: float = 0.0
    """Time spent training in that epoch."""
    best: float | None = None
    """Best validation mean IoU so far."""
    best_epoch: _Count = 0
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
        self.lock_file = path / "last" / "lock"
        self.tensorboard = path / "tensorboard"
        self.previews = path / "previews"
        self.report = path / "report"
        self.resume_call = f"kerseg.train(resume={str(path)!r})"

    @classmethod
    @contextmanager
    def created(cls, config: TrainConfig) -> Iterator["Run"]:
        """Give the folder of a new run with its ``config.yaml``; nobody else trains in it meanwhile.

        If the block fails before the first state is saved, for whatever reason, what was made is taken back.

        Raises:
            ConfigError: ``config.output`` exists and is not an empty folder.
            KersegError: The folder cannot be made.
        """
        run = cls(config.output or _free_name(Path("runs") / config.model))
        run._refuse_unless_empty()
        last = run.lock_file.parent
        new = [folder for folder in (last, *last.parents) if not folder.exists()]
        try:
            with explained(run.path):
                last.mkdir(parents=True, exist_ok=True)
            with run._locked():
                run._refuse_unless_empty()  # now that nobody else can fill it
                try:
                    header = f"Repeat this run: kerseg train {run.config_file}"
                    configs.dump(config, run.config_file, header=header, leave_out=("output",))
                    yield run
                except BaseException:
                    if not run.state_file.exists():
                        run._discard()
                    raise
        except BaseException:
            remove_empty(new)
            raise

    def _refuse_unless_empty(self) -> None:
        """Refuse a folder that holds more than a run leaves which is killed before its first file."""
        last = self.lock_file.parent
        with explained(self.path):
            if self.path.is_dir():
                clean(self.path)
                found = [path for path in self.path.iterdir() if path != last]
                found += [path for path in last.iterdir() if path != self.lock_file] if last.is_dir() else []
            else:
                found = [self.path] if self.path.exists() else []
        if found and not self.path.is_dir():
            raise ConfigError(f"{self.path}: is a file. `output` takes a folder.")
        if found:
            raise ConfigError(
                f"{self.path}: already exists, and a run overwrites nothing. Give another `output`, or "
                f"continue it with `{self.resume_call}`."
            )

    def _discard(self) -> None:
        """Take back what was written for a run that could not begin."""
        with suppress(OSError):
            for file in (self.config_file, self.environment_file, self.lock_file):
                file.unlink(missing_ok=True)

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator[tuple["Run", TrainConfig]]:
        """Give an existing run and its options; nobody else trains in it meanwhile.

        Raises:
            ConfigError: The folder is missing or is not a run, or another process trains in it.
        """
        run = cls(path)
        if not run.config_file.is_file():
            what = "is not a run folder: it has no config.yaml" if path.is_dir() else "does not exist"
            raise ConfigError(f"{path}: {what}. `resume` takes the folder that `kerseg train` made.")
        with explained(path):
            run.lock_file.parent.mkdir(exist_ok=True)
        with run._locked():
            for folder in (path, *(entry for entry in path.iterdir() if entry.is_dir())):
                clean(folder)
            yield run, configs.load(TrainConfig, run.config_file)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with explained(self.path), lock(self.lock_file, self._busy):
            yield

    def _busy(self, holder: str) -> KersegError:
        return ConfigError(
            f"{self.path}: {holder} is training in this folder. Wait for its end, or stop it: it saves before it "
            "ends."
        )

    def save_state(self, variables: dict[str, np.ndarray], progress: RunProgress) -> None:
        """Write ``last/state.npz``, whole or not at all: a kill leaves the state before or the one after."""
        text = np.frombuffer(json.dumps(asdict(progress)).encode(), np.uint8)
        with whole(self.state_file) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, progress=text, **variables)

    def load_state(self) -> tuple[dict[str, np.ndarray], RunProgress]:
        """Read ``last/state.npz``; a run that was killed before its first save starts at the beginning.

        Raises:
            WeightsError: The file is damaged.
        """
        if not self.state_file.exists():
            return {}, RunProgress()
        try:
            variables = _read_arrays(self.state_file)
            text = variables.pop("progress").tobytes()
        except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
            reason = str(error).rstrip(".")
            raise WeightsError(
                f"{self.state_file}: the training state cannot be read ({reason}). The best model so far is "
                f"{self.best_file}."
            ) from error
        where = f"{self.state_file}: its progress"
        return variables, decode_json(text, RunProgress, where=where, error=WeightsError)

    def write_history(self, rows: list[Row]) -> None:
        """Write ``history.csv`` from all rows so far, so that a resumed run has no epoch twice."""
        write_text(self.history_file, _history(rows))

    def has_history(self, rows: list[Row]) -> bool:
        """Whether ``history.csv`` holds these rows."""
        if not self.history_file.exists():
            return not rows
        return self.history_file.read_bytes() == _history(rows).encode()


def _history(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _number(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read what `numpy.savez` wrote, each array only if the file is as large as its header says.

    Raises:
        ValueError: It is not, or the arrays are packed, which they never are.
    """
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                if version != (1, 0):
                    raise ValueError(f"{member.filename} is of an unknown version")
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                size = file.tell() + math.prod(shape) * dtype.itemsize
            if member.file_size != size:
                raise ValueError(f"{member.filename} has {member.file_size:,} bytes, its array {size:,}")
            if member.compress_size != size:
                raise ValueError(f"{member.filename} is packed, as none is that training wrote")
            with archive.open(member) as file:
                arrays[member.filename.removesuffix(".npy")] = np.lib.format.read_array(file)
    return arrays


def _free_name(path: Path) -> Path:
    """Return ``path``, or ``path-2``, ``path-3`` ... where it exists."""
    candidate, count = path, 1
    while candidate.exists():
        count += 1
        candidate = path.with_name(f"{path.name}-{count}")
    return candidate


def _number(value: Any) -> Any:
    """Return ``value`` short enough to read: seven digits are all that float32 has."""
    return float(f"{value:.7g}") if isinstance(value, float) else value
