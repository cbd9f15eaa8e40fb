"""What learns in a run: the network with its training heads, their losses and the optimizer."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kerseg import models
from kerseg.config import TrainConfig
from kerseg.core.info import DatasetInfo
from kerseg.core.solver import Solver
from kerseg.data.reading.pipeline import Dataset
from kerseg.errors import ConfigError
from kerseg.layers import norm
from kerseg.losses.class_weights import class_weights
from kerseg.losses.labels import OnGrid
from kerseg.losses.weighted_sum import create
from kerseg.optim import OPTIMIZERS
from kerseg.optim.schedules import Schedule
from kerseg.optim.updates import Layerwise, arrange
from kerseg.training.run import Plan
from kerseg.weights import load as load_weights


@dataclass(frozen=True)
class Learner:
    """Two models of the same layers."""

    training: keras.Model
    """Compiled; its outputs are those that have a loss."""
    inference: keras.Model
    """Image to logits in float32, without training heads: what is scored and saved, inside `scored`."""
    losses: dict[str, Any]
    """Output -> its loss."""
    copies: tuple[tuple[Any, Any], ...] = ()
    """Weights of `training`, and their copies in `inference`, where that is a network of its own: a layer computes
    in one precision."""

    def targets(self, batches: Any) -> Any:
        """Return a ``tf.data.Dataset`` of images and labels with the labels as each output's loss takes them."""
        import tensorflow as tf

        def prepared(loss: Any, label: Any) -> Any:
            if not loss.needs_preparation:
                return label
            target = tf.numpy_function(loss.prepare, [label], tf.float32)
            return tf.ensure_shape(target, [*label.shape, None])

        def of_outputs(image: Any, label: Any) -> Any:
            once = {id(loss): prepared(loss, label) for loss in self.losses.values()}
            return image, {name: once[id(loss)] for name, loss in self.losses.items()}

        slow = any(loss.needs_preparation for loss in self.losses.values())
        return batches.map(of_outputs, num_parallel_calls=tf.data.AUTOTUNE if slow else None)

    def start(self, weights: str, *, say: Callable[[str], None]) -> None:
        """Load weights to start from; see `kerseg.weights.load`."""
        load_weights(self.inference, weights, say=say)
        for own, copy in self.copies:
            own.assign(copy)

    @contextmanager
    def scored(self) -> Iterator[None]:
        """Have in `inference`, inside the block, what is to be scored: moving averages, if there are any."""
        with self._averaged():
            for own, copy in self.copies:
                copy.assign(own)
            yield

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Have the moving averages in place of the weights inside the block, where the optimizer keeps any."""
        optimizer = getattr(self.training.optimizer, "inner_optimizer", self.training.optimizer)
        if not optimizer.use_ema:
            yield
            return
        variables, averages = optimizer._trainable_variables, optimizer._model_variables_moving_average
        # Copies, because with PyTorch an array is a view of the variable.
        own = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
        try:
            for variable, average in zip(variables, averages, strict=True):
                variable.assign(average)
            yield
        finally:
            for variable, value in zip(variables, own, strict=True):
                variable.assign(value)


def build(config: TrainConfig, data: Dataset, plan: Plan) -> Learner:
    """Build and compile what a run trains; its first weights follow from the seed.

    Args:
        config: The run's options.
        data: The data set (``kerseg.data.load``).
        plan: How many steps the run has.

    Raises:
        ConfigError: The architecture does not take its options.
    """
    half = config.precision in ("bfloat16", "float16")
    # First, so that the seeds of the one that learns are those of float32.
    exact = _network(config, data.info, "float32") if half else None
    network = _network(config, data.info, f"mixed_{config.precision}" if half else "float32")
    if config.batch_norm != "trained":
        norm.freeze(network, scale=config.batch_norm == "frozen")
    weights = models.loss_weights(config.model, network)
    grids = models.label_grids(config.model, network)
    training = keras.Model(network.input, {name: network.output[name] for name in weights}, name=network.name)
    losses = _losses(config, data, training)
    training.compile(
        _optimizer(config, plan, training.trainable_variables),
        loss={name: OnGrid(loss, grids[name]) if name in grids else loss for name, loss in losses.items()},
        loss_weights=weights,
        jit_compile=_jit(config.jit),
    )
    # Before the first step: tf.function would otherwise trace the whole step once to make the optimizer's
    # variables and once more to run.
    training.optimizer.build(training.trainable_variables)
    scored = exact or network
    inference = keras.Model(scored.input, scored.output["logits"], name=scored.name)
    copies = zip(network.weights, exact.weights, strict=True) if exact else ()
    return Learner(training, inference, losses, tuple(copies))


def _losses(config: TrainConfig, data: Any, training: keras.Model) -> dict[str, Any]:
    """Return the loss of each output: the model's own, or for outputs of classes the one that is asked for."""
    split = data.info.split(config.train_split)
    if config.class_weights != "none":
        split = data.counted(config.train_split)
    classes = class_weights(
        config.class_weights, split.class_pixels, split.class_image_pixels, config.class_weights_options
    )
    own, made, chosen = models.losses(config.model), dict[tuple[str, bool], Any](), {}
    for name, output in training.output.items():
        of_classes = output.shape[-1] == data.info.num_classes
        wanted = config.loss if of_classes else None
        key = (wanted or own.get(name, "cross_entropy"), of_classes)
        if key not in made:
            options = config.loss_options if wanted else {}
            made[key] = create(key[0], class_weights=classes if of_classes else None, options=options)
        chosen[name] = made[key]
    return chosen


