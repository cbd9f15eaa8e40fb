"""The tables of names that have no folder of their own: one line for a new loss, schedule or optimizer.

They stand apart from the code they name, because that imports Keras, and `kerseg list` must not wait for it.
Models and sources have their tables in ``models/__init__.py`` and ``data/sources/__init__.py``.
"""

from kerseg.registry import Registry

LOSSES = Registry("loss", {"cross_entropy": "kerseg.losses:CrossEntropy"})

CLASS_WEIGHTS = Registry(
    "kind of class weights",
    {
        "median_frequency": "kerseg.losses:median_frequency_weights",
        "enet": "kerseg.losses:enet_weights",
    },
)

SCHEDULES = Registry(
    "schedule",
    {
        "poly": "kerseg.schedules:poly",
        "cosine": "kerseg.schedules:cosine",
        "step": "kerseg.schedules:step",
        "constant": "kerseg.schedules:constant",
    },
)

OPTIMIZERS = Registry(
    "optimizer",
    {
        "sgd": "kerseg.optimizers:sgd",
        "adam": "kerseg.optimizers:adam",
        "adamw": "kerseg.optimizers:adamw",
    },
)
