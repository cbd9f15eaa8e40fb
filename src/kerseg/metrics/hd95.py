"""How far contours are apart where they are farthest, a few outliers left out: the robust Hausdorff distance."""

from collections.abc import Sequence

import numpy as np

from kerseg.errors import ConfigError
from kerseg.metrics.measure import Observation, Sums, metric, sums
from kerseg.metrics.surface import of_classes


@metric("HD95", "labels", unit="px", higher_is_better=False)
def hd95(
    image: Observation,
    *,
    percentile: float = 95.0,
    spacing: Sequence[float] | None = None,
    units: bool = False,
    volume: bool = False,
) -> Sums:
    """Mean over the classes of the mean over the images of the 95 % Hausdorff distance of a class's contours.

    Of an image and a class it is the larger of the two distances, truth to prediction and back, that 95 % of the
    contour's length does not exceed (`kerseg.metrics.surface`). A class in neither is left out; for one that is in
    only one of the two no distance is defined, and the image's diagonal stands for it.

    Args:
        image: What was predicted.
        percentile: Share of the contour, percent, above 0 and at most 100: then the plain Hausdorff distance.
        spacing: Size of a pixel along each axis, in the unit that the distance is to have; None for pixels.
        units: Measure in the unit of the data, with the spacing of each image that `kerseg convert` kept.
        volume: Take the slices NAME/000, NAME/001 ... of a volume together, and measure its surfaces in 3-D.

    Raises:
        ConfigError: The percentile is out of range, the spacing has not one number above 0 an
            axis, or the data has none.
    """
    if not 0 < percentile <= 100:
        raise ConfigError(f"hd95: `percentile` is above 0, at most 100. Received: {percentile}.")
    total, images = np.zeros(image.num_classes), np.zeros(image.num_classes)
    for index, true, guess, farthest in of_classes(image, spacing, units=units):
        total[index] = min(max(true.percentile(percentile), guess.percentile(percentile)), farthest)
        images[index] = 1
    return sums(total, images)
