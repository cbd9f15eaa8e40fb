"""Numbers that an option allows, and the words that refuse the others."""

from kerseg.errors import ConfigError


def check_range(
    option: str,
    value: float,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
) -> None:
    """Refuse a number outside its range, by its name. NaN is outside every range.

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
    if not all(held for _, held in rules.values()):
        wanted = " and ".join(
            f"{words} {bound:g}" for words, (bound, _) in rules.items() if bound is not None
        )
        raise ConfigError(f"`{option}` must be {wanted}. Received: {value}.")
