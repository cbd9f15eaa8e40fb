"""What of a file has arrived: ``NAME.partial``, beside the place of the file.

A ``NAME.partial.json`` says which version of the file it is the beginning of: its ETag or its date.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from kerseg.core.lock import is_free
from kerseg.core.schema import decode_json
from kerseg.errors import DataError


@dataclass(frozen=True)
class _Facts:
    """Which version of which file a partial one is the beginning of."""

    url: str = ""
    validator: str = ""
    """ETag or date; ``""`` if the server gives neither."""
    total: Annotated[int, Meta(ge=0)] = 0
    """Bytes; 0 if the server does not say."""


class Partial:
    """What of a file has arrived; to be used by one process at a time, within `alone`.

    Args:
        path: Of the file, once it is whole.
        url: Where it comes from; what came from elsewhere is discarded.
    """

    def __init__(self, path: Path, url: str):
        self.url, self.validator, self.total = url, "", 0
        self.path = path.with_name(f"{path.name}.partial")
        self._facts = path.with_name(f"{path.name}.partial.json")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from fetching the same file meanwhile: two would write into one.

        Raises:
            DataError: One does already.
            OSError: The file cannot be written.
        """
        with self.path.open("ab") as held:
            # Whoever had it may have given it its name in this moment.
            if not is_free(held.fileno()) or not self._is(held.fileno()):
                raise DataError(f"{self.path}: another process is fetching it. Wait until that is done.")
            try:
                self._recall()
                yield
            finally:
                if self._is(held.fileno()) and not self.size:
                    self.path.unlink()

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return self.path.stat().st_size if self.path.exists() else 0

    def begin(self, validator: str, total: int) -> None:
        """Start anew, with this version of the file."""
        self.validator, self.total = validator, total
        self.path.write_bytes(b"")
        self._facts.write_text(json.dumps(asdict(_Facts(self.url, validator, total))), encoding="utf-8")

    def discard(self) -> None:
        """Forget what has arrived. The file stays, empty, while it is locked."""
        self.path.write_bytes(b"")
        self._facts.unlink(missing_ok=True)

    def become(self, path: Path) -> None:
        """Give the file, which is whole, its name."""
        self.path.replace(path)
        self._facts.unlink(missing_ok=True)

    def _is(self, descriptor: int) -> bool:
        """Whether the open file still has this path."""
        return self.path.exists() and os.path.samestat(os.fstat(descriptor), self.path.stat())

    def _recall(self) -> None:
        try:
            facts = decode_json(self._facts.read_bytes(), _Facts, where=self._facts)
        except (OSError, DataError):
            facts = _Facts()  # of nothing: the file is fetched from its start
        if facts.url == self.url:
            self.validator, self.total = facts.validator, facts.total
        else:
            self.discard()
