"""How much of the contours agrees up to a tolerance: the normalised surface distance, or surface Dice."""

from collections.abc import Sequence

import numpy as np

from kerseg.errors import ConfigError
from kerseg.metrics.measure import Observation, Sums, metric, sums
from kerseg.metrics.surface import of_classes


@metric("NSD", "labels")
def nsd(
    image: Observation,
    *,
    tolerance: float = 2.0,
    spacing: Sequence[float] | None = None,
    units: bool = False,
    volume: bool = False,
) -> Sums:
    """Mean over the classes of the mean over the images of the share of a class's contours that agrees.

    Source: Nikolov et al., arXiv 1809.04430: of an image and a class, the length of both contours that is at most
    the tolerance away from the other one, over the length of both (`kerseg.metrics.surface`). A class in neither
    is left out; one in only one of the two has 0.

    Args:
        image: What was predicted.
        tolerance: In pixels, or in the unit of the spacing or of the data; 0 or more.
        spacing: Size of a pixel along each axis; None for pixels.
        units: Measure in the unit of the data, with the spacing of each image that `kerseg convert` kept.
        volume: Take the slices NAME/000, NAME/001 ... of a volume together, and measure its surfaces in 3-D.

    Raises:
        ConfigError: The tolerance is negative, the spacing has not one number above 0 an axis, or the
            data has none.
    """
    if not tolerance >= 0:
        raise ConfigError(f"nsd: `tolerance` is 0 or more. Received: {tolerance}.")
    total, images = np.zeros(image.num_classes), np.zeros(image.num_classes)
    for index, true, guess, _ in of_classes(image, spacing, units=units):
        length = float(true.sizes.sum() + guess.sizes.sum())
        total[index] = (true.within(tolerance) + guess.within(tolerance)) / length
        images[index] = 1
    return sums(total, images)
