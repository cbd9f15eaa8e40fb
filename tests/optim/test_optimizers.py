"""Weight decay: what it does to a kernel, and what it spares."""

import keras
import numpy as np
import pytest

from kerseg.optim import OPTIMIZERS, optimizers
from kerseg.optim.optimizers import is_decayed


def model() -> keras.Model:
    image = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(2, 3, padding="same")(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.PReLU(shared_axes=[1, 2])(x)
    x = keras.layers.Conv2DTranspose(2, 2, strides=2)(x)
    return keras.Model(image, keras.layers.DepthwiseConv2D(3)(x))


def test_kernels_are_decayed_and_nothing_else() -> None:
    decayed = [variable.name for variable in model().trainable_variables if is_decayed(variable)]
    spared = {variable.name for variable in model().trainable_variables if not is_decayed(variable)}
    assert len(decayed) == 3
    assert spared == {"bias", "gamma", "beta", "alpha"}


def steps(name: str, count: int, *, decay: float) -> tuple[float, float]:
    """Return a kernel and a bias, both from 1 and with gradient 0.5, after ``count`` steps."""
    layer = keras.layers.Dense(1, kernel_initializer="ones", bias_initializer="ones")
    layer.build((None, 1))
    optimizer = OPTIMIZERS.load(name)(0.1, layer.trainable_variables, weight_decay=decay)
    optimizer.build(layer.trainable_variables)
    for _ in range(count):
        gradients = [keras.ops.full(variable.shape, 0.5) for variable in layer.trainable_variables]
        optimizer.apply(gradients)
    return tuple(float(keras.ops.convert_to_numpy(variable).item()) for variable in layer.trainable_variables)


def test_sgd_adds_the_decay_to_the_gradient_where_momentum_carries_it_on() -> None:
    kernel, velocity = 1.0, 0.0
    for _ in range(3):
        velocity = 0.9 * velocity - 0.1 * (0.5 + 0.2 * kernel)
        kernel += velocity
    assert steps("sgd", 3, decay=0.2) == pytest.approx((kernel, 1.0 - 0.1 * (0.5 + 0.95 + 1.355)), rel=1e-6)


def test_adam_sees_the_decay_as_part_of_the_gradient() -> None:
    # After one step Adam moves by the learning rate whatever the gradient's size: L2 inside cannot show.
    assert steps("adam", 1, decay=0.2) == pytest.approx((0.9, 0.9), rel=1e-5)
    # Where the decay outweighs the gradient it turns the step around.
    assert steps("adam", 1, decay=-1.0) == pytest.approx((1.1, 0.9), rel=1e-5)


def test_adamw_shrinks_the_kernel_outside_the_gradient() -> None:
    assert steps("adamw", 1, decay=0.2) == pytest.approx((1.0 - 0.1 * 0.2 - 0.1, 0.9), rel=1e-5)


def test_optimizers_are_rebuilt_from_their_config() -> None:
    optimizer = OPTIMIZERS.load("sgd")(0.1, [], weight_decay=5e-4, momentum=0.9)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert again.l2 == np.float64(5e-4)


@pytest.mark.parametrize(
    ("ours", "reference", "options"),
    [
        (optimizers.SGD, keras.optimizers.SGD, {"momentum": 0.9}),
        (optimizers.SGD, keras.optimizers.SGD, {"momentum": 0.9, "nesterov": True}),
        (optimizers.SGD, keras.optimizers.SGD, {}),
        (optimizers.Adam, keras.optimizers.Adam, {}),
        (optimizers.Adam, keras.optimizers.Adam, {"amsgrad": True}),
    ],
)
def test_without_decay_the_steps_are_keras_own(
    ours: type, reference: type, options: dict[str, object]
) -> None:
    gradients = np.random.default_rng(0).normal(size=(5, 4, 3)).astype("float32")
    ends = []
    for optimizer in (ours(0.1, **options), reference(0.1, **options)):
        variable = keras.Variable(np.ones((4, 3)), dtype="float32", name="kernel")
        optimizer.build([variable])
        for gradient in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(gradient)])
        ends.append([keras.ops.convert_to_numpy(entry) for entry in (variable, *optimizer.variables)])
    for own, expected in zip(*ends, strict=True):
        # Adam's 1 - 0.999^t leaves float32 four digits in its first steps, in whichever order they are taken.
        np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-6)
