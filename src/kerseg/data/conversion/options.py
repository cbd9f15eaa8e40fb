"""Options of `kerseg convert` that every source shares."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kerseg.core.info import FILE_NAME
from kerseg.core.ranges import check_range
from kerseg.core.spacing import check_size
from kerseg.data.conversion.manifest import FILE_NAME as MANIFEST
from kerseg.data.formats.places import as_place
from kerseg.errors import ConfigError

MEBIBYTE = 2**20


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """Options of ``kerseg convert`` that all sources share.

    They are in the signature of `kerseg.data.conversion.convert.convert`, which ``scripts/signatures.py`` writes.
    """

    output: Path
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
    """As `overwrite`, but take the records of pairs whose files and options did not change from the old shards."""
    download: bool = False
    """Fetch what is not there: the folders of the data set that are missing or empty, if its terms allow it. By
    default they are in your cache, or below the folder that the environment variable KERSEG_DATA names."""
    name: str | None = None
    """Name of the data set; by default the source's, or that of the output folder."""
    spacing: tuple[float, ...] = ()
    """Size of a pixel in the world, height and width, of volumes the distance of the slices before them; by default
    what NIfTI and GeoTIFF files say of themselves. Distances can then be measured in its unit."""
    spacing_unit: str = "mm"
    """Unit of `spacing`."""
    runner: Literal["local", "beam"] = "local"
    """Who does the work: processes of this machine, or Apache Beam, which also runs on clusters."""
    beam_options: str = ""
    """Apache Beam's own options in one text: '--runner=FlinkRunner --parallelism=64'. By default Beam runs on
    this machine."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", as_place(self.output))
        check_range("shard_size", self.shard_size, least=1)
        if self.workers is not None:
            check_range("workers", self.workers, least=1)
        if self.spacing:
            check_size(self.spacing)
        if self.update and self.overwrite:
            raise ConfigError("`update` keeps what did not change, `overwrite` nothing: give one of them.")
        if self.runner == "beam" and self.update:
            raise ConfigError("`runner='beam'` converts everything: leave out `update`.")
        if self.runner == "local" and self.beam_options:
            raise ConfigError("`beam_options` are for `runner='beam'`.")
        if self.runner == "local" and not isinstance(self.output, Path):
            raise ConfigError(f"{self.output}: only `runner='beam'` writes to remote storage.")


def is_ours(name: str) -> bool:
    """Whether a file of this name in an output folder is one that `convert` wrote."""
    return name in (FILE_NAME, MANIFEST) or re.fullmatch(r".+-\d{5}-of-\d{5}\.tfrecord", name) is not None
