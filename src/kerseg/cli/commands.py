"""The commands, each made from its verb when it is asked for: ``kerseg.cli.commands.train``."""

from collections.abc import Callable
from functools import cache

from kerseg import VERBS
from kerseg.cli import results
from kerseg.cli.derive import command
from kerseg.cli.own import OWN
from kerseg.data.sources import SOURCES


@cache
def __getattr__(name: str) -> Callable[..., int]:
    if name.startswith("convert_"):
        source = SOURCES.load(name.removeprefix("convert_"))
        return command(
            VERBS.load("convert"),
            results.end_of("convert"),
            given={"source": source},
            text=source.__doc__ or "",
            leave_out=() if source.releases else ("download",),
        )
    for table in (VERBS, OWN):
        if name in table:
            return command(table.load(name), results.end_of(name))
    raise AttributeError(f"there is no verb {name!r}")
