"""Names of images, of classes and of splits: which of them nobody can write, and which only look the same."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from kerseg.core.console import is_control

ALIKE = (
    "A name that looks the same is written with other characters (Unicode's NFC and NFD: é, or e with an accent). "
    "Rename one of them."
)


def unusable(name: str) -> str:
    r"""Return why a name cannot be used, ``""`` if it can.

    Example:
        >>> unusable("a\nb")
        'it holds control characters'
    """
    if any("\ud800" <= character <= "\udfff" for character in name):
        return "it is not UTF-8"
    return "it holds control characters" if any(map(is_control, name)) else ""


def alike(names: Iterable[str]) -> set[str]:
    """Return those of ``names`` that look like another one, letter by letter, and are not equal to it.

    macOS stores the name of a file with letters and their accents apart (NFD), other systems as it was typed, which
    is with letters that have them (NFC).

    Example:
        >>> sorted(alike(["caf\u00e9", "cafe\u0301", "cafe"])) == ["cafe\u0301", "caf\u00e9"]
        True
    """
    forms: dict[str, set[str]] = defaultdict(set)
    for name in names:
        if not name.isascii():
            forms[unicodedata.normalize("NFC", name)].add(name)
    return {name for found in forms.values() if len(found) > 1 for name in found}
