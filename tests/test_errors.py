"""Errors repeat what files and names hold without letting a terminal obey it."""

import pickle

import pytest

from kerseg.data.formats.files import BadFileError
from kerseg.errors import ConfigError, DataError, KersegError, WeightsError


@pytest.mark.parametrize("kind", [KersegError, DataError, ConfigError, WeightsError])
def test_a_message_is_printable_but_for_the_ends_of_lines(kind: type[KersegError]) -> None:
    error = kind("a\x1b[2J\u202e\udcff.png: no.\nb.png: no.")
    assert str(error) == "a\\x1b[2J\\u202e\\xff.png: no.\nb.png: no."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_what_a_file_s_error_repeats() -> None:
    assert str(BadFileError("a\nb", "odd: \x07.")) == "a\\nb: odd: \\x07."  # type: ignore[arg-type]
