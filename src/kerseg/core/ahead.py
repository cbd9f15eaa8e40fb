"""Work before and behind a loop in threads of its own: what comes next is read, and what was made is written."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

_END: Any = object()


def ahead(items: Iterable[T], count: int = 2) -> Generator[T]:
    """Yield items that a thread takes from their iterator before they are asked for.

    Args:
        items: Their iterator runs in the thread, one step at a time. What it raises is raised here, in its turn.
        count: Items that may wait.

    Example:
        >>> list(ahead([1, 2, 3]))
        [1, 2, 3]
    """
    iterator = iter(items)
    pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    try:
        waiting = deque(pool.submit(next, iterator, _END) for _ in range(count))
        while (item := waiting.popleft().result()) is not _END:
            waiting.append(pool.submit(next, iterator, _END))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)


class Behind:
    """Does work in a thread, in order. Leaving the block waits for it; an error is raised at the next step.

    Args:
        count: Pieces of work that may wait before `do` waits itself.

    Example:
        >>> done = []
        >>> with Behind() as behind:
        ...     behind.do(done.append, 1)
        >>> done
        [1]
    """

    def __init__(self, count: int = 4):
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="behind")
        self._waiting: deque[Future[Any]] = deque()
        self._count = count

    def do(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Let the thread call ``work`` when it comes to it."""
        while self._waiting and (len(self._waiting) >= self._count or self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(work, *arguments))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while kind is None and self._waiting:
                self._waiting.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)
