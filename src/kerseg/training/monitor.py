"""What a person sees of a training run: lines and bars, TensorBoard, curves and previews."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from PIL import Image
from rich.console import Console

from kerseg import visualize
from kerseg.config import TrainConfig
from kerseg.core.console import worded
from kerseg.core.files import whole
from kerseg.core.progress import Progress as Bar
from kerseg.core.tensorflow import system_errors
from kerseg.data.reading.integrity import describe_damage
from kerseg.data.reading.pipeline import Dataset
from kerseg.inference.predictor import Predictor
from kerseg.training import curves
from kerseg.training.run import Plan, Row, Run, RunProgress

_PREVIEW_WIDTH = 1600
"""Pixels: three 2048x1024 images side by side, once an epoch, would fill disks and browsers."""


class Monitor:
    """Reports one run to its folder and to the terminal.

    Args:
        run: The run folder.
        data: The data set (``kerseg.data.load``).
        predictor: The model's predictions, for the previews.
        config: The run's options.
        plan: How long the run is.
        console: Where lines go; standard error by default, so that output can be piped.
    """

    def __init__(
        self,
        run: Run,
        data: Dataset,
        predictor: Predictor,
        config: TrainConfig,
        plan: Plan,
        console: Console | None = None,
    ):
        self.run = run
        self.data = data
        self.predictor = predictor
        self.config = config
        self.console = console or Console(stderr=True)
        self.plan = plan
        self._examples: list[dict[str, Any]] = []
        self._writer: Any = None

    def start(self, model: keras.Model, progress: RunProgress) -> None:
        """Say what is about to be trained, and where it goes on from."""
        config, info = self.config, self.data.info
        records = info.split(config.train_split).records
        parameters = sum(math.prod(variable.shape) for variable in model.trainable_variables)
        self.console.print(
            f"{config.model}: {parameters:,} trainable parameters, {keras.backend.backend()} backend; "
            f"{info.name}: {records} images, {info.num_classes} classes, "
            f"{self.plan.epoch_steps} steps an epoch",
            soft_wrap=True,
            highlight=False,
        )
        for line in describe_damage(self.data.folder, self.data.left_out):
            self.say(line)
        if (progress.epoch or progress.batch) and progress.epoch < self.plan.epochs:
            self.console.print(f"Going on from {self._place(progress)}")

    def say(self, text: str) -> None:
        """Print lines of text."""
        self.console.print(worded(text), soft_wrap=True, highlight=False, markup=False)

    @contextmanager
    def epoch(self, progress: RunProgress) -> Iterator[Callable[[float], None]]:
        """Show the bar of one epoch; give the function that advances it by one step."""
        title = f"epoch {progress.epoch + 1}/{self.plan.epochs}"
        steps = self.plan.steps(progress.epoch)
        with Bar(title, total=steps, unit="steps", console=self.console) as bar:
            bar.advance(progress.batch)
            yield lambda loss: bar.advance(note=f"loss {loss:.4f}")

    def report(self, progress: RunProgress) -> None:
        """Report a finished epoch everywhere: terminal, TensorBoard, curves, previews, history."""
        row, improved = progress.history[-1], progress.best_epoch == progress.epoch
        line = f"epoch {progress.epoch}/{self.plan.epochs}  loss {row['loss']:.4f}"
        if "val_mean_iou" in row:
            line += f"  val mean IoU {100 * row['val_mean_iou']:.2f} %"
            line += "  (best)" if improved else f"  (best {100 * (progress.best or 0):.2f} %)"
        self.console.print(f"{line}  {row['images_per_second']:.1f} img/s", highlight=False)
        self.record(progress)

    def record(self, progress: RunProgress) -> None:
        """Write what a finished epoch leaves besides the model and the state."""
        row, improved = progress.history[-1], progress.best_epoch == progress.epoch
        curves.draw(progress.history, self.run.report / "curves.png")
        previews = self._previews()
        names = ["last", "best"] if improved else ["last"]
        for index, preview in enumerate(previews):
            for name in names:
                with whole(self.run.previews / f"{name}-{index + 1}.png") as temporary:
                    preview.save(temporary)
        self._tensorboard(row, [np.asarray(preview) for preview in previews])
        # Last: where the history holds an epoch, nothing else about it is missing.
        self.run.write_history(progress.history)

    def interrupted(self, progress: RunProgress) -> None:
        """Say where the run stands and how to go on."""
        self.say(
            f"Stopped at {self._place(progress)}; everything is saved. "
            f"Go on with: `kerseg.train(resume={str(self.run.path)!r})`"
        )

    def end(self, progress: RunProgress) -> None:
        """Say how the run ended and what it left."""
        if progress.best is not None:
            self.console.print(
                f"Best mean IoU {100 * progress.best:.2f} % in epoch {progress.best_epoch}", highlight=False
            )
        if progress.epoch < self.plan.epochs:
            self.console.print(f"Stopped early: no better mean IoU in {self.config.early_stop} epochs")
        for title, path in {
            "model": self.run.best_file,
            "curves": self.run.report / "curves.png",
            "previews": self.run.previews,
            "history": self.run.history_file,
        }.items():
            self.console.print(f"{title:>9}  {path}", soft_wrap=True, highlight=False)

    def _place(self, progress: RunProgress) -> str:
        return f"epoch {progress.epoch + 1}, step {progress.batch} of {self.plan.steps(progress.epoch)}"

    def _previews(self) -> list[Image.Image]:
        """Return an image, its truth and its prediction side by side, for the first validation examples."""
        split = self.config.val_split
        if split not in self.data.info.splits or not self.config.previews:
            return []
        if not self._examples:
            taken = self.data.examples(split).take(self.config.previews)
            self._examples = list(taken.as_numpy_iterator())
        return [self._preview(example) for example in self._examples]

    def _preview(self, example: dict[str, Any]) -> Image.Image:
        info = self.data.info
        preview = visualize.panel(
            visualize.as_rgb(example["image"], info.channels.names if info.channels else ()),
            example["label"],
            self.predictor(example["image"][None])[0],
            info.palette,
            info.class_names,
            title=example["name"].decode(),
        )
        preview.thumbnail((_PREVIEW_WIDTH, _PREVIEW_WIDTH))
        return preview

    def _tensorboard(self, row: Row, previews: list[np.ndarray]) -> None:
        # Late: TensorBoard's writer is TensorFlow's, whatever the backend that trains.
        import tensorflow as tf

        with system_errors():
            if self._writer is None:
                self._writer = tf.summary.create_file_writer(str(self.run.tensorboard))
            with self._writer.as_default(step=int(row["epoch"])):
                for name, value in row.items():
                    if name not in ("epoch", "step"):
                        tf.summary.scalar(name, value)
                for index, preview in enumerate(previews):
                    tf.summary.image(f"preview/{index + 1}", preview[None])
            self._writer.flush()
