"""YAML as a file of options needs it: plain values, the line of each key, and nothing that could surprise.

PyYAML's safe loader builds no objects. Beyond that this refuses what a file of options never needs: aliases (a few
lines of them stand for more than any memory holds), tags such as ``!!timestamp`` (which may stand before anything),
keys that occur twice (of which YAML silently drops one), keys that are no text, and deep nesting. Numbers like
``1e-3`` are numbers, as in every other language.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import yaml

from kerseg.core.files import failure
from kerseg.errors import ConfigError

DEPTH = 20
"""Levels of nesting; the recipes of kerseg have two."""
SIZE = 2**20
"""Bytes of a file."""


@dataclass(frozen=True)
class Recipe:
    """What is in a file."""

    path: Path
    values: dict[str, object]
    lines: Mapping[str, int] = field(default_factory=dict)
    """The line of each key, counted from 1; ``"augment.scale"`` is a key in a table."""

    def place(self, key: str) -> str:
        """Return where a key, or what is in it, stands: ``"enet.yaml, line 3"``; without a line if it does not."""
        for known in (key, key.partition("[")[0], key.rpartition(".")[0], key.partition(".")[0]):
            if known in self.lines:
                return f"{self.path}, line {self.lines[known]}"
        return str(self.path)


def read(path: Path) -> Recipe:
    """Read a file of options.

    Args:
        path: YAML: a table of ``name: value`` lines. In names, ``-`` stands for ``_``, and ``a.b: 1`` for
            ``a: {b: 1}``.

    Raises:
        ConfigError: The file is missing, is not YAML, or holds more than tables, lists and scalars; the message
            names file, line and key.
    """
    try:
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "no regular file"
            raise ConfigError(f"{path}: is {what}; a recipe is a YAML file.")
        if path.exists() and path.stat().st_size > SIZE:
            raise ConfigError(
                f"{path}: no recipe has more than {SIZE} bytes; this has {path.stat().st_size}."
            )
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such recipe.") from None
    except OSError as error:
        raise ConfigError(failure(error, path)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a YAML recipe: {error}.") from error
    try:
        values, lines = _load(text, path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        reason = " ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError(f"{where}: not a YAML recipe: {reason}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path}: not a YAML recipe: {error}.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a recipe is a table of `name: value` lines. Received: {values!r:.60}.")
    return Recipe(path, values, lines)


def scalar(text: str) -> object:
    """Return the value that a word stands for in a recipe: a number, a truth value, a list, or itself.

    Example:
        >>> scalar("16"), scalar("1e-3"), scalar("no"), scalar("[1, 2]"), scalar("3x3")
        (16, 0.001, False, [1, 2], '3x3')
    """
    try:
        return _load(text, Path("value"))[0]
    except (yaml.YAMLError, ValueError, RecursionError):  # ConfigError is a ValueError
        return text


def _load(text: str, path: Path) -> tuple[object, dict[str, int]]:
    loader = _Loader(text, path)
    try:
        return loader.get_single_data(), loader.lines
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """The safe loader, with tables that note their lines."""

    def __init__(self, text: str, path: Path):
        super().__init__(text)
        self.path = path
        self.lines: dict[str, int] = {}
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            name = event.anchor
            raise ConfigError(
                f"{self.path}, line {line}: *{name}: a recipe has no aliases: write the value out."
            )
        if getattr(event, "tag", None) is not None:
            raise ConfigError(f"{self.path}, line {line}: {event.tag}: a recipe has no tags: leave it out.")
        if self._depth > DEPTH:
            raise ConfigError(f"{self.path}, line {line}: nested more than {DEPTH} levels deep.")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def table(self, node: yaml.Node) -> dict[str, object]:
        """Return the table of a node, and those in it."""
        return self._table(cast(yaml.MappingNode, node), "")

    def _table(
        self, node: yaml.MappingNode, prefix: str, begun: dict[str, object] | None = None
    ) -> dict[str, object]:
        found: dict[str, object] = {} if begun is None else begun
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise ConfigError(f"{self.path}, line {line}: a name is text. Received: {key!r:.60}.")
            *outer, name = key.replace("-", "_").split(".")
            table, own = found, prefix
            for part in outer:
                table, own = cast(dict[str, object], table.setdefault(part, {})), f"{own}{part}."
                if not isinstance(table, dict):
                    raise ConfigError(f"{self.path}, line {line}: {key}: {part} has a value already.")
            within = isinstance(value_node, yaml.MappingNode)
            # A table may have been begun by a key with a dot, `augment.flip: 1`, which gave it no line.
            begun_by_dot = within and name in table and own + name not in self.lines
            if name in table and not begun_by_dot:
                first = self.lines.get(own + name)
                raise ConfigError(f"{self.path}, line {line}: {key}: occurs twice, first in line {first}.")
            self.lines[own + name] = line
            if isinstance(value_node, yaml.MappingNode):
                inner = cast(dict[str, object], table[name]) if begun_by_dot else None
                table[name] = self._table(value_node, f"{own}{name}.", inner)
            else:
                table[name] = self.construct_object(value_node, deep=True)
        return found


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.table)
# YAML 1.1, which PyYAML reads, wants a point and a sign in 1.0e+3; everyone writes 1e3.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
