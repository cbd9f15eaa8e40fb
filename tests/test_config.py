"""Options: their checks, and recipes that come back as they went."""

import dataclasses
import typing
from pathlib import Path

import numpy as np
import pytest

from kerseg.config import Augment, TrainConfig, dump, load, override
from kerseg.errors import ConfigError


def test_a_recipe_comes_back_equal(tmp_path: Path) -> None:
    config = TrainConfig(
        data_dir=Path("some data"),
        model="unet",
        model_options={"width": 16, "dropout": False, "rates": [1, 2.5]},
        crop_size=(96, 128),
        augment=Augment(scale=(0.5, 2.0), hue=0.1, crop="rare", jpeg=30, rare_classes=("pole", "sign")),
        learning_rate=1e-5,
        early_stop=7,
    )
    dump(config, tmp_path / "config.yaml", header="First line\n\nlast line")
    assert (
        (tmp_path / "config.yaml")
        .read_text()
        .startswith("# First line\n#\n# last line\ndata_dir: some data\n")
    )
    assert load(TrainConfig, tmp_path / "config.yaml") == config


def test_an_empty_recipe_holds_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("{}")
    assert load(TrainConfig, tmp_path / "recipe.yaml") == TrainConfig()


def test_scientific_numbers_are_numbers(tmp_path: Path) -> None:
    # YAML 1.1 reads 1e-3, without a point, as text.
    (tmp_path / "recipe.yaml").write_text("learning_rate: 1e-3\nweight_decay: 5e-4\n")
    config = load(TrainConfig, tmp_path / "recipe.yaml")
    assert (config.learning_rate, config.weight_decay) == (0.001, 0.0005)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "epohcs: 3",
            r"recipe\.yaml, line 1: There is no option `epohcs`\. Did you mean 'epochs'\? Known: data_dir, ",
        ),
        ("epochs: many", r"recipe\.yaml, line 1: `epochs`: Expected `int`, got `str` \(it is 'many'\)"),
        (
            "optimizer: sdg",
            r"recipe\.yaml, line 1: `optimizer`: There is no optimizer 'sdg'\. Did you mean 'sgd'\? Known: sgd",
        ),
        ("augment: {scale: [2.0, 0.5]}", r"`augment\.scale` takes the smallest and the largest factor"),
        ("[1, 2]", r"recipe\.yaml: a recipe is a table of `name: value` lines\. Received: \[1, 2\]"),
        ("a: [", r"recipe\.yaml, line 1: not a YAML recipe"),
    ],
)
def test_a_wrong_recipe_is_refused_with_its_path(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(TrainConfig, tmp_path / "recipe.yaml")


def test_a_missing_recipe(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml: there is no such recipe"):
        load(TrainConfig, tmp_path / "nothing.yaml")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, r"`epochs` must be at least 1\. Received: 0"),
        ({"batch_size": -1}, r"`batch_size` must be at least 1\. Received: -1"),
        ({"learning_rate": 0.0}, r"`learning_rate` must be above 0\. Received: 0\.0"),
        ({"learning_rate": float("nan")}, r"`learning_rate` must be above 0\. Received: nan"),
        ({"momentum": 1.0}, r"`momentum` is 0 or more and below 1\. Received: 1\.0"),
        ({"crop_size": (0, 5)}, r"`crop_size` takes a height and a width of 1 or more"),
        (
            {"warmup_epochs": 9.0, "epochs": 3},
            r"`warmup_epochs` \(9\.0\) is longer than the run \(`epochs=3`\)",
        ),
        ({"early_stop": 0}, r"`early_stop` must be at least 1\. Received: 0"),
    ],
)
def test_a_value_out_of_range_is_refused_in_the_words_of_its_flag(options: typing.Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"flip": 1.5}, r"`augment\.flip` must be at least 0 and at most 1\. Received: 1\.5"),
        ({"hue": 0.6}, r"`augment\.hue` must be at least 0 and at most 0\.5\. Received: 0\.6"),
        ({"rotation": 181.0}, r"`augment\.rotation` must be at least 0 and at most 180\. Received: 181"),
        ({"elastic": -1.0}, r"`augment\.elastic` must be at least 0\. Received: -1"),
        ({"jpeg": 101}, r"`augment\.jpeg` must be at least 0 and at most 100\. Received: 101"),
        ({"blur_probability": float("nan")}, r"`augment\.blur_probability` must be at least 0 and at most 1"),
        ({"scale": (0.0, 1.0)}, r"both above 0\. Received: 0\.0 1\.0"),
    ],
)
def test_an_impossible_augmentation_is_refused(options: typing.Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Augment(**options)


def test_every_number_of_augmentation_has_a_range() -> None:
    for field in dataclasses.fields(Augment):
        if field.type in (float, int):
            with pytest.raises(ConfigError, match=rf"`augment\.{field.name}` must be at least 0"):
                Augment(**{field.name: -1})


def test_options_win_and_unknown_ones_are_refused() -> None:
    assert override(TrainConfig(epochs=3), {"epochs": 5}).epochs == 5
    with pytest.raises(ConfigError, match=r"There is no option `epoch`\. Did you mean 'epochs'\?"):
        override(TrainConfig(), {"epoch": 5})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "seed: 1\nepochs: 1.5",
            r"recipe\.yaml, line 2: `epochs`: Expected `int`, got `float` \(it is 1\.5\)\.",
        ),
        (
            "augment:\n  scale: [1, x]",
            r"recipe\.yaml, line 2: `augment\.scale\[1\]`: Expected `float`, got `str`",
        ),
        (
            "augment:\n  flop: 1",
            r"recipe\.yaml, line 2: There is no option `augment\.flop`\. Did you mean 'flip'\?",
        ),
        (
            "augment: {flip: 2}",
            r"recipe\.yaml, line 1: `augment\.flip` must be at least 0 and at most 1\. Received: 2",
        ),
        ("learning_rate: .inf", r"recipe\.yaml, line 1: `learning_rate` must be above 0\. Received: inf\."),
        ("epochs: null", r"recipe\.yaml, line 1: `epochs`: Expected `int`, got `null`"),
        (
            "loss_options: {gama: 3}\nloss: focal",
            r"recipe\.yaml, line 1: `loss_options\.gama`: loss 'focal' has no",
        ),
        ("jit: maybe", r"recipe\.yaml, line 1: `jit`: Invalid enum value 'maybe'"),
    ],
)
def test_a_mistake_in_a_recipe_is_named_by_file_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(TrainConfig, tmp_path / "recipe.yaml")


