"""From raw pictures and masks to shards, and from shards to batches.

    info.py       what a converted data set says of itself
    sources/      one file a raw data set
    convert.py    raw data -> checked shards + dataset.json
    manifest.py   what each record was made of: a rerun converts what changed
    beam.py       the same conversion past one machine
    integrity.py  shards against their checksums
    doctor/       what is wrong with a data set, and how to mend it
    records.py    the record format
    pipeline.py   shards -> shuffled, augmented, seeded batches

Importing this package imports none of them; `Dataset`, `DatasetInfo` and `load` come when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerseg.data.info import DatasetInfo
    from kerseg.data.pipeline import Dataset, load

# TensorFlow takes seconds to import, and describing or converting a data set must not wait for it.
_LAZY = {
    "Dataset": "kerseg.data.pipeline",
    "DatasetInfo": "kerseg.data.info",
    "load": "kerseg.data.pipeline",
}

__all__ = ["Dataset", "DatasetInfo", "load"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'kerseg.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
