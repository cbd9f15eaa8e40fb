"""Losses of PIDNet's and BiSeNet's releases, on inputs made by a rule; their numbers were computed in float64."""

from typing import Any

import numpy as np
import pytest

from kerseg.losses import create

CITYSCAPES = (
    *(0.8373, 0.918, 0.866, 1.0345, 1.0166, 0.9969, 0.9754, 1.0489, 0.8786, 1.0023),
    *(0.9539, 0.9843, 1.1116, 0.9037, 1.0865, 1.0955, 1.0865, 1.1529, 1.0507),
)
"""Class weights of HRNet's and PIDNet's releases."""


def uniform(shape: tuple[int, ...], salt: int) -> np.ndarray:
    """Numbers in [-1, 1) from the place alone, by an integer hash."""
    place = np.zeros(shape, np.uint64)
    for index in np.indices(shape).astype(np.uint64):
        place = place * np.uint64(1_000_003) + index + np.uint64(1)
    h = place + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    h = h ^ (h >> np.uint64(31))
    return (h >> np.uint64(11)).astype(np.float64) / 2.0**52 - 1.0


CELLS = np.floor((uniform((16, 24), 12) + 1) / 2 * 20).astype(int)
CELLS[CELLS == 19] = 255
LABELS = np.kron(CELLS, np.ones((8, 8), int))[None]
AUXILIARY = 4 * uniform((16, 24, 19), 10)
LOGITS = AUXILIARY[:, ::-1].copy()
for _y, _x in np.ndindex(CELLS.shape):
    if (_y + _x) % 2 == 0 and CELLS[_y, _x] != 255:
        LOGITS[_y, _x, CELLS[_y, _x]] += 8


def resized(logits: np.ndarray, *, align_corners: bool) -> Any:
    """Return (16, 24, classes) resized bilinearly to the labels, (1, 128, 192, classes)."""
    for axis, (old, new) in enumerate([(16, 128), (24, 192)]):
        place = np.arange(new) * (old - 1) / (new - 1) if align_corners else (np.arange(new) + 0.5) / 8 - 0.5
        place = place.clip(0, old - 1)
        low = np.minimum(place.astype(int), old - 2)
        share = (place - low).reshape([-1 if other == axis else 1 for other in range(3)])
        logits = (1 - share) * logits.take(low, axis) + share * logits.take(low + 1, axis)
    return logits[None].astype("float32")


@pytest.mark.parametrize(
    ("logits", "threshold", "expected"),
    [(LOGITS, 0.7, 3.09730859977), (AUXILIARY, 0.7, 3.93376127103), (LOGITS, 0.001, 7.03401226056)],
)
def test_bisenets_ohem(logits: np.ndarray, threshold: float, expected: float) -> None:
    """The release keeps a sixteenth of the valid pixels at least."""
    loss = create("ohem", options={"threshold": threshold})
    assert float(loss(LABELS, resized(logits, align_corners=False))) == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize(
    ("threshold", "min_kept", "weights", "expected"),
    [
        (0.9, 131072, CITYSCAPES, 2.79962064384),
        (0.9, 131072, None, 2.79125885527),
        (0.7, 12000, None, 3.29619379014),
        (0.7, 20000, None, 3.24038745994),
        (0.9, 1000, CITYSCAPES, 3.0245329841),
    ],
)
def test_pidnets_ohem(threshold: float, min_kept: int, weights: Any, expected: float) -> None:
    loss = create("ohem", class_weights=weights, options={"threshold": threshold, "min_kept": min_kept})
    assert float(loss(LABELS, resized(LOGITS, align_corners=True))) == pytest.approx(expected, rel=2e-6)


def test_pidnets_auxiliary_cross_entropy_but_for_its_divisor() -> None:
    # The release divides by all pixels, the ignored ones among them; kerseg by those that count.
    loss = float(create("cross_entropy")(LABELS, resized(AUXILIARY, align_corners=True)))
    assert 0.4 * loss * np.mean(LABELS != 255) == pytest.approx(1.47442401648, rel=2e-6)


def test_equally_hard_pixels_share_the_places_that_are_left() -> None:
    # As BiSeNet's top-k, which takes any of them; PIDNet's comparison would drop all, and learn nothing here.
    logits = np.full((1, 4, 4, 2), 3.0, "float32") * (1, 0)
    logits[0, 0, 0] = (1.0, 0.0)
    loss = create("ohem", options={"threshold": 0.5, "min_kept": 4})
    expected = (np.log1p(np.exp(-1)) + 3 * np.log1p(np.exp(-3))) / 4
    assert float(loss(np.zeros((1, 4, 4)), logits)) == pytest.approx(expected, rel=1e-6)
