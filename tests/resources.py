"""What the tests take: memory of all their processes at its peak, and CPU seconds, by test and by file.

Wall time alone says little on a machine that does other things besides, and the memory of one process says
little of tests that run in several.
"""

import os
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

SLOW = Path(__file__).with_name("slow.txt")
"""Test functions that take long, all their cases together, one a line."""
SLOW_SECONDS = 1.0
"""Of CPU, from which on."""
PERIOD = 0.5
"""Seconds between two looks at the memory."""


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def memory_of(pid: int) -> int:
    """Return the memory of a process and its descendants in bytes.

    Pages of libraries, which they share, count once: as many as the process with the most of them has.
    """
    children, pages = defaultdict(list), {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            after_name = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
            _, resident, shared, *_ = (folder / "statm").read_text(encoding="ascii").split()
        except OSError:  # it has ended meanwhile
            continue
        children[int(after_name.split()[1])].append(int(folder.name))
        pages[int(folder.name)] = int(resident) - int(shared), int(shared)
    own, most_shared, pending = 0, 0, [pid]
    while pending:
        here = pending.pop()
        pending += children[here]
        mine, shared_pages = pages.get(here, (0, 0))
        own, most_shared = own + mine, max(most_shared, shared_pages)
    return (own + most_shared) * os.sysconf("SC_PAGE_SIZE")


class Peak:
    """The highest ``memory_of`` this process so far, looked at twice a second by a thread."""

    def __init__(self) -> None:
        self.bytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(PERIOD):
            self.bytes = max(self.bytes, memory_of(os.getpid()))

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()


class Resources:
    """The plugin: workers note CPU seconds in their reports, the process that started them sums and prints."""

    def __init__(self, config: pytest.Config) -> None:
        self.tests: dict[str, float] = defaultdict(float)
        self.shown = int(config.getoption("--cpu"))
        self.notes = config.getoption("--note-slow")
        self.before = cpu_seconds()
        # Workers of pytest-xdist are watched by the process that started them.
        watches = "PYTEST_XDIST_WORKER" not in os.environ and sys.platform.startswith("linux")
        self.peak = Peak() if watches else None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Iterator[None]:
        """Note what the phase took, in a field that travels with the report."""
        report = yield
        now = cpu_seconds()
        report.cpu, self.before = now - self.before, now
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Sum the phases of a test."""
        self.tests[report.nodeid] += getattr(report, "cpu", 0.0)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the totals, and the files that take most."""
        if self.peak is None:
            return
        self.peak.end()
        files: dict[str, float] = defaultdict(float)
        for test, seconds in self.tests.items():
            files[test.partition("::")[0]] += seconds
        if self.notes:
            self._note_slow()
        for taken in (self.tests, files):
            for name, seconds in sorted(taken.items(), key=lambda entry: -entry[1])[: self.shown]:
                terminalreporter.write_line(f"{seconds:8.1f} s  {name}")
        terminalreporter.write_line(
            f"{sum(files.values()):.0f} s of CPU, {self.peak.bytes / 1e9:.2f} GB of memory at the peak"
        )

    def _note_slow(self) -> None:
        functions: dict[str, float] = defaultdict(float)
        for test, seconds in self.tests.items():
            functions[test.partition("[")[0]] += seconds
        slow = sorted(name for name, seconds in functions.items() if seconds >= SLOW_SECONDS)
        SLOW.write_text("".join(f"{name}\n" for name in slow), encoding="utf-8")