def test_recipes_open_that_0_1_opened(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(
        "crop-size: [96, 64]\nepochs: '3'\nlearning_rate: '1e-2'\nskip_bad: 'yes'\nweights: 123\noutput: 5\n"
        "augment.flip: 0\naugment:\n  rare_classes: pole\n  flip-vertical: 1\nbatch_size: 2.0\n"
    )
    config = load(TrainConfig, tmp_path / "recipe.yaml")
    assert config == TrainConfig(
        crop_size=(96, 64),
        epochs=3,
        learning_rate=0.01,
        skip_bad=True,
        weights="123",
        output=Path("5"),
        augment=Augment(flip=0, rare_classes=("pole",), flip_vertical=1),
        batch_size=2,
    )


def test_a_mapping_changes_single_options() -> None:
    base = TrainConfig(augment=Augment(flip=0.7, hue=0.1), model_options={"width": 8})
    changed = override(base, {"augment": {"flip": 0.0}, "model_options": {"dropout": 0.1}})
    assert changed.augment == Augment(flip=0.0, hue=0.1)
    assert changed.model_options == {"width": 8, "dropout": 0.1}
    assert override(base, {"augment": Augment(hue=0.2)}).augment == Augment(hue=0.2)
    with pytest.raises(ConfigError, match=r"There is no option `augment\.flop`\. Did you mean 'flip'\?"):
        override(base, {"augment": {"flop": 0.0}})


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("epochs", "3", r"^`epochs`: Expected `int`, got `str` \(it is '3'\)\.$"),
        ("crop_size", (1, 2, 3), r"^`crop_size`: Expected `array` of length 2, got 3"),
        ("data_dir", 3, r"^`data_dir`: Expected `Path"),
    ],
)
def test_python_s_values_are_checked_like_a_recipe_s(option: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        override(TrainConfig(), {option: value})


def test_numbers_of_numpy_are_numbers() -> None:
    assert override(TrainConfig(), {"epochs": np.int64(3), "power": np.float32(0.5)}).epochs == 3


def test_the_options_of_optimizer_and_schedule() -> None:
    config = TrainConfig(optimizer="sgd", momentum=0.8, schedule="step", step_epochs=5.0, power=3.0)
    assert config.options_of("optimizer") == {"momentum": 0.8}
    assert config.options_of("schedule") == {"step_epochs": 5.0, "step_factor": 0.1}
    config = TrainConfig(optimizer_options={"beta_1": 0.8}, schedule_options={"power": 2})
    assert config.options_of("optimizer") == {"beta_1": 0.8}
    assert config.options_of("schedule") == {"power": 2}


def test_options_of_class_weights_without_any_are_refused() -> None:
    assert TrainConfig(class_weights="enet", class_weights_options={"offset": 1.1})
    with pytest.raises(
        ConfigError, match=r"`class_weights_options` are for `class_weights`, which is 'none'"
    ):
        TrainConfig(class_weights_options={"offset": 1.1})
