"""Optimizers whose weight decay is the one the papers used, and spares norms, biases and slopes.

Keras's ``SGD(weight_decay=...)`` shrinks the weights outside the gradient (decoupled, as AdamW does). The
papers, and the Caffe, TensorFlow 1 and PyTorch code behind their figures, add ``decay * weight`` to the
gradient, where momentum 0.9 multiplies its effect by ten. A paper's 5e-4 therefore needs the second form.

On TensorFlow a variable is updated by one kernel in place of Keras's dozens of small operations: the same
arithmetic, traced in less time (``benchmarks/choices.py``, adam).
"""

from collections.abc import Sequence
from typing import Any

import keras

from kerseg.core.tensor import Tensor
from kerseg.optim.updates import Updates, is_decayed


@keras.saving.register_keras_serializable("kerseg")
class SGD(Updates, keras.optimizers.SGD):
    """``keras.optimizers.SGD`` with ``l2``: weight decay inside the gradient, for kernels alone."""

    def update_step(self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor) -> None:
        """Update one variable: ``v = momentum v - rate g``, ``w = w + v``."""
        learning_rate = self.rate_of(variable, learning_rate)
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
class Adam(Updates, keras.optimizers.Adam):
    """``keras.optimizers.Adam`` with ``l2``: weight decay inside the gradient, for kernels alone."""

    def update_step(self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor) -> None:
        """Update one variable and its two moments (Kingma and Ba 2015, algorithm 1)."""
        learning_rate = self.rate_of(variable, learning_rate)
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


@keras.saving.register_keras_serializable("kerseg")
class AdamW(Updates, keras.optimizers.AdamW):
    """``keras.optimizers.AdamW`` with `Layerwise` rates and decays."""

    def update_step(self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor) -> None:
        """Update one variable and its two moments (Loshchilov and Hutter 2019, algorithm 2)."""
        super().update_step(gradient, variable, self.rate_of(variable, learning_rate))


@keras.saving.register_keras_serializable("kerseg")
class Lion(Updates, keras.optimizers.Lion):
    """``keras.optimizers.Lion`` with `Layerwise` rates and decays."""

    def update_step(self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor) -> None:
        """Update one variable and its moment (Chen et al. 2023, algorithm 2)."""
        super().update_step(gradient, variable, self.rate_of(variable, learning_rate))


def _has_kernels(gradient: Tensor) -> bool:
    """Tell whether TensorFlow's update kernels can take ``gradient``: its own, and dense."""
    return (
        keras.backend.backend() == "tensorflow"
        and hasattr(gradient, "shape")
        and not hasattr(gradient, "indices")
    )


def sgd(
    learning_rate: Tensor,
    variables: Sequence[Any],
    *,
    weight_decay: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> keras.optimizers.Optimizer:
    """Return SGD with momentum and L2 in the gradient."""
    return SGD(learning_rate, momentum=momentum, nesterov=nesterov, l2=weight_decay)


def adam(
    learning_rate: Tensor,
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
    learning_rate: Tensor,
    variables: Sequence[Any],
    *,
    weight_decay: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> keras.optimizers.Optimizer:
    """Return AdamW (Loshchilov and Hutter 2019): weight decay outside the gradient, for kernels alone."""
    optimizer = AdamW(learning_rate, weight_decay=weight_decay, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)
    optimizer.exclude_from_weight_decay(var_list=[entry for entry in variables if not is_decayed(entry)])
    return optimizer


def lion(
    learning_rate: Tensor,
    variables: Sequence[Any],
    *,
    weight_decay: float,
    beta_1: float = 0.9,
    beta_2: float = 0.99,
) -> keras.optimizers.Optimizer:
    """Return Lion: steps of one size, by the sign of momentum; weight decay outside the gradient, kernels alone.

    Source: Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", algorithm 2, which advises a third to
    a tenth of AdamW's learning rate, and three to ten times its weight decay.
    """
    optimizer = Lion(learning_rate, weight_decay=weight_decay, beta_1=beta_1, beta_2=beta_2)
    optimizer.exclude_from_weight_decay(var_list=[entry for entry in variables if not is_decayed(entry)])
    return optimizer
