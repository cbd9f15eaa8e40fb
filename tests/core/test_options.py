"""Arguments that the caller gave, told from defaults, and the help of options."""

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

import kerseg
from kerseg.config import TrainConfig, load
from kerseg.core.options import collect, default, given, help_of_arguments, help_of_fields
from kerseg.data.sources.folder import Folder
from kerseg.errors import ConfigError


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


@pytest.mark.parametrize(
    ("name", "call"),
    {
        "data_dir": lambda bad: kerseg.train(data_dir=bad),
        "resume": lambda bad: kerseg.train(resume=bad),
        "page": lambda bad: kerseg.doctor("street", page=bad),
        "inputs": lambda bad: kerseg.predict("a.keras", ["a.png", bad], output="out"),
        "model": lambda bad: kerseg.evaluate(bad, "data"),
        "train_image_path": lambda bad: kerseg.convert(
            Folder(train_image_path=Path(bad), train_label_path=Path("b")), output="out"
        ),
    }.items(),
)
def test_a_nul_is_refused_by_the_name_of_its_option(name: str, call: Callable[[str], object]) -> None:
    with pytest.raises(ConfigError, match=rf"^`{name}`: a NUL character can be in no name.*'a\\x00b'"):
        call("a\0b")


def test_a_nul_in_a_recipe_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text('model: enet\ndata_dir: "a\\0b"\n')
    with pytest.raises(ConfigError, match=r"`data_dir`: a NUL character"):
        load(TrainConfig, tmp_path / "a.yaml")
