"""What is done with a network to label an image, as options. It imports no Keras: refusing must not wait for it."""

from dataclasses import asdict, dataclass
from typing import Any

from kerseg.core.ranges import check_range
from kerseg.errors import ConfigError
from kerseg.inference.crf_options import CrfOptions
from kerseg.inference.windows import SHARE, Windows


@dataclass(frozen=True, kw_only=True)
class Procedure:
    """What is done with a network to label an image. By default its most probable class, nothing else.

    Example:
        >>> Procedure(scales=(0.5, 1.0), flip=True).to_json()
        {'scales': [0.5, 1.0], 'flip': True, 'window': None, 'overlap': None, 'crf': None}
    """

    scales: tuple[float, ...] = (1.0,)
    """Factors by which images are scaled; probabilities are averaged over them."""
    flip: bool = False
    """Average over mirrored images, too."""
    window: tuple[int, int] | None = None
    """Height and width of the windows in which images are predicted, pixels; None for whole images."""
    overlap: int | None = None
    """Strip that neighbouring windows share, pixels; None for a quarter of the window."""
    crf: CrfOptions | None = None
    """CRF that refines the labels; None for none."""

    def __post_init__(self) -> None:
        if not self.scales:
            raise ConfigError("`scales` has one factor or more. Received: none.")
        for scale in self.scales:
            check_range("scales", scale, above=0, most=8)
        if self.overlap is not None and self.window is None:
            raise ConfigError("`overlap` is that of windows: give `window`, too.")
        self.windows  # noqa: B018  # which checks them

    @property
    def windows(self) -> Windows | None:
        """How images are cut, if they are."""
        if self.window is None:
            return None
        overlap = int(SHARE * min(self.window)) if self.overlap is None else self.overlap
        return Windows(*self.window, overlap)

    @property
    def is_plain(self) -> bool:
        """Whether the network's own label is the answer."""
        return self == Procedure()

    def to_json(self) -> dict[str, Any]:
        """Return the options by their names, as `evaluate` writes them."""
        values = asdict(self)
        return values | {
            "scales": list(self.scales),
            "window": list(self.window) if self.window else None,
            "overlap": self.windows.overlap if self.windows else None,
        }
