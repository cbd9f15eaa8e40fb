"""All that a source may have is declared, with its default, in one place."""

import ast
from pathlib import Path

import pytest

import kerseg.data
from kerseg.data.sources import SOURCES
from kerseg.data.sources.base import Source

DATA = Path(kerseg.data.__file__).parent


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_is_one(name):
    assert issubclass(SOURCES.load(name), Source)


def test_nothing_asks_whether_a_source_has_a_member():
    asked = [
        f"{path.relative_to(DATA)}:{node.lineno}"
        for path in sorted(DATA.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("getattr", "hasattr")
        and ast.unparse(node.args[0]) in ("source", "source_class", "type(source)")
        and (len(node.args) > 2 or ast.unparse(node.func) == "hasattr")
    ]
    assert not asked
