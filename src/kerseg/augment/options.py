"""The options of augmentation: a field for each, with its unit and range. The work is in `kerseg.augment`."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from kerseg.core.ranges import check_range
from kerseg.errors import ConfigError


def _up_to(most: float | None, default: float = 0.0) -> Any:
    """Return a field whose value lies in 0 to ``most``, or is any number from 0 on."""
    return field(default=default, metadata={"most": most})


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random changes of a training example, drawn anew for each example and epoch."""

    scale: tuple[float, float] = (1.0, 1.0)
    """Smallest and largest factor of the random scaling, before the crop."""
    scale_step: float = _up_to(None)
    """Step between the factors, such as 0.25; 0 draws from the whole range."""
    crop: Literal["random", "class_balanced", "rare"] = "random"
    """Where crops lie: anywhere, or around a pixel of a class that is drawn from those in the image, all alike
    (class_balanced) or each by one over its share of the split's pixels (rare)."""
    flip: float = _up_to(1.0, 0.5)
    """Probability of a left-right flip, 0 to 1."""
    flip_vertical: float = _up_to(1.0)
    """Probability of an upside-down flip, 0 to 1."""
    quarter_turns: float = _up_to(1.0)
    """Probability of a turn by 90, 180 or 270 degrees, 0 to 1; 0.75 makes all four directions equally likely."""
    rotation: float = _up_to(180.0)
    """Largest rotation to either side, degrees, 0 to 180."""
    rotation_probability: float = _up_to(1.0, 1.0)
    """Probability of the rotation, 0 to 1."""
    shear: float = _up_to(60.0)
    """Largest horizontal shear to either side, degrees that uprights lean, 0 to 60."""
    shear_probability: float = _up_to(1.0, 1.0)
    """Probability of the shear, 0 to 1."""
    elastic: float = _up_to(None)
    """Elastic deformation: standard deviation of a 3x3 grid's offsets, in pixels of the crop; U-Net's is 10."""
    elastic_probability: float = _up_to(1.0, 1.0)
    """Probability of the elastic deformation, 0 to 1."""
    brightness: float = _up_to(1.0)
    """Largest change of brightness, as a share of the full range: 0.2 adds up to +-51 of 255."""
    contrast: float = _up_to(1.0)
    """Largest change of contrast: 0.2 stretches around the mean by a factor of 0.8 to 1.2."""
    saturation: float = _up_to(1.0)
    """Largest change of saturation: 0.2 multiplies it by 0.8 to 1.2."""
    hue: float = _up_to(0.5)
    """Largest turn of the hue, as a share of the colour circle, 0 to 0.5."""
    gamma: float = _up_to(10.0)
    """Largest gamma, 0 to 10: 0.5 draws the exponent from 1/1.5 (brighter) to 1.5 (darker)."""
    gamma_probability: float = _up_to(1.0, 1.0)
    """Probability of the gamma, 0 to 1."""
    blur: float = _up_to(20.0)
    """Largest standard deviation of a Gaussian blur, in pixels of the crop, 0 to 20."""
    blur_probability: float = _up_to(1.0, 1.0)
    """Probability of the blur, 0 to 1."""
    noise: float = _up_to(255.0)
    """Largest standard deviation of Gaussian noise, of 255."""
    noise_probability: float = _up_to(1.0, 1.0)
    """Probability of the noise, 0 to 1."""
    jpeg: int = _up_to(100, 0)
    """Lowest quality of JPEG artefacts, 1 (worst) to 100; each crop draws its own from there up. 0: none."""
    jpeg_probability: float = _up_to(1.0, 1.0)
    """Probability of the JPEG artefacts, 0 to 1."""
    cutout: float = _up_to(1.0)
    """Side of a square to hide, image and label, as a share of the crop's shorter side, 0 to 1."""
    cutout_probability: float = _up_to(1.0, 1.0)
    """Probability of the cutout, 0 to 1."""
    copy_paste: float = _up_to(1.0)
    """Probability, 0 to 1, of pasting in the rare classes of another crop of the batch."""
    rare_share: float = _up_to(1.0, 0.02)
    """For copy_paste: a class is rare below this share of the split's labelled pixels, 0 to 1."""
    rare_classes: tuple[str, ...] = ()
    """For copy_paste: names of the rare classes, in place of `augment.rare_share`."""
    mosaic: float = _up_to(1.0)
    """Probability, 0 to 1, of a mosaic of four crops of the batch around a random centre."""
    classmix: float = _up_to(1.0)
    """Probability, 0 to 1, of pasting in half of the classes of another crop of the batch."""
    cutmix: float = _up_to(1.0)
    """Probability, 0 to 1, of pasting in a rectangle of another crop of the batch."""

    def __post_init__(self) -> None:
        low, high = self.scale
        if not 0 < low <= high:
            raise ConfigError(
                "`augment.scale` takes the smallest and the largest factor, both above 0. "
                f"Received: {low} {high}."
            )
        for each in fields(self):
            if "most" in each.metadata:
                value = getattr(self, each.name)
                check_range(f"augment.{each.name}", value, least=0.0, most=each.metadata["most"])
