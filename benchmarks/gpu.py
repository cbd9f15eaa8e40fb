"""Training throughput and memory of every architecture on one GPU, in bfloat16, without TensorFlow.

    pip install --no-deps . && pip install keras jax[cuda12] torch numpy rich
    python benchmarks/gpu.py [--models enet unet] [--contenders jax torch native] [--json gpu.json]

The contenders are kerseg on JAX and on PyTorch, as ``kerseg.train --mixed-precision bfloat16`` runs it, and for
the networks of ``torch_models`` a plain PyTorch loop with autocast, channels last. Each trains each network in a
fresh process, so that the peak of its memory is its own: what its allocator had handed out at most. All copy
uint8 images and labels to the GPU and read the loss at each step. The networks are those of the papers
(``--width`` for smaller ones), at batches and sizes that need not be theirs.

Without a GPU it runs on the CPU, and memory is the process's peak: a rehearsal, no measurement.
"""

import argparse
import importlib.util
import inspect
import multiprocessing as mp
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

import kept

CLASSES, RATE = 19, 1e-4
NATIVE = ("unet", "enet", "deeplab_v3", "pspnet")
"""The names in ``torch_models.MODELS``, which cannot be imported where PyTorch is not."""


@dataclass(frozen=True)
class Task:
    """What a contender is to run."""

    model: str
    batch: int
    height: int
    width: int
    steps: int
    warmup: int
    channels: int | None
    """The networks' ``width``; ``None`` for the papers'."""


def samples(task: Task) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    shape = task.batch, task.height, task.width
    return random.integers(0, 256, (*shape, 3), "uint8"), random.integers(0, CLASSES, shape, "uint8")


# The contenders, each in a process of its own: they return the times at which steps ended, and the memory.


def jax(task: Task) -> dict[str, Any]:
    # Otherwise JAX takes three quarters of the GPU at once, whatever it needs.
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    ends = train_kerseg("jax", task)
    import jax

    device = jax.devices()[0]
    peak = (device.memory_stats() or {}).get("peak_bytes_in_use")
    return {"ends": ends, "device": device.device_kind, "peak": peak or process_peak()}


def torch(task: Task) -> dict[str, Any]:
    ends = train_kerseg("torch", task)
    return {"ends": ends, **torch_device()}


def train_kerseg(backend: str, task: Task) -> list[float]:
    os.environ["KERAS_BACKEND"] = backend
    import keras

    from kerseg import models
    from kerseg.losses import cross_entropy as losses
    from kerseg.optim import optimizers

    keras.config.set_dtype_policy("mixed_bfloat16")
    builder = inspect.signature(models.MODELS.load(task.model)).parameters
    options = {"width": task.channels} if task.channels and "width" in builder else {}
    network = models.build(task.model, num_classes=CLASSES, auxiliary=True, **options)
    weights = models.loss_weights(task.model, network)
    model = keras.Model(network.input, {name: network.output[name] for name in weights})
    model.compile(
        optimizers.Adam(RATE),
        loss={name: losses.CrossEntropy() for name in weights},
        loss_weights=weights,
        jit_compile=backend == "jax",  # as kerseg.train --jit auto
    )
    model.optimizer.build(model.trainable_variables)
    images, labels = samples(task)

    def batches() -> Iterator[Any]:
        while True:
            yield images, dict.fromkeys(weights, labels)

    ends: list[float] = []

    class Stopwatch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            float(logs["loss"])
            ends.append(time.perf_counter())

    steps = task.warmup + task.steps
    model.fit(batches(), steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=[Stopwatch()])
    return ends


def native(task: Task) -> dict[str, Any]:
    import torch

    import torch_models

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.benchmark = True
    options = {"width": task.channels} if task.channels else {}
    model = torch_models.MODELS[task.model](CLASSES, **options)
    model = model.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    images, labels = map(torch.from_numpy, samples(task))

    def step() -> None:
        x, y = images.to(device).permute(0, 3, 1, 2), labels.to(device).long()
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16):
            outputs = model(x)
            losses = {
                name: torch.nn.functional.cross_entropy(logits, y, ignore_index=255)
                for name, logits in outputs.items()
            }
        loss = losses["logits"] + 0.4 * losses.get("auxiliary", 0)
        loss.backward()
        optimizer.step()
        loss.item()

    ends = []
    for _ in range(task.warmup + task.steps):
        step()
        ends.append(time.perf_counter())
    return {"ends": ends, **torch_device()}


