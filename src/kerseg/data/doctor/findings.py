"""What the doctor says: findings, and the evidence that they are drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from kerseg.core.console import printable
from kerseg.data.doctor.converted import ShardFault
from kerseg.data.doctor.facts import Facts, LabelFacts
from kerseg.data.doctor.meaning import Meaning
from kerseg.data.formats.files import Place
from kerseg.data.formats.names import alike

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Affected:
    """A file that something is wrong with."""

    place: Place | str
    """The file; a text where it is no file of its own, such as the name of a class."""
    detail: str = ""
    """What is wrong with this one."""
    index: int | None = None
    """Which of the evidence's pairs it belongs to."""
    other: int | None = None
    """The pair that it is like, where there is one."""

    def __str__(self) -> str:
        return printable(f"{self.place}: {self.detail}" if self.detail else str(self.place))


@dataclass(frozen=True)
class Finding:
    """One kind of fault, in all files that have it."""

    code: str
    severity: Severity
    title: str
    affected: tuple[Affected, ...]
    share: float
    """Of the pairs, shards or classes looked at, 0 to 1."""
    of: str
    """What was looked at: ``"468 labels"``."""
    remedy: str
    mended: bool
    """Whether ``fix`` mends it."""

    @property
    def count(self) -> str:
        """How much is affected: ``"3 of 468 labels, 0.641 %"``."""
        return f"{len(self.affected)} of {self.of}, {100 * self.share:.3g} %"


@dataclass(frozen=True)
class Found:
    """What a check returns: affected files, and the words that depend on what they hold."""

    affected: Sequence[Affected]
    remedy: str = ""
    """In place of the table's."""
    severity: Severity | None = None
    """In place of the table's."""


@dataclass(frozen=True)
class Evidence:
    """All that checks look at."""

    facts: tuple[Facts, ...]
    meaning: Meaning
    shard_faults: tuple[ShardFault, ...] = ()
    converted: Path | None = None
    """Folder of converted data; None for a raw tree."""
    shards: int = 0
    model: tuple[str, int] | None = None
    """A model's name and its number of classes."""
    equal: tuple[tuple[int, ...], ...] = ()
    """Pairs whose images are equal, pixel for pixel, by index."""
    near: tuple[tuple[int, int], ...] = ()
    """Pairs of different splits whose images are nearly equal, the one of the earlier split first."""
    frames: tuple[tuple[int, int], ...] = ()
    """Pairs of different splits that are neighbours in a film."""

    @cached_property
    def labels(self) -> tuple[tuple[int, LabelFacts], ...]:
        """Labels that could be read, with the index of their pair."""
        return tuple((index, facts.label) for index, facts in enumerate(self.facts) if facts.label)

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, in order."""
        return tuple(dict.fromkeys(facts.split for facts in self.facts))

    @cached_property
    def alike(self) -> Mapping[str, set[str]]:
        """Split -> names that only look the same."""
        return {
            split: alike(facts.pair.name for facts in self.facts if facts.split == split)
            for split in self.splits
        }

    def label(self, index: int, detail: str = "", other: int | None = None) -> Affected:
        """Return the label of a pair as affected."""
        return Affected(self.facts[index].pair.label or "", detail, index, other)

    def image(self, index: int, detail: str = "", other: int | None = None) -> Affected:
        """Return the image of a pair as affected."""
        return Affected(self.facts[index].pair.image or "", detail, index, other)
