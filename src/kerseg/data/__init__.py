"""From raw images and masks to shards, and from shards to batches.

    formats/      what a file holds
    sources/      one raw data set a file
    conversion/   raw data -> checked shards + dataset.json
    reading/      shards -> shuffled, augmented, seeded batches
    doctor/       what is wrong with a data set, and how to mend it

Importing this package imports none of them; `Dataset`, `DatasetInfo` and `load` come when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerseg.core.info import DatasetInfo
    from kerseg.data.reading.pipeline import Dataset, load

# TensorFlow takes seconds to import, and describing or converting a data set must not wait for it.
_LAZY = {
    "Dataset": "kerseg.data.reading.pipeline",
    "DatasetInfo": "kerseg.core.info",
    "load": "kerseg.data.reading.pipeline",
}

__all__ = ["Dataset", "DatasetInfo", "load"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'kerseg.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
