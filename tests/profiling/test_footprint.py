"""The memory of a training step: measured apart from this process, and told when it cannot be."""

import subprocess
import sys

import keras
import pytest

from kerseg.profiling import footprint
from kerseg.profiling.footprint import Task, device_of, measure


def task(**changes) -> Task:
    options = {"size": (64, 64), "batch_size": 1, "backend": keras.backend.backend(), "dtype": "float32"}
    return Task(**options | changes)


def test_a_larger_model_takes_more_and_at_least_its_weights_gradients_and_adam_s_two_averages():
    small = measure(task(architecture="unet", num_classes=3, options={"width": 4}))
    large = measure(task(architecture="unet", num_classes=3, options={"width": 48}))
    assert small.what == large.what == "resident memory of a process of its own"
    # 17.5 million parameters of 4 bytes, four times.
    assert large.bytes - small.bytes > 0.9 * 4 * 4 * 17.4e6


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_peak_is_that_of_the_process_and_not_of_the_one_that_started_it():
    ballast = b"\1" * 500_000_000
    code = "from kerseg.profiling.footprint import _resident; print(_resident(peak=True)[0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 1e6 < int(done.stdout) < len(ballast) / 2


def test_what_went_wrong_is_told():
    found = measure(task(architecture="unet", num_classes=3, options={"padding": "wide"}))
    assert found.bytes is None
    assert found.what == "not measured: padding is 'wide'; unet takes 'same' or 'valid'."


def test_a_killed_process_points_to_the_memory():
    assert footprint._reason(-9, "") == "the process was killed, as happens when memory runs out"
    assert footprint._reason(1, "Traceback\nMemoryError: 3 GB\n\n") == "MemoryError: 3 GB"
    assert footprint._reason(3, "") == "the process ended with 3"


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("/job:localhost/replica:0/task:0/device:GPU:0", "gpu"),
        ("/job:localhost/replica:0/task:0/device:CPU:0", "cpu"),
        ("cuda:0", "gpu"),
        ("TFRT_CPU_0", "cpu"),
        ("mps:0", "mps"),
    ],
)
def test_where_a_tensor_lies(device, expected):
    class Tensor:
        pass

    Tensor.device = device
    assert device_of(Tensor()) == expected


def test_a_device_without_a_counter_is_said_to_have_none():
    assert footprint._memory("mps", peak=True) == (
        None,
        "not measured: there is no counter of the peak on mps",
    )


def test_on_a_gpu_the_framework_counts(monkeypatch):
    backend = keras.backend.backend()
    monkeypatch.setitem(footprint._ON_GPU, backend, lambda peak: 7 if peak else 3)
    assert footprint._memory("gpu", peak=True) == (7, f"GPU memory as {backend} counts it")
    assert footprint._memory("gpu", peak=False)[0] == 3
