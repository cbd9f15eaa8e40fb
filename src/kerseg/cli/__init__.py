"""The command line: one verb, one typed function.

    base.py     the command line as a whole: its name, how it ends, recipes
    start.py    quickstart, list
    data.py     convert, doctor, preview
    model.py    train, evaluate, predict, describe

Options, their help and their types are those of the function and its dataclasses. Keras and TensorFlow take
seconds to import, so they are imported inside the verbs: help and a refused option answer at once.
"""

from kerseg.cli import base, data, model, start
from kerseg.cli.base import app, main, run

__all__ = ["app", "base", "data", "main", "model", "run", "start"]
