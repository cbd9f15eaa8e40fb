"""How the learning rate goes over the steps of a run: a linear warm-up, then a fall."""

from typing import Any

import keras
from keras import ops

from kerseg.errors import ConfigError
from kerseg.optim import SCHEDULES


@keras.saving.register_keras_serializable("kerseg")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate as a function of the step.

    It rises linearly from 0 during the warm-up and then is ``peak * fall(progress)``, where progress goes
    from 0 at the end of the warm-up to 1 at ``total_steps``; past that the last value stays.

    Args:
        fall: Name in ``SCHEDULES``.
        peak: Highest learning rate.
        total_steps: Steps of the whole run.
        warmup_steps: Steps of the warm-up.
        power: Exponent of poly.
        step_every: Steps between two drops of step.
        step_factor: Factor of a drop of step.

    Raises:
        ConfigError: The fall is unknown, or the warm-up is longer than the run.

    Example:
        >>> schedule = Schedule("poly", peak=0.01, total_steps=100)
        >>> float(schedule(50))                            # 0.01 * 0.5 ** 0.9
        0.005358867...
    """

    def __init__(
        self,
        fall: str,
        peak: float,
        total_steps: int,
        *,
        warmup_steps: int = 0,
        power: float = 0.9,
        step_every: int = 1,
        step_factor: float = 0.1,
    ):
        SCHEDULES.resolve(fall)
        if warmup_steps > total_steps:
            raise ConfigError(f"The warm-up ({warmup_steps} steps) is longer than the run ({total_steps}).")
        self.fall = fall
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.power = power
        self.step_every = step_every
        self.step_factor = step_factor

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of ``step``, which counts from 0."""
        step = ops.cast(step, "float32")
        after = ops.clip(step - self.warmup_steps, 0.0, float(self.total_steps - self.warmup_steps))
        # The first step of a warm-up of n steps already learns, with 1/n of the peak.
        rise = ops.minimum((step + 1.0) / max(self.warmup_steps, 1), 1.0) if self.warmup_steps else 1.0
        return self.peak * rise * SCHEDULES.load(self.fall)(self, after)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the schedule."""
        return dict(vars(self))


def poly(schedule: Schedule, step: Any) -> Any:
    """Fall as ``(1 - step / total) ** power`` (DeepLab v2, section 4.1.2; ParseNet)."""
    return (1.0 - step / _length(schedule)) ** schedule.power


def cosine(schedule: Schedule, step: Any) -> Any:
    """Fall as ``(1 + cos(pi * step / total)) / 2`` (Loshchilov and Hutter 2017, equation 5, one cycle)."""
    return 0.5 * (1.0 + ops.cos(3.141592653589793 * step / _length(schedule)))


def step(schedule: Schedule, step: Any) -> Any:
    """Fall by ``step_factor`` after every ``step_every`` steps."""
    return schedule.step_factor ** ops.floor(step / schedule.step_every)


def constant(schedule: Schedule, step: Any) -> Any:
    """Stay at the peak."""
    return ops.ones_like(step)


def _length(schedule: Schedule) -> float:
    return float(max(schedule.total_steps - schedule.warmup_steps, 1))
