"""Losses, one file a loss or group of them, and the weights of classes that balance them; no optimisation.

The tables import nothing of Keras, so that `kerseg list` need not wait for it; the classes come when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kerseg.registry import Registry

if TYPE_CHECKING:
    from kerseg.losses.boundary_weighted import BoundaryWeighted
    from kerseg.losses.cross_entropy import CrossEntropy
    from kerseg.losses.expression import Term, parse
    from kerseg.losses.hard_examples import OHEM, Focal
    from kerseg.losses.overlap import Dice, Jaccard, LovaszSoftmax, Tversky
    from kerseg.losses.weighted_sum import WeightedSum, create

LOSSES = Registry(
    "loss",
    {
        "cross_entropy": "kerseg.losses.cross_entropy:CrossEntropy",
        "ohem": "kerseg.losses.hard_examples:OHEM",
        "focal": "kerseg.losses.hard_examples:Focal",
        "dice": "kerseg.losses.overlap:Dice",
        "tversky": "kerseg.losses.overlap:Tversky",
        "jaccard": "kerseg.losses.overlap:Jaccard",
        "lovasz_softmax": "kerseg.losses.overlap:LovaszSoftmax",
        "boundary_weighted": "kerseg.losses.boundary_weighted:BoundaryWeighted",
    },
    given=("class_weights", "ignore_label", "name"),
)

CLASS_WEIGHTS = Registry(
    "kind of class weights",
    {
        "median_frequency": "kerseg.losses.class_weights:median_frequency_weights",
        "enet": "kerseg.losses.class_weights:enet_weights",
        "inverse": "kerseg.losses.class_weights:inverse_weights",
        "effective_number": "kerseg.losses.class_weights:effective_number_weights",
    },
    given=("class_pixels", "class_image_pixels"),
)

_LAZY = {entry.partition(":")[2]: entry.partition(":")[0] for entry in LOSSES.values()} | {
    "Term": "kerseg.losses.expression",
    "WeightedSum": "kerseg.losses.weighted_sum",
    "create": "kerseg.losses.weighted_sum",
    "parse": "kerseg.losses.expression",
}

__all__ = [
    "CLASS_WEIGHTS",
    "LOSSES",
    "OHEM",
    "BoundaryWeighted",
    "CrossEntropy",
    "Dice",
    "Focal",
    "Jaccard",
    "LovaszSoftmax",
    "Term",
    "Tversky",
    "WeightedSum",
    "create",
    "parse",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'kerseg.losses' has no attribute {name!r}")
