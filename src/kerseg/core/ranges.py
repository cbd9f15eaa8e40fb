"""Numbers that an option allows, and the words that refuse the others."""

import math
import os

from kerseg.errors import ConfigError


def check_range(
    option: str,
    value: float,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
) -> None:
    """Refuse a number outside its range, by its name. NaN and infinity are outside every range.

    Args:
        option: Its name in Python: ``"epochs"``, ``"augment.flip"``.
        value: What was given.
        least: Smallest allowed value.
        above: Value that must be exceeded.
        most: Largest allowed value.

    Raises:
        ConfigError: The number is outside.
    """
    rules = {
        "at least": (least, least is None or value >= least),
        "above": (above, above is None or value > above),
        "at most": (most, most is None or value <= most),
    }
    if value != value or abs(value) == math.inf or not all(held for _, held in rules.values()):
        wanted = " and ".join(
            f"{words} {bound:g}" for words, (bound, _) in rules.items() if bound is not None
        )
        raise ConfigError(f"`{option}` must be {wanted or 'a finite number'}. Received: {value}.")


def check_batch(option: str, size: tuple[int, int], batch_size: int) -> None:
    """Refuse a batch of images that alone fills the memory of this machine, before something dies of it.

    Args:
        option: The one that says the size: ``"crop_size"``.
        size: Height and width of an image, pixels.
        batch_size: Images in a batch.

    Raises:
        ConfigError: RGB images of this size, as float32, take more than there is.
    """
    needed, there = 12 * size[0] * size[1] * batch_size, _memory()
    if needed > there:
        raise ConfigError(
            f"`{option}={tuple(size)}`: a batch of {batch_size} such images takes {needed / 2**30:.3g} GiB, and "
            f"this machine has {there / 2**30:.3g} GiB of memory. Give a smaller `{option}` or `batch_size`."
        )


def _memory() -> float:
    """Return the bytes of memory that there are; infinity where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return math.inf
