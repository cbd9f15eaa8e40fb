"""What each custom layer promises, on numbers that can be checked by hand or against Keras."""

import keras
import numpy as np
import pytest
from keras import ops

from kerseg.layers.activation import PReLU
from kerseg.layers.conv import DilatedConv, PointwiseConv, conv
from kerseg.layers.dropout import SpatialDropout
from kerseg.layers.norm import LocalResponseNorm
from kerseg.layers.pad import CropLike, MirrorPad, PadToMultiple, ZeroChannels
from kerseg.layers.preprocess import VGG_MEAN, Normalize
from kerseg.layers.pyramid import BinPooling
from kerseg.layers.resize import Bilinear, BilinearUpsample, ResizeLike, Shrink, bilinear_weights
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
    for value, expected in zip(MaxPoolWithIndex()(x, training=True), (pooled, index), strict=True):
        np.testing.assert_array_equal(numpy(value), numpy(expected))
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
        pooled, index = MaxPoolWithIndex()(x, training=True)
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


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has float64 only where it is switched on")
def test_mirror_padding_under_float64():
    x = noise(1, 5, 7, 1).astype("float64")
    keras.config.set_floatx("float64")
    try:
        padded = numpy(MirrorPad(3, dtype="float64")(x))
    finally:
        keras.config.set_floatx("float32")
    np.testing.assert_array_equal(padded[0, ..., 0], np.pad(x[0, ..., 0], 3, mode="reflect"))


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
    for training in (False, True):
        actual, expected = numpy(ours(x, training=training)), numpy(theirs(x))
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)


@tensorflow_only
def test_prelu_has_keras_s_gradients():
    import tensorflow as tf

    x, upstream = tf.constant(noise(2, 5, 6, 4)), tf.constant(noise(2, 5, 6, 4)[::-1])
    results = []
    for cls in (PReLU, keras.layers.PReLU):
        layer = cls(shared_axes=[1, 2], alpha_initializer=keras.initializers.Constant(0.25))
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True) if cls is PReLU else layer(x)
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


# --- resizing to a size -----------------------------------------------------------------------------------


def interpolate(line, size, *, align_corners):
    """Bilinear interpolation along one axis, position by position."""
    old = len(line)
    if align_corners:
        position = np.linspace(0, old - 1, size) if size > 1 else np.zeros(1)
    else:
        position = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
    return np.interp(position, np.arange(old), line)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(
    ("old", "new"), [((3, 4), (7, 9)), ((5, 2), (3, 8)), ((1, 1), (4, 3)), ((6, 6), (1, 6))]
)
def test_resizing_interpolates_along_both_axes(old, new, align_corners):
    x = noise(2, *old, 3)
    resized = numpy(ResizeLike(align_corners=align_corners)(x, np.zeros((2, *new, 1), "float32")))
    expected = np.apply_along_axis(interpolate, 1, x, new[0], align_corners=align_corners)
    expected = np.apply_along_axis(interpolate, 2, expected, new[1], align_corners=align_corners)
    np.testing.assert_allclose(resized, expected, rtol=0, atol=1e-5)


def test_aligned_corners_keep_the_pixels_of_a_map_of_twice_the_size_less_one():
    x = noise(1, 5, 4, 2)
    np.testing.assert_allclose(
        numpy(ResizeLike()(x, np.zeros((1, 9, 7, 1), "float32")))[:, ::2, ::2], x, atol=1e-6
    )


@pytest.mark.parametrize(
    ("factor", "size", "expected"), [(0.5, 1025, 513), (0.5, 1024, 512), (0.75, 321, 241)]
)
def test_shrinking_rounds_up(factor, size, expected):
    layer = Shrink(factor)
    assert layer(np.zeros((1, size, 1, 1), "float32")).shape == (1, expected, 1, 1)
    assert layer.compute_output_shape((None, size, None, 3)) == (None, expected, None, 3)


