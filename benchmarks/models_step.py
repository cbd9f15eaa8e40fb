"""ENet's training step and inference: kerseg's layers, Keras's own, and PyTorch, side by side.

    python benchmarks/models_step.py [--size 4 352 480] [--rounds 15] [--threads 2]

All run in one process, in turns: what else the machine does hits each of them alike. Wall time is what a user
waits; CPU time (all threads added up) moves less when the machine is busy. ``first`` is the time from a built
model to the end of its first training step.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
import torch
from torch import nn
from torch.nn import functional

from kerseg.models import enet

CLASSES = 11
Steps = tuple[Callable[[], object], Callable[[], object]]


class Stock:
    """``keras.layers`` under the names that ``kerseg.models.enet`` uses for its own."""

    BatchNorm = keras.layers.BatchNormalization
    PReLU = keras.layers.PReLU
    SpatialDropout = keras.layers.SpatialDropout2D

    @staticmethod
    def PointwiseConv(filters: int, name: str) -> keras.layers.Layer:  # noqa: N802, the class's name
        """Stand in for ``kerseg.layers.conv.PointwiseConv``."""
        return keras.layers.Conv2D(filters, 1, use_bias=False, name=name)


def keras_steps(images: np.ndarray, labels: np.ndarray, *, stock: bool) -> Steps:
    names = [name for name in vars(Stock) if not name.startswith("_")] if stock else []
    ours = {name: getattr(enet, name) for name in names}
    for name in names:
        setattr(enet, name, getattr(Stock, name))
    model = enet.enet(num_classes=CLASSES)
    for name, layer in ours.items():
        setattr(enet, name, layer)

    optimizer = keras.optimizers.Adam(5e-4)
    optimizer.build(model.trainable_variables)  # else tf.function traces everything twice
    x, y = tf.constant(images, tf.float32), tf.constant(labels)

    @tf.function
    def train() -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    @tf.function
    def infer() -> tf.Tensor:
        return model(x, training=False)

    return lambda: train().numpy(), lambda: infer().numpy()


def torch_steps(images: np.ndarray, labels: np.ndarray, *, channels_last: bool) -> Steps:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = TorchENet().to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), 5e-4)
    x = torch.tensor(images.astype("float32")).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    y = torch.tensor(labels, dtype=torch.long)

    def train() -> float:
        model.train()
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    def infer() -> torch.Tensor:
        model.eval()
        with torch.inference_mode():
            return model(x)

    return train, infer


class TorchBlock(nn.Module):
    """Any of ENet's bottlenecks."""

    def __init__(self, inputs, channels, *, down=False, up=False, dilation=1, asymmetric=False, dropout=0.0):
        super().__init__()
        self.down, self.up, self.missing = down, up, channels - inputs
        internal, decoder = channels // 4, dropout == 0

        def activation(n):
            return nn.ReLU() if decoder else nn.PReLU(n)

        def normed(conv, n):
            return [conv, nn.BatchNorm2d(n, 1e-3), activation(n)]

        size = 2 if down else 1
        reduce = nn.Conv2d(inputs, internal, size, size, bias=False)
        if up:
            middle = [nn.ConvTranspose2d(internal, internal, 3, 2, 1, 1)]
        elif asymmetric:
            middle = [
                nn.Conv2d(internal, internal, (5, 1), padding=(2, 0), bias=False),
                nn.Conv2d(internal, internal, (1, 5), padding=(0, 2), bias=False),
            ]
        else:
            middle = [nn.Conv2d(internal, internal, 3, padding=dilation, dilation=dilation)]
        self.extension = nn.Sequential(
            *normed(reduce, internal),
            *middle[:-1],
            *normed(middle[-1], internal),
            nn.Conv2d(internal, channels, 1, bias=False),
            nn.BatchNorm2d(channels, 1e-3),
            *([nn.Dropout2d(dropout)] if dropout else []),
        )
        if up:
            self.main = nn.Sequential(
                nn.Conv2d(inputs, channels, 1, bias=False), nn.BatchNorm2d(channels, 1e-3)
            )
        self.activation = activation(channels)

    def forward(self, x, index=None):
        """Apply the block; a downsampling one also returns its pooling's positions."""
        main = x
        if self.down:
            main, index = functional.max_pool2d(x, 2, return_indices=True)
            main = functional.pad(main, (0, 0, 0, 0, 0, self.missing))
        if self.up:
            main = functional.max_unpool2d(self.main(x), index, 2)
        y = self.activation(main + self.extension(x))
        return (y, index) if self.down else y


