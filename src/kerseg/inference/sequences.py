"""Image sequences: numbered frames that are one video, as ``frames/%06d.png`` or a folder."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path, PurePath

from kerseg.data.formats.files import BadFileError
from kerseg.data.formats.suffixes import suffix_of
from kerseg.data.formats.wording import describe_size
from kerseg.errors import DataError
from kerseg.inference.images import read_image
from kerseg.inference.inputs import Failure, Input, is_result
from kerseg.inference.video import Clip, Frame

_PATTERN = re.compile(r"(?<!%)%0?(\d*)d")
_NUMBER = re.compile(r"\d+(?=\D*$)")
_LEAST = 2
"""Frames that a folder's images must be to be one sequence."""


@dataclass(frozen=True)
class ImageSequence:
    """Frames of one video, in their order."""

    place: Input
    """What was given, and what its result is called."""
    frames: tuple[Path, ...]


def split_off(
    given: Sequence[str | Path], suffixes: Sequence[str], *, folders: bool
) -> tuple[list[ImageSequence], list[str | Path], list[Failure]]:
    """Take the image sequences out of what is to be predicted.

    Args:
        given: Files, folders and patterns.
        suffixes: What counts as an image in a folder.
        folders: Whether a folder stands for a sequence, and not for its images one by one. Its sub-folders are
            sequences of their own, and so are frames whose names differ in more than the number.

    Returns:
        The sequences, what is left of ``given``, and what was meant as a sequence and is none.

    Raises:
        DataError: Two sequences would have one result.
    """
    found: list[ImageSequence] = []
    rest: list[str | Path] = []
    failures: list[Failure] = []
    for item in given:
        path = Path(item)
        if _PATTERN.search(path.name) and not path.exists():
            frames = _of_pattern(path)
            if frames:
                result = _result(path.name, Path(path.absolute().parent.name))
                found.append(ImageSequence(Input(path, result), frames))
            else:
                failures.append(Failure(path, "a pattern that matches no numbered frame"))
        elif folders and path.is_dir():
            sequences = list(_in_folder(path, suffixes))
            found += sequences
            if not sequences:
                failures.append(Failure(path, "a folder without numbered frames"))
        else:
            rest.append(item)
    names = [str(sequence.place.result).casefold() for sequence in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        clashing = [str(one.place.path) for one in found if str(one.place.result).casefold() == twice]
        raise DataError(
            f"{clashing[1]}: its result would be that of {clashing[0]}. Predict them into two folders."
        )
    return found, rest, failures


@contextmanager
def stills(sequence: ImageSequence, rate: float) -> Iterator[Clip]:
    """Open a sequence as a video is opened.

    Args:
        sequence: The frames.
        rate: Frames a second, 0 to 1000.

    Raises:
        BadFileError: While its frames are taken: one cannot be read, or has another size than the first.
    """
    yield Clip(_read(sequence.frames), Fraction(rate).limit_denominator(1001), len(sequence.frames))


def _read(frames: Sequence[Path]) -> Iterator[Frame]:
    first: tuple[int, ...] | None = None
    for path in frames:
        frame = read_image(path)
        first = first or frame.shape
        if frame.shape != first:
            raise BadFileError(
                path,
                f"size differs: {describe_size(frame.shape[:2])}, the first frame, {frames[0].name}, is "
                f"{describe_size(first[:2])} (width x height).",
            )
        yield frame


def _of_pattern(pattern: Path) -> tuple[Path, ...]:
    """Return the files that ``frames/%06d.png`` stands for, by number; those of a gap are left out."""
    match = _PATTERN.search(pattern.name)
    if match is None or not pattern.parent.is_dir():
        return ()
    before, after = (
        re.escape(part.replace("%%", "%"))
        for part in (pattern.name[: match.start()], pattern.name[match.end() :])
    )
    least = int(match[1] or 1)
    # printf pads to a width and goes beyond it where the number is longer.
    name = re.compile(rf"{before}(0*\d{{{least},}}){after}")
    numbered = [
        (int(hit[1]), path) for path in pattern.parent.iterdir() if (hit := name.fullmatch(path.name))
    ]
    return tuple(path for _, path in sorted(numbered) if not is_result(path))


def _in_folder(folder: Path, suffixes: Sequence[str]) -> Iterator[ImageSequence]:
    """Yield the sequences in a folder and in those below it."""
    groups: defaultdict[tuple[Path, str], list[tuple[int, Path]]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        number = _NUMBER.search(path.stem)
        if number and not hidden and suffix_of(path, suffixes) and path.is_file() and not is_result(path):
            name = f"{path.stem[: number.start()]}%d{path.stem[number.end() :]}{path.suffix}"
            groups[path.parent, name].append((int(number[0]), path))
    for (parent, name), numbered in groups.items():
        if len(numbered) >= _LEAST:
            result = _result(name, parent.absolute().relative_to(folder.absolute().parent))
            yield ImageSequence(Input(parent / name, result), tuple(path for _, path in sorted(numbered)))


def _result(name: str, folder: Path) -> PurePath:
    """Return what the result of frames is called, with the suffix of images.

    Args:
        name: Pattern of their names: ``drive_%04d.png`` gives ``drive.png``.
        folder: Theirs, beginning with the one that was given: where nothing is left of the name, they are called
            like it.
    """
    stem = _PATTERN.sub("", PurePath(name).stem).replace("%%", "%").strip(" _-.")
    below = folder.parts[1:]
    return (
        PurePath(*below, f"{stem}.png") if stem else PurePath(*below[:-1], f"{folder.name or 'frames'}.png")
    )
