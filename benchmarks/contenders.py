"""Who runs in ``benchmarks/models.py``: kerseg, Keras's own layers and PyTorch, each in a process of its own."""

import multiprocessing as mp
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
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
