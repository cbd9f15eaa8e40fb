"""What a newcomer types first: quickstart, and list."""

from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from kerseg.backbones import BACKBONES
from kerseg.cli.base import app
from kerseg.cli.tables import STAR, models_table
from kerseg.core.tensorflow import import_tensorflow
from kerseg.data.sources import SOURCES
from kerseg.data.sources.known import DATASETS
from kerseg.inference import RUNTIMES
from kerseg.losses import LOSSES
from kerseg.models import MODELS
from kerseg.optim import OPTIMIZERS, SCHEDULES

Listed = Literal[
    "models", "backbones", "sources", "datasets", "losses", "optimizers", "schedules", "runtimes"
]
TABLES = {
    "models": MODELS,
    "sources": SOURCES,
    "backbones": BACKBONES,
    "datasets": DATASETS,
    "losses": LOSSES,
    "optimizers": OPTIMIZERS,
    "schedules": SCHEDULES,
    "runtimes": RUNTIMES,
}


@app.command
def quickstart(output: Path = Path("kerseg-quickstart")) -> int:
    """Draw a small data set, convert it, train on it, evaluate and predict: the whole way in one command.

    Needs no network and no data, and takes a few minutes on a laptop.

    Args:
        output: Folder to make.
    """
    import_tensorflow()
    from kerseg.cli.quickstart import quickstart

    quickstart(output)
    return 0


@app.command(name="list")
def list_names(
    what: Listed | None = None,
    /,
) -> int:
    """List what there is to choose from.

    Args:
        what: One table; default: all of them.
    """
    for title in [what] if what else TABLES:
        if title == "models":
            Console().print(models_table(), STAR)
            continue
        table = Table(title=title, title_justify="left", show_header=False, box=None)
        for name in TABLES[title]:
            table.add_row(name, TABLES[title].summary(name))
        Console().print(table)
    return 0
