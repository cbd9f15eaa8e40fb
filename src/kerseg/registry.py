"""Tables of names: ``name -> "module:attribute"``, imported only when asked for.

Listing names and refusing a wrong one must not cost the seconds that importing Keras takes, so a table holds
text and imports the one entry that is used.
"""

import ast
import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import msgspec

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


@dataclass(frozen=True)
class Option:
    """What an entry takes besides what all entries of its table are given."""

    type: str
    """Its annotation, as it is written: ``"float"``."""
    default: str
    """Its default, as it is written: ``"0.9"``; ``""`` if it has none."""


class Registry(Mapping[str, str]):
    """A lazy table of names of one kind.

    The options of an entry are the parameters of its function, or of its class's ``__init__``, that are not
    ``given``: what is written in the entry's own file decides what it takes. An entry that is data, ``NAME =
    Class(function, ...)``, takes what that function does.

    Args:
        kind: What an entry is, in the words of the messages: ``"model"``.
        entries: ``name -> "module:attribute"``.
        aliases: ``other spelling -> name``.
        given: Parameters of the entries that are no options: kerseg itself gives them.

    Example:
        >>> MODELS = Registry("model", {"enet": "kerseg.models.enet:enet"}, aliases={"ENet": "enet"})
        >>> MODELS.resolve("ENet")
        'enet'
    """

    def __init__(
        self,
        kind: str,
        entries: Mapping[str, str],
        aliases: Mapping[str, str] | None = None,
        *,
        given: Collection[str] = (),
    ):
        self.kind = kind
        self.aliases = dict(aliases or {})
        self.given = frozenset(given)
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
        module, _, attribute = self[name].partition(":")
        return _docstring(_tree(module), attribute).split("\n", 1)[0]

    def options(self, name: str) -> dict[str, Option]:
        """Return what the entry takes, read from its file without importing it.

        Raises:
            ConfigError: No such entry.

        Example:
            >>> kerseg.optim.OPTIMIZERS.options("sgd")["momentum"]
            Option(type='float', default='0.9')
        """
        module, _, attribute = self[name].partition(":")
        return {
            each: option for each, option in _options(module, attribute).items() if each not in self.given
        }

    def default(self, name: str, option: str) -> Any:
        """Return the default of one of an entry's options, read from its file without importing it.

        Returns:
            The value if it is written as a literal; ``None`` where there is no such option.

        Raises:
            ConfigError: No such entry.

        Example:
            >>> kerseg.models.MODELS.default("deeplab_v3", "backbone")
            'resnet101'
        """
        found = self.options(name).get(option)
        try:
            return None if found is None else ast.literal_eval(found.default)
        except (ValueError, SyntaxError):
            return None

    def check(self, name: str, options: Mapping[str, object], *, option: str = "") -> None:
        """Refuse a name that is not in the table, options that the entry does not take, and values of another type.

        Nothing is imported.

        Args:
            name: Of the entry.
            options: What it is to be given.
            option: Of a verb, that chooses the entry: ``"loss"``, whose options are then ``loss_options``. None if
                the caller gives the options by their own names.

        Raises:
            ConfigError: No such entry or option, or a wrong value; the message names the nearest option and lists
                what there is.
        """
        try:
            name = self.resolve(name)
        except ConfigError as error:
            raise ConfigError(f"`{option}`: {error}" if option else str(error)) from None
        known, prefix = self.options(name), f"{option}_options." if option else ""
        for own, value in options.items():
            if own not in known:
                taken = ", ".join(_shown(each, known[each]) for each in known) or "none"
                raise ConfigError(
                    f"`{prefix}{own}`: {self.kind} {name!r} has no such option.{nearest(own, known)} "
                    f"It takes: {taken}."
                )
            if (kind := _type(known[own].type)) is not None:
                try:
                    msgspec.convert(value, kind)
                except msgspec.ValidationError as error:
                    raise ConfigError(f"`{prefix}{own}`: {error}. Received: {value!r}.") from error


@cache
def _tree(module: str) -> ast.Module:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return ast.Module([], [])
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def _definition(tree: ast.Module, name: str) -> ast.FunctionDef | ast.ClassDef | ast.Assign | None:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return node
        if isinstance(node, ast.Assign) and name in map(ast.unparse, node.targets):
            return node
    return None


def _docstring(tree: ast.Module, name: str) -> str:
    """Return the docstring of a function or class, or the text below an assignment."""
    node = _definition(tree, name)
    if isinstance(node, ast.Assign):
        below = tree.body[tree.body.index(node) + 1]
        text = below.value if isinstance(below, ast.Expr) else None
        return str(text.value) if isinstance(text, ast.Constant) else ""
    return "" if node is None else ast.get_docstring(node) or ""


def _options(module: str, name: str) -> dict[str, Option]:
    """Return the parameters of a function, of a class's ``__init__``, or the fields of a dataclass."""
    node = _definition(_tree(module), name)
    if isinstance(node, ast.Assign):
        made = node.value.args[:1] if isinstance(node.value, ast.Call) else []
        return _options(module, ast.unparse(made[0])) if made else {}
    if isinstance(node, ast.FunctionDef):
        return _parameters(node)
    if node is None:
        return {}
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            return _parameters(part)
    fields: dict[str, Option] = {}
    for base in node.bases:
        if isinstance(base, ast.Name):
            fields |= _options(_home(module, base.id), base.id)
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and not ast.unparse(part.annotation).startswith("ClassVar"):
            fields[ast.unparse(part.target)] = _option(part.annotation, part.value)
    return fields


def _home(module: str, name: str) -> str:
    """Return the module of kerseg's that a module has a name from: itself, unless it imports it."""
    for node in _tree(module).body:
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            return node.module if node.module and node.module.startswith("kerseg") else module
    return module


def _parameters(node: ast.FunctionDef) -> dict[str, Option]:
    listed = [*node.args.posonlyargs, *node.args.args]
    defaults = [
        *[None] * (len(listed) - len(node.args.defaults)),
        *node.args.defaults,
        *node.args.kw_defaults,
    ]
    pairs = zip([*listed, *node.args.kwonlyargs], defaults, strict=True)
    return {each.arg: _option(each.annotation, value) for each, value in pairs if each.arg != "self"}


def _option(annotation: ast.expr | None, value: ast.expr | None) -> Option:
    kind, default = (None if part is None else ast.unparse(part) for part in (annotation, value))
    return Option(kind or "", default or "")


def _shown(name: str, option: Option) -> str:
    return f"{name} ({option.default})" if option.default else name


def _type(annotation: str) -> Any:
    """Return the type that an annotation of plain types names, ``None`` if it names others."""
    known = {"Literal": Literal, "Sequence": list, "Mapping": dict}
    plain = {kind.__name__: kind for kind in (bool, dict, float, int, list, str, tuple)}
    try:
        # An annotation in one of kerseg's own files, which importing the file would evaluate too.
        return eval(annotation, {"__builtins__": {}}, known | plain) if annotation else None
    except (NameError, TypeError):
        return None
