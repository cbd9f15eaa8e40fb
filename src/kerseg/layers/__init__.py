"""Blocks with two users or more, and every registered custom layer. Keras only.

Importing this package registers them all, which ``keras.saving.load_model`` needs for kerseg's models; ``import
kerseg`` sees to it as soon as Keras is imported.
"""

from kerseg.layers import activation, conv, dropout, norm, pad, preprocess, pyramid, resize, unpool

__all__ = ["activation", "conv", "dropout", "norm", "pad", "preprocess", "pyramid", "resize", "unpool"]
