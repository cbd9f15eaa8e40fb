"""The options of the fully connected CRF of `kerseg.inference.crf`, in a file that is read at once."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kerseg.core.ranges import check_range
from kerseg.errors import ConfigError
from kerseg.registry import nearest


@dataclass(frozen=True, kw_only=True)
class CrfOptions:
    """Weights and reach of a CRF's two kernels.

    The defaults are those of DeepLab-LargeFOV on PASCAL VOC 2012, from its ``run_densecrf.sh``. What suits another
    network and data set is found by `kerseg evaluate --crf tune`.
    """

    appearance_weight: float = 4.0
    """Weight of what two pixels cost that are near each other and alike in colour, but of different classes."""
    appearance_sigma: float = 49.0
    """How near these are: standard deviation in pixels."""
    colour_sigma: float = 5.0
    """How alike these are: standard deviation of their colours, which go to 255."""
    smoothness_weight: float = 3.0
    """Weight of what two pixels cost that are near each other, whatever their colours."""
    smoothness_sigma: float = 3.0
    """How near these are: standard deviation in pixels."""
    iterations: int = 10
    """Updates of the mean field, 1 or more."""

    def __post_init__(self) -> None:
        for name in ("appearance_weight", "smoothness_weight"):
            check_range(_name(name), getattr(self, name), least=0, most=1e6)
        for name in ("appearance_sigma", "colour_sigma", "smoothness_sigma"):
            check_range(_name(name), getattr(self, name), least=0.1, most=1e6)
        check_range(_name("iterations"), self.iterations, least=1, most=1000)

    def to_json(self) -> dict[str, Any]:
        """Return the options by their names."""
        return asdict(self)


def crf_given(options: CrfOptions | Mapping[str, Any] | None) -> CrfOptions | None:
    """Return options of a CRF that may have been given by name.

    Raises:
        ConfigError: There is no such option, or it is out of range.
    """
    if options is None or isinstance(options, CrfOptions):
        return options
    known = CrfOptions.__dataclass_fields__
    for name in options:
        if name not in known:
            raise ConfigError(
                f"There is no `crf_options.{name}`.{nearest(name, known)} Known: {', '.join(known)}."
            )
    return CrfOptions(**options)


def _name(name: str) -> str:
    return f"crf_options.{name}"
