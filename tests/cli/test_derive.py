"""Commands made of functions: what is typed is what the function gets."""

import functools
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cyclopts
import pytest

import kerseg
from kerseg.cli.base import app
from kerseg.cli.derive import command, options_of
from kerseg.cli.own import OWN
from kerseg.cli.wording import one_dot
from kerseg.core.options import default
from kerseg.data.sources import SOURCES

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, kw_only=True)
class Colours:
    """Options in a class of their own."""

    hue: float = 0.0
    """Largest turn."""
    names: tuple[str, ...] = ()
    """Some names."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source of data."""

    root: Path
    """Its folder."""
    tags: tuple[str, ...] = ()
    """Of it."""


def paint(
    model: "keras.Model | str | Path",
    inputs: str | Path | Sequence[str | Path],
    *,
    output: str | Path | None = None,
    size: tuple[int, int] = default((4, 5)),
    colours: Colours | Mapping[str, Any] = default(Colours()),
    model_options: Mapping[str, Any] | None = None,
    kind: Literal["oil", "ink"] = "oil",
    dry: bool = False,
    frame: bool = True,
) -> Path:
    """Paint images.

    In many colours.

    Args:
        model: Who paints.
        inputs: What.
        output: Where; needs `size`.
        size: How large.
        colours: With what.
        model_options: How.
        kind: Of paint.
        dry: Paint nothing.
        frame: Add a frame.

    Returns:
        The folder.
    """
    raise NotImplementedError


def typed(line: str, verb: Any = paint, **words: Any) -> dict[str, Any]:
    """Return what the function gets from a command line."""
    found: dict[str, Any] = {}

    def end(result: object, arguments: Mapping[str, Any]) -> int:
        found.update(arguments)
        return 7

    def stand_in(**arguments: Any) -> None:
        return None

    stand_in.__wrapped__ = verb  # type: ignore[attr-defined]
    stand_in.__doc__ = verb.__doc__
    made = cyclopts.App(default_parameter=app.default_parameter, result_action="return_value")
    made.default(command(stand_in, end, **words))
    assert made(line.split(), exit_on_error=False, print_error=False) == 7
    return found


def test_only_what_was_typed_is_handed_over() -> None:
    assert typed("run a.png b.png") == {"model": "run", "inputs": ["a.png", "b.png"]}
    assert typed("run a --size 4 5 --dry --no-frame --kind ink") == {
        "model": "run",
        "inputs": ["a"],
        "size": (4, 5),
        "dry": True,
        "frame": False,
        "kind": "ink",
    }


def test_fields_and_entries_have_flags_of_their_own() -> None:
    assert typed(
        "run a --colours.hue 0.5 --colours.names red blue --model-options.stride-in 3x3 --model-options.n 2"
    ) == {
        "model": "run",
        "inputs": ["a"],
        "colours": {"hue": 0.5, "names": ("red", "blue")},
        "model_options": {"stride_in": "3x3", "n": 2},
    }


def test_tables_in_dictionaries_and_words_before_all_flags() -> None:
    words = one_dot(["--model-options.focal.gamma", "3", "--model-options.a=b.c"])
    assert typed(" ".join(["run a", *words]))["model_options"] == {"focal": {"gamma": 3}, "a": "b.c"}

    def compare(*runs: str | Path, split: str = "val") -> None:
        """Compare.

        Args:
            runs: Run folders.
            split: A split.
        """

    found: list[Any] = []
    stand_in = functools.wraps(compare)(lambda *runs, **options: found.append((runs, options)))
    app_ = cyclopts.App(default_parameter=app.default_parameter, result_action="return_value")
    app_.default(command(stand_in, lambda result, arguments: 0))
    app_(["a", "b", "--split", "test"], exit_on_error=False, print_error=False)
    assert found == [(("a", "b"), {"split": "test"})]


def test_a_dataclass_is_made_of_its_flags() -> None:
    def convert(source: Source, *, output: str | Path) -> None:
        """Convert.

        Args:
            source: From.
            output: To.
        """

    given = typed("--root a --tags x y --output o", convert, given={"source": Source})
    assert given == {"source": Source(root=Path("a"), tags=("x", "y")), "output": "o"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("run a --kind chalk", "chalk"),
        ("run a --size 4", "--size"),
        ("run", "INPUTS|--inputs"),
        ("run a --colour 3", "colour"),
    ],
)
def test_what_does_not_fit_is_refused(line: str, message: str) -> None:
    with pytest.raises(cyclopts.CycloptsError, match=message):
        typed(line)


def test_help_comes_from_the_docstring_in_the_words_of_the_flags(capsys: pytest.CaptureFixture[str]) -> None:
    made = cyclopts.App(name="paint", default_parameter=app.default_parameter)
    made.default(command(paint, lambda result, arguments: 0))
    made.help_print([])
    printed = capsys.readouterr().out
    for text in (
        "In many colours.",
        "Where; needs --size.",
        "Largest turn.",
        "[default: 4 5]",
        "--output PATH",
        "oil, ink",
    ):
        assert text in printed
    assert "The folder." not in printed and "keras" not in printed


@pytest.mark.parametrize("table", [kerseg.VERBS, OWN], ids=["kerseg", "command line"])
def test_every_option_of_every_verb_has_a_type_and_help(table: Any) -> None:
    for name in table:
        verb = table.load(name)
        given = {"source": SOURCES.load("folder")} if name == "convert" else None
        assert not {
            parameter.name
            for parameter in inspect.signature(verb).parameters.values()
            if parameter.kind is parameter.VAR_KEYWORD or parameter.annotation in (parameter.empty, Any)
        }, f"{name} takes what nobody can know"
        for option in options_of(verb, given=given):
            assert option.help, f"{name}: {option.name} has no help"
