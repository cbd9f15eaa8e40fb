"""What is done once a module has been imported: at once, later, never, and without a trace on the module."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from kerseg.core.after_import import after_import

MODEL = Path(__file__).parents[1] / "models" / "v0_1" / "enet.keras"


@pytest.fixture
def later(tmp_path, monkeypatch):
    """The name of a module that has not been imported; nothing of the trial is left."""
    (tmp_path / "later_on.py").write_text("answer = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    yield "later_on"
    sys.modules.pop("later_on", None)


def test_what_is_imported_already_is_done_at_once():
    done = []
    after_import("json", lambda: done.append("json"))
    assert done == ["json"]


def test_it_is_done_when_the_module_is_complete_and_once(later):
    seen, finders = [], list(sys.meta_path)
    after_import(later, lambda: seen.append(sys.modules[later].answer))
    import string

    assert seen == [] and later not in sys.modules
    module = importlib.import_module(later)
    importlib.import_module(later)
    assert seen == [42]
    assert sys.meta_path == finders
    assert type(module.__loader__) is type(module.__spec__.loader) is type(string.__loader__)


def test_to_ask_whether_there_is_such_a_module_is_not_to_import_it(later):
    seen = []
    after_import(later, lambda: seen.append(later))
    spec = importlib.util.find_spec(later)
    assert spec.origin.endswith("later_on.py") and "42" in spec.loader.get_source(later)
    assert seen == []
    importlib.import_module(later)
    assert seen == [later]


def test_a_module_that_fails_may_be_imported_again(later, tmp_path):
    seen = []
    after_import(later, lambda: seen.append(later))
    (tmp_path / "later_on.py").write_text("raise RuntimeError('not yet')\n")
    with pytest.raises(RuntimeError, match="not yet"):
        importlib.import_module(later)
    assert seen == []
    (tmp_path / "later_on.py").write_text("answer = 'a longer one'\n")
    importlib.invalidate_caches()
    importlib.import_module(later)
    assert seen == [later]


def test_a_module_that_is_nowhere_is_not_found():
    after_import("nowhere_to_be_found", lambda: None)
    try:
        with pytest.raises(ModuleNotFoundError, match="nowhere_to_be_found"):
            importlib.import_module("nowhere_to_be_found")
    finally:
        del sys.meta_path[0]


@pytest.mark.parametrize("order", [("kerseg", "keras"), ("keras", "kerseg")])
def test_keras_reads_a_model_file_whichever_is_imported_first(order):
    code = f"""
import sys
import {order[0]}
print(*sorted({{"keras", "kerseg"}} & set(sys.modules)))
import {order[1]}
print(keras.saving.load_model({str(MODEL)!r}).name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split("\n")[:2] == [order[0], "enet"], done.stderr
