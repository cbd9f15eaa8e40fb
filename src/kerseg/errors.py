"""What kerseg raises.

    KersegError
    |-- DataError      images, labels, records, dataset.json
    |-- ConfigError    names, options, recipes
    `-- WeightsError   checkpoints and model files

The three are also ``ValueError``, so code that knows nothing of kerseg can catch them. A message says what
is wrong, what was given, what is allowed and what to do; for data and files the path comes first. What it repeats
of a file or a name is made printable here, once for all: see `printable`.
"""

import unicodedata

_ODD = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of what is no text: control characters, formats such as those that turn the direction of
writing, halves of pairs, and separators of lines and paragraphs."""
_JOINERS = "\u200c\u200d"
"""Between letters of Persian and of Indian scripts, and in emoji."""


class KersegError(Exception):
    """Base of everything kerseg raises on purpose: a mistake that its reader can mend.

    Args:
        message: Text; what a terminal would obey in it is shown as it is escaped, but for the ends of lines.
    """

    def __init__(self, message: object = ""):
        super().__init__(printable(str(message), keep="\n"))


class DataError(KersegError, ValueError):
    """An image, a label, a record file or a data set is not what it must be."""


class ConfigError(KersegError, ValueError):
    """A name, an option or a recipe is not one kerseg knows, or does not fit the others."""


class WeightsError(KersegError, ValueError):
    """A checkpoint or model file cannot be read, or does not fit the model."""


def printable(text: str, *, keep: str = "") -> str:
    r"""Return text from elsewhere, such as a file's name, with what a terminal would obey shown as it is escaped.

    Args:
        text: Whatever bytes it was made of: those of a file name that are not UTF-8 are shown as ``\xff``.
        keep: Control characters that stay.

    Example:
        >>> print(printable("a\x1b[2Jb.png"))
        a\x1b[2Jb.png
    """
    if text.isprintable():
        return text
    return "".join(
        character if character in keep or not is_control(character) else _escaped(character)
        for character in text
    )


def is_control(character: str) -> bool:
    r"""Whether a character is none of a text: a line's end, an escape, half of a pair, a turn of direction.

    Example:
        >>> [is_control(character) for character in "a \n\x1b"]
        [False, False, True, True]
    """
    return unicodedata.category(character) in _ODD and character not in _JOINERS


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # how Python holds a byte of a name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
