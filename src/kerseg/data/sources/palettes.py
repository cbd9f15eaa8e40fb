"""Class names and colours as users give them: words on the command line, a file, or the name of a source."""

import re
from pathlib import Path

from kerseg.core.info import Colour
from kerseg.data.formats.labels import Classes
from kerseg.data.sources import SOURCES
from kerseg.errors import ConfigError
from kerseg.registry import nearest

VOID_NAMES = ("ignore", "void")
"""A colour of this name in a palette file marks pixels to ignore, not a class."""

_COLOUR = re.compile(
    r"#(?P<hex>[0-9a-fA-F]{6})\b|(?P<red>\d+)[\s,]+(?P<green>\d+)[\s,]+(?P<blue>\d+)(?![^\s,])"
)


def read_names(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return class names given as ``words``, or as one word that is a text file with a name on each line.

    Raises:
        ConfigError: A name occurs twice, or the file cannot be read.
    """
    if len(words) == 1 and Path(words[0]).is_file():
        words = tuple(line.strip() for line in _lines(Path(words[0]), "`class_names`"))
    if twice := sorted({name for name in words if words.count(name) > 1}):
        raise ConfigError(f"`class_names`: given more than once: {', '.join(twice)}.")
    return words


def read_palette(words: tuple[str, ...]) -> Classes:
    """Return the colours that ``words`` stand for, with class names where they bring some.

    Args:
        words: A file with ``R G B`` or ``#rrggbb`` on each line, optionally followed by the class name; or
            the name of a source; or the colours themselves.

    Returns:
        Classes whose ``names`` are empty if only colours were given.

    Raises:
        ConfigError: Nothing of that; the message says what was read and what is allowed.

    Example:
        >>> read_palette(("#000000", "128,0,0")).palette
        ((0, 0, 0), (128, 0, 0))
    """
    if len(words) == 1 and Path(words[0]).is_file():
        return _read_file(Path(words[0]))
    if len(words) == 1 and words[0] in SOURCES:
        classes = SOURCES.load(words[0]).classes
        if isinstance(classes, Classes):
            return classes
        raise ConfigError(f"`palette=[{words[0]!r}]`: this source has no colours of its own.")
    text = " ".join(words)
    if rest := _COLOUR.sub("", text).strip(" ,"):
        raise ConfigError(
            f"`palette` takes a file, the name of a source, or colours such as '#800000' or 128,0,0. "
            f"Received: {text!r}; {rest!r} is none of these.{nearest(rest, SOURCES)} "
            f"Sources: {', '.join(SOURCES)}."
        )
    return Classes(names=(), palette=tuple(_colour(match, "`palette`") for match in _COLOUR.finditer(text)))


def _read_file(path: Path) -> Classes:
    names: list[str] = []
    palette: list[Colour] = []
    void: list[Colour] = []
    for line in _lines(path, "`palette`"):
        match = _COLOUR.match(line.strip())
        if not match:
            raise ConfigError(
                f"{path}: {line.strip()!r} is not a colour. Each line is R G B or #rrggbb, then the name."
            )
        colour, name = _colour(match, str(path)), line.strip()[match.end() :].strip(" ,\t")
        if name.lower() in VOID_NAMES:
            void.append(colour)
        else:
            palette.append(colour)
            names.append(name)
    if any(names) and not all(names):
        raise ConfigError(
            f"{path}: {names.count('')} of {len(names)} colours have no class name. Name all or none."
        )
    return Classes(tuple(names) if all(names) else (), tuple(palette), tuple(void))


def _lines(path: Path, option: str) -> list[str]:
    """Return the lines of ``path`` that hold something; ``# `` starts a remark, ``#rrggbb`` a colour."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {option} takes a text file; this one cannot be read: {error}.") from error
    return [line for line in lines if line.strip() and (not line.startswith("#") or _COLOUR.match(line))]


def _colour(match: re.Match[str], where: str) -> Colour:
    if digits := match["hex"]:
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    red, green, blue = (int(match[channel]) for channel in ("red", "green", "blue"))
    if max(red, green, blue) > 255:
        raise ConfigError(f"{where}: colours are 0 to 255. Received: {match[0]!r}.")
    return red, green, blue
