"""Optimizers whose weight decay is the one the papers used, and spares norms, biases and slopes.

Keras's ``SGD(weight_decay=...)`` shrinks the weights outside the gradient (decoupled, as AdamW does). The
papers, and the Caffe, TensorFlow 1 and PyTorch code behind their figures, add ``decay * weight`` to the
gradient, where momentum 0.9 multiplies its effect by ten. A paper's 5e-4 therefore needs the second form.

On TensorFlow a variable is updated by one kernel in place of Keras's dozens of small operations: the same
arithmetic, traced in a third of the time. ENet has 370 variables, and two thirds of its graph were Adam.
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

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable: ``v = momentum v - rate g``, ``w = w + v``."""
        if not (_has_kernels(gradient) and self.momentum):
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=self.momentums[self._get_variable_index(variable)].value.handle,
            lr=tf.cast(learning_rate, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
            momentum=tf.cast(self.momentum, variable.dtype),
            use_nesterov=self.nesterov,
        )


@keras.saving.register_keras_serializable("kerseg")
class Adam(_L2InGradient, keras.optimizers.Adam):
    """``keras.optimizers.Adam`` with ``l2``: weight decay inside the gradient, for kernels alone."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable and its two moments (Kingma and Ba 2015, algorithm 1)."""
        if not _has_kernels(gradient) or self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        beta_1, beta_2 = (tf.cast(beta, variable.dtype) for beta in (self.beta_1, self.beta_2))
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
        )


def _has_kernels(gradient: Any) -> bool:
    """Tell whether TensorFlow's update kernels can take ``gradient``: its own, and dense."""
    return (
        keras.backend.backend() == "tensorflow"
        and hasattr(gradient, "shape")
        and not hasattr(gradient, "indices")
    )


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
    learning_rate: Any,
    variables: Sequence[Any],
    *,
    weight_decay: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> keras.optimizers.Optimizer:
    """Return SGD with momentum and L2 in the gradient."""
    return SGD(learning_rate, momentum=momentum, nesterov=nesterov, l2=weight_decay)


def adam(
    learning_rate: Any,
    variables: Sequence[Any],
    *,
    weight_decay: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> keras.optimizers.Optimizer:
    """Return Adam (Kingma and Ba 2015) with L2 in the gradient."""
    return Adam(learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, l2=weight_decay)


def adamw(
    learning_rate: Any,
    variables: Sequence[Any],
    *,
    weight_decay: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> keras.optimizers.Optimizer:
    """Return AdamW (Loshchilov and Hutter 2019): weight decay outside the gradient, for kernels alone."""
    optimizer = keras.optimizers.AdamW(
        learning_rate, weight_decay=weight_decay, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon
    )
    optimizer.exclude_from_weight_decay(var_list=[entry for entry in variables if not is_decayed(entry)])
    return optimizer
