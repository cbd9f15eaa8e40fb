"""How an architecture's release trains each of its layers: learning rates and weight decays as data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

Pair = tuple[float, float]
"""(learning rate, weight decay), each to be multiplied with that of the run; Caffe's lr_mult and decay_mult."""


@dataclass(frozen=True)
class Multipliers:
    """What the variables of a layer multiply the run's learning rate and weight decay with.

    The defaults are what kerseg does without a release: one rate for all, and decay for kernels alone.

    Example:
        >>> Multipliers(bias=(2.0, 0.0)).of("conv1/bias")
        (2.0, 0.0)
    """

    kernel: Pair = (1.0, 1.0)
    """Of convolutions of all kinds, and dense layers."""
    bias: Pair = (1.0, 0.0)
    gamma: Pair = (1.0, 0.0)
    """Scale of a norm."""
    beta: Pair = (1.0, 0.0)
    """Shift of a norm."""
    other: Pair = (1.0, 0.0)
    """Slopes of activations, embeddings, scales of layers."""

    def of(self, path: str) -> Pair:
        """Return the pair of a variable by its path, such as ``conv1/kernel``."""
        name = path.rsplit("/", 1)[-1]
        if is_kernel(path):
            return self.kernel
        return {"bias": self.bias, "gamma": self.gamma, "beta": self.beta}.get(name, self.other)


@dataclass(frozen=True)
class Solver:
    """An architecture's layers, as its release trains them.

    Example:
        >>> solver = Solver({"fc8.*": Multipliers(kernel=(10.0, 1.0), bias=(20.0, 0.0))}, new="fc8.*")
        >>> solver.of("fc8_1/kernel"), solver.of("conv1_1/kernel")
        ((10.0, 1.0), (1.0, 1.0))
        >>> solver.is_new("fc8_1/kernel"), solver.is_new("conv1_1/kernel")
        (True, False)
    """

    layers: Mapping[str, Multipliers] = field(default_factory=dict)
    """Regular expression of whole layer names -> their multipliers. The first that fits counts."""
    new: str | None = None
    """Regular expression of the layers that stand on the backbone, all others being its own; ``None`` where there
    is no backbone that weights can be loaded into."""

    def of(self, path: str) -> Pair:
        """Return (learning rate, weight decay) of a variable by its path."""
        for pattern, multipliers in self.layers.items():
            if re.fullmatch(pattern, _layer(path)):
                return multipliers.of(path)
        return Multipliers().of(path)

    def is_new(self, path: str) -> bool:
        """Tell whether a variable stands on the backbone; all do where there is none."""
        return self.new is None or re.fullmatch(self.new, _layer(path)) is not None


def is_kernel(path: str) -> bool:
    """Tell whether a variable is the kernel of a convolution or dense layer, by its path."""
    return path.rsplit("/", 1)[-1].endswith("kernel")


def _layer(path: str) -> str:
    return path.rsplit("/", 2)[-2] if "/" in path else ""
