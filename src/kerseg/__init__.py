"""Semantic segmentation on Keras 3: from images and masks to a trained, measured, deployable model.

The verbs are functions with the names and options of the command line; each is imported when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kerseg.__version__ import __version__ as __version__

if TYPE_CHECKING:
    from kerseg.data.conversion.convert import convert
    from kerseg.data.doctor import diagnose as doctor
    from kerseg.data.reading.preview import preview
    from kerseg.inference.evaluation import evaluate
    from kerseg.inference.prediction import predict
    from kerseg.profiling.description import describe
    from kerseg.training.training import train

_VERBS = {
    "convert": "kerseg.data.conversion.convert:convert",
    "describe": "kerseg.profiling.description:describe",
    "doctor": "kerseg.data.doctor:diagnose",
    "evaluate": "kerseg.inference.evaluation:evaluate",
    "predict": "kerseg.inference.prediction:predict",
    "preview": "kerseg.data.reading.preview:preview",
    "train": "kerseg.training.training:train",
}
_MODULES = ("data", "losses", "metrics", "models", "visualize")

__all__ = [
    "__version__",
    "convert",
    "data",
    "describe",
    "doctor",
    "evaluate",
    "losses",
    "metrics",
    "models",
    "predict",
    "preview",
    "train",
    "visualize",
]


def __getattr__(name: str) -> Any:
    if name in _VERBS:
        module, _, function = _VERBS[name].partition(":")
        return getattr(import_module(module), function)
    if name in _MODULES:
        return import_module(f"kerseg.{name}")
    raise AttributeError(f"module 'kerseg' has no attribute {name!r}")
