"""The type of what Keras computes with."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A symbolic ``keras.KerasTensor``, or the backend's own: ``tf.Tensor``, ``jax.Array``, ``torch.Tensor``.

They share operators and no base class, so a type checker can be told no more; a reader can.
"""
