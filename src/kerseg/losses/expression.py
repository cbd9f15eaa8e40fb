"""Losses by name: ``cross_entropy+0.5*dice``."""

import re
from dataclasses import dataclass

from kerseg.errors import ConfigError
from kerseg.registry import nearest


@dataclass(frozen=True)
class Term:
    """A loss and how much it counts in a sum."""

    weight: float
    """Above 0."""
    name: str
    """Name in the table of losses."""


_PLUS = re.compile(r"(?<![0-9.][eE])\+")
"""Between two terms; not that of 1e+3."""


def parse(expression: str) -> tuple[Term, ...]:
    """Return the terms of a weighted sum of losses; nothing of Keras is imported.

    Args:
        expression: Names of losses with ``+`` between them, each with a number and ``*`` before it or none.

    Raises:
        ConfigError: A term is empty, its weight is no number above 0, or there is no such loss; the message names
            the term.

    Example:
        >>> parse("cross_entropy + 0.5*dice")
        (Term(weight=1.0, name='cross_entropy'), Term(weight=0.5, name='dice'))
    """
    terms = tuple(_term(text.strip(), expression) for text in _PLUS.split(expression))
    names = [term.name for term in terms]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"`loss={expression!r}` has {name!r} twice: give it one weight.")
    return terms


def _term(text: str, expression: str) -> Term:
    from kerseg.losses import LOSSES

    factor, star, name = text.rpartition("*")
    try:
        weight = float(factor) if star else 1.0
    except ValueError:
        weight = 0.0
    name = name.strip()
    if not 0 < weight < float("inf"):
        raise ConfigError(
            f"`loss={expression!r}`: the weight of the term {text!r} is a number above 0, as in 0.5*dice."
        )
    if name not in LOSSES:
        what = f"there is no loss {name!r}.{nearest(name, LOSSES)}" if name else "a term is empty."
        raise ConfigError(f"`loss={expression!r}`: {what} Known: {', '.join(LOSSES)}.")
    return Term(weight, LOSSES.resolve(name))
