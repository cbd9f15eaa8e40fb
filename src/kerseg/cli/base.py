"""The command line as a whole: its name and help, how it ends, and the recipes that its verbs share."""

import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import cyclopts
from cyclopts import Parameter
from rich.console import Console

from kerseg.__version__ import __version__
from kerseg.cli.tf1 import translate
from kerseg.config import recipe_file
from kerseg.core.files import failure
from kerseg.core.interrupt import Stopped, stopped_politely
from kerseg.errors import ConfigError, KersegError

app = cyclopts.App(
    name="kerseg",
    version=__version__,
    help="Semantic segmentation on Keras 3: from images and masks to a trained, measured model.\n\n"
    "Every verb takes --debug, which shows the traceback of an error.",
    default_parameter=Parameter(negative=()),
    result_action="return_value",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after ``kerseg``; default: those of this process.

    Returns:
        0; 1 where data, a model file or the machine is at fault; 2 where an option is; 130 after Ctrl-C, 143 after
        SIGTERM, 129 after SIGHUP.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        with stopped_politely():
            words = translate([word for word in words if word != "--debug"], note=say)
            result = app(words, exit_on_error=False)
    except cyclopts.CycloptsError:
        return 2  # cyclopts has printed what is wrong and what is near
    except BrokenPipeError:
        # Nobody reads what is printed, as after `kerseg list | head`; Python's own last flush would say so.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KersegError, OSError, MemoryError) as error:
        if debug:
            raise
        Console(stderr=True).print("[bold red]error:[/]", end=" ")
        print(_sentence(error), file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except Stopped as stopped:
        say(f"Stopped by {stopped.signal}.")
        return stopped.code
    except KeyboardInterrupt:
        if debug:
            raise
        print("Interrupted.", file=sys.stderr)
        return 130
    return result if isinstance(result, int) else 0


def _sentence(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "Not enough memory. Try a smaller --batch-size or --crop-size, or fewer --workers."
    return failure(error) if isinstance(error, OSError) else str(error)


def run() -> None:
    """Run the command line and leave the process with its exit code."""
    sys.exit(main())


def fill_from_recipe(
    app: cyclopts.App,
    commands: tuple[str, ...],
    arguments: cyclopts.ArgumentCollection,
    only: Collection[str] | None = None,
) -> None:
    """Let the file that RECIPE names fill the options that no flag gave."""
    for argument in arguments:
        if argument.name == "RECIPE" and argument.tokens:
            recipe_file(Path(argument.tokens[0].value), only)(app, commands, arguments)


def say(text: str) -> None:
    """Tell the user something that is not the answer."""
    print(text, file=sys.stderr)
