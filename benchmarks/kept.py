"""The numbers behind the benchmarks' tables, kept beside them: ``benchmarks/results/NAME.json``."""

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")
PACKAGES = ("kerseg", "keras", "tensorflow", "jax", "torch", "openvino", "albumentations", "numpy", "pillow")


def add_option(parser: argparse.ArgumentParser, name: str) -> None:
    """Add ``--json``, by default the file of the benchmark ``name``."""
    parser.add_argument(
        "--json",
        type=Path,
        default=RESULTS / f"{name}.json",
        help=f"where every single number goes (default: benchmarks/results/{name}.json)",
    )


def environment() -> dict[str, Any]:
    """Return where and when the numbers come about: packages, machine, load."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "packages": packages,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "date": time.strftime("%Y-%m-%d"),
        "load": os.getloadavg(),
    }


def write(options: argparse.Namespace, began: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    """Write the rows, after the options and the environment in which they came about."""
    given = {name: value for name, value in vars(options).items() if name != "json"}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"environment": began, "options": given, "rows": list(rows)}, indent=1, default=str)
    options.json.write_text(text + "\n", encoding="utf-8")
