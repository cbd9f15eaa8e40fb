"""``kerseg list``: what there is to choose from, and what each entry takes."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kerseg.backbones import BACKBONES
from kerseg.cli.tables import STAR, models_table
from kerseg.data.sources import SOURCES
from kerseg.data.sources.known import DATASETS
from kerseg.errors import ConfigError
from kerseg.inference import RUNTIMES
from kerseg.losses import CLASS_WEIGHTS, LOSSES
from kerseg.metrics import METRICS
from kerseg.models import MODELS
from kerseg.optim import OPTIMIZERS, SCHEDULES
from kerseg.registry import Registry, nearest

TABLES = {
    "models": MODELS,
    "sources": SOURCES,
    "backbones": BACKBONES,
    "datasets": DATASETS,
    "losses": LOSSES,
    "class_weights": CLASS_WEIGHTS,
    "optimizers": OPTIMIZERS,
    "schedules": SCHEDULES,
    "metrics": METRICS,
    "runtimes": RUNTIMES,
}
WITH_OPTIONS = {"losses", "class_weights", "optimizers", "schedules", "metrics"}
"""Tables whose entries take few enough options to show them all."""


def list_names(what: str | None = None, name: str | None = None) -> None:
    """List what there is to choose from, and what it takes.

    Args:
        what: One table, such as models or losses; default: all of them.
        name: One entry of the table, to see all its options with their defaults.
    """
    if what is not None and what not in TABLES:
        raise ConfigError(f"There is no table {what!r}.{nearest(what, TABLES)} Known: {', '.join(TABLES)}.")
    console = Console()
    for title in [what] if what else TABLES:
        if name is not None:
            entries = TABLES[title]
            console.print(f"{entries.resolve(name)}: {entries.summary(name)}", markup=False, highlight=False)
            console.print(_entry(entries, name))
        elif title == "models":
            console.print(models_table(), STAR)
        else:
            console.print(_table(title, TABLES[title]))


def _table(title: str, entries: Registry) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    for name in entries:
        options = _options(entries, name) if title in WITH_OPTIONS else []
        table.add_row(name, entries.summary(name), ", ".join(f"{own} {value}" for own, _, value in options))
    return table


def _entry(entries: Registry, name: str) -> Table:
    """Return a row for each option of an entry: name, type, default."""
    table = Table(show_header=False, box=None)
    for row in _options(entries, name):
        table.add_row(*map(Text, row))  # not markup: a type may be "tuple[int, int]"
    return table


def _options(entries: Registry, name: str) -> list[tuple[str, str, str]]:
    return [(own, option.type, option.default) for own, option in entries.options(name).items()]
