"""What each custom layer promises, on numbers that can be checked by hand or against Keras."""

import keras
import numpy as np
import pytest
from keras import ops

from kerseg.layers.activation import PReLU
from kerseg.layers.conv import PointwiseConv
from kerseg.layers.dropout import SpatialDropout
from kerseg.layers.pad import CropLike, MirrorPad, PadToMultiple, ZeroChannels
from kerseg.layers.preprocess import VGG_MEAN, Normalize
from kerseg.layers.resize import Bilinear, BilinearUpsample, bilinear_weights
from kerseg.layers.unpool import MaxPoolWithIndex, MaxUnpool

tensorflow_only = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="uses tf.GradientTape")


def noise(*shape):
    return np.random.default_rng(3).normal(size=shape).astype("float32")


def numpy(x):
    return ops.convert_to_numpy(ops.stop_gradient(x))


# --- pooling with positions -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(2, 2), (4, 6), (3, 5), (1, 1), (1, 4), (7, 2)])
def test_unpooling_puts_each_maximum_back(size):
    x = noise(2, *size, 3)
    pooled, index = MaxPoolWithIndex()(x)
    restored = numpy(MaxUnpool()(pooled, index, x))
    assert restored.shape == x.shape
    kept = restored != 0
    np.testing.assert_array_equal(restored[kept], x[kept])
    assert kept.sum() == pooled.shape[1] * pooled.shape[2] * 6  # one pixel for each window and channel
    assert numpy(index).max() <= 3
    np.testing.assert_allclose(restored.sum(), numpy(pooled).sum(), rtol=1e-5)
    np.testing.assert_array_equal(numpy(pooled), keras.layers.MaxPooling2D(padding="same")(x))


def test_first_of_equal_pixels_is_the_maximum():
    _, index = MaxPoolWithIndex()(np.ones((1, 3, 3, 1), "float32"))
    assert not numpy(index).any()


def test_positions_count_row_by_row():
    x = np.zeros((4, 2, 2, 1), "float32")
    for position in range(4):
        x[position, position // 2, position % 2] = 1
    assert numpy(MaxPoolWithIndex()(x)[1]).ravel().tolist() == [0, 1, 2, 3]


@tensorflow_only
def test_pooling_s_gradient_is_unpooling_and_the_reverse():
    import tensorflow as tf

    x, upstream = tf.constant(noise(2, 5, 6, 3)), tf.constant(noise(2, 3, 3, 3))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, upstream])
        pooled, index = MaxPoolWithIndex()(x)
        unpooled = MaxUnpool()(upstream, index, x)
    np.testing.assert_array_equal(tape.gradient(pooled, x, upstream), unpooled)
    gradient = tape.gradient(unpooled, upstream, x)
    np.testing.assert_array_equal(gradient, pooled)


# --- sizes ------------------------------------------------------------------------------------------------


def test_padding_to_a_multiple_and_cropping_back():
    x = noise(1, 37, 53, 3)
    padded = numpy(PadToMultiple(8)(x))
    assert padded.shape == (1, 40, 56, 3)
    assert not padded[:, 37:].any()
    assert not padded[:, :, 53:].any()
    np.testing.assert_array_equal(numpy(CropLike()(padded, x)), x)
    np.testing.assert_array_equal(numpy(CropLike(2)(padded, x[:, :5, :7])), x[:, 2:7, 2:9])


def test_multiples_are_left_alone():
    x = ops.convert_to_tensor(noise(1, 16, 24, 3))
    np.testing.assert_array_equal(numpy(PadToMultiple(8)(x)), numpy(x))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 50, 388])
def test_mirror_padding_is_numpy_s_reflection(size):
    x = noise(1, size, 2, 1)
    padded = numpy(MirrorPad(92, multiple=16, remainder=4)(x))
    assert (padded.shape[1] - 184) % 16 == 4
    after = padded.shape[1] - size - 92
    assert 92 <= after < 92 + 16
    mode = "reflect" if size > 1 else "edge"
    np.testing.assert_array_equal(padded[0, :, 92, 0], np.pad(x[0, :, 0, 0], (92, after), mode=mode))


# --- bilinear upsampling ----------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [2, 8, 16, 32])
def test_bilinear_kernel_is_fcn_s(factor):
    size = 2 * factor
    f = (size + 1) // 2
    center = f - 1 if size % 2 else f - 0.5
    expected = 1 - abs(np.arange(size) - center) / f
    np.testing.assert_allclose(bilinear_weights(factor), expected, rtol=1e-6)
    np.testing.assert_allclose(
        bilinear_weights(factor)[:factor] + bilinear_weights(factor)[factor:], 1, rtol=1e-6
    )


