"""Signatures that an editor completes: generated where the options are a dataclass, and equal to it."""

import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest

import kerseg
from kerseg.config import TrainConfig
from kerseg.core.options import Default, help_of_arguments, help_of_fields
from kerseg.data.conversion.options import ConvertOptions

ROOT = Path(__file__).parents[1]


def test_what_the_script_writes_is_up_to_date() -> None:
    script = ROOT / "scripts" / "signatures.py"
    result = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("verb", "options", "by_hand"),
    [("train", TrainConfig, {"recipe", "resume"}), ("convert", ConvertOptions, {"source"})],
)
def test_a_verb_takes_the_fields_with_their_defaults_and_help(
    verb: str, options: type, by_hand: set[str]
) -> None:
    function = kerseg.VERBS.load(verb)
    parameters = inspect.signature(function).parameters
    fields = {field.name: field for field in dataclasses.fields(options)}
    assert set(parameters) == {*fields, *by_hand}
    texts = help_of_arguments(inspect.getdoc(function) or "")
    for name, field in fields.items():
        given = parameters[name].default
        value = given.value if isinstance(given, Default) else given
        if field.default_factory is not dataclasses.MISSING:
            assert value == field.default_factory()
        elif field.default is not dataclasses.MISSING:
            assert value == field.default
        else:
            assert value is inspect.Parameter.empty
        assert texts[name] == help_of_fields(options)[name]
    assert get_type_hints(options)["epochs" if verb == "train" else "shard_size"] is int


@pytest.mark.parametrize("name", kerseg.VERBS)
def test_the_package_has_its_verbs(name: str) -> None:
    assert getattr(kerseg, name) is kerseg.VERBS.load(name)
    assert name in kerseg.__all__
