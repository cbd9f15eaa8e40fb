"""A mended copy of a raw tree: what can be mended is, what cannot is left out, and all of it is said.

    output/images/train/a.jpg      as it was, or PNG where it was turned or had an alpha channel
    output/labels/train/a.png      as it was, or class indices, 8-bit grey, 255 = ignore
    output/mended.csv              what was done to each file

The originals are only read. The folder appears when it is whole.
"""

import csv
import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from kerseg.core.files import failure
from kerseg.core.info import FILE_NAME
from kerseg.core.progress import Progress
from kerseg.core.staging import whole_folder
from kerseg.core.workers import default_workers, map_in_order
from kerseg.data.doctor import layout
from kerseg.data.doctor.facts import Facts
from kerseg.data.doctor.findings import Evidence, Finding
from kerseg.data.doctor.meaning import Meaning
from kerseg.data.doctor.relabel import jpeg_can_be_mended, relabelled
from kerseg.data.formats.images import read_image
from kerseg.data.formats.records import encode_label
from kerseg.errors import ConfigError, DataError

TABLE = "mended.csv"


@dataclass(frozen=True)
class Mended:
    """What became of one pair."""

    split: str
    name: str
    image: str
    """The original, empty if there was none."""
    label: str
    done: tuple[str, ...]
    """What was done; nothing if both files are copies."""
    left_out: bool = False


@dataclass(frozen=True)
class _Step:
    """A pair that is to be written."""

    index: int
    facts: Facts


def mend(
    path: Path,
    evidence: Evidence,
    findings: Sequence[Finding],
    output: Path,
    *,
    workers: int | None = None,
) -> list[Mended]:
    """Write a mended copy of a raw tree.

    Args:
        path: The tree.
        evidence: Of its diagnosis.
        findings: Of its diagnosis.
        output: Folder to make.
        workers: Processes; default: one for each processor.

    Returns:
        What became of each pair, as in ``mended.csv``.

    Raises:
        ConfigError: ``output`` lies in the tree, or the tree in it, or the data is converted.
        DataError: ``output`` exists and holds something, or cannot be written.
    """
    refuse(path, output)
    left_out = _left_out(evidence, findings)
    steps = [_Step(index, facts) for index, facts in enumerate(evidence.facts) if index not in left_out]
    done: dict[int, Mended] = {
        index: _row(evidence.facts[index], (f"left out: {why}",), left_out=True)
        for index, why in left_out.items()
    }
    try:
        with whole_folder(output, overwrite=False, ours=lambda name: False) as folder:
            write = partial(_write, folder, evidence.meaning, _mixed(evidence))
            with (
                map_in_order(write, steps, workers=workers or default_workers()) as results,
                Progress("mend", total=len(steps), unit="pairs") as progress,
            ):
                for step, row in results:
                    done[step.index] = row
                    progress.advance()
            rows = [done[index] for index in sorted(done)]
            _save(folder / TABLE, rows)
    except OSError as error:
        raise DataError(failure(error, output, "Nothing was kept.")) from error
    return rows


def refuse(path: Path, output: Path) -> None:
    """Raise what `mend` would raise for these folders, before anything is read."""
    if (path / FILE_NAME).exists():
        raise ConfigError(
            f"{path}: converted data is not mended: mend what it was made of with `fix=True`, and convert that."
        )
    here, there = path.resolve(), output.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise ConfigError(
            f"`output={str(output)!r}`: lies in {path}, or around it. Give a folder of its own."
        )
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise DataError(f"{output}: already exists, and `fix=True` overwrites nothing. Give a new folder.")


def _mixed(evidence: Evidence) -> bool:
    """Whether some labels are grey and others indexed, so that all are to be grey."""
    return len({bool(label.palette) for _, label in evidence.labels if not label.colours}) > 1


def _row(facts: Facts, done: tuple[str, ...], *, left_out: bool = False) -> Mended:
    pair = facts.pair
    image, label = (str(place) if place else "" for place in (pair.image, pair.label))
    return Mended(facts.split, pair.name, image, label, done, left_out)


