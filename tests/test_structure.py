"""The house keeps its plan: rooms and floors, no circle, who may import whom, what the tables name.

Files are read with ``ast``, nothing is imported; offenders are named by file and line. A room is a direct child of
a package, a folder or a module; room A has an arrow to room B where any file of A imports something of B, at its
top, inside a function, or by ``import_module`` of a literal name. Imports for type checking alone do not count.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from kerseg.models import MODELS

PACKAGE = Path(__file__).parents[1] / "src" / "kerseg"
FILES = sorted(PACKAGE.rglob("*.py"))
PACKAGES = sorted({path.parent for path in FILES})

MAX_ROOMS, MAX_FLOORS = 29, 10
"""Of the root: what a stranger can still take in at one look."""
MAX_SHARE_OF_DATA = 0.35
"""Of the lines of ``data/``, in one of its rooms."""

FRAMEWORKS = {"tensorflow", "tf_keras", "jax", "torch"}
GROUND = {"__version__", "core", "errors", "registry", "config"}
"""What everything may stand on."""

ALLOWED = {
    "errors": set[str](),
    "registry": {"errors"},
    "config": {"augment", "core", "errors", "losses", "optim", "registry"},
    "core": {"__version__", "errors", "registry"},
    "layers": GROUND,
    "backbones": GROUND | {"layers"},
    "models": GROUND | {"layers", "backbones", "weights"},
    "losses": GROUND,
    "optim": GROUND,
    "metrics": GROUND,
    "augment": GROUND,
    "download": GROUND,
    "street": GROUND,
    "visualize": GROUND,
    "report": GROUND | {"metrics", "visualize"},
    "modelfile": GROUND | {"layers"},
    "data": GROUND | {"augment", "download", "visualize", "modelfile"},
}
"""Rooms that a room may import, besides itself, at any depth of its functions."""

FRAMEWORK_FREE = {
    "layers",
    "backbones",
    "models",
    "losses",
    "metrics",
    "registry",
    "config",
    "errors",
    "core",
}
FRAMEWORK_FREE_FILES = {PACKAGE / "optim" / "__init__.py", PACKAGE / "optim" / "schedules.py"}

Arrows = dict[tuple[str, str], list[str]]


def module_name(path: Path) -> str:
    """``src/kerseg/models/enet.py`` -> ``kerseg.models.enet``."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(name: str, package: str, rooms: set[str]) -> str | None:
    """Return the room of ``package`` that the module ``name`` is of; its face for the package itself."""
    if not f"{name}.".startswith(f"{package}."):
        return None
    head = name.removeprefix(package).lstrip(".").split(".")[0]
    return head if head in rooms else "__init__"


def imports(path: Path, *, top_level: bool = False) -> Iterator[tuple[str, int]]:
    """Yield each imported module's full name with its line; those for type checking alone do not run."""
    pending: list[ast.AST] = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} relative import"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            # A name that is computed cannot be read.
            yield from [(a.value, node.lineno) for a in node.args[:1] if isinstance(a, ast.Constant)]
        if not (top_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)):
            pending += ast.iter_child_nodes(node)


def rooms_of(folder: Path) -> set[str]:
    """Return the names of a package's direct children that hold code."""
    return {path.relative_to(folder).parts[0].removesuffix(".py") for path in folder.rglob("*.py")}


def arrows_of(folder: Path) -> Arrows:
    """Return the arrows between a package's rooms, with the imports behind each."""
    rooms, package, arrows = rooms_of(folder), module_name(folder / "__init__.py"), defaultdict(list)
    for path in folder.rglob("*.py"):
        mine = path.relative_to(folder).parts[0].removesuffix(".py")
        for name, line in imports(path):
            other = room(name, package, rooms)
            if other is not None and other != mine:
                arrows[mine, other].append(f"{path.relative_to(PACKAGE)}:{line} {name}")
    return dict(arrows)


def reachable(start: str, arrows: Arrows) -> set[str]:
    """Return all rooms that arrows lead to from one."""
    found: set[str] = set()
    pending = [start]
    while pending:
        here = pending.pop()
        pending += [b for a, b in arrows if a == here and b not in found]
        found |= {b for a, b in arrows if a == here}
    return found


def lines_of(place: Path) -> int:
    files = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
    return sum(path.read_text(encoding="utf-8").count("\n") for path in files)


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: module_name(folder / "__init__.py"))
def test_no_rooms_import_each_other_in_a_circle(folder: Path):
    arrows = arrows_of(folder)
    closing = [f"{a} -> {b}: {why[0]}" for (a, b), why in sorted(arrows.items()) if a in reachable(b, arrows)]
    assert not closing, "\n".join(closing)


def test_the_root_has_few_rooms_on_few_floors():
    arrows = arrows_of(PACKAGE)

    def floor(name: str) -> int:
        return 1 + max((floor(b) for a, b in arrows if a == name), default=0)

    rooms = rooms_of(PACKAGE)
    assert len(rooms) <= MAX_ROOMS, sorted(rooms)
    assert max(map(floor, rooms)) <= MAX_FLOORS


