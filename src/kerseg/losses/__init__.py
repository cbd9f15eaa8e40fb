"""Losses, one file a loss or group of them, and the weights of classes that balance them; no optimisation.

The tables import nothing of Keras, so that `kerseg list` need not wait for it; the classes come when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kerseg.registry import Registry

if TYPE_CHECKING:
    from kerseg.losses.cross_entropy import CrossEntropy

LOSSES = Registry(
    "loss",
    {"cross_entropy": "kerseg.losses.cross_entropy:CrossEntropy"},
    given=("class_weights", "ignore_label", "name"),
)

CLASS_WEIGHTS = Registry(
    "kind of class weights",
    {
        "median_frequency": "kerseg.losses.class_weights:median_frequency_weights",
        "enet": "kerseg.losses.class_weights:enet_weights",
    },
    given=("class_pixels", "class_image_pixels"),
)

_LAZY = {"CrossEntropy": "kerseg.losses.cross_entropy"}

__all__ = ["CLASS_WEIGHTS", "LOSSES", "CrossEntropy"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'kerseg.losses' has no attribute {name!r}")
