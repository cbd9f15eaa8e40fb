"""Tables of names: ``name -> "module:attribute"``, imported only when asked for.

Listing names and refusing a wrong one must not cost the seconds that importing Keras takes, so a table holds
text and imports the one entry that is used.
"""

import ast
import difflib
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kerseg.errors import ConfigError


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the sentence part that helps after an unknown name: the nearest known one, if any is near.

    Args:
        name: What was given.
        known: What would have been allowed; of two that differ in case alone, the later is the answer.

    Returns:
        ``" Did you mean 'enet'?"``, with its leading space, or ``""``.

    Example:
        >>> nearest("enett", ["enet", "unet"])
        " Did you mean 'enet'?"
    """
    lowered = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return f" Did you mean {lowered[matches[0]]!r}?" if matches else ""


class Registry(Mapping[str, str]):
    """A lazy table of names of one kind.

    Args:
        kind: What an entry is, in the words of the messages: ``"model"``.
        entries: ``name -> "module:attribute"``.
        aliases: ``other spelling -> name``.

    Example:
        >>> MODELS = Registry("model", {"enet": "kerseg.models.enet:enet"}, aliases={"ENet": "enet"})
        >>> MODELS.resolve("ENet")
        'enet'
    """

    def __init__(self, kind: str, entries: Mapping[str, str], aliases: Mapping[str, str] | None = None):
        self.kind = kind
        self.aliases = dict(aliases or {})
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> str:
        return self._entries[self.resolve(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self.aliases

    def resolve(self, name: str) -> str:
        """Return the canonical spelling of ``name``.

        Raises:
            ConfigError: No such entry; the message lists the known names and the nearest one.
        """
        name = self.aliases.get(name, name)
        if name not in self._entries:
            hint = nearest(name, [*self.aliases, *self._entries])
            raise ConfigError(f"There is no {self.kind} {name!r}.{hint} Known: {', '.join(self._entries)}.")
        return name

    def load(self, name: str) -> Any:
        """Import and return the entry called ``name``.

        Raises:
            ConfigError: No such entry.
        """
        module, _, attribute = self[name].partition(":")
        return getattr(import_module(module), attribute)

    def module(self, name: str) -> Any:
        """Import and return the module of the entry called ``name``.

        Raises:
            ConfigError: No such entry.
        """
        return import_module(self[name].partition(":")[0])

    def summary(self, name: str) -> str:
        """Return the first line of the entry's docstring, read from its file without importing it.

        Raises:
            ConfigError: No such entry.
        """
        node = self._definition(name)
        return "" if node is None else (ast.get_docstring(node) or "").split("\n", 1)[0]

    def default(self, name: str, option: str) -> Any:
        """Return the default of a keyword of the entry's function, read from its file without importing it.

        Returns:
            The value if it is written as a literal; ``None`` where the function has no such keyword.

        Raises:
            ConfigError: No such entry.

        Example:
            >>> kerseg.models.MODELS.default("deeplab_v3", "backbone")
            'resnet101'
        """
        node = self._definition(name)
        if isinstance(node, ast.FunctionDef):
            for argument, value in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
                if argument.arg == option and isinstance(value, ast.Constant):
                    return value.value
        return None

    def _definition(self, name: str) -> ast.FunctionDef | ast.ClassDef | None:
        """Return the syntax tree of the entry called ``name``."""
        module, _, attribute = self[name].partition(":")
        spec = find_spec(module)
        if spec is None or spec.origin is None:
            return None
        for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == attribute:
                return node
        return None
