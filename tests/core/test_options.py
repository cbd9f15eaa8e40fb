"""Arguments that the caller gave, told from defaults, and the help of options."""

import dataclasses
import inspect

from kerseg.config import TrainConfig
from kerseg.core.options import collect, default, given, help_of_arguments, help_of_fields


def verb(recipe: str = "", epochs: int = default(50), name: str | None = default(None)) -> dict[str, object]:
    return given(locals())


def test_a_default_that_was_meant_is_given() -> None:
    assert verb("a") == {"recipe": "a"}
    assert verb("a", epochs=50, name=None) == {"recipe": "a", "epochs": 50, "name": None}


def test_a_signature_shows_the_value() -> None:
    assert str(inspect.signature(verb)).startswith(
        "(recipe: str = '', epochs: int = 50, name: str | None = None)"
    )


def test_a_dataclass_is_made_of_arguments_of_its_names() -> None:
    @dataclasses.dataclass
    class Options:
        size: int
        name: str = ""

    assert collect(Options, {"size": 3, "name": "a", "other": 1}) == Options(3, "a")


def test_the_help_of_options_is_one_line_each() -> None:
    texts = help_of_fields(TrainConfig)
    assert set(texts) == {field.name for field in dataclasses.fields(TrainConfig)}
    assert texts["class_weights"].startswith(
        "Weights of the classes in the loss, from the pixel counts of the"
    )
    text = "Do.\n\nArgs:\n    first: A number,\n        any: a.\n    second: Another.\n\nReturns:\n    x: None.\n"
    assert help_of_arguments(text) == {"first": "A number, any: a.", "second": "Another."}
