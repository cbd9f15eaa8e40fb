"""Options of tiny runs, and what they left."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from kerseg.config import Augment
from kerseg.training.run import Run

# U-Net, because of its seeded dropout; batch statistics are resumed in test_version_0_1.py.
OPTIONS: dict[str, Any] = {
    "model": "unet",
    "model_options": {"width": 2},
    "crop_size": (24, 32),
    "batch_size": 2,  # five steps an epoch: enough to stop within one
    "augment": Augment(scale=(0.75, 1.5), brightness=0.1, hue=0.05),
    "epochs": 3,
    "learning_rate": 2e-3,
    "class_weights": "median_frequency",
    "save_steps": 1,
}


SMALL: dict[str, Any] = {
    "model": "unet",
    "model_options": {"width": 2},
    "crop_size": (16, 16),
    "batch_size": 5,
    "previews": 0,
}


def history(run: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((run / "history.csv").read_text().splitlines()))


def assert_same_state(one: Path, other: Path) -> None:
    (first, first_progress), (second, second_progress) = Run(one).load_state(), Run(other).load_state()
    assert first.keys() == second.keys()
    different = [name for name in first if not np.array_equal(first[name], second[name])]
    assert not different
    for row, other_row in zip(first_progress.history, second_progress.history, strict=True):
        assert {k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} == {
            k: v for k, v in other_row.items() if k not in ("seconds", "images_per_second")
        }
