"""What is wrong with a data set, how to mend it, and a mended copy: ``kerseg doctor``.

    layout.py         folders of a raw tree -> splits
    converted.py      records of converted data -> the same
    facts.py          what a worker measures of one pair
    meaning.py        what the labels' values stand for, given or shown by the whole tree
    near_duplicates.py       equal and nearly equal images
    checks.py         the table of checks; file_checks.py, label_checks.py, split_checks.py are its functions
    mending.py        a mended copy; relabel.py makes its labels
    text.py page.py   what was found, for a terminal and as one HTML file

NumPy and Pillow only: TensorFlow is never imported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kerseg.core.info import FILE_NAME, DatasetInfo
from kerseg.core.progress import Progress
from kerseg.core.workers import default_workers, map_in_order
from kerseg.data.doctor import converted, layout, meaning, near_duplicates
from kerseg.data.doctor.checks import CHECKS
from kerseg.data.doctor.converted import ShardFault
from kerseg.data.doctor.facts import Facts, Task, measure
from kerseg.data.doctor.findings import Affected, Evidence, Finding
from kerseg.data.doctor.label_checks import class_pixels
from kerseg.data.doctor.meaning import Meaning
from kerseg.data.doctor.mending import Mended, mend
from kerseg.data.sources.base import Pair
from kerseg.errors import ConfigError, DataError

__all__ = ["Affected", "Diagnosis", "Finding", "Mended", "diagnose"]


@dataclass(frozen=True)
class Diagnosis:
    """What was found in a data set."""

    path: Path
    findings: tuple[Finding, ...]
    """Errors first."""
    evidence: Evidence

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings with which a run would fail or deceive."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings that may be meant so."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    def finding(self, code: str) -> Finding | None:
        """Return the finding of this code, None if there is none."""
        return next((finding for finding in self.findings if finding.code == code), None)

    @property
    def class_pixels(self) -> dict[str, NDArray[np.int64]]:
        """Pixels of each class, ``(classes + 1,)``, for each split; those to ignore come last."""
        return class_pixels(self.evidence)

    def mend(self, output: str | Path, *, workers: int | None = None) -> list[Mended]:
        """Write a mended copy to ``output``; see `kerseg.data.doctor.mending.mend`.

        Example:
            >>> diagnose("street").mend("mended")[0].done
            ()
        """
        return mend(self.path, self.evidence, self.findings, Path(output), workers=workers)

    def channels(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of red, green and blue over all pixels of all images."""
        images = [facts.image for facts in self.evidence.facts if facts.image]
        if not images:
            return np.zeros(3), np.zeros(3)
        sums = np.sum([image.sums for image in images], axis=0)
        sums /= sum(image.shape[0] * image.shape[1] for image in images)
        return sums[0], np.sqrt(np.maximum(0, sums[1] - sums[0] ** 2))


def diagnose(
    path: str | Path,
    *,
    images: Path | None = None,
    labels: Path | None = None,
    label_tail: str = "",
    class_names: Sequence[str] = (),
    num_classes: int | None = None,
    palette: Sequence[str] = (),
    label_values: Sequence[int] = (),
    ignore_values: Sequence[int] | None = None,
    model: tuple[str, int] | None = None,
    workers: int | None = None,
) -> Diagnosis:
    """Find what is wrong with a raw tree or with converted data: ``kerseg.doctor``.

    Every image and label is decoded once. What labels' values mean is taken from the options or, without any,
    from all labels together; see `kerseg.data.doctor.meaning`.

    Args:
        path: Folder of a raw tree, or of converted data with its ``dataset.json``.
        images: Folder of the images, where ``path`` does not show it.
        labels: Folder of the labels, likewise.
        label_tail: Ending of the labels' names that the images' lack.
        class_names: Names of the classes in the order of their values, or one text file.
        num_classes: Number of classes, where they have no names.
        palette: Colour of each class, as for ``kerseg convert folder``.
        label_values: Values of the classes in grey labels, in the order of the names.
        ignore_values: Values in grey labels that stand for no class; default: 255.
        model: Name of a model and its number of classes, which the data must fit.
        workers: Processes that read the files; default: one for each processor.

    Returns:
        Findings and the evidence for them.

    Raises:
        DataError: ``path`` is missing, or no images and labels are found in it.
        ConfigError: The options do not fit each other.

    Example:
        >>> diagnosis = kerseg.doctor("street", num_classes=7)
        >>> [finding.code for finding in diagnosis.errors]
        []
    """
    path = Path(path)
    if workers is not None and workers < 1:
        raise ConfigError(f"--workers is 1 or more. Received: {workers}.")
    options = {
        "class_names": class_names,
        "palette": palette,
        "label_values": label_values,
        "ignore_values": ignore_values,
    }
    faults: list[ShardFault] = []
    shards = 0
    if (path / FILE_NAME).exists():
        info = DatasetInfo.load(path)
        _refuse(path, options)
        pairs, faults = converted.find(path, info)
        said: Meaning | None = meaning.of_info(info)
        shards = sum(len(split.shards) for split in info.splits.values())
        if num_classes is not None and model is None:
            model = ("--num-classes", num_classes)
    else:
        folder = meaning.given(num_classes=num_classes, **options)  # type: ignore[arg-type]
        said = None if folder is None else meaning.of_folder(folder)
        if said and num_classes not in (None, len(said.names)):
            raise ConfigError(
                f"--num-classes {num_classes} does not fit the {len(said.names)} classes given."
            )
        branches = layout.find(path, images=images, labels=labels, label_tail=label_tail)
        pairs = {branch.split: branch.pairs() for branch in branches}
    facts = _measured(pairs, workers or default_workers())
    found = [(index, fact.label) for index, fact in enumerate(facts) if fact.label]
    read = meaning.read(
        found, said, splits=[fact.split for fact in facts], ignored=tuple(ignore_values or ())
    )
    digests = {index: fact.image.digest for index, fact in enumerate(facts) if fact.image}
    near, frames = near_duplicates.near(facts)
    evidence = Evidence(
        facts=tuple(facts),
        meaning=read,
        shard_faults=tuple(faults),
        shards=shards,
        converted=path if said and (path / FILE_NAME).exists() else None,
        model=model,
        equal=tuple(map(tuple, near_duplicates.equal(digests))),
        near=tuple(near),
        frames=tuple(frames),
    )
    findings = [finding for check in CHECKS if (finding := check(evidence))]
    findings.sort(key=lambda finding: finding.severity)  # "error" comes before "warning"
    return Diagnosis(path, tuple(findings), evidence)


def _refuse(path: Path, options: Mapping[str, object]) -> None:
    """Refuse options that say what labels mean where ``dataset.json`` does."""
    if wrong := [name for name, value in options.items() if value]:
        flag = "--" + wrong[0].replace("_", "-")
        raise ConfigError(f"{path}: converted data, whose classes dataset.json names: leave out {flag}.")


def _measured(pairs: dict[str, list[Pair]], workers: int) -> list[Facts]:
    tasks = [Task(split, pair) for split, members in pairs.items() for pair in members]
    if not tasks:
        raise DataError("There are no images and labels to look at.")
    with (
        map_in_order(measure, tasks, workers=min(workers, len(tasks))) as results,
        Progress("doctor", total=len(tasks), unit="pairs") as progress,
    ):
        facts = []
        for _, fact in results:
            facts.append(fact)
            progress.advance()
    return facts
