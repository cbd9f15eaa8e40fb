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
import json
import multiprocessing as mp
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

CLASSES, RATE = 11, 5e-4
CHECKED = 2, 64, 96
"""Batch, height and width of the images that the contenders must agree on."""
TOLERANCE = 1e-3
"""Of the logits, as a share of the largest: float32, and sums in another order through fifty layers."""
OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "unet": ({"width": 32}, {"width": 32}),
    "enet": ({}, {}),
    "deeplab_v3": ({"backbone": "resnet50"}, {"depth": 50}),
    "pspnet": ({"backbone": "resnet50"}, {"depth": 50}),
}
"""Of each network: what kerseg's builder takes, and what the one in ``torch_models`` takes."""
BASE = "pytorch"
Weights = list[list[np.ndarray]]
"""Of a network's layers, in the order in which they are applied."""
Seconds = tuple[float, float]
"""Of the wall clock, and of the processor."""


@dataclass(frozen=True)
class Task:
    """What a contender is to run."""

    model: str
    batch: int
    height: int
    width: int
    threads: int


def samples(batch: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    shape = batch, height, width
    return random.integers(0, 256, (*shape, 3), "uint8"), random.integers(0, CLASSES, shape, "uint8")


def clocked(function: Callable[[], object]) -> Seconds:
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - cpu


# The contenders, each in a process of its own.


class Kerseg:
    """kerseg as it is; with ``stock`` its graphs have Keras's layers, and Keras's Adam trains them."""

    def __init__(self, task: Task, *, stock: bool = False, runtime: str = "keras"):
        os.environ["KERAS_BACKEND"] = "tensorflow"

        from kerseg.core.tensorflow import import_tensorflow

        import_tensorflow()
        import keras
        import tensorflow as tf

        # What kerseg.train imports too: part of the wait for the first step.
        import kerseg.training.training  # noqa: F401
        from kerseg import models
        from kerseg.inference.predictor import Predictor
        from kerseg.losses import cross_entropy as losses
        from kerseg.optim import optimizers

        tf.config.threading.set_intra_op_parallelism_threads(task.threads)
        tf.config.threading.set_inter_op_parallelism_threads(task.threads)
        self.imported = time.time()
        if stock:
            use_stock_layers()
        network = models.build(task.model, num_classes=CLASSES, auxiliary=True, **OPTIONS[task.model][0])
        weights = models.loss_weights(task.model, network)
        self.model = keras.Model(network.input, {name: network.output[name] for name in weights})
        self.model.compile(
            (keras.optimizers.Adam if stock else optimizers.Adam)(RATE),
            loss={name: losses.CrossEntropy() for name in weights},
            loss_weights=weights,
            jit_compile=False,  # as kerseg.train on TensorFlow
        )
        self.model.optimizer.build(self.model.trainable_variables)
        self.inference = keras.Model(network.input, network.output["logits"])
        self.predictor = Predictor(self.inference, runtime=runtime)
        self.images, labels = samples(task.batch, task.height, task.width)
        batch = self.images, dict.fromkeys(weights, labels)
        self.data = tf.data.Dataset.from_tensors(batch).repeat().prefetch(1)

    def train(self) -> Seconds:
        """Take one step; the time is that between ``fit``'s callbacks, without the set-up of an epoch."""
        stopwatch = make_stopwatch()
        self.model.fit(self.data, steps_per_epoch=1, verbose=0, shuffle=False, callbacks=[stopwatch])
        return stopwatch.seconds

    def infer(self) -> Seconds:
        """Predict the batch."""
        return clocked(lambda: self.predictor(self.images))

    def network(self, weights: Weights | None) -> dict[str, Any]:
        """Take these weights, if any, and return what tells this network from another, its weights among it."""
        layers = sorted((layer for layer in self.model.layers if layer.weights), key=made)
        for layer, arrays in zip(layers, weights or [shaken(layer) for layer in layers], strict=True):
            layer.set_weights(arrays)
        return {
            "trainable": sum(int(np.prod(variable.shape)) for variable in self.model.trainable_variables),
            "weights": [layer.get_weights() for layer in layers],
            "logits": np.asarray(self.inference(samples(*CHECKED)[0].astype("float32"), training=False)),
        }


def shaken(layer: Any) -> list[np.ndarray]:
    """Return a layer's weights, its vectors moved: new ones are all 0 or 1, and a mix-up would not show."""
    random = np.random.default_rng(1)
    return [w + random.uniform(0, 0.1, w.shape) if w.ndim == 1 else w for w in layer.get_weights()]


def made(layer: Any) -> int:
    """Return a number that grows from layer to layer as a graph is built: Keras counts its tensors."""
    return int(layer.output.name.rsplit("_", 1)[-1])


def make_stopwatch() -> Any:
    import keras

    class Stopwatch(keras.callbacks.Callback):
        """Times one step, with reading the loss, which kerseg.train does after each."""

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.wall, self.cpu = time.perf_counter(), time.process_time()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            float(logs["loss"])
            self.seconds = time.perf_counter() - self.wall, time.process_time() - self.cpu

    return Stopwatch()


def use_stock_layers() -> None:
    """Put Keras's own layers where kerseg's architectures look for kerseg's variants of them."""
    import keras

    from kerseg.layers import conv
    from kerseg.models import enet

    def pointwise(filters: int, **options: Any) -> Any:
        return keras.layers.Conv2D(filters, 1, use_bias=False, **options)

    stock = {
        "BatchNorm": keras.layers.BatchNormalization,
        "PReLU": keras.layers.PReLU,
        "SpatialDropout": keras.layers.SpatialDropout2D,
        "PointwiseConv": pointwise,
    }
    for module in (conv, enet):
        for name in stock.keys() & vars(module).keys():
            setattr(module, name, stock[name])


class PyTorch:
    """The networks of ``torch_models``, eager."""

    def __init__(self, task: Task, *, channels_last: bool = True, autocast: bool = False):
        import torch

        import torch_models

        torch.set_num_threads(task.threads)
        self.imported = time.time()
        self.torch, self.copy_weights = torch, torch_models.copy_weights
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.autocast = torch.autocast("cpu", torch.bfloat16, enabled=autocast)
        model = torch_models.MODELS[task.model](CLASSES, **OPTIONS[task.model][1])
        self.model = model.to(memory_format=self.layout)
        self.optimizer = torch.optim.Adam(self.model.parameters(), RATE, eps=1e-7)  # Keras's epsilon
        images, labels = samples(task.batch, task.height, task.width)
        self.images, self.labels = images, torch.from_numpy(labels).long()

    def train(self) -> Seconds:
        """Take one step."""
        return clocked(self._step)

    def infer(self) -> Seconds:
        """Predict the batch."""
        return clocked(self._predict)

    def network(self, weights: Weights) -> dict[str, Any]:
        """Take a Keras model's weights, and return what tells this network from another."""
        images = self._tensor(samples(*CHECKED)[0])
        self.copy_weights(self.model, weights, images)
        self.model.eval()
        with self.torch.inference_mode():
            logits = self.model(images)["logits"].permute(0, 2, 3, 1).numpy()
        return {"trainable": sum(entry.numel() for entry in self.model.parameters()), "logits": logits}

    def _tensor(self, images: np.ndarray) -> Any:
        return self.torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=self.layout)

    def _step(self) -> float:
        self.model.train()
        self.optimizer.zero_grad()
        outputs = self.model(self._tensor(self.images))
        losses = {
            name: self.torch.nn.functional.cross_entropy(logits, self.labels, ignore_index=255)
            for name, logits in outputs.items()
        }
        loss = losses["logits"] + 0.4 * losses.get("auxiliary", 0)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def _predict(self) -> np.ndarray:
        self.model.eval()
        with self.torch.inference_mode(), self.autocast:
            logits = self.model(self._tensor(self.images))["logits"]
            return logits.argmax(1).to(self.torch.uint8).numpy()


