#!/usr/bin/env python
"""Write the signatures of the verbs whose options are a dataclass; ``--check`` fails if one is out of date.

`TrainConfig` is the one place where the options of ``train`` are named, typed and explained, and `ConvertOptions`
that of ``convert``. An editor wants them in the function's own signature and docstring: this puts them there, after
the parameters that are written by hand. It writes the imports of ``kerseg/__init__.py`` by which an editor knows
the verbs, too.
"""

import ast
import inspect
import sys
import textwrap
from dataclasses import dataclass, fields
from pathlib import Path

from kerseg import MODULES, VERBS
from kerseg.config import TrainConfig
from kerseg.core.options import help_of_fields
from kerseg.data.conversion.options import ConvertOptions

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "kerseg"
WIDTH = 110

ACCEPTED = {
    "Path": "str | Path",
    "Path | None": "str | Path | None",
    "Augment": "Augment | Mapping[str, Any]",
    "dict[str, Any]": "Mapping[str, Any]",
}
"""What a verb accepts for a field of this type."""


@dataclass(frozen=True)
class Target:
    """A function that takes the fields of a dataclass."""

    file: Path
    function: str
    options: type
    marked: bool
    """Whether the function must know which options were given: it has a recipe too."""


TARGETS = (
    Target(PACKAGE / "training" / "training.py", "train", TrainConfig, marked=True),
    Target(PACKAGE / "data" / "conversion" / "convert.py", "convert", ConvertOptions, marked=False),
)


def rewritten(target: Target) -> str:
    """Return the text of the target's file as it must be."""
    text = target.file.read_text(encoding="utf-8")
    [node] = [
        part
        for part in ast.parse(text).body
        if isinstance(part, ast.FunctionDef) and part.name == target.function
    ]
    names = {field.name for field in fields(target.options)}
    by_hand = [*node.args.args, *node.args.kwonlyargs]
    defaults = [
        *[None] * (len(node.args.args) - len(node.args.defaults)),
        *node.args.defaults,
        *node.args.kw_defaults,
    ]
    kept = [
        f"{argument.arg}: {ast.unparse(argument.annotation)}{_equals(value)}"  # type: ignore[arg-type]
        for argument, value in zip(by_hand, defaults, strict=True)
        if argument.arg not in names
    ]
    place = len(node.args.args)
    parameters = [*kept[:place], "*", *kept[place:], *_parameters(target)]
    assert node.returns is not None  # noqa: S101
    returns = ast.get_source_segment(text, node.returns)
    head = [f"def {node.name}(", *(f"    {each}," for each in parameters), f") -> {returns}:"]
    lines, docstring = text.splitlines(), node.body[0]
    own = _docstring(lines[docstring.lineno - 1 : docstring.end_lineno], target, names)
    return "\n".join([*lines[: node.lineno - 1], *head, *own, *lines[docstring.end_lineno :], ""])


def _parameters(target: Target) -> list[str]:
    [definition] = ast.parse(inspect.getsource(target.options)).body
    found = []
    for entry in definition.body:  # type: ignore[attr-defined]
        if not isinstance(entry, ast.AnnAssign):
            continue
        kind = ast.unparse(entry.annotation)
        value = entry.value
        if isinstance(value, ast.Call):  # field(default_factory=dict)
            factory = {word.arg: ast.unparse(word.value) for word in value.keywords}["default_factory"]
            shown = "{}" if factory == "dict" else f"{factory}()"
        else:
            shown = "" if value is None else _double_quoted(ast.unparse(value))
        shown = f"default({shown})" if shown and target.marked else shown
        name = ast.unparse(entry.target)
        found.append(f"{name}: {_double_quoted(ACCEPTED.get(kind, kind))}{f' = {shown}' if shown else ''}")
    return found


def _docstring(lines: list[str], target: Target, names: set[str]) -> list[str]:
    """Return the docstring's lines with one entry of ``Args`` for each option, after those written by hand."""
    begin = lines.index("    Args:") + 1
    end = next(place for place in range(begin, len(lines)) if not lines[place].strip())
    kept: list[str] = []
    skipping = False
    for line in lines[begin:end]:
        if line.startswith("        ") and not line.startswith("         "):
            skipping = line.strip().partition(":")[0] in names
        kept += [] if skipping else [line]
    texts = help_of_fields(target.options)
    for field in fields(target.options):
        text = f"{field.name}: {texts[field.name]}"
        kept += textwrap.wrap(
            text, WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 12, break_on_hyphens=False
        )
    return [*lines[:begin], *kept, *lines[end:]]


def face() -> str:
    """Return the text of the package's ``__init__`` with an import of each verb for editors."""
    path = PACKAGE / "__init__.py"
    text = path.read_text(encoding="utf-8")
    lines = []
    for name, entry in sorted(VERBS.items(), key=lambda item: item[1]):
        module, _, function = entry.partition(":")
        lines.append(f"    from {module} import {function} as {name}")
    names = sorted(["VERBS", "__version__", *MODULES, *VERBS])
    lines += ["", "__all__ = [", *(f'    "{name}",' for name in names), "]"]
    begin = text.index("if TYPE_CHECKING:")
    end = text.index("]\n", text.index("__all__ = [")) + 1
    return (
        "\n".join(
            [text[:begin] + "if TYPE_CHECKING:  # scripts/signatures.py writes this and __all__", *lines]
        )
        + text[end:]
    )


def _equals(value: ast.expr | None) -> str:
    return "" if value is None else f" = {_double_quoted(ast.unparse(value))}"


def _double_quoted(code: str) -> str:
    return code.replace("'", '"')


def written() -> dict[Path, str]:
    """Return the text of each file as it must be."""
    return {target.file: rewritten(target) for target in TARGETS} | {PACKAGE / "__init__.py": face()}


if __name__ == "__main__":
    for path, text in written().items():
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is out of date: run scripts/signatures.py")
