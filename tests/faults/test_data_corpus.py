"""A part of the corpus of hostile data; ``scripts/hostile`` runs all of it."""

import os

import pytest
import refusal
from corpus_data import CASES

SOME = [
    name
    for number, name in enumerate(sorted(CASES))
    if number % 200 == 0 or any(word in name for word in ("pipe", "outside", "bomb", "archives: "))
]
SLOW = ("read: ", "3 GB")
"""Those that need TensorFlow, or ten seconds to write."""


@pytest.mark.parametrize("name", [name for name in SOME if not any(word in name for word in SLOW)])
def test_it_is_refused_as_the_rule_says(tmp_path, monkeypatch, name):
    monkeypatch.setattr(refusal, "SETTLING", 0.5)
    monkeypatch.chdir(tmp_path)
    case = CASES[name]
    (tmp_path / "case").mkdir()
    refusal.holds(case.make(tmp_path / "case"), folder=tmp_path / "case", says=case.says, sound=case.sound)


def test_the_corpus_is_what_it_was():
    # What is dropped from it by mistake is noticed.
    assert len(CASES) >= 3000
    assert os.name == "posix"
