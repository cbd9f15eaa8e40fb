"""The command line, derived from the verbs: Python functions, with their options and help written once.

    base.py         the command line as a whole: its verbs, how it ends
    derive.py       a function -> a command: options from the signature, help from the docstring
    wording.py      messages of the library in the words of the flags
    results.py      what is printed of a verb's result, and the exit code
    own.py          the verbs of the command line alone: listing.py, quickstart.py
    tables.py       scores, models and figures for the terminal
    tf1.py          the TensorFlow 1 scripts' arguments

A verb's module is imported when it is called; Keras and TensorFlow, which take seconds, only by its body: help and
a refused option answer at once.
"""

from kerseg.cli.base import app, main, run

__all__ = ["app", "main", "run"]
