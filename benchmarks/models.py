"""Training step and inference of four networks: kerseg on TensorFlow against the same in eager PyTorch.

    pip install 'kerseg[benchmark,openvino]'
    python benchmarks/models.py [--models unet enet] [--what train infer first] [--rounds 7]

kerseg trains as ``kerseg.train`` does (``fit`` with its cross entropy and Adam, PSPNet with its auxiliary head)
and predicts with its ``Predictor``; PyTorch runs the plain loop, channels last. Both take uint8 images, both
read the loss after each step, and both give uint8 labels back. Further contenders are kerseg's graph of ENet in
Keras's own layers, with Keras's Adam, and, in prediction, OpenVINO in float32 and in bfloat16, which takes all
cores whatever ``--threads`` says, and PyTorch's autocast to bfloat16. DeepLab-v3 and PSPNet are on ResNet-50, U-Net
has width 32, so that two cores can train them.

Before anything is timed the contenders must be the same network: as many trainable parameters, and the same
logits from the same weights. Each then has a process of its own, and they take turns, so that what else the
machine does meets all of them; the tables have medians of the rounds, and ratios are medians of each round's.
CPU is the processor time of all threads. It is still no benchmark for a busy machine: PyTorch's threads wait for
one another in a loop, and a core that is shared with another program makes it look ten times slower than it is.

``first`` is what a user waits for: a fresh process each, from its start to the end of the first training step.
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterable
from typing import Any

import numpy as np

import kept
from contenders import CLASSES, CONTENDERS, OPTIONS, PREDICT_ONLY, TITLES, TOLERANCE, Process, Task

BASE = "pytorch"
# What is measured: rows of {"model", "contender", "what", "wall": [...], "cpu": [...]}.


def check_same(processes: dict[str, Process]) -> int:
    """Return the number of trainable parameters, after making sure that all contenders are one network.

    All get the weights of the first, which they start to train with.
    """
    (first, process), *others = processes.items()
    expected = process.ask("network", None)
    for _, process in others:
        network = process.ask("network", expected["weights"])
        if network["trainable"] != expected["trainable"]:
            raise SystemExit(
                f"{process.name} is another network: it has {network['trainable']:,} trainable parameters, "
                f"and {first} has {expected['trainable']:,}."
            )
        error = np.abs(network["logits"] - expected["logits"]).max() / np.abs(expected["logits"]).max()
        if not error < TOLERANCE:
            raise SystemExit(f"{process.name} is another network: its logits differ by {error:.1e}.")
    return int(expected["trainable"])


def contenders_of(model: str, names: Iterable[str]) -> list[str]:
    """Return those that run this network, kerseg's first: its weights are what the others get.

    Keras's layers are of interest where kerseg has most of its own.
    """
    return [name for name in CONTENDERS if name in names and (name != "keras" or model == "enet")]


def measure_steps(task: Task, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Let the contenders take turns at training steps and predictions."""
    processes = {name: Process(name, task) for name in contenders_of(task.model, options.contenders)}
    trainable = check_same(processes)
    kinds = [kind for kind in ("train", "infer") if kind in options.what]
    rows = {
        (name, kind): {"model": task.model, "contender": name, "what": kind, "wall": [], "cpu": []}
        for name in processes
        for kind in kinds
        if kind == "infer" or name not in PREDICT_ONLY
    }
    for number in range(-1, options.rounds):
        for kind in kinds:
            for name in (name for name, of in rows if of == kind):
                wall, cpu = processes[name].ask(kind)
                if number >= 0:  # the round before is for tracing, and for memory never touched
                    rows[name, kind]["wall"].append(wall)
                    rows[name, kind]["cpu"].append(cpu)
        print(f"{task.model}: round {number + 1} of {options.rounds}, load {load()}", flush=True)
    for process in processes.values():
        process.end()
    return [{**row, "trainable": trainable} for row in rows.values()]