class TorchENet(nn.Module):
    """ENet as ``kerseg.models.enet`` builds it."""

    def __init__(self):
        super().__init__()
        self.initial = nn.Conv2d(3, 13, 3, 2, 1)
        self.initial_norm = nn.Sequential(nn.BatchNorm2d(16, 1e-3), nn.PReLU(16))
        self.down1 = TorchBlock(16, 64, down=True, dropout=0.01)
        self.stage1 = nn.Sequential(*(TorchBlock(64, 64, dropout=0.01) for _ in range(4)))
        self.down2 = TorchBlock(64, 128, down=True, dropout=0.1)
        self.stage2 = nn.Sequential(*(TorchBlock(128, 128, dropout=0.1, **o) for o in 2 * enet._CONTEXT))
        self.up4 = TorchBlock(128, 64, up=True)
        self.stage4 = nn.Sequential(TorchBlock(64, 64), TorchBlock(64, 64))
        self.up5 = TorchBlock(64, 16, up=True)
        self.stage5 = TorchBlock(16, 16)
        self.logits = nn.ConvTranspose2d(16, CLASSES, 2, 2)

    def forward(self, x):
        """Return logits of ``(batch, 3, height, width)``, sizes multiples of 8."""
        x = x / 255
        x = self.initial_norm(torch.cat([self.initial(x), functional.max_pool2d(x, 2)], 1))
        x, index1 = self.down1(x)
        x, index2 = self.down2(self.stage1(x))
        x = self.stage4(self.up4(self.stage2(x), index2))
        return self.logits(self.stage5(self.up5(x, index1)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--size", type=int, nargs=3, default=(4, 352, 480), metavar=("BATCH", "HEIGHT", "WIDTH")
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--skip-pytorch", action="store_true", help="its threads spin when cores are shared")
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    torch.set_num_threads(options.threads)

    random = np.random.default_rng(0)
    images = random.integers(0, 256, (*options.size, 3), "uint8")
    labels = random.integers(0, CLASSES, options.size, "int32")
    makers = {
        "PyTorch": lambda: torch_steps(images, labels, channels_last=False),
        "PyTorch, channels last": lambda: torch_steps(images, labels, channels_last=True),
        "Keras's layers": lambda: keras_steps(images, labels, stock=True),
        "kerseg": lambda: keras_steps(images, labels, stock=False),
    }
    trained = sum(p.numel() for p in TorchENet().parameters())
    if trained != 362_948 + 65 * CLASSES:
        raise SystemExit(f"The PyTorch ENet has {trained} parameters: not the same network.")

    steps, first = {}, {}
    for name, make in makers.items():
        if options.skip_pytorch and "PyTorch" in name:
            continue
        steps[name] = make()
        first[name] = clocked(steps[name][0])
        steps[name][1]()
    times: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for _ in range(options.rounds):
        for name, functions in steps.items():
            for kind, function in enumerate(functions):
                times.setdefault((name, kind), []).append(clocked(function))
    report(options, first, times)


def clocked(function: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - cpu


def report(options, first, times) -> None:
    batch, height, width = options.size
    print(f"ENet, {batch} x {height} x {width}, {CLASSES} classes, {options.threads} threads, ", end="")
    print(f"medians of {options.rounds}; tensorflow {tf.__version__}, keras {keras.__version__}, ", end="")
    print(f"torch {torch.__version__}\n")
    print("|  | train: wall ms | CPU ms | infer: wall ms | CPU ms | first: wall s | CPU s |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, (wall, cpu) in first.items():
        cells = [
            f"{1000 * statistics.median(t[clock] for t in times[name, kind]):.0f}"
            for kind in (0, 1)
            for clock in (0, 1)
        ]
        print(f"| {name} | {' | '.join(cells)} | {wall:.1f} | {cpu:.1f} |")


if __name__ == "__main__":
    main()
