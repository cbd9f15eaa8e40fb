#!/usr/bin/env python
"""Write what the documentation takes from the code; ``--check`` fails if it is out of date.

docs/reference/command-line.md: names, defaults and help come from the functions and dataclasses that make the
command line, so the page says what ``--help`` says. README.md: the table of models, from their docstrings.
"""

import ast
import dataclasses
import inspect
import itertools
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from kerseg import cli
from kerseg.config import Augment, TrainConfig
from kerseg.data.convert import ConvertOptions
from kerseg.data.sources import SOURCES
from kerseg.models import MODELS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "command-line.md"
README = ROOT / "README.md"
CLASSES = 21
HEAD = """# Command line

Written by `scripts/reference.py`; change the help in the code, then run it again.

`kerseg VERB --help` shows the same. An option of several words is `--like-this` here and `like_this` in a
recipe and in Python. A wrong option exits with 2 and names the nearest right one; data or a model file at
fault exits with 1; a training run stopped with Ctrl-C exits with 130. `--debug` shows the traceback of an
error.
"""
Row = tuple[str, str, str]


def page() -> str:
    """Return the whole page."""
    parts = [HEAD, *_verb(cli.quickstart), *_verb(cli.list_names, "list")]
    parts += [
        "## convert\n",
        "`kerseg convert SOURCE --output DIR`, for every source:\n",
        _table(_fields(ConvertOptions)),
    ]
    for name in SOURCES:
        source = SOURCES.load(name)
        parts += [f"### convert {name}\n", f"{inspect.getdoc(source)}\n", _table(_fields(source))]
    parts += [*_verb(cli.train), *_verb(cli.evaluate), *_verb(cli.predict)]
    return "\n".join(parts)


def readme() -> str:
    """Return the README with the table of models as it must be."""
    lines = [f"| name | parameters, {CLASSES} classes | paper |", "|---|---:|---|", *map(_model, MODELS)]
    text = README.read_text(encoding="utf-8")
    table = "\n".join(["<!-- models: scripts/reference.py -->", *lines, "<!-- end -->"])
    return re.sub("<!-- models: .*?<!-- end -->", lambda _: table, text, flags=re.DOTALL)


def _model(name: str) -> str:
    builder = MODELS.load(name)
    count = re.search(r"([\d,]+) \+ ([\d,]+) \* num_classes", inspect.getdoc(builder) or "")
    text = " ".join((inspect.getdoc(sys.modules[builder.__module__]) or "").split())
    paper = re.search(r": ([^:]+(?:: [^:]+)?), (https://arxiv\.org/abs/\d+\.\d+)", text)
    if not count or not paper:
        sys.exit(f"{builder.__module__}: no parameter count or no paper in the docstrings of {name}")
    fixed, each = (int(number.replace(",", "")) for number in count.groups())
    return f"| `{name}` | {fixed + each * CLASSES:,} | [{paper[1]}]({paper[2]}) |"


def _verb(function: Callable[..., Any], name: str = "") -> Iterator[str]:
    text, _, arguments = (inspect.getdoc(function) or "").partition("Args:\n")
    yield f"## {name or function.__name__}\n"
    yield text.strip() + "\n"
    yield _table(list(_parameters(function, _described(arguments))))


def _parameters(function: Callable[..., Any], help_of: dict[str, str]) -> Iterator[Row]:
    hints = typing.get_type_hints(function)
    for name, parameter in inspect.signature(function).parameters.items():
        if TrainConfig in typing.get_args(hints[name]):
            yield from _fields(TrainConfig)
        else:
            positional = parameter.kind is parameter.POSITIONAL_ONLY
            shown = name.upper() if positional else _flag(name)
            yield (
                shown,
                _default(parameter.default, inspect.Parameter.empty),
                _choices(hints[name], help_of[name]),
            )


def _fields(kind: type, prefix: str = "--") -> list[Row]:
    hints, help_of, rows = typing.get_type_hints(kind), _documented(kind), []
    for field in dataclasses.fields(kind):
        flag = prefix + field.name.replace("_", "-")
        if hints[field.name] is Augment:
            rows += _fields(Augment, prefix=f"{flag}.")
            continue
        missing = dataclasses.MISSING
        default = field.default_factory() if field.default_factory is not missing else field.default
        rows.append((flag, _default(default, missing), _choices(hints[field.name], help_of[field.name])))
    return rows


def _documented(kind: type) -> dict[str, str]:
    """Return the text under each field of a class."""
    body = ast.parse(inspect.getsource(kind)).body[0].body  # type: ignore[attr-defined]
    found = {}
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            found[ast.unparse(field.target)] = " ".join(ast.literal_eval(text.value).split())
    return found


def _described(arguments: str) -> dict[str, str]:
    """Return the text of each argument in the Args section of a docstring."""
    found: dict[str, str] = {}
    name = ""
    for line in arguments.splitlines():
        if line.startswith("    ") and not line.startswith("     "):
            name, _, line = line.strip().partition(":")
        if name and line.strip():
            found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return found


def _choices(hint: Any, text: str) -> str:
    parts = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    values = [
        value for part in parts if typing.get_origin(part) is Literal for value in typing.get_args(part)
    ]
    return f"{text} One of {', '.join(f'`{value}`' for value in values)}." if values else text


def _default(value: Any, missing: Any) -> str:
    if value is missing:
        return "required"
    if value is None or value in ((), {}, ""):
        return ""
    if isinstance(value, tuple):
        value = " ".join(map(str, value))
    return f"`{value}`" if value is not False else ""


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _table(rows: list[Row]) -> str:
    lines = ["| option | default | what |", "|---|---|---|"]
    lines += [
        f"| `{name}` | {default} | {text.replace('|', chr(92) + '|')} |" for name, default, text in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    written = {PAGE: page(), README: readme()}
    for path, text in written.items():
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is out of date: run scripts/reference.py")
