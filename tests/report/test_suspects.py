"""Planted errors are found; scores by hand."""

import numpy as np
import pytest

from kerseg.metrics.confusion import count
from kerseg.report.disagreement import inside, self_confidence
from kerseg.report.gallery import Gallery
from kerseg.report.suspects import Suspects, all_regions
from kerseg.report.watcher import Predicted

CLASSES = 3
PALETTE = ((128, 128, 128), (192, 0, 0), (0, 128, 192))
SIDE = 48


def scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the truth of an image and the probabilities of a good model, which mixes 0 and 1 in a corner."""
    random = np.random.default_rng(seed)
    truth = np.zeros((SIDE, SIDE), np.uint8)
    truth[20:36, 20:40] = 1
    truth[4:14, 6:18] = 2
    seen = truth.copy()
    seen[38:, :12] = 1  # in every image: no fault of the labels
    chances = np.eye(CLASSES)[seen] * 0.8 + 0.2 / CLASSES
    chances += random.normal(0, 0.02, chances.shape)
    chances = chances.clip(0.01)
    return truth, (chances / chances.sum(-1, keepdims=True)).astype(np.float32)


def predicted(index: int, label: np.ndarray, chances: np.ndarray) -> Predicted:
    image = np.zeros((*label.shape, 3), np.uint8)
    guess = chances.argmax(-1).astype(np.uint8)
    return Predicted(f"{index:02d}", image, label, guess, chances, count(label, guess, CLASSES))


def planted(images: int = 20) -> tuple[Suspects, Gallery]:
    """Watch images of which number 3 lacks its ball and number 11 calls its box a ball."""
    suspects, gallery = Suspects(CLASSES), Gallery(PALETTE)
    for index in range(images):
        label, chances = scene(index)
        if index == 3:
            label[label == 2] = 0
        if index == 11:
            label[label == 1] = 2
        for watcher in (suspects, gallery):
            watcher.see(predicted(index, label, chances))
    return suspects, gallery


def test_planted_errors_come_first():
    suspects, _ = planted()
    ranked = suspects.ranked()
    assert {ranked[0].name, ranked[1].name} == {"03", "11"}
    assert ranked[1].score > 0
    assert [image.score for image in ranked[2:]] == [0.0] * 18
    first = all_regions(ranked, most=2)
    assert {(region.labelled, region.predicted) for region in first} == {(0, 2), (2, 1)}
    box = next(region for region in first if region.labelled == 2)
    # Two pixels of the box along its border are left out.
    assert (box.top, box.left, box.shape, box.area) == (22, 22, (12, 16), 12 * 16)
    assert box.confidence == pytest.approx(0.8 + 0.2 / 3, abs=0.01)


def test_the_margin_counts_and_not_the_probability_alone():
    """Of two regions of one size and probability, the one whose annotated class is near is less suspect."""
    label, chances = np.zeros((40, 80), np.uint8), np.zeros((40, 80, 3), np.float32)
    chances[..., 0] = 1
    chances[10:20, 10:20] = (0.4, 0.6, 0.0)
    chances[10:20, 50:60] = (0.0, 0.6, 0.4)
    suspects = Suspects(CLASSES)
    suspects.see(predicted(0, label, chances))
    clear, near = suspects.ranked()[0].regions
    assert (clear.left, near.left) == (50, 10)
    assert (clear.area, clear.confidence, clear.margin) == (100, pytest.approx(0.6), pytest.approx(0.6))
    assert (near.confidence, near.margin) == (pytest.approx(0.6), pytest.approx(0.2))


def test_a_mask_that_slipped_comes_first_though_no_region_of_it_stands_out():
    suspects = Suspects(CLASSES)
    for index in range(12):
        label, chances = scene(index)
        if index == 5:
            label = np.roll(label, 4, axis=1)
        suspects.see(predicted(index, label, chances))
    first, *others = suspects.ranked()
    assert first.name == "05"
    assert first.offset is not None
    assert (first.offset.rows, first.offset.columns) == (0, -4)
    assert all(image.offset is None for image in others)


def test_self_confidence_is_low_where_a_label_is_wrong():
    suspects = Suspects(CLASSES)
    truth = scene(0)[0]
    chances = (np.eye(CLASSES)[truth] * 0.8 + 0.2 / CLASSES).astype(np.float32)
    suspects.see(predicted(0, truth, chances))
    suspects.see(predicted(1, np.where(truth == 2, 0, truth).astype(np.uint8), chances))
    right, wrong = sorted(suspects.ranked(), key=lambda image: image.name)
    assert right.self_confidence == pytest.approx(0.8 + 0.2 / 3, abs=1e-6)
    assert wrong.self_confidence < 0.1


def test_self_confidence_by_hand():
    chances = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    weights = np.exp([1.0, 8.0])
    expected = (0.9 * weights[0] + 0.2 * weights[1]) / weights.sum()
    assert self_confidence(np.array([0, 0]), chances) == pytest.approx(expected, abs=1e-6)
    assert self_confidence(np.array([], np.uint8), chances[:0]) == 1


def test_borders_and_ignored_pixels_are_left_out():
    label = np.zeros((7, 12), np.uint8)
    label[:, 6:], label[0] = 1, 255
    found = inside(label, 255)
    assert found[4].tolist() == [True] * 4 + [False] * 4 + [True] * 4
    assert not found[:3].any()


def test_a_small_region_is_no_suspect():
    suspects = Suspects(CLASSES)
    label, chances = np.zeros((20, 20), np.uint8), np.zeros((20, 20, 3), np.float32)
    chances[..., 0] = 1
    chances[2:9, 2:9] = (0, 1, 0)
    suspects.see(predicted(0, label, chances))
    assert suspects.ranked()[0].regions == ()
    assert suspects.ranked()[0].score == 0
