"""Every shipped recipe can be run, and says what comes of it."""

import re
from pathlib import Path

import pytest

from kerseg import models
from kerseg.config import TrainConfig, load

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


def test_there_are_recipes():
    assert RECIPES


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_a_complete_run_of_an_existing_model(path):
    config = load(TrainConfig, path)
    models.check(config.model, config.model_options)
    assert config.data_dir is not None and not config.data_dir.is_absolute()
    assert config.output is None, "whoever runs it says where to"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_states_command_time_and_score(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    head = "\n".join(line for line in lines[: next(i for i, x in enumerate(lines) if not x.startswith("#"))])
    assert f"kerseg train recipes/{path.name}" in head
    assert "kerseg convert" in head, "how its data is made"
    assert re.search(r"\d+(\.\d+)? (s|min|h)\b", head), "how long it takes"
    assert re.search(r"mean IoU\D*\d+\.\d+ %", head), "what it scores"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_s_name_says_data_and_model(path):
    config = load(TrainConfig, path)
    assert path.stem == f"{config.data_dir.name}_{config.model}"
