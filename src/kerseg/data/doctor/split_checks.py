"""What may be wrong between images: duplicates, and leakage between splits."""

from kerseg.data.doctor.findings import Affected, Evidence, Found


def duplicate_image(evidence: Evidence) -> Found:
    """Images equal to an earlier one of their split."""
    return Found([_like(evidence, first, second) for first, second in repeated(evidence)])


def contradicting_labels(evidence: Evidence) -> Found:
    """Labels of equal images that differ."""
    affected = []
    for group in evidence.equal:
        labels = {index: label for index in group if (label := evidence.facts[index].label)}
        first = next(iter(labels), None)
        affected += [
            evidence.label(index, f"differs from {evidence.facts[first].pair.label}", first)
            for index, label in labels.items()
            if first is not None and label.digest != labels[first].digest
        ]
    return Found(affected)


def leakage(evidence: Evidence) -> Found:
    """Images equal to one of another split."""
    return Found([_like(evidence, first, second) for first, second in leaked(evidence)])


def near_leakage(evidence: Evidence) -> Found:
    """Images nearly equal to one of another split."""
    return Found([_like(evidence, first, second) for first, second in evidence.near])


def neighbouring_frames(evidence: Evidence) -> Found:
    """Images like one of another split that is a neighbour in a film, by its name."""
    return Found([_like(evidence, first, second) for first, second in evidence.frames])


def repeated(evidence: Evidence) -> list[tuple[int, int]]:
    """Return each image that is equal to an earlier one of its split: the earlier one, and it."""
    found = []
    for group in evidence.equal:
        first: dict[str, int] = {}
        for index in group:
            split = evidence.facts[index].split
            if split in first:
                found.append((first[split], index))
            first.setdefault(split, index)
    return found


def leaked(evidence: Evidence) -> list[tuple[int, int]]:
    """Return each image of a later split that is equal to one of an earlier split: that one, and it."""
    return [
        (group[0], index)
        for group in evidence.equal
        for index in group[1:]
        if evidence.facts[index].split != evidence.facts[group[0]].split
    ]


def _like(evidence: Evidence, first: int, second: int) -> Affected:
    return evidence.image(second, f"like {evidence.facts[first].pair.image}", first)
