"""Activations with weights."""

import keras
from keras import ops

from kerseg.core.tensor import Tensor


@keras.saving.register_keras_serializable("kerseg")
class PReLU(keras.layers.PReLU):
    """``keras.layers.PReLU``, faster: ``x`` where positive, ``alpha * x`` elsewhere.

    K. He and others: Delving Deep into Rectifiers, ICCV 2015, https://arxiv.org/abs/1502.01852. Keras adds
    ``max(x, 0)`` and ``-alpha * max(-x, 0)``; ``x + (1 - alpha) * max(-x, 0)`` is the same up to rounding and
    goes over the features less often (``benchmarks/choices.py``, prelu).

    Example:
        >>> PReLU(shared_axes=[1, 2])(keras.ops.ones((2, 8, 8, 16))).shape
        (2, 8, 8, 16)
    """

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Activate ``inputs``, of any shape that fits ``alpha``."""
        if training:  # a minimum has a slower gradient
            return inputs + (1 - self.alpha) * ops.relu(-inputs)
        return inputs + (self.alpha - 1) * ops.minimum(inputs, 0)
