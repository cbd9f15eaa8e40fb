"""``python -m kerseg``: the command line."""

from kerseg.cli import run

run()
