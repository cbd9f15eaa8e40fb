"""How a run updates weights: accumulation, averages, frozen layers, losses of heads; and resuming with them."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

import kerseg
from kerseg import modelfile
from kerseg.config import TrainConfig
from kerseg.errors import ConfigError
from kerseg.layers import norm
from kerseg.losses import CrossEntropy
from kerseg.models import unet
from kerseg.optim import OPTIMIZERS
from kerseg.optim.updates import arrange
from kerseg.training import learner
from kerseg.training.run import Plan, Run

SMALL: dict[str, Any] = {"crop_size": (16, 16), "batch_size": 2, "previews": 0}  # five steps an epoch
UNET: dict[str, Any] = {
    "model": "unet",
    "model_options": {"width": 2},
    "optimizer": "sgd",
    "optimizer_options": {"nesterov": True},
    "schedule": "one_cycle",
    "accumulate": 2,  # the end of an epoch comes between two updates
    "clip_norm": 1.0,
    "ema": 0.5,
    "loss": "boundary_weighted+0.5*lovasz_softmax",
}
FCN: dict[str, Any] = {
    "model": "fcn_32s",
    "model_options": {"width": 1},
    "optimizer": "lion",
    "learning_rate": 1e-3,
    "layer_rates": "release",
    "freeze_backbone_epochs": 0.8,  # four steps
    "ema": 0.9,
    "loss": "ohem",
}


def variables(folder: Path) -> dict[str, np.ndarray]:
    return Run(folder).load_state()[0]


@pytest.fixture(scope="module")
def fcn_weights(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one step: weights to start from."""
    output = tmp_path_factory.mktemp("fcn") / "run"
    options = {name: FCN[name] for name in ("model", "model_options")}
    return kerseg.train(data_dir=tiny_data, output=output, steps=1, **options, **SMALL).path


@pytest.mark.parametrize("method", ["unet", "fcn"])
def test_a_run_goes_on_bit_for_bit_whatever_updates_it(
    method: str,
    tiny_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    options = UNET if method == "unet" else FCN | {"weights": str(request.getfixturevalue("fcn_weights"))}
    save, states = Run.save_state, {}

    def save_and_copy(self: Run, values: dict[str, np.ndarray], progress: Any) -> None:
        save(self, values, progress)
        states[progress.epoch, progress.batch] = values
        shutil.copytree(self.path, tmp_path / f"{progress.epoch}-{progress.batch}")

    with monkeypatch.context() as patched:
        patched.setattr(Run, "save_state", save_and_copy)
        run = kerseg.train(
            data_dir=tiny_data, output=tmp_path / "whole", steps=7, save_steps=3, **options, **SMALL
        )
    assert list(states) == [(0, 3), (1, 0), (1, 1), (2, 0)]
    # Between two updates, and while the backbone is frozen.
    again = kerseg.train(resume=tmp_path / "0-3")
    first, second = variables(run.path), variables(again.path)
    assert first.keys() == second.keys()
    assert not [name for name in first if not np.array_equal(first[name], second[name])]

    # The model that was scored and saved is the average of the weights.
    state = states[1, 0]
    averages = [value for name, value in state.items() if name.endswith("_average")]
    weights = [value for name, value in state.items() if name.endswith(("/kernel", "/bias"))]
    saved = [
        keras.ops.convert_to_numpy(value)
        for value in modelfile.load(tmp_path / "1-0" / "best.keras")[0].trainable_variables
    ]
    assert len(saved) == len(averages) == len(weights)
    assert all(np.array_equal(one, other) for one, other in zip(saved, averages, strict=True))
    assert not all(np.array_equal(one, other) for one, other in zip(saved, weights, strict=True))

    if method == "fcn":
        start = [
            keras.ops.convert_to_numpy(value)
            for value in modelfile.load(Path(options["weights"]))[0].trainable_variables
        ]
        third = [v for name, v in states[0, 3].items() if name.endswith(("/kernel", "/bias"))]
        moved = [not np.array_equal(one, other) for one, other in zip(start, third, strict=True)]
        assert moved == [False] * (len(moved) - 2) + [True, True]  # score_fr alone
        assert all(not np.array_equal(one, other) for one, other in zip(start, weights, strict=True))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_accumulated_steps_are_the_step_of_the_large_batch(name: str) -> None:
    random = np.random.default_rng(0)
    images = random.normal(size=(8, 6, 7, 3)).astype("float32")
    labels = random.integers(0, 4, (8, 6, 7))

    def trained(batch: int, accumulate: int) -> list[np.ndarray]:
        keras.utils.set_random_seed(1)
        image = keras.Input((6, 7, 3))
        x = keras.layers.Conv2D(5, 3, padding="same", activation="tanh")(image)
        model = keras.Model(image, keras.layers.Conv2D(4, 1)(x))
        optimizer = OPTIMIZERS.load(name)(0.01, model.trainable_variables, weight_decay=0.1)
        arrange(optimizer, accumulate=accumulate, clip_norm=0.5)
        model.compile(optimizer, loss=CrossEntropy())
        model.fit(images, labels, batch_size=batch, epochs=3, shuffle=False, verbose=0)
        return model.get_weights()

    for one, other in zip(trained(2, 4), trained(8, 1), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [False, True])
def test_frozen_batch_norm_normalises_with_what_was_loaded(scale: bool) -> None:
    image = keras.Input((8, 8, 3))
    inner = keras.Model(image, norm.BatchNorm(name="inner")(image))
    model = keras.Model(image, norm.BatchNorm(name="outer")(inner(image)))
    x = np.random.default_rng(0).normal(5, 3, (2, 8, 8, 3)).astype("float32")
    before = keras.ops.convert_to_numpy(model(x, training=False))
    norm.freeze(model, scale=scale)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(x, training=True)), before, rtol=1e-6)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(x, training=False)), before, rtol=1e-6)
    assert len(model.trainable_variables) == (0 if scale else 4)


