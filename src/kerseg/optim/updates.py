"""What kerseg adds to the update rules of Keras: decay inside the gradient, rates by layer, layers frozen first."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from keras import ops

from kerseg.core.solver import is_kernel
from kerseg.core.tensor import Tensor
from kerseg.errors import ConfigError


@dataclass(frozen=True)
class Layerwise:
    """What an optimizer does to each variable in its own way, in the order of the variables."""

    rates: tuple[float, ...]
    """Multipliers of the learning rate."""
    decays: tuple[float, ...]
    """Multipliers of the weight decay."""
    frozen: tuple[bool, ...]
    """Which variables stay as they are in the first steps."""
    frozen_steps: int = 0
    """How many: calls of the optimizer, those that only accumulate gradients included."""


class Updates:
    """Mixin for a Keras optimizer.

    - Weight decay inside the gradient (``l2``), behind the clipping, as PyTorch has it.
    - `Layerwise` rates and decays, and layers that are frozen first. Frozen layers get gradients of 0 and no decay,
      so that they and their moments stay as they are; no variable appears or goes when they thaw, and a resumed run
      is the unbroken one.
    - A moving average of the weights that moves with the updates and not with the gradients that are accumulated,
      and that never replaces the weights by itself: Keras does so at the end of each call of ``fit``.

    Args:
        l2: Strength of the decay inside the gradient; 0 switches it off.
        layerwise: `Layerwise`, or a dictionary of its fields; ``None`` treats all variables alike.
    """

    def __init__(
        self,
        *args: Any,
        l2: float = 0.0,
        layerwise: Layerwise | Mapping[str, Any] | None = None,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.l2 = l2
        if isinstance(layerwise, Mapping):
            values: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in layerwise.items()
            }
            layerwise = Layerwise(**values)
        self.layerwise = layerwise

    def rate_of(self, variable: Tensor, learning_rate: Tensor) -> Tensor:
        """Return the learning rate of a variable."""
        if self.layerwise is None:
            return learning_rate
        factor = self.layerwise.rates[self._get_variable_index(variable)]  # type: ignore[attr-defined]
        return learning_rate if factor == 1 else learning_rate * factor

    def _decay_of(self, variable: Tensor) -> float:
        """Return the multiplier of a variable's weight decay."""
        if self.layerwise is None:
            return float(is_decayed(variable))
        return self.layerwise.decays[self._get_variable_index(variable)]  # type: ignore[attr-defined]

    def _has_thawed(self) -> Tensor:
        """Return whether the frozen steps are over: a scalar tensor, or ``None`` where nothing is ever frozen."""
        if self.layerwise is None or not self.layerwise.frozen_steps or not any(self.layerwise.frozen):
            return None
        return ops.greater_equal(self._iterations, self.layerwise.frozen_steps)  # type: ignore[attr-defined]

    def _while_thawed(self, value: Tensor, variable: Tensor, thawed: Any) -> Tensor:
        """Return a tensor, or zeros while the variable is frozen."""
        if thawed is None or self.layerwise is None:
            return value
        if not self.layerwise.frozen[self._get_variable_index(variable)]:  # type: ignore[attr-defined]
            return value
        return ops.where(thawed, value, ops.zeros_like(value))

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Tensor
    ) -> None:
        """Update the variables by gradients that are accumulated and clipped; the decay's share is added here."""
        thawed, whole = self._has_thawed(), []
        for grad, variable in zip(grads, trainable_variables, strict=True):
            if decay := self.l2 * self._decay_of(variable):
                grad = grad + decay * ops.cast(variable, grad.dtype)
            whole.append(self._while_thawed(grad, variable, thawed))
        super()._backend_update_step(whole, trainable_variables, learning_rate)  # type: ignore[misc]

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        """Shrink the variables outside the gradient, where the optimizer has a ``weight_decay``."""
        if self.weight_decay is None or self.layerwise is None:  # type: ignore[attr-defined]
            super()._apply_weight_decay(variables)  # type: ignore[misc]
            return
        thawed = self._has_thawed()
        for variable in variables:
            if decay := self.weight_decay * self._decay_of(variable):  # type: ignore[attr-defined]
                rate = self.rate_of(variable, self.learning_rate)  # type: ignore[attr-defined]
                shrink = variable * ops.cast(rate * decay, variable.dtype)
                variable.assign(variable - self._while_thawed(shrink, variable, thawed))

    def _update_model_variables_moving_average(self, trainable_variables: Sequence[Any]) -> None:
        """Move the averages towards the weights, once an update."""
        every = self.gradient_accumulation_steps  # type: ignore[attr-defined]
        if not every:
            super()._update_model_variables_moving_average(trainable_variables)  # type: ignore[misc]
            return
        is_update = ops.equal((self._iterations + 1) % every, 0)  # type: ignore[attr-defined]
        keep = ops.where(is_update, self.ema_momentum, 1.0)  # type: ignore[attr-defined]
        keep = keep * ops.cast(ops.not_equal(self.iterations, 0), keep.dtype)  # type: ignore[attr-defined]
        averages = self._model_variables_moving_average  # type: ignore[attr-defined]
        for variable, average in zip(trainable_variables, averages, strict=True):
            share = ops.cast(keep, variable.dtype)
            average.assign(share * average + (1 - share) * variable)

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Leave the weights as they are at the end of ``fit``: the next call goes on from them."""

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the optimizer."""
        layerwise = None if self.layerwise is None else asdict(self.layerwise)
        return {**super().get_config(), "l2": self.l2, "layerwise": layerwise}  # type: ignore[misc]


def is_decayed(variable: Tensor) -> bool:
    """Tell whether weight decay touches ``variable``: kernels yes; biases, norms and slopes no.

    Example:
        >>> convolution = keras.layers.Conv2D(8, 3)
        >>> convolution.build((None, None, None, 3))
        >>> [is_decayed(variable) for variable in convolution.variables]
        [True, False]
    """
    return is_kernel(str(variable.path))


def arrange(
    optimizer: Any,
    *,
    accumulate: int = 1,
    clip_norm: float | None = None,
    ema: float | None = None,
    layerwise: Layerwise | None = None,
) -> None:
    """Give an optimizer that is not built yet what every optimizer can have.

    Args:
        optimizer: An entry of ``OPTIMIZERS`` made it.
        accumulate: Calls for one update, by the mean of their gradients.
        clip_norm: Largest norm of all gradients together; larger ones are scaled down to it (Pascanu et al. 2013).
        ema: Momentum of a moving average of the weights, 0 to below 1; ``None`` keeps none.
        layerwise: What is done to each variable in its own way.

    Raises:
        ConfigError: The optimizer cannot treat layers in their own way.

    Example:
        >>> from kerseg.optim import OPTIMIZERS
        >>> optimizer = OPTIMIZERS.load("sgd")(0.1, model.trainable_variables, weight_decay=1e-4)
        >>> arrange(optimizer, accumulate=4, ema=0.999)
    """
    if accumulate > 1:
        optimizer.gradient_accumulation_steps = accumulate
    optimizer.global_clipnorm = clip_norm
    if ema is not None:
        optimizer.use_ema, optimizer.ema_momentum = True, ema
    if layerwise is not None:
        if not isinstance(optimizer, Updates):
            raise ConfigError(
                f"{type(optimizer).__name__} has one learning rate for all layers, and freezes none: it needs "
                "kerseg.optim.updates.Updates among its bases."
            )
        optimizer.layerwise = layerwise
