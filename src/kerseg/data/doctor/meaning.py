"""What the values of the labels stand for: as the user says, or as the whole tree shows.

A single label shows little: 0 and 255 may be two classes, or one class and void. So the values of all labels are
put together first, without those of JPEG labels and those that come from blending, and then read in the first of
these ways that fits:

    given                 by `class_names`, `palette`, `label_values` ..., or by dataset.json
    0 and 255 only        masks of two classes
    far apart             0 85 170 255: classes spread for viewing
    from 1                1 2 3, and never 0: counted from 1
    otherwise             0 to the highest; 255 is ignored
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kerseg.core.info import IGNORE_LABEL, Colour, DatasetInfo
from kerseg.data.doctor.facts import LabelFacts
from kerseg.data.sources.folder import Folder

Way = Literal["given", "binary", "spread", "one_based", "indices", "colours"]

THIN_SHARE = 0.5
"""A value of which this share of the pixels, over all labels, is one pixel wide comes from blending. Interpolation
leaves ramps of single pixels along edges; a class that is so thin everywhere is a line one pixel wide."""
BLENDED = 3
"""Values that must look blended before any counts as such: one or two may be outlines one pixel wide."""
RARE = 0.2
"""Share of all pixels that blended values have at most: more is no edge."""
SPREAD = 32
"""Classes are spread for viewing if the highest value is at least this, and four times their number."""
SHIFTED = 0.05
"""Chance at which labels that lack 0 and hold one value more than all others are taken for shifted by one."""


@dataclass(frozen=True)
class Meaning:
    """What each value stands for."""

    table: Mapping[int, int]
    """Value, or colour 0xRRGGBB, -> class index, or 255 for pixels to ignore."""
    names: tuple[str, ...]
    palette: tuple[Colour, ...] = ()
    """Colour of each class, where given."""
    way: Way = "indices"
    colours: Mapping[int, int] = field(default_factory=dict)
    """Colour 0xRRGGBB -> class index or 255, for labels saved as colours; empty without a palette."""
    blended: frozenset[int] = frozenset()
    """Values that come from blending."""
    shifted: frozenset[int] = frozenset()
    """Indices of labels whose values are one too high."""
    white: frozenset[int] = frozenset()
    """Indices of labels in which 255 is class 1, while others hold 0 and 1."""
    void: tuple[int, ...] = ()
    """Values that look like void though nobody said so."""

    def of(self, index: int, label: LabelFacts) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the class index of each of a label's values, and which values have one.

        Args:
            index: Of the label's pair.
            label: The label.

        Returns:
            Indices, 255 for pixels to ignore and for values without a meaning; whether each has a meaning.
        """
        table: Mapping[int, int] = self.table
        values = label.values.tolist()
        if self.is_coloured(label):
            table = self.colours
            values = list(label.palette) if label.palette else values
            if not label.colours and not label.palette:
                values = [value << 16 | value << 8 | value for value in values]
        shift = int(index in self.shifted)
        if index in self.white:
            values = [1 if value == IGNORE_LABEL else value for value in values]
        if label.mode == "1" and self.white_is_255:
            values = [value * IGNORE_LABEL for value in values]
        found = [table.get(value - shift if value != IGNORE_LABEL else value) for value in values]
        known = np.array([value is not None for value in found], bool)
        return np.array([IGNORE_LABEL if value is None else value for value in found], np.int64), known

    @property
    def white_is_255(self) -> bool:
        """Whether the white of a 1-bit mask, stored as 1, stands for 255: as `Folder` has it."""
        return 1 not in self.table and IGNORE_LABEL in self.table

    def is_coloured(self, label: LabelFacts) -> bool:
        """Whether a label's colours count and not its values: as `Folder` decides when it converts."""
        if label.colours:
            return True
        if not self.colours:
            return False
        grey = all(colour >> 16 == colour >> 8 & 255 == colour & 255 for colour in self.colours)
        return bool(label.palette) or label.mode == "RGB" or (label.mode == "L" and grey)

    def counts(self, index: int, label: LabelFacts) -> NDArray[np.int64]:
        """Return the pixels of each class, ``(len(names) + 1,)``; those ignored or without meaning come last."""
        classes, _ = self.of(index, label)
        counts = np.zeros(len(self.names) + 1, np.int64)
        np.add.at(counts, np.minimum(classes, len(self.names)), label.counts)
        return counts


