"""The validating reader: what fits, and what it says of what does not."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import pytest

from kerseg.core.schema import convert, decode_json
from kerseg.errors import ConfigError, DataError


@dataclass(frozen=True)
class Part:
    name: str
    count: Annotated[int, msgspec.Meta(ge=1)] = 1


@dataclass(frozen=True)
class Whole:
    parts: tuple[Part, ...]
    share: float | None = None


def test_what_fits():
    whole = decode_json(
        b'{"parts": [{"name": "a", "later": 1}, {"name": "b", "count": 2}]}', Whole, where="x"
    )
    assert whole == Whole((Part("a"), Part("b", 2)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "x.json: not JSON: Input data was truncated."),
        (b"[" * 100_000, "x.json: not JSON: "),
        (b'{"parts": []', "x.json: not JSON: "),
        (b"{}", "x.json: Object missing required field `parts`."),
        (b'{"parts": [{"name": 3}]}', "x.json: parts[0].name: Expected `str`, got `int` (it is 3)."),
        (b'{"parts": [{"name": "a", "count": 0}]}', "x.json: parts[0].count: Expected `int` >= 1 (it is 0)."),
        (b'{"parts": [{"name": "a", "count": "1"}]}', "x.json: parts[0].count: Expected `int`, got `str` "),
        (b'{"parts": [{"name": "a", "count": true}]}', "x.json: parts[0].count: Expected `int`, got `bool` "),
        (b'{"parts": [], "share": NaN}', "x.json: not JSON: "),
    ],
)
def test_what_does_not(data, message):
    with pytest.raises(DataError) as caught:
        decode_json(data, Whole, where="x.json")
    assert str(caught.value).startswith(message)


def test_the_error_is_the_callers():
    with pytest.raises(ConfigError, match=r"recipe\.yaml: parts: Expected `array`, got `int`"):
        convert({"parts": 1}, Whole, where="recipe.yaml", error=ConfigError)


@dataclass(frozen=True)
class Splits:
    splits: dict[str, Part]


@pytest.mark.parametrize("key", ["\x1f", "\u202e", "x" * 9999])
def test_a_key_of_the_file_s_own_is_printed_safely_and_not_at_length(key: str) -> None:
    with pytest.raises(DataError, match=r"d\.json: splits\..+Expected `object`, got `null`") as caught:
        convert({"splits": {key: None}}, Splits, where="d.json")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700
