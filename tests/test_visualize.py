"""Colours by the book, overlays by hand, and drawings that hold what they must."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from kerseg import visualize
from kerseg.core.info import default_palette
from kerseg.errors import DataError
from kerseg.visualize import (
    IGNORE_COLOUR,
    colourise,
    legend,
    overlay,
    panel,
    with_legend,
)

PALETTE = ((0, 0, 0), (200, 0, 0), (0, 0, 200))
NAMES = ("background", "box", "ball")
LABEL = np.array([[0, 1, 2], [255, 1, 0]], np.uint8)


def has(image: Image.Image, colour: tuple[int, int, int]) -> bool:
    return bool((np.asarray(image) == colour).all(-1).any())


def test_default_palette_is_vocs():
    # The first 21 entries and the last, as VOC's devkit has them. Entry 11 is often misquoted as 92 128 0.
    expected = """0 0 0, 128 0 0, 0 128 0, 128 128 0, 0 0 128, 128 0 128, 0 128 128, 128 128 128, 64 0 0,
        192 0 0, 64 128 0, 192 128 0, 64 0 128, 192 0 128, 64 128 128, 192 128 128, 0 64 0, 128 64 0, 0 192 0,
        128 192 0, 0 64 128"""
    assert default_palette(21) == tuple(tuple(map(int, entry.split())) for entry in expected.split(","))
    assert default_palette(256)[255] == IGNORE_COLOUR
    assert len(set(default_palette(256))) == 256
    assert default_palette(0) == ()


def test_colourise():
    assert colourise(LABEL, PALETTE).tolist() == [
        [[0, 0, 0], [200, 0, 0], [0, 0, 200]],
        [list(IGNORE_COLOUR), [200, 0, 0], [0, 0, 0]],
    ]
    assert colourise(LABEL.astype(np.int64), PALETTE, ignore_colour=(9, 9, 9)).dtype == np.uint8
    assert (colourise(np.full((2, 2), 255), PALETTE) == IGNORE_COLOUR).all()


@pytest.mark.parametrize("label", [3, -1])
def test_a_label_without_a_colour_is_refused(label: int):
    with pytest.raises(DataError, match=rf"The palette has colours for 0 to 2\. Received: label {label}\."):
        colourise(np.array([[0, label, 255]]), PALETTE)


def test_overlay_leaves_ignored_and_black_classes_as_they_are():
    image = np.full((2, 3, 3), 100, np.uint8)
    expected = np.full((2, 3, 3), 100)
    expected[0, 1] = expected[1, 1] = (125, 75, 75)
    expected[0, 2] = (75, 75, 125)
    assert (overlay(image, LABEL, PALETTE, alpha=0.25) == expected).all()
    assert (image == 100).all()
    assert (overlay(image, LABEL, PALETTE, alpha=0) == image).all()
    assert overlay(image, LABEL, PALETTE, alpha=1)[0, 1].tolist() == [200, 0, 0]
    assert overlay(image, LABEL, PALETTE).dtype == np.uint8


def test_overlay_of_another_size_is_refused():
    with pytest.raises(DataError, match=r"must have one size\. Received: \(2, 4\) and \(2, 3\)\."):
        overlay(np.zeros((2, 4, 3), np.uint8), LABEL, PALETTE)


def test_legend_holds_every_colour_and_grows_with_the_entries():
    few = legend([("one", (200, 0, 0)), ("two", (0, 200, 0))], 400)
    many = legend([(f"class {i}", (i, 200, 0)) for i in range(60)], 400)
    assert few.width == many.width == 400
    assert few.height < many.height
    assert all(has(many, (i, 200, 0)) for i in range(60))
    assert legend([], 400).size == (400, 0)


def test_legend_text_is_there_and_is_shortened_to_fit():
    def ink(image: Image.Image) -> np.ndarray:
        return np.flatnonzero((np.asarray(image.convert("L"))[4:-4] > 120).any(axis=0))

    short, long = (ink(legend([(text, (0, 0, 0))], 200)) for text in ("car", "car " * 40))
    assert 20 < short.max() < 60
    assert 120 < long.max() < 200
    # Not one name is lost on a strip too narrow for two columns.
    assert legend([("a" * 30, (1, 1, 1)), ("b" * 30, (2, 2, 2))], 120).height > 2 * 12


def test_with_legend_names_what_occurs_with_its_share(monkeypatch: pytest.MonkeyPatch):
    asked: list[Any] = []
    drawn = legend

    def record(entries: Any, width: int, **options: Any) -> Image.Image:
        asked.extend(entries)
        return drawn(entries, width, **options)

    monkeypatch.setattr(visualize, "legend", record)
    label = np.zeros((100, 400), np.uint8)
    label[0, :10], label[50:] = 1, 255
    image = with_legend(np.full((100, 400, 3), 50, np.uint8), label, PALETTE, NAMES)
    assert asked == [("background  50 %", PALETTE[0]), ("box  < 1 %", PALETTE[1])]
    assert image.width == 400
    assert image.height > 100
    assert (np.asarray(image)[:100] == 50).all()


def test_a_small_image_is_enlarged_by_a_whole_factor():
    sample = np.random.default_rng(0).integers(0, 256, (40, 100, 3), np.uint8)
    image = np.asarray(with_legend(sample, np.zeros((40, 100), int), PALETTE, NAMES))
    assert image.shape[1] == 400
    assert (image[:160:4, ::4] == sample).all()
    assert (image[3:160:4, 3::4] == sample).all()


def test_panel_shows_image_truth_and_prediction(monkeypatch: pytest.MonkeyPatch):
    texts: list[str] = []
    monkeypatch.setattr(visualize, "_fit", lambda text, font, width: texts.append(text) or text)
    truth = np.repeat(np.repeat(LABEL, 100, 0), 100, 1)
    prediction = np.where(truth == 2, 1, truth)
    prediction[truth == 255] = 0
    image = np.full((200, 300, 3), 77, np.uint8)
    shown = panel(image, truth, prediction, PALETTE, NAMES, title="a.png")
    # Of the five sixths that count, the sixth that is class 2 is wrong.
    assert texts == ["a.png", "truth", "prediction, 80 % right", *NAMES, "ignored"]
    pixels, gap = np.asarray(shown), 6
    cells = [pixels[24:224, left : left + 300] for left in (0, 300 + gap, 600 + 2 * gap)]
    assert (cells[0] == image).all()
    assert (cells[1] == colourise(truth, PALETTE)).all()
    assert (cells[2] == colourise(prediction, PALETTE)).all()
    assert pixels.shape[1] == 900 + 2 * gap
    below = Image.fromarray(pixels[224:])
    assert has(below, (0, 0, 200))  # in the truth only
    assert has(below, IGNORE_COLOUR)
    assert pixels[:24].max() > 150  # captions
    plain = panel(image, truth, prediction, PALETTE)
    assert plain.height == 224


def test_panel_of_nothing_but_ignored_pixels():
    ignored = np.full((30, 40), 255, np.uint8)
    assert panel(np.zeros((30, 40, 3), np.uint8), ignored, ignored * 0, PALETTE, NAMES).width > 3 * 240


def test_images_of_other_channels_are_shown():
    image = np.array([[[10.4, 20.5, 30.6, 99.0], [0.0, 255.0, 1.0, 2.0]]], np.float32)
    assert visualize.as_rgb(image).tolist() == [[[10, 20, 31], [0, 255, 1]]]
    assert visualize.as_rgb(image, ("Blue", "green", "red", "nir")).tolist() == [[[31, 20, 10], [1, 255, 0]]]
    assert visualize.as_rgb(image, ("vv", "vh", "blue", "red")).tolist() == [[[10, 20, 31], [0, 255, 1]]]
    assert visualize.as_rgb(image[..., 1:2]).tolist() == [[[20] * 3, [255] * 3]]
    assert visualize.as_rgb(image[..., :2]).tolist() == [[[10] * 3, [0] * 3]]
    rgb = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert visualize.as_rgb(rgb) is rgb