@pytest.mark.parametrize("factor", [2, 8])
def test_bilinear_upsampling_is_the_transposed_convolution(factor):
    x = noise(2, 3, 4, 5)
    layer = keras.layers.Conv2DTranspose(
        5, 2 * factor, strides=factor, use_bias=False, kernel_initializer=Bilinear()
    )
    np.testing.assert_allclose(numpy(BilinearUpsample(factor)(x)), numpy(layer(x)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("factor", [2, 8, 16, 32])
def test_constant_map_stays_constant_away_from_borders(factor):
    y = numpy(BilinearUpsample(factor)(np.full((1, 4, 5, 2), 3, "float32")))
    assert y.shape == (1, factor * 5, factor * 6, 2)
    np.testing.assert_allclose(y[:, factor:-factor, factor:-factor], 3, rtol=1e-6)


# --- Keras's layers, faster -------------------------------------------------------------------------------


def test_prelu_is_keras_s():
    x = np.concatenate([noise(2, 5, 6, 4), np.zeros((2, 5, 6, 4), "float32")])
    ours, theirs = (cls(shared_axes=[1, 2], alpha_initializer="ones") for cls in (PReLU, keras.layers.PReLU))
    for layer in (ours, theirs):
        layer.build(x.shape)
        layer.alpha.assign(np.array([[[-0.5, 0.0, 0.25, 3.0]]]))
    np.testing.assert_allclose(numpy(ours(x)), numpy(theirs(x)), rtol=1e-6, atol=1e-6)


@tensorflow_only
def test_prelu_has_keras_s_gradients():
    import tensorflow as tf

    x, upstream = tf.constant(noise(2, 5, 6, 4)), tf.constant(noise(2, 5, 6, 4)[::-1])
    results = []
    for cls in (PReLU, keras.layers.PReLU):
        layer = cls(shared_axes=[1, 2], alpha_initializer=keras.initializers.Constant(0.25))
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        results.append(tape.gradient(y, [x, layer.alpha], upstream))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5])
def test_spatial_dropout_drops_what_keras_drops(rate):
    x = noise(3, 5, 6, 40)
    results = []
    for cls in (SpatialDropout, keras.layers.SpatialDropout2D):
        layer = cls(rate, seed=5)
        results.append([numpy(layer(x, training=True)) for _ in range(2)])
    np.testing.assert_allclose(*results, rtol=1e-6)
    np.testing.assert_array_equal(numpy(SpatialDropout(rate)(x)), x)


def test_pointwise_convolution_is_keras_s():
    x = noise(2, 5, 6, 4)
    ours, theirs = PointwiseConv(7), keras.layers.Conv2D(7, 1, use_bias=False)
    theirs.build(x.shape)
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    for training in (True, False):
        np.testing.assert_allclose(numpy(ours(x, training=training)), numpy(theirs(x)), rtol=1e-5, atol=1e-6)


# --- the rest ---------------------------------------------------------------------------------------------


def test_normalisations():
    image = np.arange(12, dtype="uint8").reshape(1, 2, 2, 3)
    expected = image.astype("float32") - np.array(VGG_MEAN, "float32")
    np.testing.assert_array_equal(numpy(Normalize(mean=VGG_MEAN)(image)), expected)
    np.testing.assert_allclose(numpy(Normalize(scale=1 / 255)(image)), image / 255, rtol=1e-6)


def test_normalising_is_float32_whatever_the_policy():
    layer = Normalize(mean=VGG_MEAN, dtype="mixed_bfloat16")
    assert keras.backend.standardize_dtype(layer(np.full((1, 1, 1, 3), 200, "uint8")).dtype) == "float32"


def test_zero_channels():
    x = noise(1, 2, 3, 4)
    np.testing.assert_array_equal(numpy(ZeroChannels(2)(x)), np.concatenate([x, np.zeros((1, 2, 3, 2))], -1))


@pytest.mark.parametrize(
    "layer",
    [
        Normalize(mean=VGG_MEAN, scale=0.5, name="a"),
        PadToMultiple(8, name="b"),
        CropLike(3, name="c"),
        MirrorPad(9, multiple=4, remainder=1, name="d"),
        BilinearUpsample(4, name="e"),
        PointwiseConv(7, name="f"),
        SpatialDropout(0.1, seed=3, name="g"),
        PReLU(shared_axes=[1, 2], name="h"),
        MaxPoolWithIndex(name="i"),
        MaxUnpool(name="j"),
        ZeroChannels(3, name="k"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_survive_their_configuration(layer):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert again.name == layer.name
