"""The chart of a run: what is drawn of the values that there are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kerseg.training import curves

ROWS = [
    {"epoch": i, "loss": 2 / i, "val_mean_iou": 0.1 * i, "learning_rate": 0.01 / i, "step": 9}
    for i in range(1, 5)
]


@pytest.mark.parametrize(
    ("rows", "charts"),
    [
        (ROWS, 3),
        (ROWS[:1], 3),
        ([{name: str(value) for name, value in row.items()} for row in ROWS], 3),
        ([{"epoch": 1, "loss": 1.0, "val_mean_iou": ""}, {"epoch": 2, "loss": 0.5}], 1),
        ([{**ROWS[0], "val_mean_iou": None}, *ROWS[1:]], 3),
    ],
)
def test_curves(rows: list[dict[str, Any]], charts: int, tmp_path: Path):
    curves.draw(rows, tmp_path / "report" / "curves.png")
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["curves.png"]
    with Image.open(tmp_path / "report" / "curves.png") as image:
        assert image.format == "PNG"
        # One chart is 4.6 inches of 120 dots; the best mean IoU has a red dot.
        assert image.width == charts * 552
        assert (np.asarray(image.convert("RGB")) == (228, 87, 86)).all(-1).any() == (charts == 3)


def test_curves_without_a_row(tmp_path: Path):
    curves.draw([], tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 0
