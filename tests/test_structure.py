"""The package keeps its shape: who may import whom, what the tables name, that every module says what it is.

Files are read with ``ast``, nothing is imported; offenders are named by file and line.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kerseg.models import MODELS

PACKAGE = Path(__file__).parents[1] / "src" / "kerseg"
FILES = sorted(PACKAGE.rglob("*.py"))

FRAMEWORKS = {"tensorflow", "tf_keras", "jax", "torch"}
FLOOR = {"registry", "config", "augmentation", "ranges", "errors", "files", "catalogue"}
"""What everything may import, and what itself imports nothing above it."""

DESCRIPTION = "kerseg.data.info"
"""What a data set says of itself, the ignore label for one: standard library only, so metrics may read it."""

ALLOWED = {
    "layers": FLOOR | {"layers"},
    "backbones": FLOOR | {"layers", "backbones"},
    "models": FLOOR | {"layers", "backbones", "models", "weights"},
    "losses": FLOOR | {"losses"},
    "metrics": FLOOR | {"metrics"},
    "augment": FLOOR | {"augment"},
}
"""Parts of kerseg that a part may import, at any depth of its functions."""

FORBIDDEN = {
    "data": {"models", "backbones", "layers", "losses"},
    "visualize": {"models", "data"},
}
FRAMEWORK_FREE = (
    "layers",
    "backbones",
    "models",
    "losses",
    "metrics",
    "schedules",
    "registry",
    "config",
    "errors",
)


def part(path: Path) -> str:
    """``src/kerseg/models/enet.py`` and ``src/kerseg/losses.py`` -> ``models``, ``losses``."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, *, top_level: bool = False) -> Iterator[tuple[str, int]]:
    """Yield each imported module's full name with its line; those for type checking alone do not run."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(PACKAGE.parent).parts[: -node.level] if node.level else ()
            module = ".".join([*package, *([node.module] if node.module else [])])
            yield module, node.lineno
            if module == "kerseg":
                yield from ((f"kerseg.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
        elif not (top_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            pending += ast.iter_child_nodes(node)


def offenders(files: list[Path], wrong, *, top_level: bool = False) -> list[str]:
    return [
        f"{path.relative_to(PACKAGE.parent)}:{line} imports {name}"
        for path in files
        for name, line in imports(path, top_level=top_level)
        if wrong(path, name)
    ]


def test_the_reader_sees_what_it_should(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path / "kerseg")
    file = tmp_path / "kerseg" / "models" / "new.py"
    file.parent.mkdir(parents=True)
    file.write_text(
        "from typing import TYPE_CHECKING\nimport torch.nn\nfrom .. import data\nfrom kerseg import losses\n"
        "if TYPE_CHECKING:\n    import jax\ndef f():\n    import tensorflow\n"
    )
    anywhere = {"typing", "torch.nn", "kerseg", "kerseg.data", "kerseg.losses", "tensorflow"}
    assert {name for name, _ in imports(file)} == anywhere
    assert {name for name, _ in imports(file, top_level=True)} == anywhere - {"tensorflow"}
    assert offenders([file], lambda _, name: name.startswith("torch")) == [
        "kerseg/models/new.py:2 imports torch.nn"
    ]


def test_keras_code_imports_without_a_framework():
    files = [path for path in FILES if part(path) in FRAMEWORK_FREE]
    assert not offenders(files, lambda _, name: name.split(".")[0] in FRAMEWORKS, top_level=True)


def test_imports_go_down():
    def wrong(path: Path, name: str) -> bool:
        names = name.split(".")
        if names[0] != "kerseg" or len(names) == 1:
            return False
        here, there = part(path), names[1]
        if name == DESCRIPTION and here in ("metrics", "visualize"):
            return False
        return there not in ALLOWED.get(here, {there}) or there in FORBIDDEN.get(here, ())

    assert not offenders(FILES, wrong)


def test_the_floor_stands_on_the_standard_library():
    libraries = {*sys.stdlib_module_names, "cyclopts", "yaml"}

    def wrong(_: Path, name: str) -> bool:
        names = name.split(".")
        return names[1] not in FLOOR if names[0] == "kerseg" and len(names) > 1 else names[0] not in libraries

    files = [path for path in FILES if part(path) in FLOOR or path == PACKAGE / "data" / "info.py"]
    assert not offenders(files, wrong, top_level=True)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_in_the_table_exists(name):
    module, _, function = MODELS[name].partition(":")
    path = PACKAGE.parent / Path(*module.split(".")).with_suffix(".py")
    assert function in {node.name for node in builders(path)}, f"{path} has no builder {function}"


def test_every_builder_is_in_the_table():
    named = set(MODELS.values())
    for path in sorted((PACKAGE / "models").glob("[!_]*.py")):
        for node in builders(path):
            assert f"kerseg.models.{path.stem}:{node.name}" in named, (
                f"{path}:{node.lineno} {node.name} is in no table"
            )


def builders(path: Path) -> list[ast.FunctionDef]:
    """Return a file's public functions that take ``num_classes`` by name: the architectures."""
    return [
        node
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and "num_classes" in {argument.arg for argument in node.args.kwonlyargs}
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{path}:1 has no docstring"


def test_importing_layers_registers_all_of_them():
    tree = ast.parse((PACKAGE / "layers" / "__init__.py").read_text(encoding="utf-8"))
    imported = {a.name for node in tree.body if isinstance(node, ast.ImportFrom) for a in node.names}
    assert imported == {path.stem for path in (PACKAGE / "layers").glob("[!_]*.py")}


def test_registered_classes_live_in_layers():
    registered = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}"
        for path in FILES
        if part(path) in ("backbones", "models")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and "register_keras_serializable" in ast.unparse(node)
    ]
    assert not registered
