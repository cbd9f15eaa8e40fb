"""The page holds what was measured; names are escaped; it stays small."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kerseg.metrics import Meter, choose
from kerseg.metrics.meter import measures
from kerseg.report import page, summary
from kerseg.report.gallery import Gallery, Layers, nearest, reduced
from kerseg.report.page import Subject, as_script, choose_images
from kerseg.report.watcher import Predicted

NAMES = ("road", "</script><b>sky", "car")
PALETTE = ((128, 64, 128), (70, 130, 180), (0, 0, 142))
FACTS = {"data": "tiny", "measured": "today", "model": "a model"}


def written(path: Path, images: int = 5) -> tuple[str, dict[str, Any]]:
    """Write a page about random images; return it, and the data in it."""
    random = np.random.default_rng(0)
    meter, gallery = Meter(NAMES, choose(page.NEEDED)), Gallery(PALETTE, side=24)
    for index in range(images):
        label = random.integers(0, 3, (20, 30)).astype(np.uint8)
        label[0] = 255
        guess = np.where(random.random((20, 30)) < 0.5 + index / 10, label, 1).astype(np.uint8)
        guess[0] = 0
        chances = (np.eye(3)[guess] * 0.7 + 0.1).astype(np.float32)
        counts = meter.add(f"<i>{index}", label, guess, chances)
        image = random.integers(0, 256, (20, 30, 3), np.uint8)
        gallery.see(Predicted(f"<i>{index}", image, label, guess, chances, counts))
    found = meter.measurements()
    scores = found.pooled().scores(NAMES)
    chosen = choose(page.NEEDED)
    scores = type(scores)(**{**scores.__dict__, "measures": measures(found, chosen)})
    page.write(path, Subject("a <run>", PALETTE, FACTS), found, scores, gallery)
    html = path.read_text(encoding="utf-8")
    inner = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert inner is not None
    return html, json.loads(inner[1])


def opened(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGBA"))


def test_the_page_holds_what_was_measured(tmp_path: Path):
    html, data = written(tmp_path / "val.html")
    assert "<title>kerseg report: a &lt;run&gt;</title>" in html
    assert "</script><b>sky" not in html
    assert [one["name"] for one in data["classes"]] == list(NAMES)
    assert data["classes"][0]["colour"] == "#804080"
    assert np.array(data["confusion"]).sum() == 5 * 19 * 30
    assert sorted(data["alike"]) == [0, 1, 2]
    assert [one["name"] for one in data["images"]] == [f"<i>{index}" for index in range(5)]
    assert data["images"][0]["score"] < data["images"][4]["score"]
    assert data["pairs"][0]["guess"] == 1
    assert 0 < data["pairs"][0]["share"] < 1
    assert "Only 5 images: below 50" in html
    assert "calibration error" in html


def test_layers_are_small_copies_in_the_classes_colours(tmp_path: Path):
    _, data = written(tmp_path / "val.html", images=1)
    image = data["images"][0]
    truth, guess, error = (opened(image[name]) for name in ("truth", "prediction", "error"))
    assert truth.shape == (16, 24, 4)
    assert (image["width"], image["height"]) == (24, 16)
    assert {tuple(colour[:3]) for colour in truth[1:].reshape(-1, 4)} <= set(PALETTE)
    assert tuple(truth[0, 0]) == (224, 224, 192, 110)
    differs = (truth[..., :3] != guess[..., :3]).any(-1) & (truth[..., 3] == 255)
    assert ((error[..., 3] == 255) == differs).all()
    # An example's mask marks the pixels of its pair.
    pair = data["pairs"][0]
    mask = opened(pair["examples"][0]["mask"])[..., 3] == 255
    assert (truth[mask][:, :3] == PALETTE[pair["true"]]).all()
    assert (guess[mask][:, :3] == PALETTE[pair["guess"]]).all()
    assert mask.any()


def test_nothing_is_fetched_from_elsewhere(tmp_path: Path):
    html, _ = written(tmp_path / "val.html")
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", html)


def test_names_cannot_end_the_script():
    assert as_script({"a": "</script>&\u2028"}) == '{"a":"\\u003c/script\\u003e\\u0026\\u2028"}'


class _Fixed:
    """A gallery whose images take 10 characters each."""

    def layers(self, index: int) -> Layers:
        return Layers("x" * 10, "", "", "", 1, 1)


def test_images_are_chosen_from_both_ends_where_room_is_short():
    means = np.array([0.5, 0.1, 0.9, 0.3, np.nan, 0.7])
    chosen = choose_images(means, [0], _Fixed(), room=50)  # type: ignore[arg-type]
    # The wanted one, three of the worst, and the best; NaN counts as best.
    assert list(chosen) == [0, 1, 3, 4, 5] or list(chosen) == [0, 1, 3, 4]
    assert len(choose_images(means, [], _Fixed(), room=1000)) == 6  # type: ignore[arg-type]


def test_sizes_and_nearest_pixels():
    assert reduced((10, 20), 40) == (20, 10)
    assert nearest(np.array([[1, 2], [3, 4]]), (4, 2)).tolist() == [[1, 1, 2, 2], [3, 3, 4, 4]]


@pytest.mark.parametrize("text", ["", "epoch,loss\n", "epoch,loss\n1,x\n"])
def test_a_history_without_figures_has_no_curves(tmp_path: Path, text: str):
    assert summary.training_curves(tmp_path) == []
    (tmp_path / "history.csv").write_text(text)
    assert summary.training_curves(tmp_path) == []


def test_alike_classes_stand_together():
    counts = np.eye(4, dtype=np.int64) * 100
    counts[0, 2] = counts[2, 0] = counts[1, 3] = counts[3, 1] = 50
    order = summary.alike_order(counts)
    assert abs(order.index(0) - order.index(2)) == 1
    assert abs(order.index(1) - order.index(3)) == 1
