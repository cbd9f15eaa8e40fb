"""Values and gradients of a loss on whichever backend runs the tests."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

Slopes = Callable[..., tuple[float, np.ndarray]]


@pytest.fixture(scope="session")
def differentiate() -> Callable[[Any], Slopes]:
    """Return a function of a loss: the function of labels, logits and type that gives its value and gradient.

    Compiled where the backend compiles, once for each type: nothing in a loss may depend on the values' number.
    """
    return {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]


def _tensorflow(loss: Any) -> Slopes:
    import tensorflow as tf

    @tf.function(autograph=False)
    def both(labels: Any, logits: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(labels, logits)
        return value, tape.gradient(value, logits)

    def slopes(labels: np.ndarray, logits: np.ndarray, dtype: str = "float32") -> tuple[float, np.ndarray]:
        value, gradient = both(tf.constant(labels), tf.cast(logits, dtype))
        return float(value), tf.cast(gradient, "float32").numpy()

    return slopes


def _jax(loss: Any) -> Slopes:
    import jax

    both = jax.jit(jax.value_and_grad(lambda logits, labels: loss(labels, logits)))

    def slopes(labels: np.ndarray, logits: np.ndarray, dtype: str = "float32") -> tuple[float, np.ndarray]:
        value, gradient = both(jax.numpy.asarray(logits, dtype), labels)
        return float(value), np.asarray(gradient, "float32")

    return slopes


def _torch(loss: Any) -> Slopes:
    import torch

    def slopes(labels: np.ndarray, logits: np.ndarray, dtype: str = "float32") -> tuple[float, np.ndarray]:
        tensor = torch.tensor(np.asarray(logits), dtype=getattr(torch, dtype), requires_grad=True)
        value = loss(labels, tensor)
        value.backward()
        return value.item(), tensor.grad.float().numpy()

    return slopes
