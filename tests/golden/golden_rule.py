"""Weights and images by rule, so that one network written twice gives the same numbers without sharing a file.

Every weight is a function of its kind, its shape and the place in it, never of the layer's name or order.
``numbers/*.json`` hold what the releases' own code gives in float64 for weights and images made by this rule.

Places are logical: (out, in, y, x) for kernels, whatever a framework stores. Kernels of depthwise convolutions
have one "in"; of grouped ones in / groups; transposed convolutions are (out, in, y, x) too.
"""

from collections.abc import Iterator

import numpy as np

SALTS = {
    "kernel": 1,
    "bias": 2,
    "gamma": 3,
    "beta": 4,
    "mean": 5,
    "variance": 6,
    "alpha": 7,
    "embedding": 8,
    "scale": 9,
    "picture": 10,
}
SLICE = 2**20
"""Numbers made at once: a kernel of a hundred million takes its own memory and no more."""


def uniform(shape: tuple[int, ...], salt: int, first: int = 0) -> np.ndarray:
    """Numbers in [-1, 1) from the place alone: an integer hash, exact on every machine.

    Args:
        shape: Of the result.
        salt: What tells kinds apart.
        first: Index along the first axis at which the result begins.
    """
    place = np.zeros((1,) * len(shape), np.uint64)
    for axis, size in enumerate(shape):
        begin = first if axis == 0 else 0
        index = np.arange(begin + 1, begin + size + 1, dtype=np.uint64)
        place = place * np.uint64(1_000_003) + index.reshape(
            [-1 if a == axis else 1 for a in range(len(shape))]
        )
    h = place
    with np.errstate(over="ignore"):
        h += np.uint64(salt) * np.uint64(0x9E3779B97F4A7C15)
        h ^= h >> np.uint64(30)
        h *= np.uint64(0xBF58476D1CE4E5B9)
        h ^= h >> np.uint64(27)
        h *= np.uint64(0x94D049BB133111EB)
        h ^= h >> np.uint64(31)
    return (h >> np.uint64(11)).astype(np.float64) / 2.0**52 - 1.0


def kernel(shape: tuple[int, ...]) -> np.ndarray:
    """Of a convolution (out, in, y, x), or of a dense layer (out, in): He's deviation, sqrt(2 / fan in)."""
    return np.concatenate([part for _, part in kernel_slices(shape)])


def kernel_slices(shape: tuple[int, ...]) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield a kernel in parts along its first axis, each with the slice that it is."""
    fan_in = int(np.prod(shape[1:]))
    step = max(1, SLICE // fan_in)
    for begin in range(0, shape[0], step):
        end = min(begin + step, shape[0])
        part = uniform((end - begin, *shape[1:]), SALTS["kernel"], begin) * np.sqrt(3.0 * 2.0 / fan_in)
        yield slice(begin, end), part


def vector(kind: str, length: int) -> np.ndarray:
    """Of one value a channel: bias; gamma, beta, mean, variance of any norm; alpha (PReLU); scale (layer scale)."""
    u = uniform((length,), SALTS[kind])
    base, size = {
        "bias": (0, 0.1),
        "gamma": (1, 0.2),
        "beta": (0, 0.1),
        "mean": (0, 0.1),
        "variance": (1, 0.4),
        "alpha": (0.25, 0.1),
        "scale": (0.5, 0.1),
    }[kind]
    return base + size * u


def embedding(shape: tuple[int, ...]) -> np.ndarray:
    """Of position embeddings, tokens and tables of relative positions, as their release shapes them."""
    return 0.1 * uniform(shape, SALTS["embedding"])


def image(height: int, width: int, channels: int = 3) -> np.ndarray:
    """(height, width, channels) in [-1, 1): what the first layer behind the normalisation gets."""
    return uniform((height, width, channels), SALTS["picture"])