def _optimizer(config: TrainConfig, plan: Plan, variables: Sequence[Any]) -> keras.optimizers.Optimizer:
    """Return the optimizer with all that the run asks of it."""
    optimizer: keras.optimizers.Optimizer = OPTIMIZERS.load(config.optimizer)(
        _schedule(config, plan),
        variables,
        weight_decay=config.weight_decay,
        **config.options_of("optimizer"),
    )
    arrange(
        optimizer,
        accumulate=config.accumulate,
        clip_norm=config.clip_norm,
        ema=config.ema,
        layerwise=_layerwise(config, plan, variables),
    )
    return optimizer


def _layerwise(config: TrainConfig, plan: Plan, variables: Sequence[Any]) -> Layerwise | None:
    """Return what is done to each layer in its own way; ``None`` where all are treated alike."""
    frozen_steps = plan.warmup(config.freeze_backbone_epochs)
    if config.layer_rates == "equal" and not frozen_steps:
        return None
    solver = models.solver(config.model) or Solver()
    if config.layer_rates == "release" and not solver.layers:
        raise ConfigError(
            f"`layer_rates='release'`: no release of {config.model} is known that treats layers differently."
        )
    paths = [str(variable.path) for variable in variables]
    frozen = tuple(not solver.is_new(path) for path in paths)
    if frozen_steps and not any(frozen):
        raise ConfigError(f"`freeze_backbone_epochs`: {config.model} has no backbone that could be frozen.")
    rules = solver if config.layer_rates == "release" else Solver()
    rates, decays = zip(*(rules.of(path) for path in paths), strict=True)
    return Layerwise(rates, decays, frozen, frozen_steps)


def _network(config: TrainConfig, info: DatasetInfo, precision: str) -> keras.Model:
    """Return the network with all its outputs, in a precision."""
    keras.utils.set_random_seed(config.seed)
    policy = keras.config.dtype_policy()
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
        epoch_steps=plan.epoch_steps,
        every=config.accumulate,
        **config.options_of("schedule"),
    )


def _jit(choice: str) -> bool:
    """Return whether to compile with XLA. TensorFlow's loses to its own kernels on the CPU by up to 3x."""
    return choice == "on" or (choice == "auto" and keras.backend.backend() == "jax")
