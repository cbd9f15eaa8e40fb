"""What was measured of each image, kept: all figures, intervals and comparisons follow from it.

report/val.npz      per image: name, checksum of its label, its confusion matrix (sparse), the sums of other metrics
"""

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kerseg.core.files import whole
from kerseg.core.info import IGNORE_LABEL
from kerseg.errors import ConfigError, DataError
from kerseg.metrics.confusion import ConfusionMatrix, Counts
from kerseg.metrics.measure import Metric, Observation, Sums

_FORMAT = 1


@dataclass(frozen=True)
class Measurements:
    """What was measured of each of N images."""

    names: tuple[str, ...]
    """Of the images, in the order of the split."""
    label_checksums: NDArray[np.uint64]
    """Of each image's label, its size included."""
    class_names: tuple[str, ...]
    starts: NDArray[np.int64]
    """(N + 1,): where each image's pairs begin in the two arrays below, and where the last one's end."""
    pairs: NDArray[np.int32]
    """Pairs of classes that an image has pixels of: true class x C + predicted class."""
    pixels: NDArray[np.int64]
    """Pixels of each pair."""
    sums: Mapping[str, Sums] = field(default_factory=dict)
    """What each image adds to the metrics that its confusion matrix does not give: leading axis N."""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Of all metrics that were measured, their options."""
    groups: tuple[int, ...] | None = None
    """For each image the volume it is a slice of; None where each stands for itself."""
    ignore_label: int = IGNORE_LABEL
    about: Mapping[str, Any] = field(default_factory=dict)
    """What was measured, on what, with what: JSON values."""

    @property
    def checksum(self) -> str:
        """SHA-256 of the images' names and labels: that of the data, however its files are cut."""
        text = "\n".join(self.names).encode("utf-8", "surrogateescape")
        return hashlib.sha256(text + b"\0" + self.label_checksums.astype("<u8").tobytes()).hexdigest()

    @property
    def units(self) -> int:
        """Number of what stands for itself: images, or volumes."""
        return len(set(self.groups)) if self.groups else len(self.names)

    def counts(self, index: int) -> Counts:
        """Return the confusion matrix of an image."""
        size = len(self.class_names)
        part = slice(self.starts[index], self.starts[index + 1])
        counts: Counts = np.zeros(size * size, np.int64)
        counts[self.pairs[part]] = self.pixels[part]
        return counts.reshape(size, size)

    def pooled(self) -> ConfusionMatrix:
        """Return the confusion matrix of all images."""
        matrix = ConfusionMatrix(len(self.class_names), self.ignore_label)
        np.add.at(matrix.counts.reshape(-1), self.pairs, self.pixels)
        return matrix

    def rows(self, name: str, metric: Metric) -> Sums:
        """Return what each image adds to a metric.

        Args:
            name: As it was measured under.
            metric: The metric.

        Returns:
            The sums, leading axis N.

        Raises:
            ConfigError: It needs more than the confusion matrices, and was not measured.
        """
        if name in self.sums:
            return self.sums[name]
        if metric.needs != "counts":
            raise ConfigError(f"Metric {name!r} was not measured. Evaluate with `metrics=({name!r},)`.")
        return stacked(
            [metric(Observation(self.counts(index), self.class_names)) for index in range(len(self.names))]
        )

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        text = json.dumps(
            {
                "format": _FORMAT,
                "class_names": self.class_names,
                "ignore_label": self.ignore_label,
                "options": self.options,
                "checksum": self.checksum,
                "about": self.about,
            }
        )
        arrays: dict[str, Any] = {
            "names": np.array(self.names, np.str_),
            "label_checksums": self.label_checksums,
            "starts": self.starts,
            "pairs": self.pairs,
            "pixels": self.pixels,
            "text": np.frombuffer(text.encode(), np.uint8),
        }
        if self.groups is not None:
            arrays["groups"] = np.array(self.groups, np.int64)
        for name, rows in self.sums.items():
            for part in dataclasses.fields(rows):
                arrays[f"sums/{name}/{part.name}"] = getattr(rows, part.name)
        with whole(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)


def stacked(rows: Sequence[Sums]) -> Sums:
    """Return the sums of several images as one, with a leading axis."""
    return Sums(
        np.stack([row.numerator for row in rows]),
        np.stack([row.denominator for row in rows]),
        np.stack([row.weight for row in rows]),
    )


def load(path: Path) -> Measurements:
    """Read what `Measurements.save` wrote.

    Raises:
        DataError: The file is missing, damaged, of another kerseg, or holds something else.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        found = _measurements(arrays)
    except FileNotFoundError:
        raise DataError(f"{path}: does not exist. `kerseg evaluate` writes it.") from None
    except (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: cannot be read as the measurements of an evaluation ({error}). Evaluate again."
        ) from error
    return found


def _measurements(arrays: Mapping[str, NDArray[Any]]) -> Measurements:
    text = json.loads(arrays["text"].tobytes())
    if text["format"] != _FORMAT:
        raise ValueError(f"format {text['format']}, this kerseg reads {_FORMAT}")
    names = sorted({name.split("/")[1] for name in arrays if name.startswith("sums/")})
    found = Measurements(
        names=tuple(map(str, arrays["names"])),
        label_checksums=arrays["label_checksums"],
        class_names=tuple(text["class_names"]),
        starts=arrays["starts"],
        pairs=arrays["pairs"],
        pixels=arrays["pixels"],
        sums={name: Sums(*(arrays[f"sums/{name}/{part}"] for part in _PARTS)) for name in names},
        options=text["options"],
        groups=tuple(arrays["groups"].tolist()) if "groups" in arrays else None,
        ignore_label=text["ignore_label"],
        about=text["about"],
    )
    count, classes = len(found.names), len(found.class_names)
    whole_numbers = all(
        array.dtype.kind in "iu" for array in (found.starts, found.pairs, found.pixels, found.label_checksums)
    )
    if not (
        whole_numbers
        and found.starts.shape == (count + 1,)
        and found.label_checksums.shape == (count,)
        and found.pairs.shape == found.pixels.shape == (found.starts[-1],)
        and found.starts[0] == 0
        and (np.diff(found.starts) >= 0).all()
        and (not found.pairs.size or 0 <= found.pairs.min() <= found.pairs.max() < classes**2)
        and all(len(rows.weight) == len(rows.numerator) == count for rows in found.sums.values())
        and (found.groups is None or (len(found.groups) == count and min(found.groups, default=0) >= 0))
    ):
        raise ValueError("its arrays do not fit together")
    if found.checksum != text["checksum"]:
        raise ValueError("its checksum differs")
    return found


_PARTS = tuple(part.name for part in dataclasses.fields(Sums))
