"""Optimizers whose weight decay is the one the papers used, and spares norms, biases and slopes.

Keras's ``SGD(weight_decay=...)`` shrinks the weights outside the gradient (decoupled, as AdamW does). The
papers, and the Caffe, TensorFlow 1 and PyTorch code behind their figures, add ``decay * weight`` to the
gradient, where momentum 0.9 multiplies its effect by ten. A paper's 5e-4 therefore needs the second form.
"""

from collections.abc import Sequence
from typing import Any

import keras


class _L2InGradient:
    """Mixin for a Keras optimizer: adds ``l2 * variable`` to the gradient of convolution and dense kernels.

    Args:
        l2: Strength of the decay; 0 switches it off.
    """

    def __init__(self, *args: Any, l2: float = 0.0, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.l2 = l2

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Update the variables by their gradients, the decay's share included."""
        # Not update_step: Keras's optimizers on PyTorch update all variables in one call and pass it by.
        variables = self._trainable_variables if trainable_variables is None else trainable_variables  # type: ignore[attr-defined]
        if self.l2:
            grads = [
                grad + self.l2 * keras.ops.cast(variable, grad.dtype)
                if grad is not None and is_decayed(variable)
                else grad
                for grad, variable in zip(grads, variables, strict=True)
            ]
        super().apply(grads, trainable_variables)  # type: ignore[misc]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the optimizer."""
        return {**super().get_config(), "l2": self.l2}  # type: ignore[misc]


@keras.saving.register_keras_serializable("kerseg")
class SGD(_L2InGradient, keras.optimizers.SGD):
    """``keras.optimizers.SGD`` with ``l2``: weight decay inside the gradient, for kernels alone."""


@keras.saving.register_keras_serializable("kerseg")
class Adam(_L2InGradient, keras.optimizers.Adam):
    """``keras.optimizers.Adam`` with ``l2``: weight decay inside the gradient, for kernels alone."""


def is_decayed(variable: Any) -> bool:
    """Tell whether weight decay touches ``variable``: kernels yes; biases, norms and slopes no.

    Example:
        >>> convolution = keras.layers.Conv2D(8, 3)
        >>> convolution.build((None, None, None, 3))
        >>> [is_decayed(variable) for variable in convolution.variables]
        [True, False]
    """
    return str(variable.path).rsplit("/", 1)[-1].endswith("kernel")


def sgd(
    learning_rate: Any, variables: Sequence[Any], *, weight_decay: float, momentum: float
) -> keras.optimizers.Optimizer:
    """Return SGD with momentum and L2 in the gradient."""
    return SGD(learning_rate, momentum=momentum, l2=weight_decay)


def adam(
    learning_rate: Any, variables: Sequence[Any], *, weight_decay: float, momentum: float
) -> keras.optimizers.Optimizer:
    """Return Adam (Kingma and Ba 2015) with L2 in the gradient; ``momentum`` has no part in it."""
    return Adam(learning_rate, l2=weight_decay)


def adamw(
    learning_rate: Any, variables: Sequence[Any], *, weight_decay: float, momentum: float
) -> keras.optimizers.Optimizer:
    """Return AdamW (Loshchilov and Hutter 2019): weight decay outside the gradient, for kernels alone."""
    optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_list=[entry for entry in variables if not is_decayed(entry)])
    return optimizer
