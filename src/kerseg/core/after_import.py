"""Something to be done once a module has been imported by whoever needs it, and not before.

Keras rebuilds kerseg's layers by names that `kerseg.layers` registers with it; but to import Keras takes seconds,
and most of what kerseg is asked needs none of it.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def after_import(name: str, then: Callable[[], object]) -> None:
    """Call ``then`` once the module ``name`` has been imported: now if it has been, else as part of its import.

    Args:
        name: The full name of a module, which need not exist.
        then: What it raises is raised by the import. It may import the module.

    Example:
        >>> after_import("json", lambda: print("imported"))  # this was long ago
        imported
    """
    if name in sys.modules:
        then()
    else:
        sys.meta_path.insert(0, _Finder(name, then))


class _Finder:
    """Finds the module as it would be found otherwise, with a loader that does more.

    To find is not yet to import: others only ask whether there is such a module. So the finder stays until then.
    """

    def __init__(self, name: str, then: Callable[[], object]):
        self.name = name
        self._then = then

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the other finders' answer for the one module, and none for all others."""
        if fullname != self.name:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None:
                spec.loader = _Loader(spec.loader, self._loaded)  # type: ignore[assignment]
                return spec
        return None

    def _loaded(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        self._then()


class _Loader:
    """A module's own loader, until it has been told to load."""

    def __init__(self, real: Any, loaded: Callable[[], None]):
        self._real = real
        self._loaded = loaded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._real.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        # Whoever looks at the module finds what would be there without all this.
        module.__loader__ = self._real
        if module.__spec__ is not None:
            module.__spec__.loader = self._real
        self._real.exec_module(module)
        self._loaded()