def test_no_room_outgrows_the_house():
    data = lines_of(PACKAGE / "data")
    assert data < lines_of(PACKAGE) / 2
    shares = {name: lines_of(PACKAGE / "data" / name) / data for name in rooms_of(PACKAGE / "data")}
    assert max(shares.values()) <= MAX_SHARE_OF_DATA, shares


def test_rooms_import_what_they_may():
    offenders = [
        why
        for (mine, other), reasons in arrows_of(PACKAGE).items()
        if mine in ALLOWED and other not in ALLOWED[mine]
        for why in reasons
    ]
    assert not offenders, "\n".join(offenders)


def test_no_room_at_the_root_has_the_name_of_a_verb():
    import kerseg

    verbs = set(kerseg.VERBS) | {"export", "serve", "compare", "verify", "plan"}
    assert not {path.name for path in PACKAGE.iterdir() if path.is_dir()} & verbs


def test_frameworks_are_imported_where_they_may_be():
    offenders = [
        f"{path.relative_to(PACKAGE)}:{line} {name}"
        for path in FILES
        if path.relative_to(PACKAGE).parts[0].removesuffix(".py") in FRAMEWORK_FREE
        or path in FRAMEWORK_FREE_FILES
        for name, line in imports(path, top_level=True)
        if name.partition(".")[0] in FRAMEWORKS
    ]
    assert not offenders, "\n".join(offenders)


def below_the_command_line() -> Iterator[tuple[Path, ast.AST]]:
    for path in FILES:
        if path.relative_to(PACKAGE).parts[0] != "cli":
            yield from ((path, node) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def test_the_command_line_s_library_stays_in_the_command_line():
    offenders = [
        f"{path.relative_to(PACKAGE)}:{line} {name}"
        for path in FILES
        if path.relative_to(PACKAGE).parts[0] != "cli"
        for name, line in imports(path)
        if name.partition(".")[0] == "cyclopts"
    ]
    assert not offenders, "\n".join(offenders)


def test_messages_below_the_command_line_name_options_as_python_does():
    # `crop_size` becomes --crop-size when the command line prints it; Apache Beam has flags of its own.
    offenders = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {node.value.strip()[:60]}"
        for path, node in below_the_command_line()
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.search(r"(?<![\w`-])--[a-z]", node.value) and path.name not in ("pipelines.py", "figures.py")
        if not re.search(r"--runner=FlinkRunner|kerseg [a-z ]+--[a-z]", node.value)
    ]
    assert not offenders, "\n".join(offenders)


def test_the_reader_sees_what_it_should(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path / "kerseg")
    for name, text in {
        "low.py": "",
        "models/new.py": "from typing import TYPE_CHECKING\nimport torch.nn\nfrom kerseg import losses\n"
        "if TYPE_CHECKING:\n    import jax\ndef f():\n    import tensorflow\n"
        "    import_module('kerseg.low')\n",
        "losses/a.py": "def f():\n    from kerseg.models.new import x\n",
    }.items():
        (tmp_path / "kerseg" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "kerseg" / name).write_text(text)
    file = tmp_path / "kerseg" / "models" / "new.py"
    top = {"typing.TYPE_CHECKING", "torch.nn", "kerseg.losses"}
    assert {name for name, _ in imports(file)} == top | {"tensorflow", "kerseg.low"}
    assert {name for name, _ in imports(file, top_level=True)} == top
    arrows = arrows_of(tmp_path / "kerseg")
    assert set(arrows) == {("models", "losses"), ("models", "low"), ("losses", "models")}
    assert "models" in reachable("models", arrows) and not reachable("low", arrows)


def test_the_ground_stands_on_the_standard_library():
    known = ("kerseg", "cyclopts", "isal", "msgspec", "numpy", "PIL", "rich", "tensorflow", "yaml")
    libraries = {*sys.stdlib_module_names, *known}
    offenders = [
        f"{path.relative_to(PACKAGE)}:{line} {name}"
        for path in FILES
        if path.relative_to(PACKAGE).parts[0].removesuffix(".py") in GROUND
        for name, line in imports(path)
        if name.partition(".")[0] not in libraries
    ]
    assert not offenders, "\n".join(offenders)


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


def test_no_two_files_of_the_tests_have_one_name():
    """The tests are no packages: whichever of two is imported first is the other one too."""
    paths = defaultdict(list)
    for path in Path(__file__).parent.rglob("*.py"):
        paths[path.name].append(str(path))
    assert not [found for name, found in paths.items() if len(found) > 1 and name != "conftest.py"]


def test_importing_layers_registers_all_of_them():
    tree = ast.parse((PACKAGE / "layers" / "__init__.py").read_text(encoding="utf-8"))
    imported = {a.name for node in tree.body if isinstance(node, ast.ImportFrom) for a in node.names}
    assert imported == {path.stem for path in (PACKAGE / "layers").glob("[!_]*.py")}


def test_registered_classes_live_in_layers():
    registered = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}"
        for path in FILES
        if path.relative_to(PACKAGE).parts[0] in ("backbones", "models")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and "register_keras_serializable" in ast.unparse(node)
    ]
    assert not registered
