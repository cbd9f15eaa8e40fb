"""Intervals against resampling by hand, and how often they hold what they should."""

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from kerseg.metrics import METRICS, bootstrap
from kerseg.metrics.archive import stacked
from kerseg.metrics.bootstrap import interval, p_value, resampled
from kerseg.metrics.confusion import count
from kerseg.metrics.measure import Observation, sums

IMAGES = 6


def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, (IMAGES, 50))
    return [(label, np.where(random.random(50) < 0.7, label, 1)) for label in labels]


def test_each_draw_is_the_metric_of_its_images():
    images = [Observation(count(label, guess, 3), "abc") for label, guess in pairs()]
    rows = stacked([METRICS.load("mean_iou")(image) for image in images])
    drawn, parts = resampled(rows, seed=5)
    chosen = np.random.default_rng(5).integers(0, IMAGES, (bootstrap.RESAMPLES, IMAGES))
    assert drawn.shape == (2000,)
    assert parts.shape == (2000, 3)
    for place in (0, 1, 777, 1999):
        truth = np.concatenate([pairs()[index][0] for index in chosen[place]])
        guess = np.concatenate([pairs()[index][1] for index in chosen[place]])
        assert parts[place] == pytest.approx(jaccard_score(truth, guess, average=None))
        assert drawn[place] == pytest.approx(jaccard_score(truth, guess, average="macro"))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch):
    rows = stacked([sums([value], [1.0]) for value in range(IMAGES)])
    whole, _ = resampled(rows)
    monkeypatch.setattr(bootstrap, "_AT_A_TIME", 7 * IMAGES)
    assert np.array_equal(resampled(rows)[0], whole)


def test_the_slices_of_a_volume_are_drawn_together():
    rows = stacked([sums([value], [1.0]) for value in (0.0, 0.0, 1.0, 1.0, 1.0)])
    drawn, _ = resampled(rows, groups=[0, 0, 1, 1, 1])
    # Both volumes, or one of them twice.
    assert set(drawn.round(9)) == {0.0, 0.6, 1.0}


def test_intervals_hold_the_truth_19_times_of_20():
    random = np.random.default_rng(1)
    held = 0
    for _ in range(150):
        rows = stacked([sums([value], [1.0]) for value in random.normal(10, 2, 60)])
        found = interval(resampled(rows)[0])
        assert found is not None
        held += found.low <= 10 <= found.high
    assert 0.88 <= held / 150 <= 0.99


def test_interval_and_p_value():
    assert interval(np.array([np.nan, np.nan, 1.0])) is None
    found = interval(np.array([np.nan, *np.arange(101.0)]))
    assert found is not None
    assert (found.low, found.high) == pytest.approx((2.5, 97.5))
    assert str(found) == "2.5 to 97.5"
    assert p_value(np.zeros(2000)) == 1
    assert p_value(np.ones(1999)) == 2 / 2000
    assert p_value(np.array([-1.0] * 99 + [1.0] * 900)) == 2 * 100 / 1000