def given(
    *,
    class_names: Sequence[str] = (),
    num_classes: int | None = None,
    palette: Sequence[str] = (),
    label_values: Sequence[int] = (),
    ignore_values: Sequence[int] | None = None,
) -> Folder | None:
    """Return the options of ``kerseg convert folder`` that were given, or None if they name no classes.

    Raises:
        ConfigError: They do not fit each other.
    """
    from kerseg.data.sources.palettes import read_names, read_palette

    names = read_names(tuple(class_names))
    colours = read_palette(tuple(palette)) if palette else None
    if not names and not (colours and colours.names):
        count = len(colours.palette) if colours else len(label_values) or num_classes or 0
        names = tuple(map(str, label_values)) or tuple(map(str, range(count)))
    if not names and not colours:
        return None
    folder = Folder(
        class_names=names,
        palette=tuple(palette),
        label_values=tuple(label_values),
        ignore_values=None if ignore_values is None else tuple(ignore_values),
    )
    folder.classes  # noqa: B018  its checks, before any file is read
    return folder


def of_folder(folder: Folder) -> Meaning:
    """Return what the options of ``kerseg convert folder`` say."""
    classes = folder.classes
    colours: dict[int, int] = {}
    if folder.palette:
        colours = {_code(colour): index for index, colour in enumerate(classes.palette)}
        colours |= {_code(colour): IGNORE_LABEL for colour in classes.void_colours}
    return Meaning(folder.table, classes.names, classes.palette, "given", colours)


def of_info(info: DatasetInfo) -> Meaning:
    """Return what ``dataset.json`` says."""
    table = {index: index for index in range(info.num_classes)} | {info.ignore_label: IGNORE_LABEL}
    return Meaning(table, info.class_names, info.palette, "given")


def read(
    labels: Sequence[tuple[int, LabelFacts]],
    said: Meaning | None,
    *,
    splits: Sequence[str],
    ignored: Sequence[int] = (),
) -> Meaning:
    """Return what values mean, in view of all labels.

    Args:
        labels: Index of the pair, and the label.
        said: What the user or ``dataset.json`` says.
        splits: The split of each pair, by its index.
        ignored: Values that stand for no class, where nothing else is said.
    """
    plain = [(index, label) for index, label in labels if not label.jpeg]
    # Among grey labels a colour one is a fault of its own; if it is a photograph, its colours all look blended.
    alike = plain if said and said.colours else [each for each in plain if not each[1].colours] or plain
    blended = _blended([label for _, label in alike], said)
    if said is not None:
        shifted = _beyond(plain, said, splits)
        return replace(said, blended=blended, shifted=shifted, white=_white(plain, said, blended))
    grey = [(index, label) for index, label in plain if not label.colours]
    if not grey:
        return _colours([label for _, label in plain], blended)
    # The white of a 1-bit mask is what white is in the others.
    grey = [(index, label) for index, label in grey if label.mode != "1"] or grey
    held = sorted({value for _, label in grey for value in label.values.tolist()} - blended)
    values = [value for value in held if value != IGNORE_LABEL and value not in ignored]
    nothing = dict.fromkeys({IGNORE_LABEL, *ignored}, IGNORE_LABEL)
    if IGNORE_LABEL not in ignored:
        if held == [0, IGNORE_LABEL]:
            return Meaning({0: 0, IGNORE_LABEL: 1}, ("0", "255"), way="binary", blended=blended)
        if spread := _spread(held):
            table = {value: index for index, value in enumerate(spread)}
            return Meaning(nothing | table, tuple(map(str, spread)), way="spread", blended=blended)
    void = _void(values)
    nothing |= dict.fromkeys(void, IGNORE_LABEL)
    values = [value for value in values if value not in void and value < IGNORE_LABEL]
    if not values:
        return Meaning(nothing, (), blended=blended)
    if values[0] == 1 and values == list(range(1, values[-1] + 1)) and len(values) > 1:
        table = {value: value - 1 for value in values}
        names = tuple(map(str, values))
        return Meaning(nothing | table, names, way="one_based", blended=blended, void=void)
    highest = values[-1]
    shifted = _shifted(grey, highest, nothing, splits)
    table = {value: value for value in range(highest + (not shifted))}
    names = tuple(map(str, table))
    read = Meaning(nothing | table, names, blended=blended, shifted=shifted, void=void)
    return read if IGNORE_LABEL in ignored else replace(read, white=_white(grey, read, blended))


def _code(colour: Colour) -> int:
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def _blended(labels: Sequence[LabelFacts], said: Meaning | None) -> frozenset[int]:
    """Return the values that look interpolated, over all labels and not in one: thin, rare, and several."""
    counts: dict[int, int] = {}
    thin: dict[int, int] = {}
    total = 0
    for label in labels:
        total += int(label.counts.sum())
        for value, count, edge in zip(
            label.values.tolist(), label.counts.tolist(), label.one_pixel_wide.tolist(), strict=True
        ):
            counts[value] = counts.get(value, 0) + count
            thin[value] = thin.get(value, 0) + edge
    classes: set[int] = set()
    if said is not None:
        # A value that was named is a class, however thin; so is 1 of a 1-bit image of 0 and 255.
        classes = {*said.table, *said.colours, 1}
    found = {
        value for value, count in counts.items() if value not in classes and thin[value] >= THIN_SHARE * count
    }
    enough = len(found) >= BLENDED and sum(counts[value] for value in found) <= RARE * total
    return frozenset(found) if enough else frozenset()


