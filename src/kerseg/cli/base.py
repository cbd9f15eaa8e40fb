"""The command line as a whole: its name and help, its verbs, and how it ends."""

import os
import sys
from collections.abc import Sequence

import cyclopts
from cyclopts import ArgumentCollection, Parameter, Token
from rich.console import Console

from kerseg import VERBS
from kerseg.__version__ import __version__
from kerseg.cli.own import OWN
from kerseg.cli.tf1 import translate
from kerseg.cli.wording import as_flags, one_dot
from kerseg.core.console import note, wording
from kerseg.core.files import failure
from kerseg.core.interrupt import Stopped, stopped_politely
from kerseg.data.sources import SOURCES
from kerseg.errors import ConfigError, KersegError


def _app(name: str, text: str) -> cyclopts.App:
    return cyclopts.App(
        name=name,
        version=__version__,
        help=text,
        # Every flag that takes several words takes all that follow it: --class-names road car.
        default_parameter=Parameter(negative=(), consume_multiple=True),
        result_action="return_value",
    )


def _commands() -> cyclopts.App:
    """Return the command line, whose verbs are imported when they are called."""
    app = _app(
        "kerseg",
        "Semantic segmentation on Keras 3: from images and masks to a trained, measured model.\n\n"
        "Every verb takes --debug, which shows the traceback of an error.",
    )
    for table in (OWN, VERBS):
        for name in table:
            if name == "convert":
                app.command(_sources(table.summary(name)))
            else:
                app.command(f"kerseg.cli.commands:{name}", name=name, help=table.summary(name))
    return app


def _sources(text: str) -> cyclopts.App:
    """Return `convert`, which has a command for each source."""
    app = _app("convert", "Convert a raw data set into TFRecord shards and a dataset.json.")
    for name in SOURCES:
        app.command(
            f"kerseg.cli.commands:convert_{name}",
            name=name,
            help=SOURCES.summary(name),
            config=_default_folders,
        )
    return app


def _default_folders(app: cyclopts.App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """With --download, let folders that no option names be those of the cache."""
    given = {argument.name: argument for argument in arguments}
    if "--download" not in given or not given["--download"].tokens:
        return
    for field, release in SOURCES.load(commands[-1]).releases.items():
        if not given[f"--{field}"].tokens:
            folder = str(release.default_folder())
            given[f"--{field}"].append(Token(keyword=f"--{field}", value=folder, source="--download"))


app = _commands()


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
    with wording(as_flags):
        try:
            with stopped_politely():
                words = translate([word for word in words if word != "--debug"], note=note)
                result = app(one_dot(words), exit_on_error=False)
        except cyclopts.CycloptsError:
            return 2  # cyclopts has printed what is wrong and what is near
        except BrokenPipeError:
            # Nobody reads what is printed, as after `kerseg list | head`; Python's own last flush would say so.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except Exception as error:
            if debug or not (isinstance(error, KersegError | OSError) or _is_out_of_memory(error)):
                raise
            Console(stderr=True).print("[bold red]error:[/]", end=" ")
            note(_sentence(error))
            return 2 if isinstance(error, ConfigError) else 1
        except Stopped as stopped:
            note(f"Stopped by {stopped.signal}.")
            return stopped.code
        except KeyboardInterrupt:
            if debug:
                raise
            note("Interrupted.")
            return 130
    return result if isinstance(result, int) else 0


def _is_out_of_memory(error: Exception) -> bool:
    """Whether it is Python's MemoryError, or what TensorFlow, PyTorch or JAX raise in its place."""
    known = {"ResourceExhaustedError", "OutOfMemoryError"}
    return (
        isinstance(error, MemoryError) or type(error).__name__ in known or "RESOURCE_EXHAUSTED" in str(error)
    )


def _sentence(error: Exception) -> str:
    if _is_out_of_memory(error):
        return "Not enough memory. Try a smaller model, --batch-size or --crop-size, or fewer --workers."
    return failure(error) if isinstance(error, OSError) else str(error)


def run() -> None:
    """Run the command line and leave the process with its exit code."""
    sys.exit(main())
