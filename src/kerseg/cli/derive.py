"""A function of the library as a command: options from its signature, help from its docstring.

What the function takes and a command line cannot give, such as a model in memory, is left out. A dataclass among
the options, such as `Augment`, gives one flag a field (``--augment.flip``); a dictionary one for each entry
(``--model-options.width 16``). Only what was typed is handed over, so a function can tell it from its defaults.
"""

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from cyclopts import Group, Parameter

from kerseg.cli.wording import as_flags, flag
from kerseg.core.options import Default, field_default, help_of_arguments, help_of_fields
from kerseg.core.recipes import scalar
from kerseg.data.formats.places import as_place
from kerseg.errors import ConfigError

EMPTY = inspect.Parameter.empty
_WORDS_OF_ANOTHER_PROGRAM = {"beam_options"}
"""Options whose value may begin with a hyphen."""


class _InMemory:
    """Stands for types of which a command line has no values."""

    Model: type = type("Model", (), {})


@dataclasses.dataclass(frozen=True)
class Flag:
    """One option or argument of a command."""

    path: tuple[str, ...]
    """Where it goes: ``("augment", "flip")`` for a field, ``("epochs",)`` for an argument of the function."""
    hint: Any
    """Its type, as the command line knows it."""
    default: Any
    help: str
    kind: Any = inspect.Parameter.KEYWORD_ONLY
    group: str = ""
    is_path: bool = False

    @property
    def name(self) -> str:
        """Name in Python: ``"augment.flip"``."""
        return ".".join(self.path)

    def parameter(self, options: Collection[str]) -> inspect.Parameter:
        """Return it as cyclopts takes it; its help names other ``options`` as flags."""
        negative = f"--no-{self.name.replace('_', '-')}" if self.default is True else ()
        words: dict[str, Any] = {"group": Group(self.group, sort_key=1)} if self.group else {}
        parameter = Parameter(
            name=flag(self.name),
            help=as_flags(self.help, options),
            negative=negative,
            allow_leading_hyphen=self.name in _WORDS_OF_ANOTHER_PROGRAM,
            show_default=False if is_nothing(self.default) else shown,
            metavar="PATH" if self.is_path else None,
            **words,
        )
        # A dictionary that is empty would be shown as a default.
        default = None if self.default == {} else self.default
        hint = self.hint | None if default is None and default is not self.default else self.hint
        return inspect.Parameter(
            "__".join(self.path), self.kind, default=default, annotation=Annotated[hint, parameter]
        )


def options_of(verb: Callable[..., Any], *, given: Mapping[str, type] | None = None) -> list[Flag]:
    """Return the options of a function, in the order of its signature.

    Args:
        verb: The function.
        given: Parameters of which a dataclass is to be made: their fields are options, without a prefix.
    """
    texts = help_of_arguments(inspect.getdoc(verb) or "")
    found: list[Flag] = []
    for name, parameter in inspect.signature(verb).parameters.items():
        if given and name in given:
            found += _fields(given[name], (name,))
            continue
        hint = _evaluated(parameter.annotation, verb)
        default = parameter.default.value if isinstance(parameter.default, Default) else parameter.default
        if kinds := [part for part in parts_of(hint) if dataclasses.is_dataclass(part)]:
            found += _fields(typing.cast(type, kinds[0]), (name,))
        else:
            found.append(
                Flag(
                    (name,),
                    _typed(hint),
                    default,
                    texts.get(name, ""),
                    parameter.kind,
                    is_path=_has_path(hint),
                )
            )
    return found


