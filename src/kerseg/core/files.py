"""Files are written whole or not at all: to a temporary name beside the target, then renamed."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it to ``path`` if the block ends well, else delete it.

    The temporary name keeps the suffix of ``path``, because writers such as Keras choose a format by it.

    Example:
        >>> with whole(Path("scores.json")) as temporary:
        ...     _ = temporary.write_text("{}")
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = f".partial{path.suffix}"
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files for their owner alone; what the user keeps follows the umask like others.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` in UTF-8, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
