"""What may be wrong with the values of labels, in view of what they mean in the whole tree."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from kerseg.core.info import IGNORE_LABEL
from kerseg.data.doctor.facts import LabelFacts
from kerseg.data.doctor.findings import Affected, Evidence, Found, Severity
from kerseg.data.formats.wording import describe_counts

FEW = 24
"""Colours named at most."""
EDGES = 0.3
"""`LabelFacts.between` of a label that was interpolated: CamVid's have up to 0.06, and 0.63 or more once they are
resized bilinearly."""


def jpeg_label(evidence: Evidence) -> Found:
    """Labels saved as JPEG, which has changed their values."""
    return Found(
        [evidence.label(i, f"{label.distinct} values") for i, label in evidence.labels if label.jpeg]
    )


def blended_values(evidence: Evidence) -> Found:
    """Labels with values that come from interpolation or from JPEG."""
    blended = np.array(sorted(evidence.meaning.blended), np.int64)
    affected = []
    for index, label in evidence.labels:
        bad = np.isin(label.values, blended)
        if not label.jpeg and bad.any():
            share = 100 * label.counts[bad].sum() / label.counts.sum()
            affected.append(
                evidence.label(index, f"{int(bad.sum())} such values in {share:.2g} % of its pixels")
            )
    return Found(affected)


def blended_edges(evidence: Evidence) -> Found:
    """Labels whose classes meet by way of classes in between, as interpolation of class indices makes them."""
    return Found(
        [
            evidence.label(index, f"at {100 * label.between:.0f} % of its edges")
            for index, label in evidence.labels
            if label.between > EDGES
            and not label.jpeg
            and evidence.meaning.blended.isdisjoint(label.values.tolist())
        ]
    )


def colour_masks(evidence: Evidence) -> Found:
    """Labels that are colours while no palette says what they stand for."""
    if evidence.meaning.colours and evidence.meaning.way != "colours":
        return Found([])
    totals: dict[int, int] = defaultdict(int)
    affected = []
    for index, label in evidence.labels:
        if label.colours and not label.jpeg:
            affected.append(evidence.label(index, f"{label.distinct} colours"))
            for value, count in zip(label.values.tolist(), label.counts.tolist(), strict=True):
                totals[value] += 0 if value in evidence.meaning.blended else count
    order = sorted(totals, key=lambda value: -totals[value])
    known = _source_of({value for value in order if totals[value]})
    colours = ", ".join(f"#{value:06x}" for value in order[:FEW] if totals[value])
    more = f" and {len(order) - FEW} more" if len(order) > FEW else ""
    advice = "Give `palette=FILE`, with a line like '128 64 128 road' for each colour"
    if known:
        advice = f"All are colours of {known}: give `palette=[{known!r}]`"
    return Found(affected, f"{advice}; with it, `fix=True` writes class indices. Colours: {colours}{more}.")


def _source_of(colours: set[int]) -> str:
    """Return the data set whose palette has all of three or more colours."""
    from kerseg.data.sources.known import DATASETS, classes

    if len(colours) < 3:
        return ""
    for name in DATASETS:
        found = classes(name)
        if colours <= {r << 16 | g << 8 | b for r, g, b in (*found.palette, *found.void_colours)}:
            return {"pascal_voc2012": "voc2012"}.get(name, name)
    return ""


def palette_differs(evidence: Evidence) -> Found:
    """Indexed labels in which an index has another colour than in most of the others."""
    indexed = [
        (i, label) for i, label in evidence.labels if label.palette and not _by_colour(evidence, label)
    ]
    votes: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for _, label in indexed:
        for value, colour in zip(label.values.tolist(), label.palette, strict=True):
            votes[value][colour] += 1
    usual = {value: max(colours, key=lambda colour: colours[colour]) for value, colours in votes.items()}
    affected = []
    for index, label in indexed:
        pairs = zip(label.values.tolist(), label.palette, strict=True)
        other = [(value, colour) for value, colour in pairs if colour != usual[value]]
        if other:
            value, colour = other[0]
            affected.append(
                evidence.label(index, f"index {value} is #{colour:06x}, elsewhere #{usual[value]:06x}")
            )
    return Found(affected)


def palette_masks(evidence: Evidence) -> Found:
    """Indexed labels where others are grey."""
    plain = [(i, label) for i, label in evidence.labels if not label.colours and not label.jpeg]
    indexed = [i for i, label in plain if label.palette and not _by_colour(evidence, label)]
    if len(indexed) == len(plain):
        return Found([])
    return Found([evidence.label(index) for index in indexed])


def _by_colour(evidence: Evidence, label: LabelFacts) -> bool:
    return evidence.meaning.is_coloured(label)


def binary_255(evidence: Evidence) -> Found:
    """Masks of 0 and 255: a convention if all are, a fault where others are not."""
    meaning = evidence.meaning
    held = _values(evidence)
    if meaning.white:
        remedy = "255 means ignore where the classes are 0 and 1; `fix=True` writes 1 for it."
        return Found([evidence.label(index) for index in sorted(meaning.white)], remedy, severity="error")
    if meaning.way == "binary":
        return Found([evidence.label(index) for index, values in held.items() if IGNORE_LABEL in values])
    if meaning.table.get(IGNORE_LABEL) != IGNORE_LABEL or meaning.colours:
        return Found([])
    if any(IGNORE_LABEL in values and values - {0, IGNORE_LABEL} for values in held.values()):
        return Found([])  # 255 is void beside classes, so it may be void beside background
    return Found(
        [evidence.label(index) for index, values in held.items() if values == {0, IGNORE_LABEL}],
        "255 is ignored, and these hold nothing else but 0: if it is an object here, save it as its class; "
        "`fix=True` leaves them out.",
        severity="error",
    )


def _values(evidence: Evidence) -> dict[int, set[int]]:
    """Return the values of each label whose values count and not its colours, without those from blending."""
    white = IGNORE_LABEL if evidence.meaning.white_is_255 else 1
    return {
        index: {white if label.mode == "1" and value else value for value in label.values.tolist()}
        - evidence.meaning.blended
        for index, label in evidence.labels
        if not _by_colour(evidence, label) and not label.jpeg
    }


def spread_values(evidence: Evidence) -> Found:
    """Labels made to be looked at: 0, 85, 170, 255."""
    if evidence.meaning.way != "spread":
        return Found([])
    values = ", ".join(evidence.meaning.names)
    return Found(
        [evidence.label(index) for index in _values(evidence)],
        f"Convert with `label_values=[{values}]`, and a name for each; `fix=True` writes 0 to "
        f"{len(evidence.meaning.names) - 1}.",
    )


def one_based(evidence: Evidence) -> Found:
    """Labels that never hold 0, but all values from 1 on."""
    meaning = evidence.meaning
    held = _values(evidence)
    if meaning.way == "one_based":
        return Found(
            [evidence.label(index) for index in held],
            f"If 0 is no class, convert with `label_values=[{', '.join(meaning.names)}]`; `fix=True` writes 0 to "
            f"{len(meaning.names) - 1}.",
        )
    if not held or meaning.shifted != held.keys():
        return Found([])
    values = ", ".join(str(index + 1) for index in range(len(meaning.names)))
    return Found(
        [evidence.label(index) for index in held],
        f"Convert with `label_values=[{values}]`; `fix=True` subtracts 1.",
        severity="error",
    )


def off_by_one(evidence: Evidence) -> Found:
    """Labels that count from 1 among others that count from 0."""
    shifted = evidence.meaning.shifted
    if not shifted or shifted == _values(evidence).keys():
        return Found([])
    severity: Severity = "error" if evidence.meaning.way == "given" else "warning"
    return Found([evidence.label(index, "no 0") for index in sorted(shifted)], severity=severity)


def void_in_use(evidence: Evidence) -> Found:
    """A value far above the classes, or just above those that were given: void that nobody named."""
    meaning = evidence.meaning
    void, named = set(meaning.void), True
    if meaning.way == "given":
        void, named = _next(evidence), False
    if not void:
        return Found([])
    said = ", ".join(map(str, sorted(void)))
    advice = f"If it is void, give `ignore_values=({said}, 255)`, and `fix=True` writes 255 for it."
    if not named:
        count = len(meaning.names)
        others = ", ".join(str(index + 1) for index in range(count))
        if count <= FEW:
            advice += f" If 0 is, give `label_values=[{others}]` `ignore_values=(0, 255)`."
    return Found(
        [
            evidence.label(index, _share(label, void))
            for index, label in evidence.labels
            if not _by_colour(evidence, label) and void & set(label.values.tolist())
        ],
        advice,
        severity="warning" if named else "error",
    )


def _next(evidence: Evidence) -> set[int]:
    """Return the value after the last class, if labels hold it along with 0."""
    count = len(evidence.meaning.names)
    if evidence.converted or list(evidence.meaning.table)[:count] != list(range(count)):
        return set()
    held = _values(evidence).values()
    return (
        {count}
        if any({0, count} <= values for values in held) and count not in evidence.meaning.table
        else set()
    )


def _share(label: LabelFacts, values: set[int]) -> str:
    share = 100 * label.counts[np.isin(label.values, sorted(values))].sum() / label.counts.sum()
    return f"{share:.2g} % of its pixels"


def value_outside(evidence: Evidence) -> Found:
    """Values or colours that stand for nothing, where no other check says why."""
    meaning = evidence.meaning
    excused = meaning.blended | _next(evidence)
    affected = []
    for index, label in evidence.labels:
        if label.jpeg or (label.colours and not meaning.colours) or meaning.way == "colours":
            continue
        _, known = meaning.of(index, label)
        bad = ~known & ~np.isin(label.values, sorted(excused))
        if bad.any():
            values = label.values[bad]
            shown = np.array([f"#{value:06x}" for value in values]) if label.colours else values
            affected.append(evidence.label(index, describe_counts(shown, label.counts[bad])))
    return Found(affected)


def empty_mask(evidence: Evidence) -> Found:
    """Labels that hold nothing but the first class, or nothing but pixels to ignore."""
    affected = []
    if len(evidence.meaning.names) < 2:
        return Found([])
    for index, label in evidence.labels:
        counts = evidence.meaning.counts(index, label)
        if label.jpeg or label.distinct > 2 or counts[1:-1].any():
            continue
        if counts[0]:
            affected.append(evidence.label(index, f"only {evidence.meaning.names[0]!r}"))
        elif evidence.meaning.of(index, label)[1].any():
            affected.append(evidence.label(index, "only pixels to ignore"))
    return Found(affected)


def class_never_occurs(evidence: Evidence) -> Found:
    """Classes without a pixel."""
    counts = class_pixels(evidence)
    if evidence.meaning.way == "colours" or not counts:
        return Found([])
    total = np.sum(list(counts.values()), axis=0)
    missing = [name for name, count in zip(evidence.meaning.names, total, strict=False) if not count]
    return Found([Affected(name) for name in missing])


def class_in_one_split(evidence: Evidence) -> Found:
    """Classes that one split has and the others lack."""
    counts = class_pixels(evidence)
    if len(counts) < 2:
        return Found([])
    affected = []
    for index, name in enumerate(evidence.meaning.names):
        holders = [split for split, pixels in counts.items() if pixels[index]]
        if len(holders) == 1:
            affected.append(Affected(name, f"only in {holders[0]}, {int(counts[holders[0]][index])} pixels"))
    return Found(affected)


def class_pixels(evidence: Evidence) -> dict[str, NDArray[np.int64]]:
    """Return the pixels of each class, those ignored last, for each split that has labels."""
    totals: dict[str, NDArray[np.int64]] = {}
    for index, label in evidence.labels:
        if not label.jpeg:
            split = evidence.facts[index].split
            counts = evidence.meaning.counts(index, label)
            totals[split] = totals.get(split, np.zeros_like(counts)) + counts
    return totals


def wrong_class_count(evidence: Evidence) -> Found:
    """A model that was built for another number of classes."""
    if evidence.model is None or not evidence.meaning.names:
        return Found([])
    name, wanted = evidence.model
    count = len(evidence.meaning.names)
    fits = count == wanted or (evidence.meaning.way != "given" and count < wanted)
    if fits:
        return Found([])
    return Found(
        [Affected(name, f"{wanted} classes, the labels {count}")],
        f"Train a model on this data, or give the {wanted} classes that {name} was trained on.",
    )
