"""The rule notices what it is there to notice."""

import subprocess
import sys
import threading
import time

import pytest
import refusal
from refusal import holds

from kerseg.errors import DataError, KersegError


def refuse(message="a.png: no."):
    raise DataError(message)


def test_an_error_of_kerseg_s_own_keeps_it(tmp_path):
    assert holds(refuse, folder=tmp_path, says="a.png") == "a.png: no."


def test_what_may_succeed(tmp_path):
    assert holds(lambda: None, folder=tmp_path, sound=True) == ""


class RawError(DataError):
    def __str__(self):
        return "a.png: \x1b[2J"


def refuse_rawly():
    raise RawError


def write(folder):
    (folder / "left").write_text("x")
    refuse()


def grow():
    bytearray(b"x") * (300 * 2**20)
    refuse()


def swallow():
    while True:
        try:
            time.sleep(5)
        except Exception:
            continue


running = []


def start_thread():
    running.append(threading.Event())
    threading.Thread(target=running[-1].wait, name="left").start()
    refuse()


def start_process():
    running.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"]))
    refuse()


@pytest.mark.parametrize(
    "call, fault",
    [
        (lambda folder: None, "it was accepted"),
        (lambda folder: {}["x"], "KeyError: 'x'"),
        (lambda folder: sys.exit(3), "SystemExit: 3"),
        (lambda folder: refuse("b.png: no."), "does not say 'a.png'"),
        (lambda folder: refuse_rawly(), "control character"),
        (lambda folder: refuse("a.png\n" * 99), "lines"),
        (write, "left files behind"),
        (lambda folder: (folder / "there").unlink() or refuse(), "deleted or changed"),
        (lambda folder: grow(), "it took 3.. MB"),
        (lambda folder: swallow(), "did not end"),
        (lambda folder: start_thread(), "left threads behind"),
        (lambda folder: start_process(), "left processes behind"),
        (lambda folder: running.append((folder / "there").open()) or refuse(), "left open files behind"),
    ],
)
def test_what_breaks_it(tmp_path, call, fault, monkeypatch):
    monkeypatch.setattr(refusal, "SETTLING", 0.1)
    (tmp_path / "there").write_text("x")
    try:
        with pytest.raises(AssertionError, match=fault):
            holds(lambda: call(tmp_path), folder=tmp_path, seconds=0.4, megabytes=200, says="a.png")
    finally:
        while running:
            thing = running.pop()
            if isinstance(thing, subprocess.Popen):
                thing.kill()
                thing.wait()
            elif isinstance(thing, threading.Event):
                thing.set()
            else:
                thing.close()


def test_memory_that_is_not_there_is_the_program_s_fault(tmp_path):
    with pytest.raises(AssertionError, match="MemoryError"):
        holds(lambda: bytearray(40 * 2**30), folder=tmp_path)
    assert issubclass(DataError, KersegError)


def test_a_case_that_broke_time_alone_has_a_second_try(tmp_path, monkeypatch):
    faults = ["it did not end within 10 s; it took 12.0 s", ""]

    def holds(call, **options):
        if fault := faults.pop(0):
            raise AssertionError(fault)
        return "said"

    monkeypatch.setattr(refusal, "holds", holds)
    assert refusal.kept_by(lambda folder: None, tmp_path / "a") == "said"
    faults += ["it took 12.0 s; it left files behind: a", ""]
    with pytest.raises(AssertionError, match="left files"):
        refusal.kept_by(lambda folder: None, tmp_path / "a")
    assert not list(tmp_path.iterdir())
