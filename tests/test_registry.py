"""Tables of names."""

import pytest

from kerseg.data.sources.known import DATASETS
from kerseg.errors import ConfigError
from kerseg.losses import LOSSES
from kerseg.models import MODELS
from kerseg.optim import OPTIMIZERS, SCHEDULES
from kerseg.registry import Registry, nearest

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
