"""Semantic segmentation on Keras 3: from pictures and masks to a trained, measured, deployable model.

The verbs are functions with the names and options of the command line; each is imported when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from kerseg.data.convert import convert
    from kerseg.data.doctor import diagnose as doctor
    from kerseg.description import describe
    from kerseg.evaluation import evaluate
    from kerseg.prediction import predict
    from kerseg.sheet import preview
    from kerseg.training import train

_VERBS = {
    "convert": "kerseg.data.convert:convert",
    "describe": "kerseg.description:describe",
    "doctor": "kerseg.data.doctor:diagnose",
    "evaluate": "kerseg.evaluation:evaluate",
    "predict": "kerseg.prediction:predict",
    "preview": "kerseg.sheet:preview",
    "train": "kerseg.training:train",
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
