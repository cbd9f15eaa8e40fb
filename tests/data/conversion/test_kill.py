"""``kill -9`` at chosen moments of a conversion: the old data or the new, whole, and a next run that cleans up."""

import signal
import subprocess
import sys

import pytest
from test_convert import contents, folder_source, make_folders
from test_update import settle

from kerseg.data.conversion.convert import convert
from kerseg.errors import DataError

# Kills itself before or after the call of a function that is the number-th of its kind.
SCRIPT = """
import importlib, os, signal, sys
from pathlib import Path
from kerseg.core import staging
from kerseg.data.conversion.convert import convert
from kerseg.data.sources.folder import Folder

root, flag, place, when, number, exchange = sys.argv[1:]
if exchange == "renames":
    staging._exchange = lambda one, other: False
module, owner, name = place.split(":")
holder = importlib.import_module(module)
holder = getattr(holder, owner) if owner else holder
real, calls = getattr(holder, name), []

def deadly(*arguments, **options):
    calls.append(None)
    if len(calls) == int(number) and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*arguments, **options)
    if len(calls) == int(number):
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(holder, name, deadly)
paths = {f"{s}_{k}_path": Path(root, "two", s, k[0]) for s in ("train", "val") for k in ("image", "label")}
source = Folder(**paths, class_names=("ground", "box", "ball"))
convert(source, output=Path(root, "out"), workers=1, name="x", **({flag: True} if flag else {}))
"""

# function -> (before or after which call of it the kill falls, how folders are swapped, which data is there then)
MOMENTS = {
    "before anything is made": ("pathlib:Path:mkdir before 1", "exchange", "old"),
    "within a shard": ("kerseg.data.conversion.split_writer:SplitWriter:write after 2", "exchange", "old"),
    "between two splits": (
        "kerseg.data.conversion.split_writer:SplitWriter:finish after 1",
        "exchange",
        "old",
    ),
    "before dataset.json": ("kerseg.core.info:DatasetInfo:save before 1", "exchange", "old"),
    "within dataset.json": ("pathlib:Path:chmod before 1", "exchange", "old"),
    "before the exchange": ("kerseg.core.staging::_exchange before 1", "exchange", "old"),
    "after the exchange": ("kerseg.core.staging::_exchange after 1", "exchange", "new"),
    "before the first rename": ("pathlib:Path:rename before 3", "renames", "old"),
    "between the renames": ("pathlib:Path:rename after 3", "renames", "put back"),
    "after the renames": ("pathlib:Path:rename after 4", "renames", "new"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges two folders in one step")
@pytest.mark.parametrize("flag", ["overwrite", "update"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_the_old_data_or_the_new(tmp_path, moment, flag):
    make_folders(tmp_path / "one", train=3)
    make_folders(tmp_path / "two", train=5)
    settle(tmp_path)
    convert(folder_source(tmp_path / "one"), output=tmp_path / "out", workers=1, name="x")
    convert(folder_source(tmp_path / "two"), output=tmp_path / "expected", workers=1, name="x")
    old, new = contents(tmp_path / "out"), contents(tmp_path / "expected")
    assert old["dataset.json"] != new["dataset.json"]

    place, exchange, there = MOMENTS[moment]
    arguments = [str(tmp_path), flag, *place.split(), exchange]
    killed = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    out = tmp_path / "out"
    if there == "put back":
        # Where folders cannot be exchanged, a moment is without either; any next run ends it.
        assert not out.exists()
        with pytest.raises(DataError, match="holds a converted data set"):
            convert(folder_source(tmp_path / "two"), output=out, workers=1)
    assert contents(out) == (new if there == "new" else old)
    convert(folder_source(tmp_path / "two"), output=out, workers=1, name="x", **{flag: True})
    assert contents(out) == new
    assert sorted(path.name for path in tmp_path.iterdir()) == ["expected", "one", "out", "two"]
