"""From a network's probabilities to labels: in one step, or over scales, windows and a CRF."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerseg.inference.crf import refine
from kerseg.inference.predictor import Predictor
from kerseg.inference.procedure import Procedure
from kerseg.inference.scales import averaged
from kerseg.inference.windows import Windows, blended


class Segmenter:
    """Labels images with a network by a procedure.

    Args:
        predictor: The network.
        procedure: What is done with it.

    Example:
        >>> segment = Segmenter(Predictor(model), Procedure(flip=True))
        >>> segment(np.zeros((1, 360, 480, 3), "uint8")).shape
        (1, 360, 480)
    """

    def __init__(self, predictor: Predictor, procedure: Procedure | None = None):
        self.predictor, self.procedure = predictor, procedure or Procedure()

    def __call__(self, images: NDArray[Any]) -> NDArray[Any]:
        """Return class indices (batch, height, width) for images (batch, height, width, channels)."""
        if self.procedure.is_plain:
            return self.predictor(images)
        return self.labels(self.probabilities(images))

    def both(
        self, images: NDArray[Any], wanted: bool
    ) -> tuple[NDArray[Any], Sequence[NDArray[np.float32] | None]]:
        """Return labels, and the probabilities behind them if they are wanted; else None for each image."""
        if not wanted:
            return self(images), [None] * len(images)
        probabilities = self.probabilities(images)
        return self.labels(probabilities), list(probabilities)

    def labels(self, probabilities: NDArray[np.float32]) -> NDArray[Any]:
        """Return the most probable class of each pixel: uint8, or int32 above 256 classes."""
        best = probabilities.argmax(axis=-1)
        return np.asarray(best, np.uint8 if self.predictor.num_classes <= 256 else np.int32)

    def probabilities(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Return float32 (batch, height, width, classes), with sum 1 over the classes.

        Raises:
            DataError: As `Predictor.check`.
        """
        images = self.predictor.check(images)
        found = self.network(images)
        if (options := self.procedure.crf) is not None:
            refined = [refine(p, image, options) for p, image in zip(found, images, strict=True)]
            found = np.stack(refined)
        return found

    def network(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Return the probabilities before any CRF."""
        if self.procedure.windows is None:
            return self._scaled(images)
        return np.stack([self._in_windows(image, self.procedure.windows) for image in images])

    def _scaled(self, images: NDArray[Any]) -> NDArray[np.float32]:
        scales, flip = self.procedure.scales, self.procedure.flip
        if scales == (1.0,) and not flip:
            return self.predictor.probabilities(images)
        return averaged(self.predictor.probabilities, images, scales=scales, flip=flip)

    def _in_windows(self, image: NDArray[Any], windows: Windows) -> NDArray[np.float32]:
        whole = np.empty((*image.shape[:2], self.predictor.num_classes), np.float32)
        blocks = blended(
            lambda rows, columns: image[rows, columns],
            lambda pixels: self._scaled(pixels[np.newaxis])[0],
            image.shape[:2],
            windows,
        )
        for block in blocks:
            rows, columns = block.values.shape[:2]
            whole[block.top : block.top + rows, block.left : block.left + columns] = block.values
        return whole
