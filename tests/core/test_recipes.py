"""Files of options: what they may hold, and where the message says that something is wrong."""

import os
import time
from pathlib import Path

import pytest

from kerseg.core.recipes import DEPTH, read, scalar
from kerseg.errors import ConfigError

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_values_and_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(
        "# comment\nepochs: 3\naugment:\n  flip-vertical: 0.5\n  scale: [0.5, 2]\naugment.hue: 1e-1\n"
    )
    recipe = read(path)
    assert recipe.values == {
        "epochs": 3,
        "augment": {"flip_vertical": 0.5, "scale": [0.5, 2], "hue": 0.1},
    }
    assert recipe.place("epochs") == f"{path}, line 2"
    assert recipe.place("augment.scale[1]") == f"{path}, line 5"
    assert recipe.place("augment.hue") == f"{path}, line 6"
    assert recipe.place("batch_size") == str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, r"r\.yaml, line 2: \*a: a recipe has no aliases: write the value out\."),
        ("model_options: {a: &x [1], b: *x}", r"r\.yaml, line 1: \*x: a recipe has no aliases"),
        ("epochs: 1\nseed: 2\nepochs: 3", r"r\.yaml, line 3: epochs: occurs twice, first in line 1\."),
        (
            "augment: {flip: 1}\naugment.flip: 0",
            r"r\.yaml, line 2: augment\.flip: occurs twice, first in line 1\.",
        ),
        ("epochs: 1\nepochs.x: 0", r"r\.yaml, line 2: epochs\.x: epochs has a value already\."),
        ("model_options:\n  a:\n    ? 1\n    : 2", r"r\.yaml, line 3: a name is text\. Received: 1\."),
        ("? [1, 2]\n: 3", r"r\.yaml, line 1: a name is text\. Received: \[1, 2\]\."),
        ("a: " + "[" * 5000, rf"r\.yaml, line 1: nested more than {DEPTH} levels deep\."),
        ("a: " + "{a: " * 5000, rf"r\.yaml, line 1: nested more than {DEPTH} levels deep\."),
        (
            "a: !!python/object/apply:os.system [ls]",
            r"r\.yaml, line 1: tag:yaml\.org,2002:python/object/apply:os\.system: a recipe has no tags",
        ),
        ("a: 1\nb: !!timestamp x", r"r\.yaml, line 2: tag:yaml\.org,2002:timestamp: a recipe has no tags"),
        ("a: [", r"r\.yaml, line 1: not a YAML recipe: while parsing a flow node"),
        ("- 1", r"r\.yaml: a recipe is a table of `name: value` lines\. Received: \[1\]\."),
        ("", r"r\.yaml: a recipe is a table of `name: value` lines\. Received: None\."),
        ("a: \x00", r"r\.yaml: not a YAML recipe: "),
        ("a: 1\n---\nb: 2", r"r\.yaml, line 2: not a YAML recipe: expected a single document"),
        ("#" * (2**20 + 1), r"r\.yaml: no recipe has more than 1048576 bytes; this has 1048577\."),
    ],
    ids=range(17),
)
def test_what_a_recipe_does_not_need_is_refused_at_once(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "r.yaml").write_text(text)
    began = time.monotonic()
    with pytest.raises(ConfigError, match=message):
        read(tmp_path / "r.yaml")
    assert time.monotonic() - began < 5


def test_what_is_no_file_of_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a folder; a recipe is a YAML file\."):
        read(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match=r"pipe: is no regular file; a recipe is a YAML file\."):
        read(tmp_path / "pipe")
    (tmp_path / "r.yaml").write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match=r"r\.yaml: not a YAML recipe: .*can't decode byte 0xff"):
        read(tmp_path / "r.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("16", 16),
        ("1e-3", 0.001),
        ("[1, 2]", [1, 2]),
        ("no", False),
        ("3x3", "3x3"),
        ("[", "["),
        ("*a", "*a"),
        ("", None),
    ],
)
def test_a_word_is_read_as_in_a_recipe(text: str, value: object) -> None:
    assert scalar(text) == value
