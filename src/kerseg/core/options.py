"""Options of the verbs as keyword arguments: which of them the caller gave, and where their help stands.

The verbs have long signatures, whose defaults an editor shows. Where a recipe may fill what the caller left out,
the default is written ``default(50)``: it reads and prints as 50, and `given` tells it from a 50 that was meant.
"""

import ast
import dataclasses
import inspect
import itertools
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, TypeVar, cast

from kerseg.errors import ConfigError

T = TypeVar("T")


class Default:
    """The default of an argument that the caller left out.

    Args:
        value: What stands in for it.
    """

    def __init__(self, value: object):
        self.value = value

    def __repr__(self) -> str:
        return repr(self.value)


def default(value: T) -> T:
    """Return a mark that says ``value`` is the default: to be written in signatures, and read by `given`.

    For a type checker it is ``value`` itself.

    Example:
        >>> def train(recipe: str, epochs: int = default(50)) -> dict[str, object]:
        ...     return given(locals())
        >>> train("recipe.yaml"), train("recipe.yaml", epochs=50)
        ({'recipe': 'recipe.yaml'}, {'recipe': 'recipe.yaml', 'epochs': 50})
    """
    return cast(T, Default(value))


def given(arguments: Mapping[str, object]) -> dict[str, object]:
    """Return those of a function's arguments, its ``locals()``, that the caller gave."""
    return {name: value for name, value in arguments.items() if not isinstance(value, Default)}


def refuse_nul(arguments: Mapping[str, object]) -> None:
    r"""Refuse text with a NUL, at which the system's names of files end.

    Args:
        arguments: A function's, its ``locals()``, or the fields of a dataclass, its ``vars()``.

    Raises:
        ConfigError: One of them holds one, or a list or mapping of such.

    Example:
        >>> refuse_nul({"output": Path("runs/a\0b")})
        Traceback (most recent call last):
        kerseg.errors.ConfigError: `output`: a NUL character can be in no name. Received: 'runs/a\x00b'.
    """
    for name, value in arguments.items():
        parts = list(value.values()) if isinstance(value, Mapping) else value
        for part in parts if isinstance(parts, list | tuple) else (parts,):
            if isinstance(part, str | PurePath) and "\0" in str(part):
                raise ConfigError(f"`{name}`: a NUL character can be in no name. Received: {str(part)!r}.")


def collect(kind: type[T], arguments: Mapping[str, Any]) -> T:
    """Return a dataclass of options from the arguments of a function, its ``locals()``, with the fields' names."""
    return kind(**{each.name: arguments[each.name] for each in dataclasses.fields(kind)})  # type: ignore[arg-type]


def help_of_fields(kind: type) -> dict[str, str]:
    """Return the text under each field of a dataclass and its bases, on one line.

    Example:
        >>> help_of_fields(kerseg.config.TrainConfig)["seed"]
        'Seed of everything random.'
    """
    found = {}
    for base in filter(dataclasses.is_dataclass, reversed(kind.__mro__)):
        [definition] = ast.parse(inspect.getsource(base)).body
        for entry, text in itertools.pairwise(cast(ast.ClassDef, definition).body):
            if (
                isinstance(entry, ast.AnnAssign)
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                found[ast.unparse(entry.target)] = " ".join(str(text.value.value).split())
    return found


def help_of_arguments(text: str) -> dict[str, str]:
    r"""Return what a docstring's section ``Args`` says of each argument, on one line.

    Args:
        text: A docstring of Google's style, cleaned as `inspect.getdoc` does.

    Example:
        >>> help_of_arguments("Sum.\n\nArgs:\n    first: A number,\n        any.\n    second: Another.\n")
        {'first': 'A number, any.', 'second': 'Another.'}
    """
    found: dict[str, str] = {}
    name = ""
    for line in text.partition("Args:\n")[2].partition("\n\n")[0].splitlines():
        if line.startswith("    ") and not line.startswith("     "):
            name, _, line = line.strip().partition(":")
        if name and line.strip():
            found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return found


def field_default(entry: "dataclasses.Field[Any]") -> Any:
    """Return the default of a dataclass's field, ``inspect.Parameter.empty`` if it has none."""
    if entry.default_factory is not dataclasses.MISSING:
        return entry.default_factory()
    return inspect.Parameter.empty if entry.default is dataclasses.MISSING else entry.default
