"""What a verb says to its user besides its results: how options are called, and what a terminal may obey.

Messages name an option by its name in Python, between backticks: ``"`crop_size` takes two numbers"``, with a value
``"`label_values=(0, 255)`"``, a switch ``"`skip_bad=True`"``. So Python shows them as they are. The command line
sets a wording that turns them into flags in all that it prints, errors included.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kerseg.errors import is_control as is_control
from kerseg.errors import printable as printable

Wording = Callable[[str], str]

_wording: Wording = str


def worded(text: str) -> str:
    """Return a message with its options called as the user of this process types them."""
    return _wording(text)


@contextmanager
def wording(change: Wording) -> Iterator[None]:
    """Within the block, let ``change`` word what is printed."""
    global _wording
    before, _wording = _wording, change
    try:
        yield
    finally:
        _wording = before


def note(text: str) -> None:
    """Tell the user something that is not the answer, on the standard error stream."""
    print(printable(worded(text), keep="\n"), file=sys.stderr)
