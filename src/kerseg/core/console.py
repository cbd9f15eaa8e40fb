"""What a verb says to its user besides its results."""

import sys


def note(text: str) -> None:
    """Tell the user what a source leaves out though nothing is wrong with it, on the standard error stream."""
    print(text, file=sys.stderr)