def measure_first(task: Task, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Start fresh processes in turns; a row has the seconds until imports, model and first step were done."""
    names = [name for name in contenders_of(task.model, options.contenders) if name not in PREDICT_ONLY]
    rows = {name: {"model": task.model, "contender": name, "what": "first", "marks": []} for name in names}
    for number in range(options.fresh):
        for name in names:
            process = Process(name, task)
            process.ask("train")
            rows[name]["marks"].append({**process.marks, "first_step": time.time() - process.began})
            process.end()
        print(f"{task.model}: start {number + 1} of {options.fresh}, load {load()}", flush=True)
    return list(rows.values())


def load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


# The report.


def steps_table(rows: list[dict[str, Any]], what: str, caption: str) -> Any:
    from rich import box
    from rich.table import Table

    heading = {"train": "Training step", "infer": "Inference"}[what]
    table = Table(
        "network", "contender", title=f"{heading}, {caption}", box=box.MARKDOWN, title_justify="left"
    )
    for name in ("ms", "images/s", "speed", "CPU ms", "speed by CPU"):
        table.add_column(name, justify="right")
    chosen = [row for row in rows if row["what"] == what]
    for row in chosen:
        base = next((r for r in chosen if (r["model"], r["contender"]) == (row["model"], BASE)), None)
        wall, cpu = statistics.median(row["wall"]), statistics.median(row["cpu"])
        table.add_row(
            row["model"],
            TITLES[row["contender"]],
            f"{1000 * wall:.0f}",
            f"{row['batch'] / wall:.1f}",
            ratio(base, row, "wall"),
            f"{1000 * cpu:.0f}",
            ratio(base, row, "cpu"),
        )
    return table


def ratio(base: dict[str, Any] | None, row: dict[str, Any], clock: str) -> str:
    """Return the median of the rounds' ratios: above 1 where ``row`` is faster than ``base``."""
    if base is None:
        return ""
    return f"{statistics.median(a / b for a, b in zip(base[clock], row[clock], strict=True)):.2f}"


def first_table(rows: list[dict[str, Any]], caption: str) -> Any:
    from rich import box
    from rich.table import Table

    title = f"Seconds of a fresh process, {caption}"
    table = Table("network", "contender", title=title, box=box.MARKDOWN, title_justify="left")
    for name in ("imports done", "model built", "first step done"):
        table.add_column(name, justify="right")
    for row in (row for row in rows if row["what"] == "first"):
        marks = [
            statistics.median(m[key] for m in row["marks"]) for key in ("imports", "built", "first_step")
        ]
        table.add_row(row["model"], TITLES[row["contender"]], *(f"{mark:.1f}" for mark in marks))
    return table


def report(rows: list[dict[str, Any]], options: argparse.Namespace, began: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(width=116)
    height, width = options.size
    shape = f"{options.batch} x {height} x {width}, {options.threads} threads"
    tables = [
        steps_table(rows, what, f"{shape}, medians of {options.rounds} rounds")
        for what in ("train", "infer")
        if what in options.what
    ]
    if "first" in options.what:
        tables.append(first_table(rows, f"{shape}, medians of {options.fresh} starts"))
    for table in tables:
        console.print(table)
    counts = {row["model"]: row["trainable"] for row in rows if row.get("trainable")}
    if counts:
        listed = ", ".join(f"{model} {count:,}" for model, count in counts.items())
        console.print(f"Trainable parameters, the same on all sides: {listed}.")
    console.print(
        f"{CLASSES} classes; load {began['load'][0]:.1f} before and {load()} after. Speed is against PyTorch, "
        "channels last. Its networks are plain PyTorch with kerseg's layers: those of "
        "segmentation_models_pytorch are others."
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=OPTIONS, default=list(OPTIONS), metavar="NAME")
    parser.add_argument(
        "--contenders",
        nargs="+",
        choices=CONTENDERS,
        default=[name for name in CONTENDERS if name != "pytorch_nchw"],
        metavar="NAME",
    )
    parser.add_argument(
        "--what",
        nargs="+",
        choices=("train", "infer", "first"),
        default=["train", "infer", "first"],
        metavar="KIND",
        help="train, infer and first (default: all three)",
    )
    parser.add_argument("--rounds", type=int, default=7, help="turns of each (default: 7)")
    parser.add_argument("--fresh", type=int, default=3, help="fresh processes of each for first (default: 3)")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(352, 480), metavar=("HEIGHT", "WIDTH"), help="multiples of 16"
    )
    parser.add_argument("--batch", type=int, default=2, help="images at a time (default: 2)")
    parser.add_argument("--threads", type=int, default=2, help="of each contender (default: 2)")
    kept.add_option(parser, "models")
    options = parser.parse_args()
    if any(size % 16 for size in options.size):
        parser.error("--size takes multiples of 16: the PyTorch networks do not pad.")
    return options


def main() -> None:
    options = parse()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Here and in the contenders' processes.
    rows: list[dict[str, Any]] = []
    began = kept.environment()
    for model in options.models:
        task = Task(model, options.batch, *options.size, options.threads)
        if {"train", "infer"} & set(options.what):
            rows += measure_steps(task, options)
        if "first" in options.what:
            rows += measure_first(task, options)
    rows = [{**row, "batch": options.batch} for row in rows]
    report(rows, options, began)
    kept.write(options, began, rows)


if __name__ == "__main__":
    main()
