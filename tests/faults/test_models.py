"""A sample of the hostile model files and run folders; `scripts/hostile` tries them all."""

from pathlib import Path

import pytest
import refusal
from corpus_models import CASES

SAMPLE = (
    "model: a pipe",
    "model: a packed bomb for weights",
    "model: byte 50 of 100 changed",
    "config: a layer of a billion filters",
    "config: a lambda",
    "HDF5: an array of a terabyte",
    "HDF5: values elsewhere",
    "HDF5: NaN",
    "card: a class that is an escape",
    "card: deep",
    "state: a header of terabytes",
    "state: a header that is code",
    "environment: a negative seed",
)


@pytest.mark.parametrize("name", SAMPLE)
def test_the_rule_holds(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    refusal.holds(case.make(tmp_path), folder=tmp_path, says=case.says, sound=case.sound, seconds=60)
