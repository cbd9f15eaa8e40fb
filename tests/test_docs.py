"""The documentation holds: commands parse, links lead somewhere, names exist, versions agree."""

import ast
import builtins
import importlib.util
import inspect
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

import cyclopts
import pytest

import kerseg
from kerseg import cli
from kerseg.cli.tf1 import translate

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
SHELLS = ("console", "bash", "sh")


def blocks(text: str, *languages: str) -> list[str]:
    """Return the fenced blocks of a page in these languages."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [body for language, body in found if language in languages]


def commands(block: str) -> list[str]:
    """Return the commands of a console block: lines after ``$ `` with those they go on in, ``&&`` split."""
    lines = block.replace("\\\n", " ").splitlines()
    typed = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [part.strip() for line in typed for part in line.split("&&")]


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def cases(find) -> list:
    return [
        pytest.param(item, id=f"{page.relative_to(ROOT)}: {item[:50]}".replace("\n", " "))
        for page in PAGES
        for item in find(page.read_text(encoding="utf-8"))
    ]


def typed_commands(text: str) -> list[str]:
    found = [command for block in blocks(text, *SHELLS) for command in commands(block)]
    return [command for command in found if re.match(r"(\w+=\S+ )?kerseg ", command)]


def mentioned_commands(text: str) -> list[str]:
    found = re.findall(r"`(kerseg [^`]+)`", prose(text))
    # `kerseg VERB --help` and `kerseg convert SOURCE` are patterns.
    return [command for command in found if not re.match(r"kerseg (convert )?[A-Z]+\b", command)]


def python_blocks(text: str) -> list[str]:
    return blocks(text, "python")


def parse(command: str) -> None:
    words = [word for word in shlex.split(re.sub(r"^\w+=\S+ ", "", command))[1:] if word != "--debug"]
    cli.app.parse_args(translate(words), exit_on_error=False, print_error=False)


@pytest.mark.parametrize("command", cases(typed_commands))
def test_every_command_parses(command):
    parse(command)


@pytest.mark.parametrize("command", cases(mentioned_commands))
def test_every_command_in_the_text_names_verbs_and_options_that_exist(command):
    with suppress(cyclopts.MissingArgumentError):
        parse(command.removesuffix(" ..."))


def test_the_parser_of_commands_sees_what_is_wrong():
    assert commands("$ pip install . && kerseg list \\\n    models\nsome output\n") == [
        "pip install .",
        "kerseg list      models",
    ]
    with pytest.raises(cyclopts.UnknownOptionError):
        parse("kerseg train --epohcs 3")
    with pytest.raises(cyclopts.CycloptsError):
        parse("kerseg trian")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page.read_text(encoding="utf-8"))):
        if re.match(r"https?://", target):
            continue
        name, _, heading = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{page}: {target} leads nowhere"
        assert not heading or heading in anchors(file), f"{page}: {target} names no heading"


@cache
def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_linked_from_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [page for page in (ROOT / "docs").rglob("*.md") if f"({page.relative_to(ROOT)})" not in text]
    assert not missing


@pytest.mark.parametrize("block", cases(python_blocks))
def test_python_examples_use_names_that_exist(block):
    """Every name of kerseg in an example resolves, and the function called takes every keyword."""
    tree = ast.parse(block)
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {
                (a.asname or a.name): importlib.import_module(a.name)
                for a in node.names
                if a.name.split(".")[0] == "kerseg"
            }
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "kerseg":
            module = importlib.import_module(node.module)
            for a in node.names:
                # A module of a package is no name of it until it has been imported.
                if not hasattr(module, a.name):
                    importlib.import_module(f"{node.module}.{a.name}")
                names[a.asname or a.name] = getattr(module, a.name)
    assert names, "an example without kerseg"
    stored = {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    bound = {
        (a.asname or a.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for a in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            assert node.id in bound | stored | set(dir(builtins)), (
                f"line {node.lineno}: {node.id} is not defined"
            )
        if isinstance(node, ast.Attribute):
            resolve(node, names)
        if isinstance(node, ast.Call) and (called := resolve(node.func, names)) is not None:
            check_keywords(called, [keyword.arg for keyword in node.keywords])


def resolve(node: ast.expr, names: dict) -> object | None:
    """Return what a dotted name of kerseg stands for, None for any other expression."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute) and (owner := resolve(node.value, names)) is not None:
        return getattr(owner, node.attr)
    return None


def check_keywords(called: object, given: list[str | None]) -> None:
    known = inspect.signature(called).parameters
    if called is kerseg.models.build:
        known = {*known, "width"}
    assert set(given) <= set(known), f"{called} does not take {set(given) - set(known)}"


def test_the_generated_parts_are_up_to_date():
    script = ROOT / "scripts" / "reference.py"
    result = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr


def test_the_changelog_s_top_entry_is_this_version():
    entries = re.findall(
        r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert entries[0] == kerseg.__version__


def test_ci_runs_the_readme_s_test_command():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    expression = re.search(r"test_command=\$\(sed -n '([^']*)' README.md\)", script)
    found = subprocess.run(
        ["sed", "-n", expression[1], ROOT / "README.md"], capture_output=True, text=True, check=True
    )
    assert found.stdout == 'pip install ".[test]" && pytest\n'
    assert 'bash -euo pipefail -c "$test_command"' in script


SCRIPTS = [".ci/run", *(f"scripts/{name}" for name in ("lint", "test", "test-backends", "bench"))]


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_can_be_run_and_name_no_machine(name):
    path = ROOT / name
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o111, f"{name} is not executable"
    assert text.startswith("#!/usr/bin/env bash\n") and "set -euo pipefail" in text
    assert not re.search(r"/home/|/work/|/opt/|index-url|https?://", text)


def test_the_readme_s_first_screen_is_short_and_starts_with_the_two_commands():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    typed = [line for line in lines if line.startswith("$ ")]
    assert typed[:2] == ["$ pip install . && kerseg quickstart", '$ pip install ".[test]" && pytest']
    assert lines.index(typed[1]) < 15
