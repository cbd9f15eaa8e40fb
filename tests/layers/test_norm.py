"""``BatchNorm`` must be Keras's layer with another kernel."""

import keras
import numpy as np
import pytest
from keras import ops

from kerseg.layers.norm import BatchNorm

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the kernel is TensorFlow's"
)


def pair(**options):
    """Keras's layer and ours with the same weights."""
    layers = [
        cls(momentum=0.9, dtype=options.get("dtype")) for cls in (keras.layers.BatchNormalization, BatchNorm)
    ]
    for layer in layers:
        layer.build((None, None, None, 6))
        for k, weight in enumerate(layer.weights):
            weight.assign(1 + 0.3 * np.sin(np.arange(6) + k))
    return layers


def features(*shape, dtype="float32"):
    # A mean far from zero shows a variance computed as E(x^2) - E(x)^2.
    return (np.random.default_rng(1).normal(5, 2, shape)).astype(dtype)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(4, 7, 5, 6), (1, 1, 2, 6), (1, 1, 1, 6)])
def test_same_outputs_and_running_statistics(shape, training):
    theirs, ours = pair()
    x = features(*shape)
    expected, actual = theirs(x, training=training), ours(x, training=training)
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.stop_gradient(actual)),
        ops.convert_to_numpy(ops.stop_gradient(expected)),
        rtol=1e-5,
        atol=2e-5,
    )
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        assert a.name == b.name
        np.testing.assert_allclose(ops.convert_to_numpy(a), ops.convert_to_numpy(b), rtol=1e-5, atol=1e-6)


@tensorflow_only
@pytest.mark.parametrize("compiled", [False, True])
def test_same_gradients(compiled):
    import tensorflow as tf

    x, upstream = tf.constant(features(4, 7, 5, 6)), tf.constant(features(4, 7, 5, 6))
    results = []
    for layer in pair():

        @tf.function(jit_compile=compiled)
        def gradients(layer=layer):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x, training=True)
            return tape.gradient(y, [x, layer.gamma, layer.beta], output_gradients=upstream)

        results.append([*gradients(), layer.moving_mean.value, layer.moving_variance.value])
    for expected, actual in zip(*results, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_keeps_float32_statistics(dtype):
    theirs, ours = pair(dtype=dtype)
    x = features(4, 7, 5, 6)
    expected, actual = theirs(x, training=True), ours(x, training=True)
    assert keras.backend.standardize_dtype(actual.dtype) == dtype.removeprefix("mixed_")
    difference = ops.cast(actual, "float32") - ops.cast(expected, "float32")
    assert np.abs(ops.convert_to_numpy(ops.stop_gradient(difference))).max() < 0.05
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        assert a.dtype == "float32"
        np.testing.assert_allclose(ops.convert_to_numpy(a), ops.convert_to_numpy(b), rtol=1e-3)


def test_frozen_layer_keeps_its_statistics():
    _, ours = pair()
    ours.trainable = False
    before = [ops.convert_to_numpy(w).copy() for w in ours.weights]
    x = features(4, 7, 5, 6)
    frozen, inferred = ours(x, training=True), ours(x, training=False)
    np.testing.assert_array_equal(ops.convert_to_numpy(frozen), ops.convert_to_numpy(inferred))
    for weight, value in zip(ours.weights, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(weight), value)


def test_options_without_a_kernel_are_keras_s():
    layer = BatchNorm(scale=False, center=False)
    x = features(4, 7, 5, 6)
    expected = keras.layers.BatchNormalization(scale=False, center=False)(x, training=True)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(layer(x, training=True)), ops.convert_to_numpy(expected)
    )
