"""Worker processes that cannot do their work: what failed is blamed, and nothing else."""

import errno
import os
import resource

import pytest

from kerseg.core import workers
from kerseg.core.workers import map_in_order
from kerseg.errors import KersegError


def greedy(item: int) -> int:
    raise MemoryError(f"item {item}")


def test_a_lack_of_memory_is_an_error_of_its_own():
    message = r"^There is not enough memory\. Try fewer `workers`: 1 were at work\. item 3$"
    with pytest.raises(KersegError, match=message), map_in_order(greedy, [3], workers=1) as results:
        list(results)


@pytest.mark.parametrize(
    "number, advice",
    [
        (errno.ENOSPC, r"Their locks lie in /dev/shm, which is full: make room there\."),
        (errno.EMFILE, r"Allow more open files \(ulimit -n\), or try fewer `workers`\."),
        (errno.EAGAIN, r"Try fewer `workers`\."),
    ],
)
def test_workers_that_cannot_be_started_are_blamed(monkeypatch, number, advice):
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(workers, "ProcessPoolExecutor", fail)
    message = rf"^The 2 worker processes cannot be started: {os.strerror(number)}\. {advice}$"
    with pytest.raises(KersegError, match=message), map_in_order(abs, [1], workers=2):
        pass


def test_missing_file_handles_are_the_workers(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 3, hard))
    try:
        with (
            pytest.raises(KersegError, match="cannot be started: Too many open files"),
            map_in_order(abs, [1], workers=1) as results,
        ):
            list(results)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
