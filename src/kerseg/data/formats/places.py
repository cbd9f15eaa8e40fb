"""Paths that may be remote: ``gs://bucket/images`` and whatever else fsspec knows."""

from pathlib import Path

from kerseg.errors import ConfigError


def as_place(text: str | Path) -> Path:
    """Return a path; of remote storage if ``text`` is an address.

    Args:
        text: ``data/camvid``, or ``gs://bucket/camvid`` with any protocol of fsspec
            (https://filesystem-spec.readthedocs.io/en/latest/api.html#other-known-implementations).

    Returns:
        A path, or an ``upath.UPath``, which has its methods.

    Raises:
        ConfigError: universal_pathlib is not installed, or fsspec has no such protocol or lacks its package.

    Example:
        >>> as_place("memory://images").is_dir()
        False
    """
    if not isinstance(text, str) or "://" not in text:
        return text if isinstance(text, Path) else Path(text)
    try:
        from upath import UPath
    except ImportError as error:
        raise ConfigError(
            f"{text}: remote paths need universal_pathlib, which is not installed. Install it: "
            "pip install 'kerseg[beam]'"
        ) from error
    try:
        place = UPath(text)
        place.fs  # noqa: B018  # which imports the protocol's package
    except (ImportError, ValueError) as error:
        raise ConfigError(f"{text}: fsspec cannot open it: {error}") from error
    return place  # type: ignore[no-any-return]
