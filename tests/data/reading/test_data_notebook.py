"""What a notebook shows of a data set, a run and a prediction."""

from pathlib import Path

import kerseg.data
from kerseg.inference.outputs import Written
from kerseg.inference.prediction import Report
from kerseg.training.trainer import TrainResult
from tiny import png, tiny_pair


def test_a_data_set_shows_splits_classes_and_images(tiny_data: Path):
    html = kerseg.data.load(tiny_data)._repr_html_()
    assert "tiny: 3 classes, RGB" in html
    assert "<td>val</td><td" in html
    assert html.count("<figure") == 4
    assert "<figcaption>100</figcaption>" in html
    assert "<th>train %</th><th>val %</th>" in html


def test_a_run_shows_its_score_and_curves(tmp_path: Path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "curves.png").write_bytes(png(tiny_pair(0)[0]))
    html = TrainResult(tmp_path, 0.5, False)._repr_html_()
    assert "50.00 %" in html
    assert "interrupted" in html
    assert html.count("<figure") == 1
    assert "none" in TrainResult(tmp_path, None, True)._repr_html_()


def test_a_prediction_shows_overlays(tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(png(tiny_pair(0)[0]))
    written = (Written(path, overlay=path), Written(path))
    html = Report(tmp_path, written, ())._repr_html_()
    assert html.count("<figure") == 1
    assert '<td>failed</td><td style="text-align:right">0</td>' in html