def _save(path: Path, rows: list[Mended]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.writer(file)
        table.writerow(["split", "name", "image", "label", "done"])
        for row in rows:
            done = "; ".join(row.done) or "copied"
            table.writerow([row.split, row.name, row.image, row.label, done])


def _write(folder: Path, meaning: Meaning, to_grey: bool, step: _Step) -> Mended:
    """Write one pair, in a worker process."""
    facts, done = step.facts, list[str]()
    within = "" if facts.split == layout.WHOLE else facts.split
    image, label = (folder / kind / within / facts.pair.name for kind in ("images", "labels"))
    for path in (image, label):
        path.parent.mkdir(parents=True, exist_ok=True)
    data, said = _image(facts)
    if data is None:
        _copy(facts.pair.image, image)
    else:
        done += said
        _named(image, ".png").write_bytes(data)
    pixels, said = relabelled(facts, meaning, step.index, to_grey=to_grey)
    if pixels is None:
        _copy(facts.pair.label, label)
    else:
        done += said
        _named(label, ".png").write_bytes(encode_label(pixels))
    return _row(facts, tuple(done))


def _named(path: Path, suffix: str) -> Path:
    # Not `with_suffix`: the name of a pair may have dots of its own.
    return path.with_name(path.name + suffix)


def _copy(place: object, to: Path) -> None:
    path = Path(str(place))
    shutil.copyfile(path, _named(to, path.suffix))


def _image(facts: Facts) -> tuple[bytes | None, list[str]]:
    """Return the image as it is to be written and what was done; None if it is as it should be."""
    known, label, place = facts.image, facts.label, facts.pair.image
    if known is None or label is None or place is None or (known.orientation == 1 and known.clear is None):
        return None, []
    encoded = read_image(place)
    image, said = encoded.image, []
    if known.orientation != 1 and label.shape == known.upright_shape:
        image = ImageOps.exif_transpose(image)
        said.append(f"image: turned as its EXIF orientation {known.orientation} says")
    elif known.orientation != 1:
        said.append(f"image: EXIF orientation {known.orientation} dropped, as its label lies")
    if known.clear is not None:
        said.append("image: alpha channel dropped")
    return _png_without_metadata(np.asarray(image.convert("RGB"))), said


def _png_without_metadata(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _left_out(evidence: Evidence, findings: Sequence[Finding]) -> dict[int, str]:
    """Return the pairs that cannot be mended, or must not stay, by index, and the code of what they have."""
    with_code = {
        finding.code: {item.index for item in finding.affected if item.index is not None}
        for finding in findings
    }
    out: dict[int, str] = {}

    def leave(indices: set[int] | list[int], why: str) -> None:
        for index in sorted(indices):
            out.setdefault(index, why)

    for code in (*_LEFT_OUT, *_LEFT_OUT_WITHOUT_PALETTE[: 2 * (not _has_palette(evidence))]):
        leave(with_code.get(code, set()), code)
    leave(
        [
            index
            for index in with_code.get("jpeg_label", set())
            if (label := evidence.facts[index].label) and not jpeg_can_be_mended(label, evidence.meaning)
        ],
        "jpeg_label",
    )
    if not evidence.meaning.white and evidence.meaning.way != "binary":
        leave(with_code.get("binary_255", set()), "binary_255")
    kept: set[tuple[str, str]] = set()
    for index in sorted(with_code.get("duplicate_name", set()) - out.keys()):
        key = evidence.facts[index].split, evidence.facts[index].pair.name
        leave([index] if key in kept else [], "duplicate_name")
        kept.add(key)
    for group in evidence.equal:
        if with_code.get("contradicting_labels", set()) & set(group):
            leave(list(group), "contradicting_labels")
    for group in evidence.equal:
        left = {index: evidence.facts[index].split for index in group if index not in out}
        last = max(left.values(), key=evidence.splits.index, default="")
        leave([index for index, split in left.items() if split != last], "leakage")
        leave([index for index, split in left.items() if split == last][1:], "duplicate_image")
    for first, second in evidence.near:
        leave([first] if second not in out else [], "near_leakage")
    return out


_LEFT_OUT = (
    *("broken_image", "broken_label", "orphan_image", "orphan_label", "unusable_name", "size_mismatch"),
    *("label_is_image", "value_outside", "blended_edges"),
)
_LEFT_OUT_WITHOUT_PALETTE = ("colour_masks", "palette_differs")


def _has_palette(evidence: Evidence) -> bool:
    return bool(evidence.meaning.colours) and evidence.meaning.way != "colours"
