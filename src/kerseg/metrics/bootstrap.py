"""How sure a figure is: bootstrap intervals over images, and paired ones of a difference.

Images, not pixels, are drawn, as many as there are, with replacement, 2,000 times; the figure is computed anew
from each draw's sums. The interval is the middle 95 % of the results (percentile bootstrap; Efron and Tibshirani,
1993). Images that belong together, the slices of a volume, are drawn together. With the same number of images and
seed the draws are the same, whatever is measured: so two models are compared on the same ones.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from kerseg.metrics.measure import Array, Sums, values
from kerseg.metrics.scores import Interval

RESAMPLES = 2000
FEW = 50
"""Images below which an interval is too narrow to trust."""
LEVEL = 0.95
_AT_A_TIME = 2**24
"""Numbers of one block of draws: 128 MB."""


def resampled(rows: Sums, *, groups: Sequence[int] | None = None, seed: int = 0) -> tuple[Array, Array]:
    """Compute a metric on each draw.

    Args:
        rows: What each image adds: leading axis N.
        groups: For each image the group that it is drawn with, 0, 1, 2 ...; None for groups of one.
        seed: Of the draws.

    Returns:
        The metric (2000,) and its parts (2000, P), NaN where a draw has nothing of it.
    """
    rows = grouped(rows, groups)
    count = len(rows.weight)
    found = [values(_drawn(rows, draws)) for draws in _draws(count, seed)]
    return np.concatenate([value for value, _ in found]), np.concatenate([parts for _, parts in found])


def interval(figures: Array) -> Interval | None:
    """Return the middle 95 % of figures; None where fewer than half of them are defined.

    Example:
        >>> interval(np.arange(1001.0))  # doctest: +ELLIPSIS
        Interval(low=25.0..., high=975.0)
    """
    defined = figures[~np.isnan(figures)]
    if 2 * defined.size < figures.size or not defined.size:
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def p_value(differences: Array) -> float:
    """Return how likely a difference this far from 0 is, were there none: two-sided, at least 2 / 2001.

    It is twice the share of the draws on the rarer side of 0, draws of 0 on both, with one more draw on each.

    Example:
        >>> p_value(np.arange(1.0, 1001.0))
        0.001998001998001998
    """
    defined = differences[~np.isnan(differences)]
    rarer = min(np.count_nonzero(defined <= 0), np.count_nonzero(defined >= 0))
    return float(min(1.0, 2 * (rarer + 1) / (defined.size + 1)))


def grouped(rows: Sums, groups: Sequence[int] | None) -> Sums:
    """Return a row a group: the sum over its images."""
    if groups is None:
        return rows
    place = np.asarray(groups)
    added = []
    for array in (rows.numerator, rows.denominator, rows.weight):
        total = np.zeros((place.max() + 1, *array.shape[1:]))
        np.add.at(total, place, array)
        added.append(total)
    return Sums(*added)


def _draws(count: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield how often each of ``count`` images is in each draw, in blocks (draws, count)."""
    random = np.random.default_rng(seed)
    block = max(1, min(RESAMPLES, _AT_A_TIME // count))
    for first in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - first)
        chosen = random.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        yield np.bincount(chosen.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)


def _drawn(rows: Sums, draws: NDArray[np.float64]) -> Sums:
    """Return the sums over each draw."""

    def total(array: Array) -> Array:
        flat = draws @ array.reshape(len(array), -1)
        return flat.reshape(len(draws), *array.shape[1:])

    # Weights that count parts alike grow with the images drawn, which changes nothing: all draws are of one size.
    return Sums(total(rows.numerator), total(rows.denominator), total(rows.weight))
