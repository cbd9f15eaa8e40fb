"""How a run begins: the architecture's training heads with their weights, and weights trained elsewhere."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import kerseg
from kerseg import modelfile, models
from kerseg.config import Augment
from kerseg.errors import WeightsError
from kerseg.losses.cross_entropy import CrossEntropy
from kerseg.losses.labels import OnGrid

STILL = Augment(flip=0.0)
OPTIONS: dict[str, Any] = {"crop_size": (24, 32), "batch_size": 2, "augment": STILL}


def first_batch(data: Path) -> tuple[Any, Any]:
    batches = kerseg.data.load(data).train(crop_size=(24, 32), batch_size=2, augment=STILL, seed=0, epoch=0)
    return next(iter(batches.as_numpy_iterator()))


@pytest.mark.parametrize(
    ("model", "options"), [("icnet", {"width": 4}), ("unet", {"width": 4, "dropout": 0.0})]
)
def test_the_loss_is_the_weighted_sum_over_the_heads(
    model: str, options: dict[str, Any], tiny_data: Path, tmp_path: Path
) -> None:
    run = kerseg.train(
        data_dir=tiny_data, model=model, model_options=options, steps=1, output=tmp_path / "run", **OPTIONS
    )
    reported = float((run.path / "history.csv").read_text().splitlines()[1].split(",")[3])
    image, label = first_batch(tiny_data)
    keras.utils.set_random_seed(0)
    network = models.build(model, num_classes=3, auxiliary=True, **options)
    outputs, loss = network(image, training=True), CrossEntropy()
    weights, grids = models.loss_weights(model, network), models.label_grids(model, network)
    losses = {name: OnGrid(loss, grids[name]) if name in grids else loss for name in weights}
    outputs = {name: keras.ops.stop_gradient(output) for name, output in outputs.items()}
    expected = sum(weight * float(losses[name](label, outputs[name])) for name, weight in weights.items())
    assert reported == pytest.approx(expected, rel=1e-4)
    # What is saved is the inference model: one output, at the image's size.
    saved, card = modelfile.load(run.path)
    assert card.architecture == model
    assert saved(image).shape == (2, 24, 32, 3)


def test_a_run_starts_from_another_one_and_says_so(
    tiny_data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    unet = {"data_dir": tiny_data, "model": "unet", "model_options": {"width": 2}, **OPTIONS}
    first = kerseg.train(steps=2, output=tmp_path / "first", **unet)
    second = kerseg.train(
        steps=1, output=tmp_path / "second", weights=str(first.path), learning_rate=1e-12, **unet
    )
    kernels = [
        [v for v in modelfile.load(run.path)[0].get_weights() if v.ndim == 4] for run in (first, second)
    ]
    for one, other in zip(*kernels, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)
    said = capfd.readouterr().err
    assert "first (unet): " in said.replace("\n", "") and "variables loaded" in said
    # The recipe names the weights by their whole path; what a run has learnt since does not come from them.
    assert f"weights: {first.path.resolve()}" in (second.path / "config.yaml").read_text()


def test_weights_that_do_not_fit_leave_nothing_behind(tiny_data: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    for output in tmp_path / "kept", tmp_path / "made":
        with pytest.raises(WeightsError, match=r"nowhere\.ckpt: does not exist"):
            kerseg.train(data_dir=tiny_data, model="unet", weights="nowhere.ckpt", output=output, **OPTIONS)
    assert not any(tmp_path.rglob("*.yaml"))
    assert not (tmp_path / "made").exists()
