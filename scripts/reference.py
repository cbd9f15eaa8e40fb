#!/usr/bin/env python
"""Write what the documentation takes from the code; ``--check`` fails if it is out of date.

docs/reference/command-line.md: names, defaults and help come from the functions and dataclasses that make the
command line, so the page says what ``--help`` says. docs/reference/sources.md: the sources, from their docstrings.
README.md and docs/reference/models.md: the models, from their docstrings and src/kerseg/profiling/figures.json,
for which ``--figures`` first builds them all and counts, in a minute or two.
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
from kerseg.augment.options import Augment
from kerseg.cli.tables import starts_text
from kerseg.config import TrainConfig
from kerseg.data.conversion.options import ConvertOptions
from kerseg.data.sources import SOURCES
from kerseg.download.release import HELP as DOWNLOAD
from kerseg.models import MODELS
from kerseg.profiling import figures
from kerseg.profiling.figures import NUM_CLASSES, SIZE

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "command-line.md"
README = ROOT / "README.md"
MODELS_PAGE = ROOT / "docs" / "reference" / "models.md"
SOURCES_PAGE = ROOT / "docs" / "reference" / "sources.md"
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
    parts = [HEAD, *_verb(cli.start.quickstart), *_verb(cli.start.list_names, "list")]
    parts += [
        "## convert\n",
        "`kerseg convert SOURCE --output DIR`, for every source:\n",
        _table(_fields(ConvertOptions)),
    ]
    for name in SOURCES:
        source = SOURCES.load(name)
        # A source's own options come before those that its base shares with others.
        rows = sorted(_fields(source), key=lambda row: _field(row[0]) not in vars(source)["__annotations__"])
        rows += [("--download", "", DOWNLOAD)] * bool(source.releases)
        parts += [f"### convert {name}\n", f"{inspect.getdoc(source)}\n", _table(rows)]
    parts += [
        *_verb(cli.data.doctor),
        *_verb(cli.model.train),
        *_verb(cli.data.preview),
        *_verb(cli.model.evaluate),
        *_verb(cli.model.predict),
        *_verb(cli.model.describe_model, "describe"),
    ]
    return "\n".join(parts)


def readme() -> str:
    """Return the README with the table of models as it must be."""
    lines = [
        f"| name | parameters, {NUM_CLASSES} classes | multiply-adds, {SIZE[0]}x{SIZE[1]} | paper |",
        "|---|---:|---:|---|",
    ]
    for name, entry in _figures().items():
        source = figures.paper(name)
        cost = f"{entry.parameters:,} | {entry.multiply_adds / 1e9:.2f} G"
        lines.append(f"| `{name}` | {cost} | [{source.title}]({source.url}) |")
    return _between_marks(README, lines)


def models() -> str:
    """Return the page of models with its table as it must be."""
    lines = [
        "| name | parameters | multiply-adds | output stride | starts from | paper |",
        "|---|---:|---:|---:|---|---|",
    ]
    for name, entry in _figures().items():
        source = figures.paper(name)
        cost = f"{entry.parameters:,} | {entry.multiply_adds / 1e9:.2f} G | {entry.output_stride}"
        starts = re.sub(r"(\w+_\w+|imagenet)", r"`\1`", starts_text(entry.starts)).replace("*", "\\*")
        lines.append(f"| `{name}` | {cost} | {starts} | [{source.arxiv}]({source.url}) |")
    return _between_marks(MODELS_PAGE, lines)


def sources() -> str:
    """Return the page of sources with its tables as they must be: formats have no name of their own."""
    formats = ["| name | what |", "|---|---|"]
    published = ["| name | what | page | `--download` |", "|---|---|---|---|"]
    for name in SOURCES:
        row = f"| [`{name}`](command-line.md#convert-{name}) | {SOURCES.summary(name)} |"
        source = SOURCES.load(name)
        if not source.name:
            formats.append(row)
            continue
        text = inspect.getdoc(sys.modules[source.__module__]) or ""
        found = re.search(r"Sources?: (https?://([^\s,;/]+)[^\s,;]*)", text)
        published.append(f"{row} {f'[{found[2]}]({found[1]})' if found else ''} | {_fetched(source)} |")
    text = _between_marks(SOURCES_PAGE, formats, "formats")
    return _between_marks(SOURCES_PAGE, published, "data sets", text)


def _fetched(source: Any) -> str:
    """Return what ``--download`` fetches for a source, where it may."""
    archives = [archive for release in source.releases.values() for archive in release.archives]
    if not archives:
        return "by hand"
    size = sum(archive.size or 0 for archive in archives)
    shown = f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
    return shown if all(archive.size for archive in archives) else f"over {shown}" if size else "yes"


def _figures() -> dict[str, figures.Figures]:
    known = figures.read()
    if list(known) != list(MODELS):
        sys.exit(f"{figures.FILE} is not of the models in the table: run scripts/reference.py --figures")
    return known


def _between_marks(path: Path, lines: list[str], what: str = "models", text: str | None = None) -> str:
    table = "\n".join([f"<!-- {what}: scripts/reference.py -->", *lines, "<!-- end -->"])
    text = path.read_text(encoding="utf-8") if text is None else text
    return re.sub(f"<!-- {what}: .*?<!-- end -->", lambda _: table, text, flags=re.DOTALL)


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
        elif Augment in typing.get_args(hints[name]):
            yield (
                "--augment.scale",
                "",
                f"{help_of[name]} This and all other --augment options are those of train.",
            )
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
    found = {}
    for base in filter(dataclasses.is_dataclass, reversed(kind.__mro__)):
        body = ast.parse(inspect.getsource(base)).body[0].body  # type: ignore[attr-defined]
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


def _field(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")


def _table(rows: list[Row]) -> str:
    lines = ["| option | default | what |", "|---|---|---|"]
    lines += [
        f"| `{name}` | {default} | {text.replace('|', chr(92) + '|')} |" for name, default, text in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--figures" in sys.argv:
        figures.FILE.write_text(figures.dump(figures.count()), encoding="utf-8")
    written = {PAGE: page(), README: readme(), MODELS_PAGE: models(), SOURCES_PAGE: sources()}
    for path, text in written.items():
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is out of date: run scripts/reference.py")
