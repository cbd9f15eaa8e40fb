"""Semantic segmentation on Keras 3: from images and masks to a trained, measured, deployable model.

The verbs are functions with the names and options of the command line; each is imported when first used. Keras is
not imported; as soon as it is, it knows kerseg's layers, so that `keras.saving.load_model` reads kerseg's files.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kerseg.__version__ import __version__ as __version__
from kerseg.core.after_import import after_import
from kerseg.registry import Registry

if TYPE_CHECKING:  # scripts/signatures.py writes this and __all__
    from kerseg.data.conversion.convert import convert as convert
    from kerseg.data.doctor import diagnose as doctor
    from kerseg.data.reading.preview import preview as preview
    from kerseg.inference.evaluation import evaluate as evaluate
    from kerseg.inference.prediction import predict as predict
    from kerseg.inference.suspects import suspects as suspects
    from kerseg.profiling.description import describe as describe
    from kerseg.report.comparison import compare as compare
    from kerseg.training.training import train as train

__all__ = [
    "VERBS",
    "__version__",
    "compare",
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
    "suspects",
    "train",
    "visualize",
]

VERBS = Registry(
    "verb",
    {
        "convert": "kerseg.data.conversion.convert:convert",
        "doctor": "kerseg.data.doctor:diagnose",
        "train": "kerseg.training.training:train",
        "preview": "kerseg.data.reading.preview:preview",
        "evaluate": "kerseg.inference.evaluation:evaluate",
        "compare": "kerseg.report.comparison:compare",
        "suspects": "kerseg.inference.suspects:suspects",
        "predict": "kerseg.inference.prediction:predict",
        "describe": "kerseg.profiling.description:describe",
    },
)
"""The verbs, in Python and on the command line: a function with its options in the signature and their help in the
docstring, and a line here."""

MODULES = ("data", "losses", "metrics", "models", "visualize")
"""Modules that come with ``import kerseg``, when they are first used."""


def __getattr__(name: str) -> Any:
    if name in VERBS:
        return VERBS.load(name)
    if name in MODULES:
        return import_module(f"kerseg.{name}")
    raise AttributeError(f"module 'kerseg' has no attribute {name!r}")


after_import("keras", lambda: import_module("kerseg.layers"))