def test_heads_have_losses_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    image = keras.Input((4, 4, 3))
    heads = {name: keras.layers.Conv2D(n, 1)(image) for name, n in (("logits", 3), ("side", 3), ("edge", 1))}
    model, info = keras.Model(image, heads), SimpleNamespace(num_classes=3, split=lambda name: split)
    split = SimpleNamespace(class_pixels=(1, 2, 3), class_image_pixels=(6, 6, 6))
    data = SimpleNamespace(info=info, counted=lambda name: split)
    monkeypatch.setattr(unet, "LOSSES", {"logits": "ohem", "edge": "focal"}, raising=False)

    def names(**options: Any) -> list[str]:
        config = TrainConfig(model="unet", class_weights="inverse", **options)
        losses = learner._losses(config, data, model)
        assert losses["logits"].class_weights is not None and losses["edge"].class_weights is None
        return [losses[name].name for name in heads]

    assert names() == ["ohem", "cross_entropy", "focal"]
    # What is asked for is of the heads that tell classes.
    assert names(loss="dice") == ["dice", "dice", "focal"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"layer_rates": "release"},
            r"`layer_rates='release'`: no release of unet is known that treats layers",
        ),
        ({"freeze_backbone_epochs": 1, "weights": "w.keras"}, r"unet has no backbone that could be frozen"),
    ],
)
def test_what_an_architecture_does_not_have_is_refused(options: dict[str, Any], message: str) -> None:
    config = TrainConfig(model="unet", **options)
    with pytest.raises(ConfigError, match=message):
        learner._layerwise(config, Plan(5, 10), [SimpleNamespace(path="conv/kernel")])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accumulate": 0}, "`accumulate` must be at least 1"),
        ({"clip_norm": 0.0}, "`clip_norm` must be above 0"),
        ({"ema": 1.0}, r"`ema` is 0 or more and below 1\. Received: 1\.0"),
        (
            {"freeze_backbone_epochs": 2},
            "`freeze_backbone_epochs` keeps what was loaded, and nothing is: give `weights`",
        ),
        ({"batch_norm": "frozen"}, "`batch_norm` keeps what was loaded"),
        ({"loss": "dice+fokal"}, r"there is no loss 'fokal'\. Did you mean 'focal'"),
        ({"loss_options": {"gamma": 1.0}}, "`loss_options` are for `loss`, which is not given"),
        (
            {"loss": "dice", "loss_options": {"gamma": 1.0}},
            r"`loss_options\.gamma`: loss 'dice' has no such option",
        ),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**options)
