"""Refinement of a prediction by a fully connected CRF: labels that follow the edges of the image.

Source: P. Krähenbühl, V. Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge Potentials", NIPS
2011; for segmentation networks L.-C. Chen et al., DeepLab v1 (ICLR 2015, section 3.2) and v2 (TPAMI 2018, section
3.3). Every two pixels i and j of different classes cost

    appearance_weight exp(-|p_i - p_j|^2 / 2 appearance_sigma^2 - |I_i - I_j|^2 / 2 colour_sigma^2)
    + smoothness_weight exp(-|p_i - p_j|^2 / 2 smoothness_sigma^2)

with the positions p in pixels and the colours I from 0 to 255.
"""

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kerseg.core.workers import default_workers
from kerseg.errors import ConfigError
from kerseg.inference.crf_options import CrfOptions

if TYPE_CHECKING:
    from kerseg.inference.lattice import Threads
    from kerseg.inference.meanfield import Kernel

Probabilities = NDArray[np.float32]
"""(height, width, classes), 0 to 1, with sum 1 over the classes."""


class DenseCrf:
    """The CRF of one image: its lattices are built once, and serve any number of inferences.

    Args:
        image: (height, width, channels), 0 to 255; one channel or more.
        options: Weights and reach of the kernels.
        threads: Number of threads; default: as many as there are processors to this process, at most 8.

    Raises:
        ConfigError: numba is not installed.

    Example:
        >>> crf = DenseCrf(np.zeros((4, 4, 3), np.uint8))
        >>> doubtful = np.full((4, 4, 2), (0.9, 0.1), np.float32)
        >>> doubtful[1, 1] = 0.4, 0.6
        >>> int(crf.marginals(doubtful).argmax(-1).max())
        0
    """

    def __init__(self, image: NDArray[Any], options: CrfOptions | None = None, *, threads: int | None = None):
        self.options = options or CrfOptions()
        self.shape = image.shape[:2]
        self._threads = _threads(threads or min(8, default_workers()))
        self._smoothness = _smoothness(*self.shape, self.options.smoothness_sigma, self._threads)
        places = _places(*self.shape) / np.float32(self.options.appearance_sigma)
        colours = np.asarray(image, np.float32).reshape(len(places), -1)
        features = np.concatenate([places, colours / np.float32(self.options.colour_sigma)], axis=1)
        self._appearance = _kernel(features, self._threads)

    def marginals(
        self,
        probabilities: NDArray[Any],
        *,
        appearance_weight: float | None = None,
        smoothness_weight: float | None = None,
    ) -> Probabilities:
        """Return the probability of each class at each pixel, given the whole image.

        Args:
            probabilities: The network's, (height, width, classes).
            appearance_weight: Instead of that of the options.
            smoothness_weight: Instead of that of the options.

        Returns:
            float32 (height, width, classes), with sum 1 over the classes.

        Raises:
            ConfigError: Image and probabilities differ in size.
        """
        from kerseg.inference.meanfield import mean_field

        if probabilities.shape[:2] != self.shape:
            raise ConfigError(
                f"Image and probabilities must have one size. Received: {self.shape} and "
                f"{probabilities.shape[:2]}."
            )
        found = mean_field(
            np.ascontiguousarray(probabilities, np.float32).reshape(-1, probabilities.shape[-1]),
            (self._appearance, self._smoothness),
            (
                self.options.appearance_weight if appearance_weight is None else appearance_weight,
                self.options.smoothness_weight if smoothness_weight is None else smoothness_weight,
            ),
            self._threads,
            iterations=self.options.iterations,
        )
        return found.reshape(probabilities.shape)


def refine(
    probabilities: NDArray[Any], image: NDArray[Any], options: CrfOptions | None = None
) -> Probabilities:
    """Return the marginals of an image's CRF.

    Args:
        probabilities: The network's, (height, width, classes).
        image: (height, width, channels), 0 to 255.
        options: Weights and reach of the kernels.

    Returns:
        float32 (height, width, classes), with sum 1 over the classes.

    Raises:
        ConfigError: numba is not installed, or image and probabilities differ in size.
    """
    return DenseCrf(image, options).marginals(probabilities)


def _places(height: int, width: int) -> NDArray[np.float32]:
    """Return x and y of each pixel, row by row: (height * width, 2)."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([columns.ravel(), rows.ravel()], axis=1)


@lru_cache(maxsize=2)
def _smoothness(height: int, width: int, sigma: float, threads: "Threads") -> "Kernel":
    """Return the kernel that is the same for all images of one size."""
    return _kernel(_places(height, width) / np.float32(sigma), threads)


def _kernel(features: NDArray[np.float32], threads: "Threads") -> "Kernel":
    from kerseg.inference.meanfield import Kernel

    return Kernel(features, threads)


@cache
def _threads(count: int) -> "Threads":
    try:
        from kerseg.inference.lattice import Threads
    except ModuleNotFoundError as error:
        raise ConfigError(f'`crf` needs {error.name}: pip install "kerseg[crf]".') from None
    return Threads(count)
