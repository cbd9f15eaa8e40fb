"""What a data set is made of, for the doctor's page: shares of the classes, examples of each, image sizes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from kerseg.data.doctor.diagnosis import Diagnosis
from kerseg.visualize import charts

EXAMPLES = 3
"""Examples of a class; of many classes fewer, so that the page stays small."""
IMAGES = 160
"""Examples in all."""


@dataclass(frozen=True)
class Share:
    """A class in the table of shares."""

    name: str
    bars: Sequence[tuple[Markup, str]]
    """For each split a bar and the share in percent."""


def shares(diagnosis: Diagnosis) -> list[Share]:
    """Return the share of each class, and of ignored pixels, in each split; the largest fills its bar."""
    counts = list(diagnosis.class_pixels.values())
    names = (*diagnosis.evidence.meaning.names, "(ignored)")
    if not counts or len(names) == 1:
        return []
    parts = np.array([pixels / max(1, pixels.sum()) for pixels in counts])
    whole = float(parts.max()) or 1.0
    return [
        Share(name, [(charts.bar(float(part), whole=whole), _percent(float(part))) for part in parts[:, row]])
        for row, name in enumerate(names)
    ]


def examples(diagnosis: Diagnosis) -> list[tuple[str, list[int]]]:
    """Return for each class that occurs the pairs with most of it, as their numbers, several where there are.

    Where many images have much of a class, the examples are spread over the tenth that has most.
    """
    evidence = diagnosis.evidence
    names = evidence.meaning.names
    found: list[list[tuple[int, int]]] = [[] for _ in names]
    for index, label in evidence.labels:
        if label.jpeg:
            continue
        counts = evidence.meaning.counts(index, label)
        for place in np.flatnonzero(counts[:-1]).tolist():
            found[place].append((int(counts[place]), index))
    most = max(1, min(EXAMPLES, IMAGES // max(1, len(names))))
    chosen = []
    for name, entries in zip(names, found, strict=True):
        entries.sort(reverse=True)
        best = entries[: max(most, len(entries) // 10)]
        places = np.unique(np.linspace(0, len(best) - 1, min(most, len(best))).round().astype(int))
        if best:
            chosen.append((name, [best[place][1] for place in places.tolist()]))
    return chosen


def sizes(diagnosis: Diagnosis) -> Markup:
    """Return a chart of the images' widths and heights; a dot's area is the share of the images of that size."""
    found = Counter(facts.image.upright_shape for facts in diagnosis.evidence.facts if facts.image)
    if not found:
        return Markup("")
    total = sum(found.values())
    points = [
        (width, height, count / total, f"{width} x {height}: {count} images")
        for (height, width), count in found.most_common(500)
    ]
    x = charts.axis([width for _, width in found], "width, pixels", zero=True)
    y = charts.axis([height for height, _ in found], "height, pixels", zero=True)
    return charts.dots(f"sizes of {total:,} images", points, x=x, y=y)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %" if share else "-"
