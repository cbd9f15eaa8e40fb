"""The work of worker processes, done in this one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def workers_here(*modules: ModuleType) -> Iterator[None]:
    """Let modules that have `map_in_order` work in this process: nobody waits for another one to start."""

    @contextmanager
    def here(function: Callable[[Any], Any], items: Any, *, workers: int) -> Iterator[Iterator[Any]]:
        yield ((item, function(item)) for item in items)

    before = [module.map_in_order for module in modules]
    for module in modules:
        module.map_in_order = here  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module, function in zip(modules, before, strict=True):
            module.map_in_order = function  # type: ignore[attr-defined]
