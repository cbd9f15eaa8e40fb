"""A few inputs of each target of ``scripts/fuzz``, the same ones every time."""

from pathlib import Path

import pytest
import refusal
from hypothesis import HealthCheck, given, settings
from targets import Target, targets

NAMES = (
    *("dataset.json, read", "dataset.json, doctor", "card", "card, with its model", "recipe"),
    *("environment.json", "state", "index", "coco", "labelme", "cvat", "yolo", "yolo lines"),
    *("shard, read", "shard, doctor", "record, read"),
)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    return targets(tmp_path_factory.mktemp("shared"))


def test_all_are_here(known: dict[str, Target]) -> None:
    assert tuple(known) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_few_inputs_keep_the_rule(
    name: str, known: dict[str, Target], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusal, "SETTLING", 0.5)
    monkeypatch.chdir(tmp_path)
    target, numbers = known[name], iter(range(99))

    @settings(
        max_examples=2,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(target.inputs)
    def holds(content: bytes) -> None:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        refusal.holds(target.make(content)(folder), folder=folder, sound=True, seconds=60)

    holds()
