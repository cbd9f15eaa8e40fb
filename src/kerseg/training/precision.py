"""In which type a run computes, where its user leaves that open: the one that is faster here.

A CPU's name does not say it: of two networks on one machine one takes half the time in bfloat16, the other more
than in float32, because few of its operations have a fast way there.
"""

import dataclasses
import time

import keras

from kerseg.config import TrainConfig
from kerseg.core.console import note
from kerseg.data.reading.pipeline import Dataset
from kerseg.training import learner
from kerseg.training.run import Plan

LEAST_STEPS = 300
"""Steps of a run from which on measuring is worth its time, which is that of a dozen steps and two traces."""
GAIN = 1.1
"""How many times as fast as float32 another type has to be: it rounds."""
WARM_UP, TIMED = 2, 3
"""Steps: the first trace and fill caches, the others count."""


def resolved(config: TrainConfig, data: Dataset, plan: Plan) -> TrainConfig:
    """Return a run's options with a precision in place of ``auto``.

    Args:
        config: The options.
        data: What is learnt from; one batch of it is used.
        plan: How many steps the run has. Fewer than `LEAST_STEPS` are taken in float32, unmeasured.
    """
    if config.precision != "auto":
        return config
    if plan.total < LEAST_STEPS or not _is_promising():
        return dataclasses.replace(config, precision="float32")
    candidates = [dataclasses.replace(config, precision=precision) for precision in ("float32", "bfloat16")]
    exact, half = (_step_seconds(candidate, data, plan) for candidate in candidates)
    chosen = candidates[1] if half * GAIN < exact else candidates[0]
    note(f"precision {chosen.precision}: a step takes {exact:.2f} s in float32 and {half:.2f} s in bfloat16")
    return chosen


def _is_promising() -> bool:
    """Tell whether a large convolution is faster in bfloat16: where it is not, no network is."""
    image = keras.random.normal((4, 64, 64, 128))
    kernel = keras.random.normal((3, 3, 128, 128))

    def taken(dtype: str) -> float:
        x, k = keras.ops.cast(image, dtype), keras.ops.cast(kernel, dtype)
        best = float("inf")
        for _ in range(4):
            began = time.perf_counter()
            y = keras.ops.conv(x, k, padding="same")[0, 0, 0]
            keras.ops.convert_to_numpy(keras.ops.cast(y, "float32"))  # waits for it
            best = min(best, time.perf_counter() - began)
        return best

    return taken("bfloat16") * GAIN < taken("float32")


def _step_seconds(config: TrainConfig, data: Dataset, plan: Plan) -> float:
    """Return how long a training step takes, on one batch that is there already."""
    built = learner.build(config, data, plan)
    batches = data.train(
        crop_size=config.crop_size,
        batch_size=config.batch_size,
        augment=config.augment,
        seed=config.seed,
        epoch=0,
        split=config.train_split,
    )
    images, targets = next(iter(built.targets(batches.take(1))))
    seconds: list[float] = []
    for _ in range(WARM_UP + TIMED):
        began = time.perf_counter()
        built.training.train_on_batch(images, targets)
        seconds.append(time.perf_counter() - began)
    del built
    keras.backend.clear_session()  # two networks more would stay
    return min(seconds[WARM_UP:])
