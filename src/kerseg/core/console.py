"""What a verb says to its user besides its results: how options are called, and what a terminal may obey.

Messages name an option by its name in Python, between backticks: ``"`crop_size` takes two numbers"``, with a value
``"`label_values=(0, 255)`"``, a switch ``"`skip_bad=True`"``. So Python shows them as they are. The command line
sets a wording that turns them into flags in all that it prints, errors included.
"""

import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Wording = Callable[[str], str]

_wording: Wording = str

_ODD = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of what is no text: control characters, formats such as those that turn the direction of
writing, halves of pairs, and separators of lines and paragraphs."""
_JOINERS = "\u200c\u200d"
"""Between letters of Persian and of Indian scripts, and in emoji."""


def worded(text: str) -> str:
    """Return a message with its options called as the user of this process types them."""
    return _wording(text)


@contextmanager
def wording(change: Wording) -> Iterator[None]:
    """Within the block, let ``change`` word what is printed."""
    global _wording
    before, _wording = _wording, change
    try:
        yield
    finally:
        _wording = before


def note(text: str) -> None:
    """Tell the user something that is not the answer, on the standard error stream."""
    print(printable(worded(text), keep="\n"), file=sys.stderr)


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