def _white(
    labels: Sequence[tuple[int, LabelFacts]], said: Meaning, blended: frozenset[int]
) -> frozenset[int]:
    """Return the masks of 0 and 255, if the classes are 0 and 1, and 255 is never void beside class 1."""
    if (
        said.colours
        or len(said.names) != 2
        or said.table.get(IGNORE_LABEL) != IGNORE_LABEL
        or 1 not in said.table
    ):
        return frozenset()
    sets = {index: set(label.values.tolist()) - blended for index, label in labels if not label.colours}
    if any({1, IGNORE_LABEL} <= values for values in sets.values()):
        return frozenset()
    return frozenset(index for index, values in sets.items() if values == {0, IGNORE_LABEL})


def _spread(held: list[int]) -> list[int]:
    """Return the values of the classes if they are far apart, as of masks made to be looked at."""
    gaps = np.diff(held)
    even = len(held) > 2 and gaps.max() - gaps.min() <= 1
    # 255 is one of them if it is as far from its neighbour as they are from each other.
    values = held if even else [value for value in held if value != IGNORE_LABEL]
    if len(values) < 2 or values[-1] < max(SPREAD, 4 * len(values)) or gaps.min() < 4:
        return []
    return values


def _void(values: list[int]) -> tuple[int, ...]:
    """Return the highest value, or two, if all others are dense from 0 or 1 on and it is far from them."""
    for count in (1, 2):
        rest, top = values[:-count], values[-count:]
        if len(rest) > 1 and rest[0] <= 1 and rest[-1] <= len(rest) and top[0] >= 2 * rest[-1] + 8:
            return tuple(top)
    return ()


def _beyond(labels: Sequence[tuple[int, LabelFacts]], said: Meaning, splits: Sequence[str]) -> frozenset[int]:
    """Return the labels whose classes count from 1: they hold the value after the last class, and no 0."""
    count = len(said.names)
    if list(said.table)[:count] != list(range(count)) or count in said.table:
        return frozenset()
    grey = [(index, label) for index, label in labels if not said.is_coloured(label)]
    sets = {index: set(label.values.tolist()) for index, label in grey}
    if any({0, count} <= values for values in sets.values()):
        return frozenset()  # A value of its own, void most likely.
    return _with_split(sets, {index for index, values in sets.items() if count in values}, splits)


def _shifted(
    labels: Sequence[tuple[int, LabelFacts]], highest: int, nothing: Mapping[int, int], splits: Sequence[str]
) -> frozenset[int]:
    """Return the labels that alone hold the highest value and never 0, where nearly all others hold 0."""
    sets = {index: set(label.values.tolist()) - set(nothing) for index, label in labels}
    above = {index for index, values in sets.items() if highest in values}
    if any(0 in sets[index] for index in above):
        return frozenset()
    found = _with_split(sets, above, splits)
    rest = [values for index, values in sets.items() if index not in found and values]
    if len(found) > len(rest) or highest - 1 not in set().union(*rest):
        return frozenset()
    # Rule of succession: how often a label lacks 0 by chance, so how likely it is that all of these do.
    lacking = (sum(0 not in values for values in rest) + 0.5) / (len(rest) + 1)
    return found if lacking ** len(above) < SHIFTED else frozenset()


def _with_split(sets: Mapping[int, set[int]], above: set[int], splits: Sequence[str]) -> frozenset[int]:
    """Return ``above`` and, of a split that never holds 0, the labels that happen to lack the last class."""
    with_0 = {splits[index] for index, values in sets.items() if 0 in values}
    whole = {splits[index] for index in above} - with_0
    return frozenset(index for index in sets if index in above or splits[index] in whole)


def _colours(labels: Sequence[LabelFacts], blended: frozenset[int]) -> Meaning:
    """Return a class for each colour, the most frequent first: no palette says which is which."""
    totals: dict[int, int] = {}
    for label in labels:
        for value, count in zip(label.values.tolist(), label.counts.tolist(), strict=True):
            if label.colours and value not in blended:
                totals[value] = totals.get(value, 0) + count
    order = sorted(totals, key=lambda value: -totals[value])[:IGNORE_LABEL]
    names = tuple(f"#{value:06x}" for value in order)
    return Meaning(
        {}, names, way="colours", colours={value: i for i, value in enumerate(order)}, blended=blended
    )
