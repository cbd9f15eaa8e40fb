"""The memory that a training step takes, measured in a process of its own.

A process that has done other things cannot say: what was freed stays reserved, and what was built stays. So
`measure` starts one that builds the model, takes two steps, and reports its peak.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kerseg.errors import KersegError

STEPS = 2
"""The second one finds the gradients' memory of the first freed, or not: the peak is of both."""

ROOM = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""Keeps TensorFlow and JAX from taking the whole GPU at their start, so that two processes can share it."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to train one step of."""

    architecture: str = ""
    """Name in ``MODELS``, or empty: then the model is ``file``."""
    num_classes: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the architecture."""
    file: str = ""
    """A ``.keras`` file."""
    size: tuple[int, int]
    """Height and width of the crops, in pixels."""
    batch_size: int
    backend: str
    dtype: str
    """Name of Keras's precision policy."""


@dataclass(frozen=True)
class Footprint:
    """What was measured."""

    bytes: int | None
    """Memory beyond what the framework takes by itself; ``None`` where it could not be measured."""
    what: str
    """What the number is, or why there is none."""


def measure(task: Task) -> Footprint:
    """Take training steps in a new process and return what they took.

    The number is the peak during two steps of Adam on random crops less what was in use before the model was
    built, with the framework warmed up on a model of one convolution. So it holds weights, gradients, the
    optimizer's state, activations and, on the CPU, the compiled step. On a GPU it is the framework's own count of
    its allocations there, on the CPU the process's resident memory.

    Args:
        task: The model, and the size and number of the crops.

    Example:
        >>> task = Task(architecture="enett", size=(512, 512), batch_size=8, backend="numpy", dtype="float32")
        >>> measure(task).bytes  # doctest: +SKIP
    """
    words = [sys.executable, "-m", "kerseg.profiling.footprint", json.dumps(asdict(task))]
    environment = {**os.environ, **ROOM, "KERAS_BACKEND": task.backend, "TF_CPP_MIN_LOG_LEVEL": "2"}
    # The answer comes in a file: what frameworks print goes to both streams.
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "footprint.json"
        done = subprocess.run(
            [*words, str(answer)], env=environment, capture_output=True, text=True, check=False
        )
        if answer.exists():
            return Footprint(**json.loads(answer.read_text(encoding="utf-8")))
    return Footprint(None, f"not measured: {_reason(done.returncode, done.stderr)}")


def _reason(code: int, errors: str) -> str:
    """Return why the process failed, in a line."""
    if code == -9:
        return "the process was killed, as happens when memory runs out"
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return lines[-1][:200] if lines else f"the process ended with {code}"


def _run(task: Task) -> Footprint:
    """Take the steps in this process."""
    # Should memory run out, this process is the one to go.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    import keras

    keras.config.set_dtype_policy(task.dtype)
    device = device_of(keras.ops.zeros(1))
    image = keras.Input((None, None, 3))
    _train(keras.Model(image, keras.layers.Conv2D(2, 1, dtype="float32")(image)), (8, 8), 1)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far, of imports (man 5 proc)
    before, what = _memory(device, peak=False)
    network, outputs, grids = _network(task)
    _train(network, task.size, task.batch_size, outputs, grids)
    after, _ = _memory(device, peak=True)
    return Footprint(None if after is None or before is None else after - before, what)


def device_of(tensor: Any) -> str:
    """Return where a tensor lies: ``"cpu"``, ``"gpu"``, or another backend's name such as ``"mps"``."""
    place = str(tensor.device).lower()
    if "gpu" in place or "cuda" in place or "rocm" in place:
        return "gpu"
    return "cpu" if "cpu" in place else place.partition(":")[0]


def _network(task: Task) -> tuple[Any, dict[str, float] | None, dict[str, int]]:
    """Return the model that training would make, the weights of its outputs in the loss, and their grids."""
    import keras

    from kerseg import modelfile, models

    if not task.architecture:
        return modelfile.load(task.file)[0], None, {}
    network = models.build(
        task.architecture, num_classes=task.num_classes, auxiliary=True, **dict(task.options)
    )
    outputs = models.loss_weights(task.architecture, network)
    model = keras.Model(network.input, {name: network.output[name] for name in outputs})
    return model, outputs, models.label_grids(task.architecture, network)


def _train(
    model: Any,
    size: tuple[int, int],
    batch_size: int,
    outputs: dict[str, float] | None = None,
    grids: Mapping[str, int] | None = None,
) -> None:
    """Take two steps as `kerseg train` takes them: Adam, cross entropy, all outputs that count."""
    import keras
    import numpy as np

    from kerseg.losses.cross_entropy import CrossEntropy
    from kerseg.losses.labels import OnGrid
    from kerseg.optim import OPTIMIZERS

    random = np.random.default_rng(0)
    image = random.integers(0, 256, (batch_size, *size, model.inputs[0].shape[-1]), "uint8")
    label = random.integers(0, model.outputs[0].shape[-1], (batch_size, *size), "int32")
    names = list(outputs or {})
    optimizer = OPTIMIZERS.load("adam")(1e-3, model.trainable_variables, weight_decay=1e-4)
    grids = grids or {}
    losses = {
        name: OnGrid(CrossEntropy(), grids[name]) if name in grids else CrossEntropy() for name in names
    }
    model.compile(
        optimizer,
        loss=losses or CrossEntropy(),
        loss_weights=outputs,
        jit_compile=keras.backend.backend() == "jax",
    )
    optimizer.build(model.trainable_variables)
    target = dict.fromkeys(names, label) if names else label
    model.fit(_repeat(image, target), steps_per_epoch=STEPS, verbose=0)


def _repeat(image: Any, target: Any) -> Any:
    for _ in range(STEPS):
        yield image, target


def _memory(device: str, *, peak: bool) -> tuple[int | None, str]:
    """Return the bytes in use, now or at most so far, and what they are."""
    if device == "cpu":
        return _resident(peak=peak)
    if device == "gpu":
        import keras

        backend = keras.backend.backend()
        return _ON_GPU[backend](peak), f"GPU memory as {backend} counts it"
    return None, f"not measured: there is no counter of the peak on {device}"


def _resident(*, peak: bool) -> tuple[int | None, str]:
    what = "resident memory of a process of its own"
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: its peak is that of the parent at the start, which may be larger.
        key = "VmHWM:" if peak else "VmRSS:"
        sizes = [line.split()[1] for line in status.read_text("utf-8").splitlines() if line.startswith(key)]
        if sizes:
            return 1024 * int(sizes[0]), what
    try:
        import resource
    except ImportError:
        return None, "not measured: this system does not tell a process its peak memory"
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, what


def _tensorflow(peak: bool) -> int:
    import tensorflow as tf

    return int(tf.config.experimental.get_memory_info("GPU:0")["peak" if peak else "current"])


def _jax(peak: bool) -> int:
    import jax

    return int(jax.local_devices()[0].memory_stats()["peak_bytes_in_use" if peak else "bytes_in_use"])


def _torch(peak: bool) -> int:
    import torch

    return int(torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated())


_ON_GPU = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}


def _main(words: list[str]) -> None:
    values = json.loads(words[0])
    try:
        footprint = _run(Task(**values | {"size": tuple(values["size"])}))
    except KersegError as error:
        sys.exit(str(error))
    Path(words[1]).write_text(json.dumps(asdict(footprint)), encoding="utf-8")


if __name__ == "__main__":
    _main(sys.argv[1:])