def torch_device() -> dict[str, Any]:
    import torch

    if not torch.cuda.is_available():
        return {"device": "cpu", "peak": process_peak()}
    return {"device": torch.cuda.get_device_name(), "peak": torch.cuda.max_memory_allocated()}


def process_peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


CONTENDERS: dict[str, tuple[str, Callable[[Task], dict[str, Any]]]] = {
    "jax": ("kerseg, JAX", jax),
    "torch": ("kerseg, PyTorch", torch),
    "native": ("PyTorch", native),
}


# Running them, one after the other.


def serve(connection: Connection, contender: str, task: Task) -> None:
    try:
        connection.send(CONTENDERS[contender][1](task))
    except Exception as error:  # Out of memory, most likely: a row that says so, and on to the next.
        connection.send({"error": f"{type(error).__name__}: {error}"[:300]})


def run(contender: str, task: Task) -> dict[str, Any]:
    """Return the row of one contender and network."""
    context = mp.get_context("spawn")
    here, there = context.Pipe()
    began = time.perf_counter()
    process = context.Process(target=serve, args=(there, contender, task), daemon=True)
    process.start()
    there.close()
    try:
        result = here.recv()
    except EOFError:
        result = {"error": "the process died"}
    process.join()
    return {"contender": contender, **asdict(task), **summary(result, task, time.perf_counter() - began)}


def summary(result: dict[str, Any], task: Task, whole: float) -> dict[str, Any]:
    if "error" in result:
        return result
    steps = np.diff(result["ends"][task.warmup - 1 :]).tolist()
    return {
        "device": result["device"],
        "images_per_s": task.batch / statistics.median(steps),
        "peak_gib": result["peak"] / 2**30,
        "whole_s": whole,
        "step_s": steps,
    }


def report(rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    first = rows[0]
    devices = ", ".join(sorted({row["device"] for row in rows if "device" in row})) or "no device"
    shape = f"{first['batch']} x {first['height']} x {first['width']}"
    title = f"bfloat16 training, {shape}, {devices}; medians of {first['steps']} steps"
    table = Table("network", "contender", title=title, box=box.MARKDOWN, title_justify="left")
    for name in ("images/s", "peak GiB", "process, s"):
        table.add_column(name, justify="right")
    for row in rows:
        cells = [row.get("error", "")] if "error" in row else columns(row)
        table.add_row(row["model"], CONTENDERS[row["contender"]][0], *cells)
    Console(width=140).print(table)


def columns(row: dict[str, Any]) -> list[str]:
    return [f"{row['images_per_s']:.1f}", f"{row['peak_gib']:.2f}", f"{row['whole_s']:.0f}"]


def parse(known: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=known, default=known, metavar="NAME")
    parser.add_argument(
        "--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="NAME"
    )
    parser.add_argument("--size", type=int, nargs=2, default=(512, 512), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--batch", type=int, default=8, help="images in a step (default: 8)")
    parser.add_argument("--steps", type=int, default=20, help="timed steps (default: 20)")
    parser.add_argument("--warmup", type=int, default=5, help="steps before those (default: 5)")
    parser.add_argument("--width", type=int, help="channels of the first stage, for a rehearsal")
    kept.add_option(parser, "gpu")
    options = parser.parse_args()
    if options.warmup < 1 or options.steps < 1:
        parser.error("--warmup and --steps are at least 1: the first step compiles.")
    return options


def main() -> None:
    from kerseg.models import MODELS

    options = parse(list(MODELS))
    began, rows = kept.environment(), list[dict[str, Any]]()
    for model in options.models:
        task = Task(model, options.batch, *options.size, options.steps, options.warmup, options.width)
        for contender in options.contenders:
            package = "jax" if contender == "jax" else "torch"
            if importlib.util.find_spec(package) is None or (contender == "native" and model not in NATIVE):
                continue
            rows.append(run(contender, task))
            row = rows[-1]
            print(f"{model}, {contender}: {row.get('error') or ', '.join(columns(row))}", flush=True)
            kept.write(options, began, rows)
    if not rows:
        raise SystemExit("Nothing to run: neither jax nor torch is installed, or no network is native.")
    report(rows)


if __name__ == "__main__":
    main()