# --- pooling into bins ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(60, 60), (47, 63), (1, 1), (5, 7)])
@pytest.mark.parametrize("bins", [1, 2, 3, 6])
def test_bins_cover_the_map_at_any_size(size, bins):
    x = noise(2, *size, 3)
    pooled = numpy(BinPooling(bins)(x))
    windows = [
        [slice(i * n // bins, -(-(i + 1) * n // bins)) for i in range(bins)] for n in size
    ]  # floor and ceil: PyTorch's adaptive pooling
    expected = np.stack([np.stack([x[:, r, c].mean((1, 2)) for c in windows[1]], 1) for r in windows[0]], 1)
    np.testing.assert_allclose(pooled, expected, rtol=0, atol=1e-5)


def test_bins_with_a_stride_are_icnets_at_its_size():
    x = noise(1, 33, 65, 1)
    for bins, share, step in (2, 16 / 32, 16), (3, 10 / 32, 10), (6, 5 / 32, 5):
        pooled = numpy(BinPooling(bins, stride=share)(x))
        kernel = (33 - (bins - 1) * step, 65 - (bins - 1) * 2 * step)  # 17x33, 13x25 and 8x15 in the prototxt
        assert kernel == {2: (17, 33), 3: (13, 25), 6: (8, 15)}[bins]
        expected = keras.layers.AveragePooling2D(kernel, strides=(step, 2 * step))(x)
        np.testing.assert_allclose(pooled, numpy(expected), rtol=0, atol=1e-5)


# --- convolution and normalisation ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [7, 8])
def test_strided_convolutions_pad_both_sides_alike(size):
    x = keras.Input((size, size, 1))
    y = conv(x, 1, 3, strides=2, initializer="ones", name="conv")
    image = np.arange(size * size, dtype="float32").reshape(1, size, size, 1)
    padded = np.pad(image[0, :, :, 0], 1)
    expected = [[padded[r : r + 3, c : c + 3].sum() for c in range(0, size, 2)] for r in range(0, size, 2)]
    np.testing.assert_allclose(numpy(keras.Model(x, y)(image))[0, :, :, 0], expected)


@pytest.mark.parametrize("rate", [2, 6, 18])
def test_dilated_convolution_is_keras_own(rate):
    mine = DilatedConv(4, 3, dilation_rate=rate, padding="same", activation="relu")
    reference = keras.layers.Conv2D(4, 3, dilation_rate=rate, padding="same", activation="relu")
    x = noise(2, 21, 14, 3)
    expected = numpy(reference(x))
    mine.build(x.shape)
    mine.set_weights(reference.get_weights())
    np.testing.assert_allclose(numpy(mine(x)), expected, rtol=0, atol=1e-5)
    again = DilatedConv.from_config(mine.get_config())
    assert again.dilation_rate == (rate, rate) and again.padding == "same"


@tensorflow_only
def test_dilated_convolution_has_keras_gradients():
    import tensorflow as tf

    layers = [kind(4, 3, dilation_rate=6, padding="same") for kind in (DilatedConv, keras.layers.Conv2D)]
    x, gradients = tf.constant(noise(2, 21, 14, 3)), []
    for layer in layers:
        layer.build(x.shape)
        layer.set_weights(layers[0].get_weights())
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.sin(layer(x)))
        gradients.append(tape.gradient(loss, [x, layer.kernel.value, layer.bias.value]))
    for mine, reference in zip(*gradients, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=0, atol=1e-4)


def test_local_response_normalisation_by_hand():
    pixel = np.array([10.0, 200.0, 30.0, 4.0, 50.0], "float32")
    layer = LocalResponseNorm(size=3, alpha=1e-4, beta=0.75)
    windows = [pixel[max(0, i - 1) : i + 2] for i in range(5)]
    expected = [v / (1 + 1e-4 / 3 * (w**2).sum()) ** 0.75 for v, w in zip(pixel, windows, strict=True)]
    np.testing.assert_allclose(numpy(layer(pixel.reshape(1, 1, 1, 5))).ravel(), expected, rtol=1e-5)
