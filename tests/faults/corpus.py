"""Hostile files made by code, each with the call that must refuse them.

A module ``corpus_*.py`` in this folder holds ``CASES``, by name; `cases` joins them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """Something that a file, or a server, may do to kerseg."""

    name: str
    make: Callable[[Path], Callable[[], object]]
    """Writes what is hostile into an empty folder and returns the call that meets it."""
    says: str = ""
    """Regular expression that the message must match."""
    sound: bool = False
    """Whether the call may just as well succeed: what it meets is odd, and does no harm."""


def cases() -> dict[str, Case]:
    """Return all cases of all modules, by name."""
    found: dict[str, Case] = {}
    for path in sorted(Path(__file__).parent.glob("corpus_*.py")):
        of_module = import_module(path.stem).CASES
        if twice := found.keys() & of_module.keys():
            raise ValueError(f"{path}: two cases are called {sorted(twice)}")
        found |= of_module
    return found
