"""The rule that every hostile input is held against.

Whatever a file holds, kerseg answers with an error of its own, in ten seconds, within a gigabyte above what the
process had, and leaves nothing behind: no file, no process, no thread, no open file.

Memory and handles are read from ``/proc``: Linux only.
"""

import gc
import os
import re
import resource
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from kerseg.errors import KersegError

MOST_LINES = 40
"""Of a message: what is wrong with each of many files may take one each."""
_CONTROL = r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
"""What a terminal may obey, or cannot show; lines may end."""
_TIME = re.compile(r"(it did not end within \S+ s; )?it took \S+ s")
SETTLING = 2.0
"""Seconds that threads and processes have to end once the call did."""
_SPARE = 4 * 2**30
"""Bytes of address space above what is allowed in memory, before the system refuses: libraries reserve much."""


class Overtime(BaseException):
    """The call did not end in time; no ``except Exception`` takes it for a fault of the file."""


def holds(
    call: Callable[[], object],
    *,
    folder: Path,
    seconds: float = 10.0,
    megabytes: int = 1024,
    says: str = "",
    sound: bool = False,
) -> str:
    """Make the call and see that it keeps the rule.

    Args:
        call: Meets what is hostile.
        folder: Everything below it must afterwards be as it was.
        seconds: That it may take.
        megabytes: That the process may grow by while it runs.
        says: Regular expression that the message must match.
        sound: Whether it may succeed.

    Returns:
        The message; ``""`` if the call succeeded.

    Raises:
        AssertionError: It broke the rule; the text says how.
    """
    gc.collect()
    before = _state(folder)
    memory = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM to VmRSS
    message, faults = "", []
    taken = _clock()
    try:
        with _bounded(seconds, megabytes, taken):
            call()
        if not sound:
            faults.append("it was accepted")
    except KersegError as error:
        message = str(error)
        faults += _faults_of(message, says)
    except Overtime:
        faults.append(f"it did not end within {seconds:g} s")
    # Anything that is not an error of kerseg's own, SystemExit included, is what the rule forbids.
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        faults.append(f"{type(error).__name__}: {str(error)[:300]}")
    took = taken()
    if took > seconds:
        faults.append(f"it took {took:.1f} s")
    if (grown := (_memory("VmHWM") - memory) / 1024) > megabytes:
        faults.append(f"it took {grown:.0f} MB")
    gc.collect()
    faults += _left(before, _settled(folder, before))
    assert not faults, "; ".join(faults)
    return message


def kept_by(
    make: Callable[[Path], Callable[[], object]], folder: Path, *, says: str = "", sound: bool = False
) -> str:
    """Make a case in a folder of its own and do `holds`; once more if time alone was broken, as a busy machine may.

    Args:
        make: Writes what is hostile into an empty folder, and returns the call that meets it.
        folder: That folder; it is made, and deleted.
        says: As for `holds`.
        sound: As for `holds`.
    """
    for attempt in (1, 2):
        folder.mkdir()
        try:
            return holds(make(folder), folder=folder, says=says, sound=sound)
        except AssertionError as fault:
            if attempt == 2 or not _TIME.fullmatch(str(fault)):
                raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    raise AssertionError


def _faults_of(message: str, says: str) -> list[str]:
    faults = []
    if says and not re.search(says, message):
        faults.append(f"the message does not say {says!r}: {message[:500]!r}")
    if odd := re.search(_CONTROL, message):
        faults.append(f"the message holds the control character {odd[0]!r}: {message[:200]!r}")
    if (lines := message.count("\n") + 1) > MOST_LINES:
        faults.append(f"the message has {lines} lines")
    if len(message) > 400 * MOST_LINES:
        faults.append(f"the message has {len(message)} characters")
    return faults


def _clock() -> Callable[[], float]:
    """Return what tells the seconds since now, those left out in which this process waited for a processor."""
    began, waited = time.perf_counter(), _waited()
    return lambda: time.perf_counter() - began - max(_waited() - waited, 0.0)


def _waited() -> float:
    """Return how long the threads of this process have waited for a processor that others had."""
    # The second number of each: https://docs.kernel.org/scheduler/sched-stats.html
    nanoseconds = 0
    for task in os.listdir("/proc/self/task"):  # noqa: PTH208  # names are all that is needed
        with suppress(OSError):  # the thread has ended
            nanoseconds += int(Path("/proc/self/task", task, "schedstat").read_text().split()[1])
    return nanoseconds / 1e9


@contextmanager
def _bounded(seconds: float, megabytes: int, taken: Callable[[], float]) -> Iterator[None]:
    """Stop the block in time, and keep what it may allocate from filling the machine."""

    def stop(number: int, frame: FrameType | None) -> None:
        if taken() > seconds:
            raise Overtime

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_memory("VmSize") * 1024 + megabytes * 2**20 + _SPARE, hard))
    handler = signal.signal(signal.SIGALRM, stop)
    # Again and again: an exception inside a destructor, say, is passed over.
    signal.setitimer(signal.ITIMER_REAL, 1.2 * seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _memory(name: str) -> int:
    """Return a line of the process's status, kB."""
    found = re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found
    return int(found[1])


State = dict[str, set[str]]


def _state(folder: Path) -> State:
    """Return what there is to be left behind."""
    files = set()
    for parent, folders, names in os.walk(folder):
        for name in folders + names:
            path = Path(parent, name)
            status = path.lstat()
            files.add(f"{path} {status.st_ino} {status.st_size}")
    handles = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:
            continue  # the one of this very listing
        if target.startswith("/") and not target.startswith(("/dev/", "/proc/")):
            handles.add(target)
    return {
        "files": files,
        "open files": handles,
        "processes": set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()),
        "threads": {f"{thread.name} {thread.ident}" for thread in threading.enumerate()},
    }


def _settled(folder: Path, before: State) -> State:
    """Return the state once it is that of before, or has had time to become it."""
    until = time.monotonic() + SETTLING
    while _left(before, after := _state(folder)) and time.monotonic() < until:
        time.sleep(0.05)
    return after


def _left(before: State, after: State) -> list[str]:
    faults = [
        f"it left {what} behind: {', '.join(sorted(after[what] - before[what])[:3])}"
        for what in before
        if after[what] - before[what]
    ]
    if gone := before["files"] - after["files"]:
        faults.append(f"it deleted or changed {sorted(gone)[0]}")
    return faults
