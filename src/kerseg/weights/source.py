"""What every reader of weights returns."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PretrainedWeights:
    """Weights in kerseg's names."""

    origin: str
    """The path first, then what it holds."""
    values: Mapping[str, np.ndarray]
    """By ``layer/variable``."""
    unknown: tuple[str, ...] = ()
    """Variables that have no name in kerseg, such as ImageNet's classifier."""
    notes: tuple[str, ...] = ()
    classes: int | None = None
    """Number of classes, where a segmentation model was read."""
    channels: int = 3
    """Channels of the images that they were trained on."""

    def depends_on_classes(self, theirs: tuple[int, ...], mine: tuple[int, ...]) -> bool:
        """Tell whether two shapes differ only where the first has as many entries as there are classes."""
        return len(theirs) == len(mine) and all(
            there in (here, self.classes) for there, here in zip(theirs, mine, strict=True)
        )
