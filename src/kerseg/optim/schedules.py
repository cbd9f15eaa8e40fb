"""How the learning rate goes over the steps of a run: a linear warm-up, then a fall."""

import inspect
from typing import Any

import keras
from keras import ops

from kerseg.core.tensor import Tensor
from kerseg.errors import ConfigError
from kerseg.optim import SCHEDULES


@keras.saving.register_keras_serializable("kerseg")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate as a function of the step.

    It rises linearly from 0 during the warm-up and then is ``peak * fall(step, steps)``, where the step goes from 0
    at the end of the warm-up to the steps that are left then; past those the last value stays.

    Args:
        fall: Name in ``SCHEDULES``.
        peak: Highest learning rate.
        total_steps: Steps of the whole run.
        warmup_steps: Steps of the warm-up.
        epoch_steps: Steps of an epoch, for falls that count in epochs.
        every: Steps for one update of the weights: all of them have the rate of the first.
        **options: What the fall takes, such as ``power``.

    Raises:
        ConfigError: The fall is unknown or does not take an option, or the warm-up is longer than the run.

    Example:
        >>> schedule = Schedule("poly", peak=0.01, total_steps=100)
        >>> round(float(schedule(50)), 6)                  # 0.01 * 0.5 ** 0.9
        0.005359
    """

    def __init__(
        self,
        fall: str,
        peak: float,
        total_steps: int,
        *,
        warmup_steps: int = 0,
        epoch_steps: int = 1,
        every: int = 1,
        **options: Any,
    ):
        SCHEDULES.check(fall, options)
        if warmup_steps > total_steps:
            raise ConfigError(f"The warm-up ({warmup_steps} steps) is longer than the run ({total_steps}).")
        self.fall = fall
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.epoch_steps = epoch_steps
        self.every = every
        self.options = options

    def __call__(self, step: Tensor) -> Tensor:
        """Return the learning rate of ``step``, which counts from 0."""
        step = ops.cast(step if self.every == 1 else step // self.every * self.every, "float32")
        steps = float(self.total_steps - self.warmup_steps)
        after = ops.clip(step - self.warmup_steps, 0.0, steps)
        # The first step of a warm-up of n steps already learns, with 1/n of the peak.
        rise = ops.minimum((step + self.every) / max(self.warmup_steps, 1), 1.0) if self.warmup_steps else 1.0
        fall, given = SCHEDULES.load(self.fall), dict(self.options)
        if "epoch_steps" in inspect.signature(fall).parameters:
            given["epoch_steps"] = self.epoch_steps
        return self.peak * rise * fall(after, max(steps, 1.0), **given)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the schedule."""
        values = {name: value for name, value in vars(self).items() if name != "options"}
        return {**values, **self.options}


def poly(step: Tensor, steps: float, *, power: float = 0.9) -> Tensor:
    """Fall as ``(1 - step / steps) ** power`` (DeepLab v2, section 4.1.2; ParseNet)."""
    return (1.0 - step / steps) ** power


def cosine(step: Tensor, steps: float) -> Tensor:
    """Fall as ``(1 + cos(pi * step / steps)) / 2`` (Loshchilov and Hutter 2017, equation 5, one cycle)."""
    return 0.5 * (1.0 + ops.cos(3.141592653589793 * step / steps))


def step(
    step: Tensor, steps: float, *, epoch_steps: int, step_epochs: float = 100.0, step_factor: float = 0.1
) -> Tensor:
    """Fall by ``step_factor`` after every ``step_epochs`` epochs."""
    return step_factor ** ops.floor(step / max(1, round(step_epochs * epoch_steps)))


def constant(step: Tensor, steps: float) -> Tensor:
    """Stay at the peak."""
    return ops.ones_like(step)


def one_cycle(
    step: Tensor, steps: float, *, peak_at: float = 0.3, first: float = 0.04, last: float = 4e-6
) -> Tensor:
    """Rise from ``first`` to the peak and fall to ``last``, both as half a cosine.

    Source: Smith and Topin 2019, "Super-Convergence"; with cosines as PyTorch's ``OneCycleLR``, whose rates these
    are. Momentum stays as it is.

    Args:
        step: Step.
        steps: Steps of the cycle.
        peak_at: Part of the cycle in which it rises, 0 to 1.
        first: First learning rate, of the peak's.
        last: Last learning rate, of the peak's.
    """
    top, end = max(peak_at * steps - 1, 1e-6), max(steps - 1, 2e-6)
    up, down = (
        0.5 * (1.0 + ops.cos(3.141592653589793 * ops.clip(progress, 0.0, 1.0)))
        for progress in (step / top, (step - top) / max(end - top, 1e-6))
    )
    return ops.where(step <= top, 1.0 + (first - 1.0) * up, last + (1.0 - last) * down)
