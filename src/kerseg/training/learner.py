"""What learns in a run: the network with its training heads, their losses and the optimizer."""

from dataclasses import dataclass
from typing import Any

import keras

from kerseg import models
from kerseg.config import TrainConfig
from kerseg.core.info import DatasetInfo
from kerseg.losses.class_weights import class_weights
from kerseg.losses.cross_entropy import CrossEntropy
from kerseg.losses.labels import OnGrid
from kerseg.optim import OPTIMIZERS
from kerseg.optim.schedules import Schedule
from kerseg.training.run import Plan


@dataclass(frozen=True)
class Learner:
    """Two models of the same layers."""

    training: keras.Model
    """Compiled; its outputs are those that have a loss."""
    inference: keras.Model
    """Image to logits, without training heads: what is scored and saved."""

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the outputs that have a loss; each is compared with the label."""
        return tuple(self.training.output)


def build(config: TrainConfig, data: Any, plan: Plan) -> Learner:
    """Build and compile what a run trains; its first weights follow from the seed.

    Args:
        config: The run's options.
        data: The data set (``kerseg.data.load``).
        plan: How many steps the run has.

    Raises:
        ConfigError: The architecture does not take its options.
    """
    network = _network(config, data.info)
    weights = models.loss_weights(config.model, network)
    grids = models.label_grids(config.model, network)
    training = keras.Model(network.input, {name: network.output[name] for name in weights}, name=network.name)
    split = data.info.split(config.train_split)
    if config.class_weights != "none":
        split = data.counted(config.train_split)
    classes = class_weights(config.class_weights, split.class_pixels, split.class_image_pixels)
    optimizer = OPTIMIZERS.load(config.optimizer)(
        _schedule(config, plan),
        training.trainable_variables,
        weight_decay=config.weight_decay,
        momentum=config.momentum,
    )
    training.compile(
        optimizer,
        loss={
            name: OnGrid(CrossEntropy(classes), grids[name]) if name in grids else CrossEntropy(classes)
            for name in weights
        },
        loss_weights=weights,
        jit_compile=_jit(config.jit),
    )
    # Before the first step: tf.function would otherwise trace the whole step once to make the optimizer's
    # variables and once more to run.
    training.optimizer.build(training.trainable_variables)
    return Learner(training, keras.Model(network.input, network.output["logits"], name=network.name))


def _network(config: TrainConfig, info: DatasetInfo) -> keras.Model:
    """Return the network with all its outputs, in the run's precision."""
    keras.utils.set_random_seed(config.seed)
    policy = keras.config.dtype_policy()
    precision = "float32" if config.mixed_precision == "none" else f"mixed_{config.mixed_precision}"
    keras.config.set_dtype_policy(precision)
    try:
        return models.build(
            config.model,
            num_classes=info.num_classes,
            input_shape=(None, None, info.num_channels),
            auxiliary=True,
            **config.model_options,
        )
    finally:
        keras.config.set_dtype_policy(policy)


def _schedule(config: TrainConfig, plan: Plan) -> Schedule:
    return Schedule(
        config.schedule,
        config.learning_rate,
        plan.total,
        warmup_steps=plan.warmup(config.warmup_epochs),
        power=config.power,
        step_every=max(1, round(config.step_epochs * plan.epoch_steps)),
        step_factor=config.step_factor,
    )


def _jit(choice: str) -> bool:
    """Return whether to compile with XLA. TensorFlow's loses to its own kernels on the CPU by up to 3x."""
    return choice == "on" or (choice == "auto" and keras.backend.backend() == "jax")
