"""Pooling at even and odd sizes: where a window lies never follows from the size, and no rounding moves an edge.

``docs/explanation/geometry.md`` says what is decided here; that an edge stays in its place in the logits is tested
by ``test_an_edge_is_where_it_is_at_every_size`` of the shared tests.
"""

import keras
import pytest
from test_all import each_case, narrow, once, shapes_of

from kerseg.backbones import PAD_LAYER
from kerseg.models import options_of_version

SIZES = range(31, 66)
"""Every remainder of 32, odd and even."""
STRIDED = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D, keras.layers.Conv2D)


def strided(model, sizes=SIZES):
    """Yield each layer whose windows overlap and are two pixels apart, its kernel, and the heights that it sees."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            inner = {
                size for node in layer._inbound_nodes for size in heights(model, node.input_tensors, sizes)
            }
            yield from strided(layer, sorted(inner))
        if isinstance(layer, STRIDED) and not isinstance(layer, keras.layers.Conv2DTranspose):
            kernel = max(layer.pool_size if hasattr(layer, "pool_size") else layer.kernel_size)
            if kernel > layer.strides[0] > 1:
                yield layer, kernel, heights(model, layer.input, sizes)


def heights(model, tensor, sizes=SIZES):
    """Return a tensor's height for each height of the image."""
    tensor = tensor[0] if isinstance(tensor, list) else tensor
    if any(tensor is own for own in model.inputs):
        return list(sizes)
    probe, channels = keras.Model(model.inputs, tensor), model.inputs[0].shape[-1]
    specs = (probe.compute_output_spec(keras.KerasTensor((1, size, 64, channels))) for size in sizes)
    return [spec.shape[1] for spec in specs]


def padding_before(size, kernel, stride):
    """Return how many zeros TensorFlow's "same" puts before the first pixel."""
    return max((-(-size // stride) - 1) * stride + kernel - size, 0) // 2


@once
@each_case
def test_no_window_s_place_follows_from_the_size(case):
    """TensorFlow begins a window of "same" a pixel later at even sizes: no layer with it may see both kinds."""
    for layer, kernel, seen in strided(narrow(case)):
        if layer.padding == "same":
            assert len({padding_before(size, kernel, layer.strides[0]) for size in seen}) == 1, layer.name


@once
@each_case
def test_rounding_has_no_say_where_corners_are_aligned(case):
    """Windows of three and of seven see odd sizes alone, where to round up, as Caffe does, and down is one."""
    model = narrow(case)
    pads = [layer for layer in model.layers if layer.name == PAD_LAYER and layer.remainder == 1]
    found = [(layer.name, size) for layer, _, seen in strided(model) for size in seen if size % 2 == 0]
    if pads:
        assert not found
    else:
        assert case.split()[0] in (
            "fcn_32s",
            "fcn_16s",
            "fcn_8s",
            "unet",
            "segnet",
            "segnet_basic",
            "enet",
            "gcn",
        )


@once
@pytest.mark.parametrize("name", ["deeplab_v1", "deeplab_v2"])
def test_padding_once_gives_the_maps_that_rounding_up_at_each_pooling_gives(name):
    """At 101x147 the releases' maps are 14x20 (``tests/golden/numbers``); 0.1's, which rounded down, were 13x19."""
    options = {"width": 2, "backbone": "vgg16"} if name == "deeplab_v2" else {"width": 2}
    for version, expected in (("0.2.0", (14, 20)), ("0.1.0", (13, 19))):
        model = shapes_of(name, num_classes=2, **options_of_version(name, version, options))
        probe = keras.Model(model.inputs, model.get_layer("block5_pool").output)
        assert probe.compute_output_spec(keras.KerasTensor((1, 101, 147, 3))).shape[1:3] == expected


@once
def test_a_window_that_follows_the_size_is_seen():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.MaxPooling2D(3, strides=2, padding="same")(image))
    ((_, kernel, seen),) = strided(model)
    assert {padding_before(size, kernel, 2) for size in seen} == {0, 1}
