"""What must work where TensorFlow is not installed, on the other two backends; run by scripts/test-backends."""

import subprocess
import sys

import keras
import pytest

SCRIPT = """
import sys
sys.modules["tensorflow"] = None  # from here on importing it fails, as where it is not installed
import pkgutil
from importlib import import_module
import numpy as np
import kerseg
for part in ("models", "layers", "backbones", "losses", "metrics"):
    module = import_module(f"kerseg.{part}")
    for entry in pkgutil.walk_packages(getattr(module, "__path__", ()), f"kerseg.{part}."):
        import_module(entry.name)
model = kerseg.models.build("enet", num_classes=3, width=8)
image = np.random.default_rng(0).integers(0, 256, (2, 33, 47, 3)).astype("float32")
label = np.zeros((2, 33, 47), "int32")
metric = kerseg.metrics.MeanIoU(num_classes=3)
model.compile("adam", loss=kerseg.losses.CrossEntropy(), metrics=[metric])
history = model.fit(image, label, epochs=4, verbose=0).history
print(tuple(model(image).shape), "learns:", history["loss"][-1] < history["loss"][0])
print("without tensorflow:", sys.modules["tensorflow"])
"""


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="of JAX and PyTorch: scripts/test-backends"
)
def test_models_losses_and_metrics_work_without_tensorflow():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == ["(2, 33, 47, 3) learns: True", "without tensorflow: None"]
