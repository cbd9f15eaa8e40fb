"""How large a pixel is in the world: what distances in millimetres or metres need."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kerseg.errors import ConfigError

Size = tuple[float, ...]
"""Height and width of a pixel; of a voxel, the distance of the slices first."""


@dataclass(frozen=True)
class Spacing:
    """Size of the pixels of a data set, in a unit.

    Example:
        >>> spacing = Spacing("mm", (0.7, 0.7), {"p2": (5.0, 0.8, 0.8)})
        >>> spacing.of("p1.png"), spacing.of("p2/004", axes=3)
        ((0.7, 0.7), (5.0, 0.8, 0.8))
    """

    unit: str
    size: Size
    """Of every image that `others` does not name."""
    others: Mapping[str, Size] = field(default_factory=dict)
    """Image, or volume of which the images NAME/000, NAME/001 ... are the slices -> its own size."""

    def __post_init__(self) -> None:
        if not self.unit or len(self.unit) > 20 or not self.unit.isprintable():
            raise ConfigError(f"The unit of a spacing is a short word, such as mm. Received: {self.unit!r}.")
        for size in (self.size, *self.others.values()):
            check_size(size)

    def of(self, name: str, axes: int = 2) -> Size | None:
        """Return the size of a pixel of an image, or of a voxel of its volume.

        Args:
            name: Of the image.
            axes: 2, or 3 for a volume.

        Returns:
            As many numbers as axes; None where the distance of the slices is not known.
        """
        size = self.others.get(name) or self.others.get(volume_of(name)) or self.size
        return size[-axes:] if len(size) >= axes else None


def check_size(size: Sequence[float]) -> None:
    """Refuse what is no size of a pixel.

    Raises:
        ConfigError: Not two or three numbers above 0.
    """
    if len(size) not in (2, 3) or not all(math.isfinite(each) and each > 0 for each in size):
        raise ConfigError(
            "`spacing` is the height and width of a pixel, of volumes the distance of the slices before them: two "
            f"or three numbers above 0. Received: {' '.join(f'{each:g}' for each in size) or 'nothing'}."
        )


def volume_of(name: str) -> str:
    """Return the volume that an image is a slice of, ``p1`` of ``p1/042``; the name itself where it is none.

    Example:
        >>> volume_of("p1/042"), volume_of("city/a")
        ('p1', 'city/a')
    """
    return name.rpartition("/")[0] if re.search(r"/\d+$", name) else name
