"""The loop of one run: what happens between its first step and its last."""

import dataclasses
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerseg import modelfile, models
from kerseg.__version__ import __version__
from kerseg.config import TrainConfig
from kerseg.core import notebook
from kerseg.core.files import explained
from kerseg.core.interrupt import Interrupt
from kerseg.errors import KersegError
from kerseg.inference.confusion import confusion
from kerseg.inference.predictor import Predictor
from kerseg.metrics import Scores
from kerseg.training import learner, precision
from kerseg.training.environment import Environment
from kerseg.training.monitor import Monitor
from kerseg.training.opening import TrainingData
from kerseg.training.run import Row, Run
from kerseg.training.state import State


@dataclass(frozen=True)
class TrainResult:
    """What a run came to."""

    path: Path
    """The run folder."""
    best: float | None
    """Best validation mean IoU, 0 to 1; ``None`` where nothing was scored."""
    finished: bool
    """False when it was interrupted and can be resumed."""

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the score, the curves, and predictions of the best model."""
        best = "none" if self.best is None else f"{100 * self.best:.2f} %"
        state = "finished" if self.finished else "interrupted"
        rows = [("run", str(self.path)), ("best val mean IoU", best), ("state", state)]
        previews = sorted((self.path / "previews").glob("best-*.png"))[:2]
        images = [self.path / "report" / "curves.png", *previews]
        return notebook.table(["", ""], rows) + "".join(
            notebook.image_file(path, width=720) for path in images
        )


def begun(config: TrainConfig) -> TrainResult:
    """Train a new run.

    Args:
        config: The options, checked against one another.

    Raises:
        KersegError: As `kerseg.training.training.train`.
    """
    options = models.options_with_weights(config.model, config.weights, config.model_options)
    config = dataclasses.replace(config, model_options=options)
    data = TrainingData.opened(config)
    config = precision.resolved(config, data.data, data.plan)
    with Run.created(config) as run:
        return Trainer(config, run, data).train()


def resumed(path: Path) -> TrainResult:
    """Go on with a run.

    Args:
        path: Its folder.

    Raises:
        KersegError: As `kerseg.training.training.train`.
    """
    with Run.opened(path) as (run, config):
        before = Environment.read(run.environment_file)
        if before is not None and before.begun_by != __version__:
            config = _as_of(config, before.begun_by)
        return Trainer(config, run, TrainingData.opened(config), before).train()


def _as_of(config: TrainConfig, version: str) -> TrainConfig:
    """Return the options that make the architecture what kerseg ``version`` called by its name."""
    options = models.options_of_version(config.model, version, config.model_options)
    return dataclasses.replace(config, model_options=options)


class Trainer:
    """One run: its data, its model and its state.

    Args:
        config: The options, ``data_dir`` among them.
        run: The run folder, which may hold a state to go on from.
        opened: The data and the plan.
        before: Where the run has been trained so far; None for one that begins.
    """

    def __init__(
        self, config: TrainConfig, run: Run, opened: TrainingData, before: Environment | None = None
    ):
        self.config = config
        self.run = run
        self.opened = opened
        self.data = opened.data
        self.info = self.data.info
        self.plan = opened.plan
        environment = Environment.found(config, self.data).after(before, run.path, self.data.folder)
        self.learner = learner.build(config, self.data, self.plan)
        self.model = self.learner.training
        self.predictor = Predictor(self.learner.inference)
        self.monitor = Monitor(run, self.data, self.predictor, config, self.plan)
        self.state = State(self.model)
        saved, self.progress = run.load_state()
        if saved:
            self.state.restore(saved, run)
        elif config.weights is not None:
            self.learner.start(config.weights, say=self.monitor.say)
        environment.write(run.environment_file)

    def train(self) -> TrainResult:
        """Train to the end, or until interrupted.

        Raises:
            KersegError: The loss became NaN or infinite, or a file could not be written.
        """
        self.monitor.start(self.model, self.progress)
        with self._explained(), Interrupt() as interrupt:
            if not self.run.has_history(self.progress.history):
                with self.learner.scored():  # what a kill, or a full disk, kept from being written
                    self.monitor.record(self.progress)
            while not self._is_finished() and not interrupt.requested:
                self._epoch(interrupt)
        if finished := self._is_finished():
            self.monitor.end(self.progress)
        else:
            self.monitor.interrupted(self.progress)
        return TrainResult(self.run.path, self.progress.best, finished)

    def _explained(self) -> AbstractContextManager[None]:
        return explained(self.run.path, f"Then go on with: `{self.run.resume_call}`")

    def _epoch(self, interrupt: Interrupt) -> None:
        """Train and score one epoch, or what is left of it."""
        self.opened.check(self.run)
        steps = self.plan.steps(self.progress.epoch)
        if self.progress.batch < steps:
            self._fit(interrupt)
        if self.progress.batch < steps:
            self.save()
        else:
            loss = float(keras.ops.convert_to_numpy(self.model.metrics[0].result()))
            self._check_loss(loss)
            self._checked_values()  # before a model of them is scored, called the best and written
            self._finish_epoch(loss, self._validate())

    def _fit(self, interrupt: Interrupt) -> None:
        """Take the steps that are left of the epoch, until interrupted."""
        batches = self.data.train(
            crop_size=self.config.crop_size,
            batch_size=self.config.batch_size,
            augment=self.config.augment,
            seed=self.config.seed,
            epoch=self.progress.epoch,
            skip_batches=self.progress.batch,
            split=self.config.train_split,
        ).take(self.plan.steps(self.progress.epoch) - self.progress.batch)
        damage = self.data.naming_damage(self.config.train_split)
        with damage, self.monitor.epoch(self.progress) as advance:
            self.model.fit(
                self.learner.targets(batches),
                initial_epoch=self.progress.epoch,
                epochs=self.progress.epoch + 1,
                callbacks=[_Watch(self, interrupt, advance)],
                verbose=0,
                shuffle=False,
            )

    def _validate(self) -> Scores | None:
        """Return the scores on the validation split, or ``None`` where the data has none."""
        if self.config.val_split not in self.info.splits:
            return None
        with self.learner.scored():
            matrix = confusion(
                self.predictor, self.data, self.config.val_split, batch_size=self.config.batch_size
            )
        return matrix.scores(self.info.class_names)

    def _finish_epoch(self, loss: float, scores: Scores | None) -> None:
        """Write the epoch down: history, best model, state, in an order that a kill cannot harm."""
        progress = self.progress
        row = self._row(loss, scores)
        self.opened.check(self.run)
        if scores is None or progress.best is None or scores.mean_iou > progress.best:
            progress.best = scores.mean_iou if scores else None
            progress.best_epoch = progress.epoch + 1
            # Before the state: a kill in between repeats the epoch, and writes the same model again.
            with self.learner.scored():
                modelfile.save(self.learner.inference, self.run.best_file, self._card(scores))
        progress.history.append(row)
        progress.epoch, progress.batch, progress.seconds = progress.epoch + 1, 0, 0.0
        self.save()
        with self.learner.scored():  # for the previews
            self.monitor.report(progress)

    def _row(self, loss: float, scores: Scores | None) -> Row:
        progress, steps = self.progress, self.plan.steps(self.progress.epoch)
        row: Row = {
            "epoch": progress.epoch + 1,
            "step": progress.epoch * self.plan.epoch_steps + steps,
            "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            "loss": loss,
            "images_per_second": steps * self.config.batch_size / max(progress.seconds, 1e-9),
            "seconds": progress.seconds,
        }
        if scores is not None:
            row |= {
                "val_mean_iou": scores.mean_iou,
                "val_mean_pixel_accuracy": scores.mean_pixel_accuracy,
                "val_pixel_accuracy": scores.pixel_accuracy,
                "val_frequency_weighted_iou": scores.frequency_weighted_iou,
            }
        return row

    def _card(self, scores: Scores | None) -> modelfile.ModelCard:
        return modelfile.ModelCard(
            architecture=self.config.model,
            options=self.config.model_options,
            class_names=self.info.class_names,
            palette=self.info.palette,
            channels=self.info.channels,
            dataset=self.info.name,
            scores=scores.to_json() if scores else {},
        )

    def _is_finished(self) -> bool:
        progress, patience = self.progress, self.config.early_stop
        stale = progress.epoch - progress.best_epoch
        return progress.epoch >= self.plan.epochs or (patience is not None and stale >= patience)

    def save(self) -> None:
        """Write the state to resume from.

        Raises:
            KersegError: A weight is NaN or infinite, or the data has changed: the state before is kept.
        """
        values = self._checked_values()
        self.opened.check(self.run)
        self.run.save_state(values, self.progress)

    def _checked_values(self) -> dict[str, np.ndarray]:
        """Return all that is saved; refuse what is not finite."""
        values = self.state.values()
        for name, value in values.items():
            if not np.all(np.isfinite(value)):
                raise self._diverged(f"the weight {name} holds NaN or infinity")
        return values

    def _check_loss(self, loss: float) -> None:
        if not np.isfinite(loss):
            raise self._diverged(f"the loss is {loss}")

    def _diverged(self, what: str) -> KersegError:
        progress, config = self.progress, self.config
        kept = (
            f"The last good state is {self.run.state_file}"
            if self.run.state_file.exists()
            else "Nothing was saved"
        )
        best = f", the best model {self.run.best_file}." if self.run.best_file.exists() else "."
        advice = f"Try a lower `learning_rate` (now {config.learning_rate:g}), a longer `warmup_epochs`"
        if config.precision == "float16":
            advice += ", `precision='bfloat16'`"
        return KersegError(
            f"Training diverged in epoch {progress.epoch + 1}, step {progress.batch} of "
            f"{self.plan.steps(progress.epoch)}: {what}. {kept}{best} {advice}, or look for labels that do not "
            "fit their images."
        )


class _Watch(keras.callbacks.Callback):
    """What happens between two steps: progress, the check of the loss, saves, and the way out on Ctrl-C."""

    def __init__(self, trainer: Trainer, interrupt: Interrupt, advance: Callable[[float], None]):
        super().__init__()
        self.trainer = trainer
        self.interrupt = interrupt
        self.advance = advance
        self.metrics = trainer.state.values("metrics/")
        self.random = trainer.state.values("random/")
        self.saved = self.stepped = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        # fit() has just set the running mean of the loss to zero; a resumed epoch goes on with the saved one.
        if self.trainer.progress.batch:
            self.trainer.state.assign(self.metrics)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        # PyTorch's data loader has just drawn a number, which the unbroken epoch had drawn at its start.
        if self.random and self.trainer.progress.batch:
            self.trainer.state.assign(self.random)
        self.random = {}

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        progress, now = self.trainer.progress, time.monotonic()
        progress.batch += 1
        progress.seconds += now - self.stepped
        self.stepped = now
        loss = float((logs or {})["loss"])
        self.trainer._check_loss(loss)
        self.advance(loss)
        if self.interrupt.requested:
            self.model.stop_training = True
        elif self._is_due(now):
            self.trainer.save()
            self.saved = now

    def _is_due(self, now: float) -> bool:
        """Tell whether it is time to save, by the clock or by the steps."""
        config, progress = self.trainer.config, self.trainer.progress
        step = progress.epoch * self.trainer.plan.epoch_steps + progress.batch
        by_steps = config.save_steps is not None and step % config.save_steps == 0
        return by_steps or now - self.saved > 60 * config.save_minutes
