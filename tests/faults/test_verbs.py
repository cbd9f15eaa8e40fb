"""A part of the hostile files before the verbs that need a model; ``scripts/hostile`` runs all of them."""

from pathlib import Path

import pytest
import refusal
from corpus_verbs import CASES

SAMPLE = (
    "predict: images: pipe",
    "predict: images: postscript",
    "predict: images: jpeg cut at 50% and ended",
    "predict: images: gif of several frames",
    "evaluate: dataset.json: class_names.1 = 8",
    "evaluate: dataset.json: splits.val.shards.0.records = 3",
    "evaluate: a record with a label of another size",
    "evaluate: card: a class that is an escape",
    "doctor: card: deep",
    "preview: dataset.json: splits.train = 12",
    "preview: a shard cut in its data",
    "begin training: dataset.json: palette = 11",
    "begin training: dataset.json: splits.train.class_pixels.0 = 3",
    "resume: environment: a negative seed",
)


@pytest.mark.parametrize("name", SAMPLE)
def test_the_rule_holds(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "case").mkdir()
    monkeypatch.chdir(tmp_path)
    case = CASES[name]
    call = case.make(tmp_path / "case")
    refusal.holds(call, folder=tmp_path / "case", says=case.says, sound=case.sound, seconds=60)


def test_the_corpus_is_what_it_was() -> None:
    assert len(CASES) >= 2800
