"""What kerseg adds to Keras's optimizers, against PyTorch's parameter groups and by hand."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest

from kerseg.core.solver import Multipliers, Solver
from kerseg.errors import ConfigError
from kerseg.optim import OPTIMIZERS
from kerseg.optim.updates import Layerwise, arrange

torch = pytest.importorskip("torch")

RANDOM = np.random.default_rng(0)
START = [RANDOM.normal(size=shape).astype("float32") for shape in ((4, 3), (3,), (3, 2))]
GRADIENTS = [[RANDOM.normal(size=value.shape).astype("float32") for value in START] for _ in range(5)]
PATHS = ("trunk/kernel", "trunk/bias", "head/kernel")
RATES, DECAYS = (1.0, 2.0, 10.0), (1.0, 0.0, 0.5)
LAYERWISE = Layerwise(RATES, DECAYS, (True, True, False))


def numpy(value: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(value))


def variables() -> list[Any]:
    names = [path.replace("/", "_") for path in PATHS]
    return [keras.Variable(value, name=name) for value, name in zip(START, names, strict=True)]


def run(
    name: str, *, decay: float = 0.0, rate: float = 0.1, count: int = 5, options: Any = None, **arranged: Any
) -> Any:
    """Return what the variables, and the optimizer, are after ``count`` steps."""
    values = variables()
    optimizer = OPTIMIZERS.load(name)(
        rate, values, weight_decay=decay, **(options or {"sgd": {"momentum": 0.9}}.get(name, {}))
    )
    arrange(optimizer, **arranged)
    optimizer.build(values)
    for gradients in GRADIENTS[:count]:
        optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients])
    return [numpy(value) for value in values], optimizer


def by_torch(
    make: Any,
    *,
    rates: Sequence[float] = (1, 1, 1),
    decays: Sequence[float],
    rate: float = 0.1,
    clip: float | None = None,
) -> Any:
    """Return the same with an optimizer of PyTorch, a group for each variable."""
    values = [torch.tensor(value, requires_grad=True) for value in START]
    groups = [
        {"params": [value], "lr": rate * factor, "weight_decay": decay}
        for value, factor, decay in zip(values, rates, decays, strict=True)
    ]
    optimizer = make(groups)
    for gradients in GRADIENTS:
        for value, gradient in zip(values, gradients, strict=True):
            value.grad = torch.tensor(gradient)
        if clip:
            torch.nn.utils.clip_grad_norm_(values, clip)
        optimizer.step()
    return [value.detach().numpy() for value in values]


def assert_equal(ours: Any, reference: Any, rtol: float = 2e-5) -> None:
    for own, expected in zip(ours, reference, strict=True):
        np.testing.assert_allclose(own, expected, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_with_a_rate_and_a_decay_a_layer_is_pytorchs_groups(nesterov: bool) -> None:
    ours, _ = run("sgd", decay=0.2, layerwise=LAYERWISE, options={"momentum": 0.9, "nesterov": nesterov})
    decays = [0.2 * decay for decay in DECAYS]
    make = lambda groups: torch.optim.SGD(groups, momentum=0.9, nesterov=nesterov)  # noqa: E731
    assert_equal(ours, by_torch(make, rates=RATES, decays=decays))


def test_adam_likewise() -> None:
    ours, _ = run("adam", decay=0.2, layerwise=LAYERWISE)
    decays = [0.2 * decay for decay in DECAYS]
    assert_equal(
        ours, by_torch(lambda groups: torch.optim.Adam(groups, eps=1e-7), rates=RATES, decays=decays), 1e-3
    )


def test_adamw_likewise() -> None:
    ours, _ = run("adamw", decay=0.2, layerwise=LAYERWISE)
    decays = [0.2 * decay for decay in DECAYS]
    assert_equal(
        ours, by_torch(lambda groups: torch.optim.AdamW(groups, eps=1e-7), rates=RATES, decays=decays), 1e-3
    )


def test_lion_by_hand() -> None:
    expected = []
    for place, start in enumerate(START):
        value, moment = start.astype(float), np.zeros_like(start)
        for gradients in GRADIENTS:
            value = value * (1 - 0.1 * RATES[place] * 0.2 * DECAYS[place])
            value = value - 0.1 * RATES[place] * np.sign(0.9 * moment + 0.1 * gradients[place])
            moment = 0.99 * moment + 0.01 * gradients[place]
        expected.append(value)
    assert_equal(run("lion", decay=0.2, layerwise=LAYERWISE)[0], expected)


def test_gradients_are_clipped_together_and_before_the_decay() -> None:
    ours, _ = run("sgd", decay=0.2, clip_norm=1.5, layerwise=Layerwise((1.0,) * 3, (1.0,) * 3, (False,) * 3))
    make = lambda groups: torch.optim.SGD(groups, momentum=0.9)  # noqa: E731
    assert_equal(ours, by_torch(make, decays=(0.2,) * 3, clip=1.5))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_frozen_layers_stay_with_their_moments_until_they_thaw(name: str) -> None:
    frozen = Layerwise((1.0,) * 3, (1.0,) * 3, (True, True, False), frozen_steps=2)
    values, optimizer = run(name, decay=0.2, count=2, layerwise=frozen)
    np.testing.assert_array_equal(values[0], START[0])
    np.testing.assert_array_equal(values[1], START[1])
    assert np.abs(values[2] - START[2]).min() > 0
    for moment in optimizer.variables[2:]:
        assert numpy(moment).any() == ("head" in moment.name)
    # The layer that is not frozen goes its way, and after the thaw all move.
    free, _ = run(name, decay=0.2, count=2, layerwise=Layerwise((1.0,) * 3, (1.0,) * 3, (False,) * 3))
    np.testing.assert_array_equal(values[2], free[2])
    values, _ = run(name, decay=0.2, count=3, layerwise=frozen)
    assert np.abs(values[0] - START[0]).min() > 0


def test_without_all_that_the_numbers_are_the_plain_ones() -> None:
    plain, _ = run("sgd", decay=0.2)
    same, _ = run("sgd", decay=0.2, layerwise=Layerwise((1.0,) * 3, (1.0, 0.0, 1.0), (False,) * 3))
    for one, other in zip(plain, same, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_accumulated_gradients_make_one_update_of_their_mean(name: str) -> None:
    values = variables()
    optimizer = OPTIMIZERS.load(name)(0.1, values, weight_decay=0.2)
    arrange(optimizer, accumulate=2, clip_norm=1.5, ema=0.5)
    optimizer.build(values)
    averages = []
    for gradients in GRADIENTS[:4]:
        optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients])
        averages.append([numpy(value) for value in optimizer._model_variables_moving_average])
    means = [[(a + b) / 2 for a, b in zip(*GRADIENTS[i : i + 2], strict=True)] for i in (0, 2)]
    large = variables()
    reference = OPTIMIZERS.load(name)(0.1, large, weight_decay=0.2)
    arrange(reference, clip_norm=1.5, ema=0.5)
    reference.build(large)
    for gradients in means:
        reference.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients])
    assert_equal([numpy(value) for value in values], [numpy(value) for value in large], 1e-6)
    expected = [numpy(value) for value in reference._model_variables_moving_average]
    assert_equal(averages[-1], expected, 1e-6)
    # Between updates the average stands.
    assert_equal(averages[1], averages[2], 0)


def test_the_moving_average_by_hand_and_the_weights_are_not_replaced_by_it() -> None:
    values, optimizer = run("sgd", count=1, ema=0.9)
    weights = [values]
    for count in (2, 3):
        weights.append(run("sgd", count=count, ema=0.9)[0])
    values, optimizer = run("sgd", count=3, ema=0.9)
    for place in range(3):
        expected = 0.9 * (0.9 * weights[0][place] + 0.1 * weights[1][place]) + 0.1 * weights[2][place]
        np.testing.assert_allclose(
            numpy(optimizer._model_variables_moving_average[place]), expected, rtol=1e-5
        )
    optimizer.finalize_variable_values(optimizer._trainable_variables)
    assert_equal([numpy(value) for value in optimizer._trainable_variables], values, 0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_keep_it_all_in_their_config(name: str) -> None:
    _, optimizer = run(name, decay=0.2, accumulate=2, clip_norm=1.0, ema=0.9, layerwise=LAYERWISE)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert again.layerwise == LAYERWISE
    assert (again.gradient_accumulation_steps, again.global_clipnorm, again.ema_momentum) == (2, 1.0, 0.9)


def test_an_optimizer_without_the_mixin_is_refused() -> None:
    with pytest.raises(ConfigError, match="RMSprop has one learning rate for all layers, and freezes none"):
        arrange(keras.optimizers.RMSprop(0.1), layerwise=LAYERWISE)


def test_a_solver_finds_its_layers() -> None:
    fc8 = Multipliers(kernel=(10.0, 1.0), bias=(20.0, 0.0))
    norms = Multipliers(gamma=(0.0, 0.0), beta=(0.0, 0.0))
    solver = Solver({"fc8(_.*)?": fc8, ".*_bn": norms}, new="fc8.*")
    assert solver.of("net/fc8_2/bias") == (20.0, 0.0)
    assert solver.of("conv1_bn/gamma") == (0.0, 0.0)
    assert solver.of("conv1/depthwise_kernel") == (1.0, 1.0)
    assert solver.of("act/alpha") == solver.of("conv1/bias") == (1.0, 0.0)
    assert [solver.is_new(path) for path in ("fc8/kernel", "fc7/kernel")] == [True, False]
    assert Solver().is_new("anything/kernel")
