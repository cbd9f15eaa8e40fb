"""Losses by name: ``cross_entropy+0.5*dice``."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kerseg.errors import ConfigError
from kerseg.losses import LOSSES
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


def options_of(terms: Sequence[Term], options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the options of each term by its name.

    Args:
        terms: What `parse` gave.
        options: Options of the one term that takes them, ``{"gamma": 3}``; or of a term by its name,
            ``{"focal": {"gamma": 3}}``.

    Raises:
        ConfigError: There is no such option, it is of a wrong type, or it is not clear whose it is.

    Example:
        >>> options_of(parse("cross_entropy+0.5*focal"), {"gamma": 3.0})
        {'cross_entropy': {}, 'focal': {'gamma': 3.0}}
    """
    chosen: dict[str, dict[str, Any]] = {term.name: {} for term in terms}
    for name, value in options.items():
        if name in chosen and isinstance(value, Mapping):
            chosen[name].update(value)
            continue
        takers = [term for term in chosen if name in LOSSES.options(term)]
        if len(takers) > 1:
            each = " or ".join(f"`loss_options.{taker}.{name}`" for taker in takers)
            raise ConfigError(
                f"`loss_options.{name}`: {' and '.join(takers)} both have such an option. Say whose: {each}."
            )
        if not takers and len(terms) > 1:
            taken = {option: None for term in chosen for option in LOSSES.options(term)}
            raise ConfigError(
                f"`loss_options.{name}`: none of {', '.join(chosen)} has such an option.{nearest(name, taken)} "
                f"They take: {', '.join(taken) or 'none'}."
            )
        chosen[takers[0] if takers else terms[0].name][name] = value
    for term, own in chosen.items():
        LOSSES.check(term, own, option="loss")
    return chosen