def command(
    verb: Callable[..., Any],
    end: Callable[[Any, Mapping[str, Any]], int],
    *,
    given: Mapping[str, type] | None = None,
    text: str | None = None,
    leave_out: Sequence[str] = (),
) -> Callable[..., int]:
    """Return the command of a function.

    Args:
        verb: The function.
        end: Called with what it returns and the arguments: prints it, and returns the exit code.
        given: As for `options_of`.
        text: Its help; default: the docstring above the arguments.
        leave_out: Names of options that this command does not have.
    """
    options = [option for option in options_of(verb, given=given) if option.name not in leave_out]
    by_name = {"__".join(option.path): option for option in options}
    # As in compare(*runs): all words that are no flag, before any other argument.
    starred = next(
        (option.name for option in options if option.kind is inspect.Parameter.VAR_POSITIONAL), None
    )

    def run(*positional: object, **keywords: object) -> int:
        typed = run.__signature__.bind_partial(*positional, **keywords).arguments  # type: ignore[attr-defined]
        arguments: dict[str, Any] = {name: {} for name in given or ()}
        for name, value in typed.items():
            _put(arguments, by_name[name], value)
        for name, kind in (given or {}).items():
            arguments[name] = kind(**_places(kind, arguments[name]))
        several = arguments.get(starred, ()) if starred else ()
        return end(
            verb(*several, **{name: value for name, value in arguments.items() if name != starred}), arguments
        )

    shown = [_without_prefix(option, given or {}) for option in options]
    names = {name for option in shown for name in (option.path[0], option.name)}
    parameters = [
        option.parameter(names).replace(name=name) for name, option in zip(by_name, shown, strict=True)
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__doc__ = as_flags(above_arguments(verb) if text is None else text, names)
    run.__name__ = verb.__name__
    return run


def _put(arguments: dict[str, Any], option: Flag, value: object) -> None:
    """Put the value of an option where its function wants it."""
    if isinstance(value, dict):
        value = _table(value)
    if option.is_path and value == "":  # as a shell makes of "$UNSET"
        raise ConfigError(f"`{option.name}` is empty: give a path.")
    for name in option.path[:-1]:
        arguments = arguments.setdefault(name, {})
    arguments[option.path[-1]] = value


def _table(words: Mapping[str, str]) -> dict[str, Any]:
    """Return a dictionary of values: ``{"focal:gamma": "3"}`` -> ``{"focal": {"gamma": 3}}``, see `one_dot`."""
    table: dict[str, Any] = {}
    for key, word in words.items():
        *outer, name = key.replace("-", "_").split(":")
        within = table
        for part in outer:
            within = within.setdefault(part, {})
        within[name] = scalar(word)
    return table


def _without_prefix(option: Flag, given: Mapping[str, type]) -> Flag:
    return dataclasses.replace(option, path=option.path[1:]) if option.path[0] in given else option


def _places(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with paths, which may be remote, where the dataclass has them."""
    hints = typing.get_type_hints(kind)
    return {
        name: as_place(value) if Path in parts_of(hints[name]) and isinstance(value, str) else value
        for name, value in values.items()
    }


def _fields(kind: type, path: tuple[str, ...]) -> list[Flag]:
    hints, texts = typing.get_type_hints(kind), help_of_fields(kind)
    inherited = {name for base in kind.__mro__[1:] for name in getattr(base, "__annotations__", {})}
    title = getattr(kind, "options_title", "")
    return [
        Flag(
            (*path, field.name),
            _typed(hints[field.name]),
            field_default(field),
            texts.get(field.name, ""),
            group=title if field.name in inherited else "",
            is_path=_has_path(hints[field.name]),
        )
        for field in dataclasses.fields(kind)
    ]


def above_arguments(verb: Callable[..., Any]) -> str:
    """Return what a function's docstring says before its arguments."""
    text, _, _ = (inspect.getdoc(verb) or "").partition("\nArgs:\n")
    return text.partition("\nReturns:\n")[0].strip()


def _evaluated(annotation: object, verb: Callable[..., Any]) -> Any:
    """Return a type that may be written as text because it is imported for type checkers alone."""
    if not isinstance(annotation, str):
        return annotation
    names = {**verb.__globals__, "keras": _InMemory}
    return eval(annotation, names)


def parts_of(hint: object) -> tuple[Any, ...]:
    """Return the members of a union, or the one type."""
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _has_path(hint: object) -> bool:
    return Path in (*parts_of(hint), *(each for part in parts_of(hint) for each in get_args(part)))


def is_nothing(default: object) -> bool:
    """Whether a default need not be said: a switch that is off, or nothing at all."""
    return default is None or default is False or default in ((), {}, "")


def shown(default: object) -> str:
    """Return a default as it is typed."""
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _typed(hint: object) -> Any:
    """Return a type as a command line knows it: paths are text, and of a union only what can be typed is left."""
    parts = [part for part in parts_of(hint) if part is not _InMemory.Model]
    several = [part for part in parts if get_origin(part) in (Sequence, list)]
    parts = [*several, *([type(None)] if type(None) in parts else [])] if several else parts
    kept = list(dict.fromkeys(map(_one, parts)))
    return kept[0] if len(kept) == 1 else Union[tuple(kept)]  # noqa: UP007


def _one(part: object) -> Any:
    if part is Path:
        return str
    origin, parts = get_origin(part), get_args(part)
    if origin in (Mapping, dict):
        return dict[str, str]
    if origin in (Sequence, list):
        return list[_typed(parts[0])]  # type: ignore[misc]
    if origin is tuple:
        return tuple[tuple(each if each is Ellipsis else _typed(each) for each in parts)]  # type: ignore[misc]
    return part
