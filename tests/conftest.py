"""What several test files need: processes that share the machine, and data sets that are made once."""

import ctypes
import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import published
from resources import SLOW, Resources
from tiny import write_tiny_dataset

# Two workers and what they start have two cores and 3 GB: a thread each, and memory given back when it is free.
# Here, before TensorFlow is imported; glibc's are read where a process begins, so by the workers.
WORKERS = 2
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in (
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
    ):
        os.environ.setdefault(name, "1")
os.environ.setdefault("MALLOC_ARENA_MAX", "2")
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**20))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--cpu`` and ``--note-slow``."""
    parser.addoption(
        "--note-slow", action="store_true", help=f"write the tests that take a second or more to {SLOW.name}"
    )
    parser.addoption(
        "--cpu", type=int, default=0, metavar="N", help="show the N tests and files that take most CPU time"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Count what the tests take."""
    config.pluginmanager.register(Resources(config), "kerseg-resources")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many processes ``-n auto`` starts: none for a part, where they start in vain."""
    whole = all(Path(argument.partition("::")[0]).is_dir() for argument in config.args)
    return min(WORKERS, os.cpu_count() or 1) if whole else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow ones."""
    slow = set(SLOW.read_text(encoding="utf-8").split())
    for item in items:
        if item.nodeid.partition("[")[0] in slow:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True, scope="module")
def free_models(request: pytest.FixtureRequest) -> Iterator[None]:
    """Free a file's models, those that its functions keep too, before the next one's are built."""
    yield
    for value in vars(request.module).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()
    if "keras" in sys.modules:
        sys.modules["keras"].backend.clear_session()
        gc.collect()
        give_back()


def give_back() -> None:
    """Give freed memory back to the system, which glibc keeps for itself otherwise."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted data set: 10 training and 4 validation pairs of 32x40, three classes and ignored pixels."""
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny") / "data")


@pytest.fixture(scope="session")
def unbroken(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three epochs on it; read only."""
    import kerseg
    from tiny_runs import OPTIONS

    output = tmp_path_factory.mktemp("runs") / "unbroken"
    assert kerseg.train(data_dir=tiny_data, output=output, **OPTIONS).finished
    return output


@pytest.fixture
def copied(unbroken: Path, tmp_path: Path) -> Path:
    """A copy of the run, to do harm to."""
    return Path(shutil.copytree(unbroken, tmp_path / "copied"))


@pytest.fixture(scope="session")
def clean_streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw tree of streets as kerseg draws them: 24 training and 12 validation pairs of 64x96; read only."""
    from kerseg import street

    folder = tmp_path_factory.mktemp("clean") / "streets"
    street.draw(folder, train=24, val=12, size=(64, 96))
    return folder


@pytest.fixture(scope="session", params=["drawn", "real"])
def camvid(
    request: pytest.FixtureRequest, clean_streets: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """CamVid as prepared for SegNet, where it is; and eight images of the streets that look like it; read only."""
    if request.param == "real":
        return published.part(6, published.find("camvid", "CamVid"), tmp_path_factory.mktemp("camvid"))
    return published.draw_camvid(clean_streets, tmp_path_factory.mktemp("camvid"))


@pytest.fixture(scope="session", params=["drawn", "real"])
def isbi(
    request: pytest.FixtureRequest, clean_streets: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """ISBI 2012's cells, where they are; and eight images of the streets in their form; read only."""
    if request.param == "real":
        return published.find("isbi2012_em", "ISBI 2012")
    return published.draw_isbi(clean_streets, tmp_path_factory.mktemp("isbi"))


@pytest.fixture
def streets(clean_streets: Path, tmp_path: Path) -> Path:
    """A copy of it, to plant faults in."""
    return Path(shutil.copytree(clean_streets, tmp_path / "streets"))


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let training steps run untraced: a deep network's is traced for longer than a few of them take."""
    import keras

    traced = keras.Model.compile

    def compile_eager(self: Any, *arguments: Any, **options: Any) -> None:
        traced(self, *arguments, **options | {"run_eagerly": True, "jit_compile": False})

    monkeypatch.setattr(keras.Model, "compile", compile_eager)


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the doctor do its workers' work in this process: starting one takes most of a second."""
    from kerseg.data import doctor
    from kerseg.data.doctor import mending

    @contextmanager
    def here(function: Callable[[Any], Any], items: Any, *, workers: int) -> Iterator[Iterator[Any]]:
        yield ((item, function(item)) for item in items)

    for module in (doctor, mending):
        monkeypatch.setattr(module, "map_in_order", here)
