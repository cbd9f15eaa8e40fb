#!/usr/bin/env python
"""Write what the documentation takes from the code; ``--check`` fails if it is out of date.

docs/reference/command-line.md: names, defaults and help come from the functions and dataclasses that make the
command line, so the page says what ``--help`` says. docs/reference/sources.md: the sources, from their docstrings.
README.md and docs/reference/models.md: the models, from their docstrings and src/kerseg/profiling/figures.json,
for which ``--figures`` first builds them all and counts, in a minute or two.
"""

import inspect
import re
import sys
import typing
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from kerseg import VERBS
from kerseg.cli.derive import Flag, above_arguments, is_nothing, options_of, parts_of, shown
from kerseg.cli.own import OWN
from kerseg.cli.tables import starts_text
from kerseg.cli.wording import as_flags, flag
from kerseg.data.sources import SOURCES
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


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for table in (OWN, VERBS):
        for name in table:
            parts += _convert() if name == "convert" else _verb(name, table.load(name))
    return "\n".join(parts)


def _convert() -> Iterator[str]:
    """Yield `convert`: the options of all sources, then a section for each source."""
    verb = VERBS.load("convert")
    given = {"source", "download"}
    yield "## convert\n"
    yield "`kerseg convert SOURCE --output DIR`, for every source:\n"
    yield _table([option for option in options_of(verb) if option.name not in given])
    [download] = [option for option in options_of(verb) if option.name == "download"]
    for name in SOURCES:
        source = SOURCES.load(name)
        options = [
            replace(option, path=option.path[1:])
            for option in options_of(verb, given={"source": source})
            if option.path[0] == "source"
        ]
        # A source's own options come before those that its base shares with others.
        options.sort(key=lambda option: option.name not in vars(source)["__annotations__"])
        options += [download] * bool(source.releases)
        yield f"### convert {name}\n"
        yield f"{inspect.getdoc(source)}\n"
        yield _table(options)


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


def _verb(name: str, function: Callable[..., Any]) -> Iterator[str]:
    options = options_of(function)
    if name != "train":
        # Not once more: what Augment has.
        options = [
            replace(option, help=f"{option.help} This and all other --augment options are those of train.")
            if option.name == "augment.scale"
            else option
            for option in options
            if option.path[0] != "augment" or option.name == "augment.scale"
        ]
    yield f"## {name}\n"
    yield f"{above_arguments(function)}\n"
    yield _table(options)


def _row(option: Flag, names: set[str]) -> str:
    positional = option.kind is not inspect.Parameter.KEYWORD_ONLY
    shown = f"`{option.name.upper()}`, `{flag(option.name)}`" if positional else f"`{flag(option.name)}`"
    text = as_flags(option.help, names)
    values = [
        value
        for part in parts_of(option.hint)
        if typing.get_origin(part) is Literal
        for value in typing.get_args(part)
    ]
    text += f" One of {', '.join(f'`{value}`' for value in values)}." if values else ""
    return f"| {shown} | {_default(option.default)} | {text.replace('|', chr(92) + '|')} |"


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    return "" if is_nothing(value) else f"`{shown(value)}`"


def _table(options: list[Flag]) -> str:
    names = {name for option in options for name in (option.path[0], option.name)}
    return "\n".join(
        ["| option | default | what |", "|---|---|---|", *(_row(option, names) for option in options), ""]
    )


if __name__ == "__main__":
    if "--figures" in sys.argv:
        figures.FILE.write_text(figures.dump(figures.count()), encoding="utf-8")
    written = {PAGE: page(), README: readme(), MODELS_PAGE: models(), SOURCES_PAGE: sources()}
    for path, text in written.items():
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is out of date: run scripts/reference.py")
