"""What of a prediction on many machines is done, as small files beside its results: a stop loses nothing.

predictions/.kerseg-predict-3f2a9c01/
    7c/7c0f....json        one a part: what was written of it, and what failed
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from kerseg.__version__ import __version__
from kerseg.core.files import write_text
from kerseg.core.schema import decode_json, to_builtins
from kerseg.errors import DataError
from kerseg.inference.inputs import Failure
from kerseg.inference.outputs import Written
from kerseg.inference.work import Plan, Work

_FOLDER = ".kerseg-predict-"


@dataclass(frozen=True)
class Entry:
    """What came of a part."""

    written: tuple[Written, ...]
    failed: tuple[Failure, ...]


@dataclass(frozen=True)
class Ledger:
    """The parts that are done, of one model and plan; all workers see its folder.

    Example:
        >>> Ledger(Path("predicted/.done")).folder.name
        '.done'
    """

    folder: Path

    @classmethod
    def of(cls, model: Path, plan: Plan) -> "Ledger":
        """Return that of a model file and a plan: another model, or other options, have another."""
        status = model.stat()
        how = [
            (plan.kinds, plan.polygon_format, plan.alpha, plan.batch_size, plan.mosaic, plan.rate),
            (plan.procedure.to_json(), plan.runtime, plan.precision, __version__),
        ]
        key = _digest([str(model.absolute()), status.st_size, status.st_mtime_ns, how])
        return cls(plan.output.absolute() / f"{_FOLDER}{key[:8]}")

    def read(self, part: Work) -> Entry | None:
        """Return what came of a part if it is done: its files are as they were, and so are its results."""
        path = self._place(part)
        try:
            entry = decode_json(path.read_bytes(), Entry, where=path)
            since = path.stat().st_mtime_ns
            # A result that is newer is another prediction's.
            same = all(file.stat().st_mtime_ns <= since for one in entry.written for file in one.results)
        except (OSError, DataError):
            return None
        return entry if same else None

    def done(self, part: Work) -> bool:
        """Whether a part need not be done again; what failed is tried again."""
        entry = self.read(part)
        return entry is not None and not entry.failed

    def add(self, part: Work, entry: Entry) -> None:
        """Note what came of a part, after its results were written."""
        write_text(self._place(part), json.dumps(to_builtins(entry)))

    def close(self) -> None:
        """Delete it: all is done."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _place(self, part: Work) -> Path:
        names = [str(one.result) for one in (*part.images, *part.rasters, *part.videos)]
        names += [str(film.place.result) for film in part.sequences]
        files: list[object] = []
        for file in part.files:
            try:
                status = file.stat()
                files.append((str(file.absolute()), status.st_size, status.st_mtime_ns))
            except OSError:
                files.append(str(file.absolute()))
        key = _digest([names, files])
        return self.folder / key[:2] / f"{key}.json"


def _digest(parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogateescape")).hexdigest()
