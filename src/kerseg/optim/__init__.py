"""Optimizers and learning-rate schedules with their tables; no losses, no training loop."""

from kerseg.registry import Registry

SCHEDULES = Registry(
    "schedule",
    {
        "poly": "kerseg.optim.schedules:poly",
        "cosine": "kerseg.optim.schedules:cosine",
        "step": "kerseg.optim.schedules:step",
        "constant": "kerseg.optim.schedules:constant",
        "one_cycle": "kerseg.optim.schedules:one_cycle",
    },
    given=("step", "steps", "epoch_steps"),
)

OPTIMIZERS = Registry(
    "optimizer",
    {
        "sgd": "kerseg.optim.optimizers:sgd",
        "adam": "kerseg.optim.optimizers:adam",
        "adamw": "kerseg.optim.optimizers:adamw",
        "lion": "kerseg.optim.optimizers:lion",
    },
    given=("learning_rate", "variables", "weight_decay"),
)
