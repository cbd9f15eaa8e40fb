"""A function applied to many items by worker processes: results in order, memory flat.

Processes and not threads, because labels made by Python code (polygons, ``.mat`` files) hold its lock, and
because Pillow's settings and warnings are global: a worker's are nobody else's.
"""

import errno
import itertools
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from types import ModuleType
from typing import Any, TypeVar

from kerseg.errors import KersegError

IN_FLIGHT = 4
"""Items a worker that are being worked on or wait, with their results, to be fetched."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def default_workers() -> int:
    """Return the number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int
) -> Iterator[Iterator[tuple[Item, Result]]]:
    """Give an iterator over each item with ``function(item)``, in the order of ``items``.

    The work starts at once, not with the first result asked for, so that the caller can do something slow in
    between. At most `IN_FLIGHT` items a worker are held at a time. Leaving the block ends the workers.

    Args:
        function: Pickled once for each worker, with all it holds; from a module, not a lambda.
        items: Each is pickled.
        workers: Number of processes.

    Raises:
        KersegError: A worker process died or cannot be started, or there was too little memory.

    Example:
        >>> with map_in_order(len, ["a", "bb"], workers=2) as results:
        ...     list(results)
        [('a', 1), ('bb', 2)]
    """
    # Spawned and not forked: a fork of a process that runs TensorFlow's threads can hang.
    context = multiprocessing.get_context("spawn")
    with _blamed(workers):
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(function,))
    needs_main = b"__main__" in pickle.dumps(function)
    waiting = iter(items)

    def submit(count: int) -> list[tuple[Item, Future[Result]]]:
        # The pool starts its processes as work comes in, so any submission may start one.
        with _blamed(workers), nullcontext() if needs_main else _main_left_alone():
            return [(item, pool.submit(_work, item)) for item in itertools.islice(waiting, count)]

    try:
        yield _results(submit, deque(submit(IN_FLIGHT * workers)))
    except BrokenProcessPool as error:
        cause = "most likely the machine ran out of memory. Try fewer `workers`."
        if needs_main:
            cause = (
                "it could not import what this script or notebook defines. Define the source in a module, or "
                'start the work under `if __name__ == "__main__":`.'
            )
        raise KersegError(f"A worker process ended without an answer: {cause}") from error
    except MemoryError as error:
        raise KersegError(
            f"There is not enough memory. Try fewer `workers`: {workers} were at work. {error}"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _blamed(workers: int) -> Iterator[None]:
    """Let an error of the system in starting workers be theirs, and not that of whatever file is written meanwhile.

    Raises:
        KersegError: They cannot be started.
    """
    try:
        yield
    except OSError as error:
        advice = {
            errno.ENOSPC: " Their locks lie in /dev/shm, which is full: make room there.",
            errno.EMFILE: " Allow more open files (ulimit -n), or try fewer `workers`.",
            errno.ENFILE: " The whole system has too many files open: try fewer `workers`.",
        }.get(error.errno or 0, " Try fewer `workers`.")
        reason = error.strerror or str(error)
        raise KersegError(f"The {workers} worker processes cannot be started: {reason}.{advice}") from error


def _results(
    submit: Callable[[int], list[tuple[Item, Future[Result]]]], flying: deque[tuple[Item, Future[Result]]]
) -> Iterator[tuple[Item, Result]]:
    while flying:
        item, future = flying.popleft()
        result = future.result()
        flying.extend(submit(1))
        yield item, result


_function: Callable[[Any], Any]
"""In a worker process: what it does with each item."""


def _start(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function
    # Ctrl-C goes to the whole group of processes; the parent alone decides what follows from it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when its parent is gone: one that was killed cannot tell its workers to stop."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(item: Any) -> Any:
    return _function(item)


@contextmanager
def _main_left_alone() -> Iterator[None]:
    """Keep new processes from importing the user's script again, as spawned ones do.

    That would cost seconds and memory for each worker if the script imports Keras, and would run the whole
    script again if it has no ``if __name__ == "__main__":``. It is needed only for what is defined there.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
