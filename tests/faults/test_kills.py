"""A file is old or new after a kill at any of its changes to the disk; `scripts/faults` does it to all verbs."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="open files are looked up in /proc")

# Kills, fills or stops the disk at one change after the other, each in a fork; prints what there is then.
SCRIPT = """
import json, os, sys
from pathlib import Path
from inject import Injector
from kerseg.core import files

root, fault = Path(sys.argv[1]), sys.argv[2]
for at in range(1, 99):
    files.write_text(root / "a.json", "old")
    child = os.fork()
    if child == 0:
        injector = Injector(root, fault, at)
        try:
            files.write_text(root / "a.json", "new")
        except OSError:
            os._exit(1)
        os._exit(0 if len(injector.calls) >= at else 42)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    text = (root / "a.json").read_text()
    files.clean(root)
    print(json.dumps([code, text, sorted(path.name for path in root.iterdir())]), flush=True)
    if code == 42:
        break
"""


@pytest.mark.parametrize(
    ("fault", "codes"),
    [("kill", {-signal.SIGKILL}), ("full", {0, 1}), ("stuck", {0, 1}), ("broken", {0, 1})],
)
def test_at_every_change_the_file_is_old_or_new(fault: str, codes: set[int], tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), fault]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    *cases, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert last == [42, "new", ["a.json"]]
    assert len(cases) >= 4
    assert {code for code, _, _ in cases} <= codes
    texts = [text for _, text, _ in cases]
    if fault != "broken":  # which may hit a call that fails without harm
        assert texts == sorted(texts, reverse=True)
    assert {"old"} <= {text for _, text, _ in cases} <= {"old", "new"}
    assert all(names == ["a.json"] for _, _, names in cases)
