"""Tables of names."""

import pytest

from kerseg.data.sources import SOURCES
from kerseg.data.sources.known import DATASETS
from kerseg.errors import ConfigError
from kerseg.losses import CLASS_WEIGHTS, LOSSES
from kerseg.models import MODELS
from kerseg.optim import OPTIMIZERS, SCHEDULES
from kerseg.registry import Option, Registry, nearest

COLOURS = Registry("colour", {"red": "colorsys:rgb_to_hsv", "green": "colorsys:hsv_to_rgb"}, {"rouge": "red"})


def test_aliases_lead_to_the_same_entry() -> None:
    assert COLOURS.resolve("rouge") == "red"
    assert COLOURS["rouge"] == "colorsys:rgb_to_hsv"
    assert list(COLOURS) == ["red", "green"]


def test_an_unknown_name_lists_the_known_and_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"There is no colour 'gren'\. Did you mean 'green'\? Known: red, green\."
    ):
        COLOURS.resolve("gren")


def test_no_hint_where_nothing_is_near() -> None:
    assert nearest("xyz", ["red", "green"]) == ""
    assert nearest("ENET", ["enet"]) == " Did you mean 'enet'?"


def test_a_default_is_read_without_importing() -> None:
    assert MODELS.default("PSPNet", "backbone") == "resnet101"
    assert MODELS.default("deeplab_v3", "width") == 64
    assert MODELS.default("unet", "backbone") is None
    with pytest.raises(ConfigError, match="There is no model 'unett'"):
        MODELS.default("unett", "width")


@pytest.mark.parametrize(
    "table", [MODELS, LOSSES, OPTIMIZERS, SCHEDULES, DATASETS], ids=lambda table: table.kind
)
def test_every_entry_loads_and_says_what_it_is(table: Registry) -> None:
    for name in table:
        assert callable(table.load(name))
        assert table.summary(name).endswith("."), name


def test_the_options_of_an_entry_are_the_parameters_that_kerseg_does_not_give() -> None:
    assert OPTIMIZERS.options("sgd") == {
        "momentum": Option("float", "0.9"),
        "nesterov": Option("bool", "False"),
    }
    assert SCHEDULES.options("step") == {
        "step_epochs": Option("float", "100.0"),
        "step_factor": Option("float", "0.1"),
    }
    assert LOSSES.options("cross_entropy") == {"label_smoothing": Option("float", "0.0")}
    # A dataclass's are its fields, those of its bases in other files first.
    assert list(SOURCES.options("labelme"))[:2] == ["val_share", "background"]
    assert SOURCES.options("labelme")["class_names"] == Option("tuple[str, ...]", "()")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"nesterof": True},
            r"`optimizer_options\.nesterof`: optimizer 'sgd' has no such option\. Did you mean 'nesterov'\? "
            r"It takes: momentum \(0\.9\), nesterov \(False\)\.",
        ),
        ({"momentum": "x"}, r"`optimizer_options\.momentum`: Expected `float`, got `str`\. Received: 'x'\."),
        ({"nesterov": 1}, r"`optimizer_options\.nesterov`: Expected `bool`, got `int`\. Received: 1\."),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        OPTIMIZERS.check("sgd", options, option="optimizer")


def test_whoever_gives_options_directly_reads_their_own_names() -> None:
    with pytest.raises(
        ConfigError, match=r"^`widht`: model 'unet' has no such option\. Did you mean 'width'\?"
    ):
        MODELS.check("U_Net", {"widht": 8})
    with pytest.raises(ConfigError, match=r"^`optimizer`: There is no optimizer 'sdg'\."):
        OPTIMIZERS.check("sdg", {}, option="optimizer")


@pytest.mark.parametrize(
    "table", [LOSSES, OPTIMIZERS, SCHEDULES, CLASS_WEIGHTS], ids=lambda table: table.kind
)
def test_every_option_has_a_default_that_fits_its_type(table: Registry) -> None:
    for name in table:
        for own in table.options(name):
            table.check(name, {own: table.default(name, own)})
