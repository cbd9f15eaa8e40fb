"""Files are written whole, reach the disk before they get their name, and leave nothing behind."""

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kerseg.core import files
from kerseg.core.files import clean, explained, failure, whole, write_text
from kerseg.errors import DataError, KersegError

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
WRITER = """
import sys, time
from pathlib import Path
from kerseg.core.files import whole
with whole(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print(flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is writing ``a.json`` and does not come to its end."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "a.json")], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_partial_file_of_a_living_writer_stays_and_that_of_a_killed_one_goes(
    writer: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    (partial,) = names(tmp_path)
    clean(tmp_path)
    assert names(tmp_path) == [partial]
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    write_text(tmp_path / "b.json", "{}")  # the first file that this process writes there
    assert names(tmp_path) == ["b.json"]


def test_a_partial_file_of_version_0_1_goes_and_the_user_s_files_stay(tmp_path: Path) -> None:
    for name in (".state-a1b2c3_4.partial.npz", ".notes-a1b2c3_4.txt", "my.partial", ".my.partial.txt"):
        (tmp_path / name).touch()
    (tmp_path / ".folder-a1b2c3_4.partial").mkdir()
    clean(tmp_path)
    kept = [".folder-a1b2c3_4.partial", ".my.partial.txt", ".notes-a1b2c3_4.txt", "my.partial"]
    assert names(tmp_path) == kept


def test_the_file_is_on_the_disk_before_it_has_its_name_and_the_name_before_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = []
    sync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        events.append("sync folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "sync file")
        sync(handle)

    def replaced(path: Path, target: Path) -> Path:
        events.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    write_text(tmp_path / "a.json", "{}")
    assert events == ["sync file", "rename", "sync folder"]
    with whole(tmp_path / "b.json", durable=False):
        pass
    assert events[3:] == ["rename"]


def test_what_cannot_be_synced_is_not_put_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_text(tmp_path / "a.json", "old")

    def fail(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        write_text(tmp_path / "a.json", "new")
    assert (tmp_path / "a.json").read_text() == "old"
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize(
    ("number", "path", "said"),
    [
        (errno.ENOSPC, None, "runs/a: No space left on device. Make room on the disk. Go on."),
        (errno.EROFS, "b/c", "b/c: Read-only file system. Give a place that can be written to. Go on."),
        (errno.EACCES, "b", "b: Permission denied. Ask for permission, or give another place. Go on."),
        (errno.EMFILE, "b", "b: Too many open files. Allow more open files (ulimit -n). Go on."),
        (errno.EIO, "a/.state-a1b2c3_4.partial.npz", "a/state.npz: Input/output error. Go on."),
        (errno.EIO, "a/.camvid.partial-12/b/c.tfrecord", "a/camvid: Input/output error. Go on."),
    ],
)
def test_an_error_of_the_system_in_words(number: int, path: str | None, said: str) -> None:
    assert failure(OSError(number, os.strerror(number), path), Path("runs/a"), "Go on.") == said


def test_an_error_without_a_number() -> None:
    assert failure(OSError("cannot write data")) == "cannot write data."


@LINUX
def test_a_full_disk_is_a_message() -> None:
    with (
        pytest.raises(KersegError, match=r"^a: No space left on device\. Make room on the disk\.$"),
        explained(Path("a")),
        Path("/dev/full").open("w") as file,
    ):
        file.write("x" * 99999)


def test_only_errors_of_the_system_are_explained() -> None:
    with pytest.raises(BrokenPipeError), explained(Path("a")):
        raise BrokenPipeError
    with pytest.raises(ValueError, match="mine"), explained(Path("a")):
        raise ValueError("mine")


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_cleaned", set())


def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "link", "folder"):
        with pytest.raises(
            DataError, match=rf"{name}: is there, and is no regular file\. Give another place\."
        ):
            write_text(tmp_path / name, "text")
    assert (tmp_path / "pipe").is_fifo() and sorted(path.name for path in tmp_path.iterdir()) == [
        "folder",
        "link",
        "pipe",
    ]
