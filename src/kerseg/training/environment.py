"""What else a result depends on besides the options: ``environment.json`` of a run folder.

The checksum of the data among it: a run sees one data set from its first step to its last.
"""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Annotated

import keras
import msgspec

from kerseg.__version__ import __version__
from kerseg.config import TrainConfig
from kerseg.core.files import write_text
from kerseg.core.info import FILE_NAME as DATASET_FILE
from kerseg.core.schema import decode_json, to_builtins
from kerseg.data.reading.integrity import Damage
from kerseg.data.reading.pipeline import Dataset
from kerseg.data.reading.unconverted import read_info
from kerseg.errors import DataError
from kerseg.training.state import devices

_PACKAGES = ("kerseg", "keras", "tensorflow", "jax", "torch", "numpy", "pillow")
_FIRST_VERSION = "0.1.0"
"""Of kerseg, in whose files nothing says which version began a run."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where a run has last been trained, and on what."""

    versions: Mapping[str, str | None]
    """Package -> version, None where it is not installed; and Python's."""
    platform: str
    backend: str
    devices: tuple[str, ...]
    seed: Annotated[int, msgspec.Meta(ge=0)]
    data_checksum: str
    """SHA-256 of ``dataset.json``, which holds that of every shard; where there is none, of what it would say."""
    left_out: tuple[Damage, ...] = ()
    """Damaged shards that ``skip_bad`` leaves out."""
    begun: str = ""
    """Date and time of the beginning, UTC."""
    begun_by: str = _FIRST_VERSION
    """Version of kerseg that began the run, which decides what the names of architectures mean."""

    @classmethod
    def read(cls, file: Path) -> "Environment | None":
        """Read ``environment.json``; None where it is missing.

        Raises:
            DataError: It is damaged; the message names the field.
        """
        return decode_json(file.read_bytes(), cls, where=file) if file.exists() else None

    @classmethod
    def found(cls, config: TrainConfig, data: Dataset) -> "Environment":
        """Return what a run that begins now depends on."""
        used = (config.train_split, config.val_split)
        return cls(
            versions={name: _version(name) for name in _PACKAGES} | {"python": platform.python_version()},
            platform=platform.platform(),
            backend=keras.backend.backend(),
            devices=tuple(devices()),
            seed=config.seed,
            data_checksum=_data_checksum(config, data),
            left_out=tuple(damage for damage in data.left_out if damage.split in used),
            begun=datetime.now(UTC).isoformat(timespec="seconds"),
            begun_by=__version__,
        )

    def write(self, file: Path) -> None:
        """Write ``environment.json``."""
        write_text(file, json.dumps(to_builtins(self), indent=1) + "\n")

    def after(self, before: "Environment | None", run: Path, data: Path) -> "Environment":
        """Return this environment as that of a run which goes on.

        Args:
            before: What the run's file says; None for one that begins.
            run: The run folder.
            data: Folder of the data.

        Raises:
            DataError: The data has changed since the run began.
        """
        if before is None:
            return self
        if before.data_checksum != self.data_checksum:
            raise DataError(
                f"{data}: the data has changed since {run} began (checksum {self.data_checksum[:12]}, was "
                f"{before.data_checksum[:12]}). Start a new run on it."
            )
        # With other shards, the steps to come would not be those of the unbroken run.
        earlier, now = ({damage.file for damage in each.left_out} for each in (before, self))
        if earlier != now:
            raise DataError(
                f"{data}: the damaged shards are not those that {run} left out when it began: "
                f"{', '.join(sorted(earlier ^ now))}. Bring the data into the state of then, or start a new run "
                "on it."
            )
        return replace(self, begun=before.begun, begun_by=before.begun_by)


def fingerprint(folder: Path) -> str:
    """Return the SHA-256 of ``dataset.json``; where there is none, of the files' names, sizes and times.

    Quick enough to ask at each save whether the data is still what it was.
    """
    try:
        file = folder / DATASET_FILE
        if file.exists():
            return hashlib.sha256(file.read_bytes()).hexdigest()
        found = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    except OSError:
        return ""  # which is another than it had when it was opened
    facts = [(name, status.st_size, status.st_mtime_ns) for name, status in found]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _data_checksum(config: TrainConfig, data: Dataset) -> str:
    """Return the SHA-256 of ``dataset.json``; where there is none, of what the file would say."""
    if (data.folder / DATASET_FILE).exists():
        return fingerprint(data.folder)
    info = read_info(config.data_folder, config.dataset) if config.samples else data.info
    return hashlib.sha256(json.dumps(asdict(info)).encode()).hexdigest()


def _version(package: str) -> str | None:
    if package == "kerseg":
        return __version__
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
