"""One holder a lock, whoever it is, for as long as it lives."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from kerseg.core.lock import lock
from kerseg.errors import ConfigError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is locked on Windows")
HOLDER = """
import sys, time
from pathlib import Path
from kerseg.core.lock import lock
with lock(Path(sys.argv[1]), ValueError):
    print(flush=True)
    time.sleep(60)
"""


def busy(holder: str) -> ConfigError:
    return ConfigError(f"held by {holder}")


def test_another_process_holds_it_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        expected = f"held by process {process.pid} on {platform.node()}"
        with pytest.raises(ConfigError, match=f"^{expected}$"), lock(path, busy):
            pass
        process.kill()
    with lock(path, busy):
        assert path.read_text() == f"process {os.getpid()} on {platform.node()}\n"


def test_the_same_process_twice(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with lock(path, busy), pytest.raises(ConfigError, match=f"process {os.getpid()}"), lock(path, busy):
        pass
    with lock(path, busy):
        pass
