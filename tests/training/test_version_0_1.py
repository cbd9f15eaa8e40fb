"""What kerseg 0.1 wrote opens, goes on and scores the same.

``tests/v0_1/run`` is a run of SegNet-Basic on ``tests/v0_1/data`` that version 0.1 was asked to stop after step 2
of the second of three epochs of three steps; ``run.json`` is what the same run came to, by 0.1, without a stop.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import kerseg
from kerseg import modelfile, models
from kerseg.training.run import Run
from tiny_runs import history

WRITTEN = Path(__file__).parents[1] / "v0_1"
# On the processor that it was written with, all is the same bit for bit. Others add floats in another order, which
# four steps magnify; then a few of the 2,508 labelled pixels may fall to another class.
CLOSE = {"rel": 1e-4, "abs": 2e-3}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = Path(shutil.copytree(WRITTEN / "run", tmp_path / "run"))
    config = path / "config.yaml"
    config.write_text(config.read_text().replace("data_dir: data\n", f"data_dir: {WRITTEN / 'data'}\n"))
    return path


def test_an_interrupted_run_goes_on_as_if_it_had_never_stopped(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = Run(run).load_state()[1]
    assert (state.epoch, state.batch, len(state.history)) == (1, 2, 1)
    asked: list[Any] = []

    def options_of_version(name: str, version: str, options: dict[str, Any]) -> dict[str, Any]:
        asked.append((name, version))
        return options

    monkeypatch.setattr(models, "options_of_version", options_of_version)
    result = kerseg.train(resume=run)
    assert result.finished
    assert asked == [("segnet_basic", "0.1.0")]
    expected = json.loads((WRITTEN / "run.json").read_text())
    assert (result.best, Run(run).load_state()[1].best_epoch) == (expected["best"], expected["best_epoch"])
    found = Run(run).load_state()[1].history
    assert len(found) == len(history(run)) == 3
    for row, of_then in zip(found, expected["history"], strict=True):
        assert {name: row[name] for name in of_then} == pytest.approx(of_then, **CLOSE)

    # Whoever goes on with it later still learns which version began it.
    environment = json.loads((run / "environment.json").read_text())
    assert (environment["begun_by"], environment["begun"]) == ("0.1.0", "")
    assert environment["versions"]["kerseg"] == kerseg.__version__


def test_its_model_scores_what_it_scored_then(run: Path) -> None:
    card = modelfile.card(run)
    assert (card.architecture, card.kerseg_version) == ("segnet_basic", "0.1.0")
    assert card.created.startswith("2026-")
    scores = kerseg.evaluate(run, WRITTEN / "data")
    assert scores.to_json()["mean_iou"] == pytest.approx(card.scores["mean_iou"], **CLOSE)
    assert scores.pixel_accuracy == pytest.approx(card.scores["pixel_accuracy"], **CLOSE)
