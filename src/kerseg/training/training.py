"""Train a model: options in, run folder out.

A run can be stopped at any moment, by a kill too, and goes on from its last saved step as if nothing had
happened: the order of the examples, their augmentation and the model's own random numbers all follow from the
seed and from where the run stands, and that is saved with the weights and the optimizer's state.
"""

import dataclasses
from pathlib import Path
from typing import Any

from kerseg import config as configs
from kerseg import models
from kerseg.config import TrainConfig
from kerseg.errors import ConfigError
from kerseg.training.trainer import TrainResult as TrainResult
from kerseg.training.trainer import begun, resumed


def train(
    recipe: str | Path | None = None, *, resume: str | Path | None = None, **options: Any
) -> TrainResult:
    """Train a model, or go on with a run.

    Args:
        recipe: A YAML file of options.
        resume: A run folder to continue, instead of a recipe and options.
        **options: The fields of :class:`kerseg.config.TrainConfig`; they win over the recipe's.

    Returns:
        The run folder, the best score and whether the run reached its end.

    Raises:
        ConfigError: An option is unknown or does not fit; the output folder exists already.
        DataError: The data is missing, damaged, or has changed since the run began.
        KersegError: The loss became NaN or infinite; the last good state is kept.

    Example:
        >>> run = kerseg.train(data_dir="data/camvid", model="enet", epochs=50, output="runs/enet")
        >>> run.path, run.best
        (PosixPath('runs/enet'), 0.51)
    """
    for name in ("data_dir", "output"):
        if options.get(name) is not None:
            options[name] = Path(options[name])
    if resume is not None:
        if recipe is not None or options:
            raise ConfigError("`resume` repeats the run's own options: give it alone.")
        return resumed(Path(resume))
    base = configs.load(TrainConfig, Path(recipe)) if recipe is not None else TrainConfig()
    config = configs.override(base, options)
    config = dataclasses.replace(config, data_dir=config.data_folder, weights=config.weights_source)
    models.check(config.model, config.model_options)
    return begun(config)