CONTENDERS: dict[str, Callable[[Task], Any]] = {
    "kerseg": Kerseg,
    "openvino": lambda task: Kerseg(task, runtime="openvino"),
    "openvino_bf16": lambda task: Kerseg(task, runtime="openvino_bf16"),
    "keras": lambda task: Kerseg(task, stock=True),
    "pytorch": PyTorch,
    "pytorch_bf16": lambda task: PyTorch(task, autocast=True),
    "pytorch_nchw": lambda task: PyTorch(task, channels_last=False),
}
PREDICT_ONLY = "openvino", "openvino_bf16", "pytorch_bf16"
TITLES = {
    "kerseg": "kerseg",
    "openvino": "kerseg, OpenVINO",
    "openvino_bf16": "kerseg, OpenVINO, bfloat16",
    "keras": "Keras's layers",
    "pytorch": "PyTorch",
    "pytorch_bf16": "PyTorch, autocast to bfloat16",
    "pytorch_nchw": "PyTorch, NCHW",
}


def serve(connection: Connection, contender: str, task: Task, began: float) -> None:
    """Build a contender, say how long that took, and answer with what its methods return."""
    contestant = CONTENDERS[contender](task)
    connection.send({"imports": contestant.imported - began, "built": time.time() - began})
    while request := next_request(connection):
        method, *arguments = request
        connection.send(getattr(contestant, method)(*arguments))


def next_request(connection: Connection) -> tuple[Any, ...] | None:
    try:
        request: tuple[Any, ...] | None = connection.recv()
    except EOFError:  # Whoever asked is gone, and has said why.
        return None
    return request


class Process:
    """A contender in a process of its own."""

    def __init__(self, contender: str, task: Task):
        self.name = f"{contender} with {task.model}"
        context = mp.get_context("spawn")
        self.connection, there = context.Pipe()
        self.began = time.time()
        self.process = context.Process(target=serve, args=(there, contender, task, self.began), daemon=True)
        self.process.start()
        there.close()  # so that its death is the end of the pipe
        self.marks: dict[str, float] = self._receive()

    def ask(self, *request: Any) -> Any:
        """Call one of its methods."""
        self.connection.send(request)
        return self._receive()

    def end(self) -> None:
        """Let it end."""
        self.connection.send(None)
        self.process.join()

    def _receive(self) -> Any:
        try:
            return self.connection.recv()
        except EOFError:
            raise SystemExit(f"{self.name} died; its error is above.") from None


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


def environment(options: argparse.Namespace) -> dict[str, Any]:
    packages = {name: version(name) for name in ("kerseg", "keras", "tensorflow", "torch", "numpy")}
    return {
        "packages": packages,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "date": time.strftime("%Y-%m-%d"),
        "load": os.getloadavg(),
        "options": {**vars(options), "json": str(options.json)},
    }


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
    parser.add_argument("--json", type=Path, help="also write every single time here")
    options = parser.parse_args()
    if any(size % 16 for size in options.size):
        parser.error("--size takes multiples of 16: the PyTorch networks do not pad.")
    return options


def main() -> None:
    options = parse()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Here and in the contenders' processes.
    rows: list[dict[str, Any]] = []
    began = environment(options)
    for model in options.models:
        task = Task(model, options.batch, *options.size, options.threads)
        if {"train", "infer"} & set(options.what):
            rows += measure_steps(task, options)
        if "first" in options.what:
            rows += measure_first(task, options)
    rows = [{**row, "batch": options.batch} for row in rows]
    report(rows, options, began)
    if options.json:
        options.json.write_text(json.dumps({"environment": began, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
