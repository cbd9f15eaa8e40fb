"""Options of `kerseg convert` that every source shares."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from kerseg.core.info import FILE_NAME
from kerseg.data.conversion.manifest import FILE_NAME as MANIFEST
from kerseg.data.formats.places import PLACE
from kerseg.errors import ConfigError

MEBIBYTE = 2**20


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """Options of ``kerseg convert`` that all sources share."""

    output: Annotated[Path, PLACE]
    """Folder to make: shards and dataset.json. It appears once everything is written."""
    shard_size: int = 128
    """Size at which a shard is full, MiB; the last record may go beyond it if a shard holds nothing else."""
    workers: int | None = None
    """Processes that read and check the files; by default one for each processor."""
    skip_bad: bool = False
    """Leave out pairs that cannot be used, and list them in dataset.json, instead of stopping."""
    overwrite: bool = False
    """Replace the data set that is in the output folder, once the new one is whole."""
    update: bool = False
    """As --overwrite, but take the records of pairs whose files and options did not change from the old shards."""
    name: str | None = None
    """Name of the data set; by default the source's, or that of the output folder."""
    runner: Literal["local", "beam"] = "local"
    """Who does the work: processes of this machine, or Apache Beam, which also runs on clusters."""
    beam_options: Annotated[str, Parameter(allow_leading_hyphen=True)] = ""
    """Apache Beam's own options in one text: '--runner=FlinkRunner --parallelism=64'. By default Beam runs on
    this machine."""

    def __post_init__(self) -> None:
        if self.shard_size < 1:
            raise ConfigError(f"--shard-size is 1 MiB or more. Received: {self.shard_size}.")
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"--workers is 1 or more. Received: {self.workers}.")
        if self.update and self.overwrite:
            raise ConfigError("--update keeps what did not change, --overwrite nothing: give one of them.")
        if self.runner == "beam" and self.update:
            raise ConfigError("--runner beam converts everything: leave out --update.")
        if self.runner == "local" and self.beam_options:
            raise ConfigError("--beam-options are for --runner beam.")
        if self.runner == "local" and not isinstance(self.output, Path):
            raise ConfigError(f"{self.output}: only --runner beam writes to remote storage.")


def is_ours(name: str) -> bool:
    """Whether a file of this name in an output folder is one that `convert` wrote."""
    return name in (FILE_NAME, MANIFEST) or re.fullmatch(r".+-\d{5}-of-\d{5}\.tfrecord", name) is not None
