"""What a run learns from: its data, opened, checked and planned once."""

from dataclasses import dataclass

from kerseg.config import TrainConfig
from kerseg.core.files import explained
from kerseg.data.reading.pipeline import Dataset, load
from kerseg.errors import ConfigError, DataError
from kerseg.training.environment import fingerprint
from kerseg.training.run import Plan, Run


@dataclass(frozen=True)
class TrainingData:
    """What a run learns from: opened and planned once."""

    data: Dataset
    plan: Plan
    fingerprint: str
    """Of the data as it was opened."""

    @classmethod
    def opened(cls, config: TrainConfig) -> "TrainingData":
        """Open the data of a run and plan its length.

        Raises:
            DataError: The data is missing or damaged, or a split has no labelled pixel.
            ConfigError: Not one batch can be filled, the warm-up is longer than the run, or the augmentation is not
                for these images.
        """
        folder = config.data_folder
        first = fingerprint(folder)  # before anything is read: what changes from here on is found
        with explained(folder):
            data = load(folder, dataset=config.dataset, samples=config.samples, skip_bad=config.skip_bad)
        data.check_augment(config.augment)
        for split in (config.train_split, config.val_split):
            _check_labelled(data, split)
        return cls(data, _plan(config, data), first)

    def check(self, run: Run) -> None:
        """Refuse data that has changed since it was opened.

        Raises:
            DataError: It has.
        """
        if fingerprint(self.data.folder) != self.fingerprint:
            raise DataError(
                f"{self.data.folder}: the data was changed while {run.path} trained on it, so training has "
                f"stopped. What {run.path} holds was learned from the old data: bring that back and go on with "
                f"`{run.resume_call}`, or start a new run."
            )


def _check_labelled(data: Dataset, name: str) -> None:
    counted = data.info.splits[name].class_pixels if name in data.info.splits else ()
    if counted and not any(counted):
        raise DataError(
            f"{data.folder}: split {name!r} has not one labelled pixel: all are ignored, so there is nothing to "
            "learn from it or to score. Look at its labels with `kerseg doctor`, and convert again."
        )


def _plan(config: TrainConfig, data: Dataset) -> Plan:
    """Return how long the run is.

    Raises:
        ConfigError: Not one batch can be filled, or the warm-up is longer than the run.
    """
    epoch_steps = data.steps(split=config.train_split, batch_size=config.batch_size)
    plan = Plan(epoch_steps, config.steps or config.epochs * epoch_steps)
    if (warmup := plan.warmup(config.warmup_epochs)) > plan.total:
        raise ConfigError(
            f"`warmup_epochs={config.warmup_epochs:g}` is {warmup} steps, longer than the run "
            f"(`steps={plan.total}`)."
        )
    return plan
