"""What passes by in an evaluation: each image once, with its label and prediction."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kerseg.metrics.confusion import Counts


@dataclass(frozen=True)
class Predicted:
    """An image with its label and prediction."""

    name: str
    image: NDArray[Any]
    """As the model sees it: (height, width, channels), 0 to 255."""
    label: NDArray[Any]
    """True class indices (height, width)."""
    prediction: NDArray[Any]
    """Predicted class indices (height, width)."""
    probabilities: NDArray[np.float32] | None
    """Of the classes, (height, width, C), where something needs them."""
    counts: Counts
    """Its confusion matrix."""


class Watcher(Protocol):
    """Sees every image of an evaluation once, in the order of the split."""

    needs_probabilities: bool

    def see(self, predicted: Predicted) -> None:
        """Take from an image what is to be kept."""
