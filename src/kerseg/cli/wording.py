"""Messages of the library in the words of the command line: `crop_size` becomes --crop-size.

The library calls an option by its Python name between backticks, and advises in Python: `label_values=(0, 255)`,
`skip_bad=True`, `kerseg.train(resume='runs/enet')`. What stands between backticks and is no option of any verb,
such as a type or a command, stays as it is.
"""

import ast
import re
import shlex
from collections.abc import Collection, Sequence
from functools import cache

from kerseg import VERBS
from kerseg.cli.own import OWN
from kerseg.data.sources import SOURCES

_QUOTED = re.compile(r"`([a-zA-Z_][^`\n]*)`")
_OPTION = re.compile(r"([a-z_]\w*)((?:\.[a-z_]\w*)*)(?:=(.+))?")
_CALL = re.compile(r"kerseg\.(\w+)\((.*)\)")


def as_flags(text: str, options: Collection[str] | None = None) -> str:
    """Return a message with its options as flags.

    Args:
        text: The message.
        options: Names of options; default: those of all verbs.

    Example:
        >>> as_flags("`crop_size` takes two numbers; `skip_bad=True` and `label_values=(0, 255)`, not `int`.")
        '--crop-size takes two numbers; --skip-bad and --label-values 0 255, not `int`.'
    """
    return _QUOTED.sub(
        lambda match: (
            _flag(match[1], _options() if options is None else options) or _command(match[1]) or match[0]
        ),
        text,
    )


def flag(name: str) -> str:
    """Return the flag of an option: ``"augment.flip_vertical"`` -> ``"--augment.flip-vertical"``."""
    return "--" + name.replace("_", "-")


def one_dot(words: Sequence[str]) -> list[str]:
    """Return words with one dot a flag, which is all that cyclopts knows of dictionaries.

    Example:
        >>> one_dot(["--loss-options.focal.gamma", "3", "--augment.flip", "a.b.c"])
        ['--loss-options.focal:gamma', '3', '--augment.flip', 'a.b.c']
    """

    def changed(word: str) -> str:
        flag_, equals, value = word.partition("=")
        head, dot, rest = flag_.partition(".")
        nested = head.startswith("--") and head.endswith("-options")
        return f"{head}{dot}{rest.replace('.', ':')}{equals}{value}" if nested else word

    return [changed(word) for word in words]


def _flag(text: str, options: Collection[str]) -> str | None:
    match = _OPTION.fullmatch(text)
    if match is None or match[1] not in options:
        return None
    # What is below a dictionary, such as the width in model_options.width, keeps its name.
    below = match[2] if match[1].endswith("_options") else match[2].replace("_", "-")
    return " ".join(_words(flag(match[1]) + below, match[3]))


def _command(text: str) -> str | None:
    """Return the command line of a call in Python."""
    if not (match := _CALL.fullmatch(text)) or match[1] not in VERBS:
        return None
    try:
        call = ast.parse(text, mode="eval").body
    except SyntaxError:
        return None
    words = ["kerseg", match[1]]
    for argument in call.args if isinstance(call, ast.Call) else []:
        words += _value(ast.unparse(argument))
    for keyword in call.keywords if isinstance(call, ast.Call) else []:
        words += _words(flag(keyword.arg or ""), ast.unparse(keyword.value))
    return " ".join(words)


def _words(name: str, value: str | None) -> list[str]:
    if value is None or value == "True":
        return [name]
    try:
        table = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        table = None
    if isinstance(table, dict):
        return [word for key, entry in table.items() for word in (f"{name}.{key}", *_value(repr(entry)))]
    return [name, *_value(value)]


def _value(code: str) -> list[str]:
    """Return a value as it is typed: ``"(0, 255)"`` -> ``["0", "255"]``; what is no literal, such as DIR, stays."""
    try:
        value = ast.literal_eval(code)
    except (ValueError, SyntaxError):
        return code.strip("()[]").replace(",", "").split() if code[:1] in "([" else [code]
    return [shlex.quote(str(each)) for each in (value if isinstance(value, list | tuple) else (value,))]


@cache
def _options() -> frozenset[str]:
    # Read from the files: a message about a wrong option must not wait for imports.
    tables = [
        *(table.options(name) for table in (VERBS, OWN) for name in table),
        *(SOURCES.options(name) for name in SOURCES),
    ]
    return frozenset(name for table in tables for name in table)
