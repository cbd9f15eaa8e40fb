"""One tiny run for all tests of this folder."""

import shutil
from pathlib import Path

import pytest
from runs import OPTIONS

import kerseg


@pytest.fixture(scope="session")
def unbroken(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("runs") / "unbroken"
    result = kerseg.train(data_dir=tiny_data, output=output, **OPTIONS)
    assert result.finished
    assert result.path == output
    return output


@pytest.fixture
def copied(unbroken: Path, tmp_path: Path) -> Path:
    """A copy of the run, to do harm to."""
    return Path(shutil.copytree(unbroken, tmp_path / "copied"))
