"""What is wrong with a data set, how to mend it, and a mended copy: ``kerseg doctor``.

    layout.py         folders of a raw tree -> splits
    converted.py      records of converted data -> the same
    diagnosis.py      what is returned
    facts.py          what a worker measures of one pair
    meaning.py        what the labels' values stand for, given or shown by the whole tree
    near_duplicates.py       equal and nearly equal images
    checks.py         the table of checks; file_checks.py, label_checks.py, split_checks.py are its functions
    mending.py        a mended copy; relabel.py makes its labels
    text.py page.py   what was found, for a terminal and as one HTML file

NumPy and Pillow only: TensorFlow is never imported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kerseg.core.info import FILE_NAME, DatasetInfo
from kerseg.core.options import refuse_nul
from kerseg.core.progress import Progress
from kerseg.core.ranges import check_range
from kerseg.core.tensorflow import import_tensorflow
from kerseg.core.workers import default_workers, map_in_order
from kerseg.data.doctor import converted, layout, meaning, mending, near_duplicates
from kerseg.data.doctor import page as pages
from kerseg.data.doctor.checks import CHECKS
from kerseg.data.doctor.diagnosis import Diagnosis
from kerseg.data.doctor.facts import Facts, PairTask, measure
from kerseg.data.doctor.findings import Affected, Evidence, Finding
from kerseg.data.doctor.meaning import Meaning
from kerseg.data.doctor.mending import Mended
from kerseg.data.sources.base import Pair
from kerseg.errors import ConfigError, DataError

__all__ = ["Affected", "Diagnosis", "Finding", "Mended", "diagnose"]


def diagnose(
    path: str | Path,
    *,
    images: str | Path | None = None,
    labels: str | Path | None = None,
    label_tail: str = "",
    class_names: Sequence[str] = (),
    num_classes: int | None = None,
    palette: Sequence[str] = (),
    label_values: Sequence[int] = (),
    ignore_values: Sequence[int] | None = None,
    model: str | Path | None = None,
    strict: bool = False,
    fix: bool = False,
    output: str | Path | None = None,
    page: str | Path | None = None,
    workers: int | None = None,
) -> Diagnosis:
    """Find what is wrong with a data set, raw or converted, and say how to mend it.

    Every image and label is decoded once. What labels' values mean is taken from the options or, without any,
    from all labels together. The command line exits with 1 if there are errors, and always writes a page with a
    contact sheet of each finding.

    Args:
        path: Folder of a raw tree (images/train + masks/train, train + trainannot, ...) or of converted data.
        images: Folder of the images, where the tree does not show it; it may hold train, val and test.
        labels: Folder of the labels, likewise.
        label_tail: Ending of the labels' names that the images' lack; default: one that all have.
        class_names: Names of the classes in the order of their values, or a text file; default: as labels show.
        num_classes: Number of classes, instead of their names.
        palette: Colour of each class, for colour labels: as for kerseg convert folder.
        label_values: Values of the classes in grey labels, in the order of the class names; default: 0 1 2 ...
        ignore_values: Values in grey labels that stand for no class; default: 255.
        model: Run folder or .keras file whose number of classes the data must have.
        strict: Count warnings as errors.
        fix: Write a mended copy to `output`; the originals stay as they are.
        output: Folder to make with `fix`.
        page: HTML file to write; default on the command line: doctor-NAME.html in the current folder.
        workers: Processes that read the files; default: one for each processor.

    Returns:
        Findings and the evidence for them.

    Raises:
        DataError: ``path`` is missing, or no images and labels are found in it; or something stands where a file is
            to be written.
        ConfigError: The options do not fit each other.

    Example:
        >>> diagnosis = kerseg.doctor("street", num_classes=7)
        >>> [finding.code for finding in diagnosis.errors]
        []
    """
    refuse_nul(locals())
    path, folder = Path(path), None if output is None else Path(output)
    if workers is not None:
        check_range("workers", workers, least=1)
    if num_classes is not None:
        check_range("num_classes", num_classes, least=1)
    if fix != (folder is not None):
        raise ConfigError(
            "`fix` and `output` go together: `fix=True` `output=DIR` writes a mended copy to DIR."
        )
    if folder is not None:
        mending.refuse(path, folder)
    if page is not None:
        pages.refuse(Path(page))
    needed = None if model is None else (str(model), _num_classes(model))
    classes: dict[str, Any] = {
        "class_names": class_names,
        "palette": palette,
        "label_values": label_values,
        "ignore_values": ignore_values,
    }
    workers = workers or default_workers()
    if (path / FILE_NAME).exists():
        if needed is None and num_classes is not None:
            needed = ("`num_classes`", num_classes)
        evidence = _of_converted(path, classes, workers)
    else:
        folders = {"images": _path(images), "labels": _path(labels)}
        evidence = _of_raw(path, folders, label_tail, num_classes, classes, workers)
    evidence = replace(evidence, model=needed)
    findings = [finding for check in CHECKS if (finding := check(evidence))]
    findings.sort(key=lambda finding: finding.severity)  # "error" comes before "warning"
    diagnosis = Diagnosis(path, tuple(findings), evidence, strict=strict)
    if page is not None:
        pages.write(diagnosis, Path(page))
        diagnosis = replace(diagnosis, page=Path(page))
    if folder is not None:
        rows = diagnosis.mend(folder, workers=workers)
        diagnosis = replace(diagnosis, mended=tuple(rows), output=folder)
    return diagnosis


def _path(folder: str | Path | None) -> Path | None:
    return None if folder is None else Path(folder)


def _num_classes(model: str | Path) -> int:
    if not Path(model).exists():
        raise ConfigError(
            f"`model={str(model)!r}`: no such run folder or .keras file. An architecture takes any number of "
            "classes: for that, give `num_classes`."
        )
    import_tensorflow()
    from kerseg import modelfile

    return modelfile.card(model).num_classes


def _of_converted(path: Path, classes: Mapping[str, Any], workers: int) -> Evidence:
    info = DatasetInfo.load(path)
    if wrong := [name for name, value in classes.items() if value]:
        raise ConfigError(
            f"{path}: converted data, whose classes dataset.json names: leave out `{wrong[0]}`."
        )
    pairs, faults = converted.find(path, info)
    evidence = _evidence(pairs, meaning.of_info(info), workers)
    shards = sum(len(split.shards) for split in info.splits.values())
    return replace(evidence, shard_faults=tuple(faults), shards=shards, converted=path)


def _of_raw(
    path: Path,
    folders: Mapping[str, Path | None],
    label_tail: str,
    num_classes: int | None,
    classes: Mapping[str, Any],
    workers: int,
) -> Evidence:
    folder = meaning.given(num_classes=num_classes, **classes)
    said = None if folder is None else meaning.of_folder(folder)
    if said and num_classes not in (None, len(said.names)):
        raise ConfigError(f"`num_classes={num_classes}` does not fit the {len(said.names)} classes given.")
    branches = layout.find(path, label_tail=label_tail, **folders)
    pairs = {branch.split: branch.pairs() for branch in branches}
    return _evidence(pairs, said, workers, ignored=tuple(classes["ignore_values"] or ()))


def _evidence(
    pairs: dict[str, list[Pair]], said: Meaning | None, workers: int, ignored: tuple[int, ...] = ()
) -> Evidence:
    """Look at every pair, and at all of them together."""
    facts = _measured(pairs, workers)
    found = [(index, fact.label) for index, fact in enumerate(facts) if fact.label]
    digests = {index: fact.image.digest for index, fact in enumerate(facts) if fact.image}
    near, frames = near_duplicates.near(facts)
    return Evidence(
        facts=tuple(facts),
        meaning=meaning.read(found, said, splits=[fact.split for fact in facts], ignored=ignored),
        equal=tuple(map(tuple, near_duplicates.equal(digests))),
        near=tuple(near),
        frames=tuple(frames),
    )


def _measured(pairs: dict[str, list[Pair]], workers: int) -> list[Facts]:
    tasks = [PairTask(split, pair) for split, members in pairs.items() for pair in members]
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
