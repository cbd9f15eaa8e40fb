"""Every check for every architecture: a new one is a row in ``CASES`` and in ``COUNTS``.

Behaviour is tested on narrow models, parameter counts on full ones. Weights come from a formula, so the
golden outputs in ``golden.json`` need no download; ``python tests/models/test_all.py`` writes them anew.
"""

import functools
import json
import math
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from identity import bright_corners, edges_in, identity
from keras import ops

from kerseg.errors import ConfigError
from kerseg.inference.runtimes import in_openvino
from kerseg.layers.resize import ResizeLike
from kerseg.layers.unpool import MaxUnpool
from kerseg.models import MODELS, build, label_grids, loss_weights, options_of_version
from kerseg.profiling.complexity import multiply_adds, shapes_only

GOLDEN = Path(__file__).with_name("golden.json")
GOLDEN_0_1 = Path(__file__).with_name("golden_0_1.json")
CLASSES = 5

CASES = {
    "fcn_32s": ("fcn_32s", {"width": 2}),
    "fcn_16s": ("fcn_16s", {"width": 2}),
    "fcn_8s": ("fcn_8s", {"width": 2}),
    "fcn_8s learned": ("fcn_8s", {"width": 2, "learned_upsampling": True}),
    "unet": ("unet", {"width": 4}),
    "unet valid": ("unet", {"width": 4, "padding": "valid"}),
    "segnet": ("segnet", {"width": 4}),
    "segnet_basic": ("segnet_basic", {"width": 4}),
    "deeplab_v1": ("deeplab_v1", {"width": 4}),
    "deeplab_v2": ("deeplab_v2", {"width": 4, "backbone": "resnet50"}),
    "deeplab_v2 scales": ("deeplab_v2", {"width": 2, "backbone": "vgg16", "multi_scale": True}),
    "deeplab_v3": ("deeplab_v3", {"width": 4, "backbone": "resnet50"}),
    "deeplab_v3 slim": ("deeplab_v3", {"width": 4, "backbone": "resnet50_v2", "output_stride": 8}),
    "pspnet": ("pspnet", {"width": 4, "backbone": "resnet50"}),
    "gcn": ("gcn", {"width": 4, "backbone": "resnet50"}),
    "gcn learned": ("gcn", {"width": 4, "backbone": "resnet50_v2", "learned_upsampling": True}),
    "enet": ("enet", {"width": 8}),
    "icnet": ("icnet", {"width": 4}),
}
COUNTS = {  # trainable parameters at full width: 21, 19 and 11 classes
    "fcn_32s": (134_346_581, 134_338_387, 134_305_611),
    "fcn_16s": (134_357_354, 134_348_134, 134_311_254),
    "fcn_8s": (134_362_751, 134_353_017, 134_314_081),
    "unet": (31_033_045, 31_032_915, 31_032_395),
    "segnet": (29_455_125, 29_453_971, 29_449_355),
    "segnet_basic": (1_417_237, 1_417_107, 1_416_587),
    "deeplab_v1": (20_505_429, 20_503_379, 20_495_179),
    "deeplab_v2": (44_048_532, 43_901_068, 43_311_212),
    "deeplab_v3": (58_040_661, 58_040_147, 58_038_091),
    "pspnet": (65_708_501, 65_707_475, 65_703_371),
    "gcn": (60_688_084, 60_435_056, 59_445_504),
    "enet": (364_441, 364_311, 363_791),
    "icnet": (6_700_245, 6_699_987, 6_698_955),
}
VARIANTS = [  # trainable parameters, rows of architectures.md's table 1.1 and the list after it
    ("unet", 2, {"input_shape": (None, None, 1), "padding": "valid"}, 31_030_658),
    ("deeplab_v2", 21, {"backbone": "vgg16"}, 37_877_652),
    ("deeplab_v2", 19, {"backbone": "vgg16"}, 37_869_452),
    ("deeplab_v2", 11, {"backbone": "vgg16"}, 37_836_652),
    ("deeplab_v2", 21, {"freeze_norm": True}, 43_943_188),
    ("deeplab_v2", 21, {"backbone": "resnet_v2_101"}, 44_077_268),
    ("deeplab_v3", 21, {"backbone": "resnet_v2_101"}, 58_069_397),
    ("deeplab_v3", 21, {"output_stride": 8}, 58_040_661),
    ("pspnet", 21, {"auxiliary": True}, 68_073_706),
    ("pspnet", 21, {"stem": "7x7"}, 65_584_725),
    ("pspnet", 21, {"backbone": "resnet50"}, 46_716_373),
    ("pspnet", 150, {"backbone": "resnet50"}, 46_782_550),
    ("pspnet", 21, {"backbone": "resnet_v2_101"}, 65_613_461),
    ("gcn", 21, {"backbone": "resnet101"}, 45_044_436),
    ("gcn", 21, {"backbone": "resnet50"}, 26_052_308),
    ("gcn", 21, {"kernel_size": 7}, 59_369_620),
    ("gcn", 21, {"learned_upsampling": True}, 60_723_469),
    ("gcn", 21, {"backbone": "resnet_v2_101", "learned_upsampling": True}, 45_108_557),
    ("icnet", 21, {"auxiliary": True}, 6_708_351),
    ("icnet", 21, {"width": 64}, 25_524_917),
    ("enet", 20, {}, 364_376),
    ("enet", 20, {"asymmetric_bias": False}, 364_248),
]
MULTIPLY_ADDS = [  # giga, for one image of (height, width)
    ("fcn_8s", {"num_classes": 21}, (500, 500), 180.97),
    ("unet", {"num_classes": 21}, (512, 512), 193.01),
    ("unet", {"num_classes": 2, "input_shape": (None, None, 1), "padding": "valid"}, (388, 388), 150.43),
    ("segnet", {"num_classes": 11}, (360, 480), 106.71),
    ("segnet", {"num_classes": 21}, (512, 512), 163.07),
    ("segnet", {"num_classes": 21}, (360, 640), 143.05),
    ("segnet_basic", {"num_classes": 11}, (360, 480), 59.19),
    ("deeplab_v1", {"num_classes": 21}, (321, 321), 50.93),
    ("deeplab_v1", {"num_classes": 21}, (513, 513), 128.58),
    ("deeplab_v2", {"num_classes": 21, "backbone": "vgg16"}, (321, 321), 80.12),
    ("deeplab_v2", {"num_classes": 21, "backbone": "vgg16"}, (513, 513), 201.96),
    ("deeplab_v2", {"num_classes": 21}, (321, 321), 75.14),
    ("deeplab_v2", {"num_classes": 21}, (513, 513), 189.29),
    ("deeplab_v3", {"num_classes": 21}, (513, 513), 71.06),
    ("deeplab_v3", {"num_classes": 21}, (769, 769), 156.96),
    ("deeplab_v3", {"num_classes": 21, "output_stride": 8}, (513, 513), 246.18),
    ("pspnet", {"num_classes": 21}, (473, 473), 229.82),
    ("pspnet", {"num_classes": 19}, (713, 713), 517.19),
    ("pspnet", {"num_classes": 19, "backbone": "resnet50"}, (713, 713), 363.8),
    ("gcn", {"num_classes": 21}, (512, 512), 68.33),
    ("gcn", {"num_classes": 21, "backbone": "resnet101"}, (512, 512), 48.93),
    ("enet", {"num_classes": 19}, (360, 640), 1.72),
    ("enet", {"num_classes": 19}, (512, 1024), 3.92),
    ("enet", {"num_classes": 11}, (360, 480), 1.27),
    ("icnet", {"num_classes": 19}, (1025, 2049), 29.81),
    ("icnet", {"num_classes": 19}, (1024, 2048), 29.81),  # is padded to 1025x2049
    ("icnet", {"num_classes": 19, "pad": False}, (1024, 2048), 28.97),
    ("icnet", {"num_classes": 19, "width": 64}, (1025, 2049), 90.3),
]

NORMS = keras.layers.BatchNormalization
DROPOUTS = (keras.layers.Dropout, keras.layers.SpatialDropout2D)
each_case = pytest.mark.parametrize("case", CASES)


def cases(*few):
    """Take a few of the cases in the tests, and all in ``scripts/heavy``."""
    marks = {case: () if case in few else pytest.mark.heavy for case in CASES}
    return pytest.mark.parametrize("case", [pytest.param(case, marks=mark) for case, mark in marks.items()])


once = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="follows from the graph, which is the same on every backend",
)
tensorflow_only = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="uses tf.function")


@functools.cache
def narrow(case):
    """One model a case for all checks that leave its weights alone: building them takes most of the time."""
    return fresh(case)


def fresh(case):
    name, options = CASES[case]
    return fill(build(name, num_classes=CLASSES, **options))


def fill(model):
    """Give every weight a value from a formula, as a trained model's: no zeros, no ones, no symmetry."""
    for k, weight in enumerate(model.weights):
        wave = np.sin(np.arange(1, math.prod(weight.shape) + 1) * (1 + 0.618 * k)).reshape(weight.shape)
        scale = math.sqrt(3 / max(1, math.prod(weight.shape[:-1])))
        base, size = {
            "kernel": (0.0, scale),
            "gamma": (1.0, 0.2),
            "moving_variance": (1.0, 0.5),
            "alpha": (0.25, 0.2),
        }.get(weight.name, (0.0, 0.1))
        weight.assign(base + size * wave)
    return model


def shapes_of(name, **options):
    """A model to count: without the weights, which take most of the time and all of the memory."""
    with shapes_only():
        return build(name, **options)


def sample(batch, height, width, channels=3):
    numbers = np.arange(batch * height * width * channels).reshape(batch, height, width, channels)
    return (127.5 + 127.5 * np.sin(numbers * 0.7 + (numbers // 97) * 0.13)).astype("uint8")


def run(model, image):
    return ops.convert_to_numpy(ops.stop_gradient(model(image, training=False)))


def trainable(model):
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def golden_values(case, options=None):
    name, todays = CASES[case]
    model = fill(build(name, num_classes=CLASSES, **(options or todays)))
    logits = run(model, sample(1, 45, 70))
    points = [logits[0, 0, 0], logits[0, 22, 35], logits[0, 44, 69]]
    return {"parameters": trainable(model), "logits": [[float(f"{v:.6g}") for v in p] for p in points]}


def test_table_is_complete():
    assert {name for name, _ in CASES.values()} == set(COUNTS) == set(MODELS)


@once
@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts(name):
    model = shapes_of(name, num_classes=21)
    assert trainable(model) == COUNTS[name][0]
    # Only layers with as many filters as classes depend on their number, mostly in proportion to it (GCN's have
    # as many inputs besides): the other columns need no second model of half a gigabyte.
    depends = [layer for layer in model.layers if getattr(layer, "filters", 0) == 21]
    for classes, expected in zip((19, 11), COUNTS[name][1:], strict=True):
        fewer = 0
        for variable in (variable for layer in depends for variable in layer.trainable_weights):
            shape = [classes if size == 21 else size for size in variable.shape]
            fewer += math.prod(variable.shape) - math.prod(shape)
        assert trainable(model) - fewer == expected


@once
@pytest.mark.parametrize(("name", "classes", "options", "expected"), VARIANTS)
def test_parameter_counts_of_variants(name, classes, options, expected):
    assert trainable(shapes_of(name, num_classes=classes, **options)) == expected


@once
def test_parameter_counts_of_parts():
    enet = shapes_of("enet", num_classes=11)
    encoder = keras.Model(enet.inputs, enet.get_layer("bottleneck3_8_prelu").output)
    assert trainable(encoder) == 338_156
    fixed, learned = (
        trainable(shapes_of("fcn_8s", num_classes=21, width=2, learned_upsampling=v)) for v in (False, True)
    )
    assert learned - fixed == 2 * 4 * 4 * 21**2


@once
@pytest.mark.parametrize(("size", "expected"), [(3, 260_694), (5, 434_490), (7, 608_286), (9, 782_082)])
def test_gcn_s_kernels_have_the_paper_s_parameters(size, expected):
    model = shapes_of("gcn", num_classes=21, backbone="resnet50", kernel_size=size)
    kernels = [model.get_layer(f"gcn32_{part}").kernel for part in ("left1", "left2", "right1", "right2")]
    assert sum(math.prod(kernel.shape) for kernel in kernels) == expected  # table 2: 260K, 434K, 608K, 782K


@once
@pytest.mark.parametrize(("name", "options", "size", "expected"), MULTIPLY_ADDS)
def test_multiply_adds(name, options, size, expected):
    assert multiply_adds(shapes_of(name, **options), *size) / 1e9 == pytest.approx(expected, rel=0.01)


@each_case
@pytest.mark.parametrize("size", [(1, 1), (37, 53), pytest.param((375, 500), marks=pytest.mark.heavy)])
def test_any_size_and_integer_images(case, size):
    model, image = narrow(case), sample(1, *size)
    logits = run(model, image)
    assert logits.shape == (1, *size, CLASSES)
    assert logits.dtype == "float32"
    assert np.isfinite(logits).all()
    np.testing.assert_array_equal(logits, run(model, image.astype("float32")))


@each_case
def test_inference_is_deterministic_and_images_do_not_mix(case):
    model, images = narrow(case), sample(2, 37, 53)
    together = run(model, images)
    np.testing.assert_array_equal(together, run(model, images))
    apart = np.concatenate([run(model, images[:1]), run(model, images[1:])])
    # Not bit for bit: oneDNN picks its blocking, and with it the order of sums, by the batch size.
    np.testing.assert_allclose(together, apart, rtol=0, atol=2e-5 * np.abs(together).max())


@each_case
def test_save_and_load_gives_equal_logits(case, tmp_path):
    model, image = narrow(case), sample(1, 37, 53)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(run(model, image), run(loaded, image))


@each_case
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_logits_are_float32_in_mixed_precision(case, policy):
    image = sample(1, 37, 53)
    exact = run(narrow(case), image)
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        logits = run(fresh(case), image)
    finally:
        keras.config.set_dtype_policy(previous)
    assert logits.dtype == "float32"
    # As a whole only, and less so with pooling indices: where two pixels of a window are nearly equal, rounding
    # decides where they are unpooled to.
    unpools = any(isinstance(layer, MaxUnpool) for layer in narrow(case).layers)
    assert np.corrcoef(logits.ravel(), exact.ravel())[0, 1] > (0.9 if unpools else 0.99)


@each_case
def test_golden_numbers(case):
    expected = json.loads(GOLDEN.read_text())[case]
    actual = golden_values(case)
    assert actual["parameters"] == expected["parameters"]
    # On each backend: with the same weights all three agree.
    limit = 1e-4 * np.abs(expected["logits"]).max()
    np.testing.assert_allclose(actual["logits"], expected["logits"], rtol=1e-4, atol=limit)


EDGES = (5, 16, 37, 48, 69, 80, 101)
"""Two that lie differently in a cell of 32 pixels, each again and again 32 pixels further."""
LOOKS_BEYOND = {
    "unet valid": "mirrors what is bright back into the image",
    "deeplab_v1": "three poolings at stride 8 carry what is bright across the border, an average brings it back",
    "gcn": "interpolates between pixels' areas, and repeats the last pixel beyond the border",
    "gcn learned": "interpolates between scores, of which there are none beyond the border",
}
"""Cases whose values near a border depend, rightly, on whether the image goes on there."""


@each_case
def test_an_edge_is_where_it_is_at_every_size(case, monkeypatch):
    """A network that passes the image on gives the same logits for the same edge, however much follows it."""
    name, options = CASES[case]
    model = identity(build(name, num_classes=2, **options), monkeypatch)
    reference = run(model, bright_corners(193, 193, EDGES))
    places = edges_in(reference)
    # Nothing is stretched: 32 pixels further on, the edge is found 32 pixels further on. (Transposed convolutions
    # fade towards the border, which moves the half of the first two edges' greatest logit.)
    assert [later - earlier for earlier, later in zip(places[2:-2], places[4:], strict=True)] == [32] * 3
    for height, width in ((192, 160), (131, 192), (40, 40), (20, 37), (6, 6)):
        edges = [edge for edge in EDGES if edge < min(height, width)]
        logits = run(model, bright_corners(height, width, edges))
        if case in LOOKS_BEYOND and min(height, width) < 100:
            inside = [i for i in range(len(edges)) if places[i] < width - 8]
            assert [edges_in(logits)[i] for i in inside] == [places[i] for i in inside]
            continue
        np.testing.assert_allclose(
            logits, reference[: len(edges), :height, :width], rtol=0, atol=1e-5 * reference.max()
        )


@once
def test_the_edge_test_sees_a_stretched_prediction(monkeypatch):
    model = identity(build("deeplab_v1", num_classes=2, width=4, pad=False), monkeypatch)
    found = edges_in(run(model, bright_corners(193, 193, EDGES)))
    stretched = edges_in(run(model, bright_corners(192, 192, EDGES)))
    assert [b - a for a, b in zip(found, stretched, strict=True)] != [0] * len(EDGES)


@each_case
def test_what_0_1_built_can_be_built_still(case):
    """``golden_0_1.json`` holds what 0.1 gave where it gave other logits."""
    name, options = CASES[case]
    old = json.loads(GOLDEN_0_1.read_text())
    expected = old.get(case) or json.loads(GOLDEN.read_text())[case]
    actual = golden_values(case, options_of_version(name, "0.1.0", options))
    assert actual["parameters"] == expected["parameters"]
    limit = 1e-4 * np.abs(expected["logits"]).max()
    np.testing.assert_allclose(actual["logits"], expected["logits"], rtol=1e-4, atol=limit)


@each_case
def test_statistics_are_warm_after_some_hundred_steps(case):
    """A momentum of 0.9997 would leave nine tenths of the first statistics after 360 steps."""
    norms = [layer for layer in narrow(case)._flatten_layers() if isinstance(layer, NORMS)]
    assert {layer.momentum for layer in norms} <= {0.9}


def test_golden_numbers_see_a_swapped_concatenation(monkeypatch):
    original = keras.layers.Concatenate
    monkeypatch.setattr(keras.layers, "Concatenate", lambda **options: lambda x: original(**options)(x[::-1]))
    difference = np.subtract(
        golden_values("unet")["logits"], json.loads(GOLDEN.read_text())["unet"]["logits"]
    )
    assert np.abs(difference).max() > 0.01


@tensorflow_only
@each_case
def test_every_weight_gets_a_gradient(case):
    import tensorflow as tf

    model, image = narrow(case), sample(2, 37, 53)
    labels = np.arange(2 * 37 * 53).reshape(2, 37, 53) % CLASSES
    with tf.GradientTape() as tape:
        logits = model(image, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    gradients = tape.gradient(loss, model.trainable_variables)
    missing = [v.path for v, g in zip(model.trainable_variables, gradients, strict=True) if g is None]
    assert not missing
    zero = [v.path for v, g in zip(model.trainable_variables, gradients, strict=True) if not np.any(g)]
    assert not zero
    assert all(np.isfinite(g).all() for g in gradients)


@tensorflow_only
@cases("fcn_8s", "unet valid", "segnet", "deeplab_v2 scales", "deeplab_v3", "gcn learned", "enet", "icnet")
def test_one_graph_serves_every_size(case):
    import tensorflow as tf

    model = narrow(case)
    graph = tf.function(lambda image: model(image, training=False))
    graph = graph.get_concrete_function(tf.TensorSpec((None, None, None, 3), "uint8"))
    for size in (1, 1), (37, 53), (64, 96):
        image = sample(1, *size)
        # A graph fuses convolution and batch normalisation, which rounds differently.
        expected = run(model, image)
        np.testing.assert_allclose(
            graph(tf.constant(image)), expected, rtol=0, atol=1e-4 * np.abs(expected).max()
        )


@tensorflow_only
@cases("unet", "deeplab_v2 scales", "enet")
def test_openvino_gives_equal_logits(case):
    model = narrow(case)
    program = in_openvino(model, lambda logits: logits)
    for size in (1, 1), (37, 53):
        image = sample(2, *size)
        expected = run(model, image)
        np.testing.assert_allclose(program(image), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@cases("unet", "segnet", "deeplab_v2 scales", "enet")
def test_training_is_reproducible(case):
    def two_steps():
        keras.utils.set_random_seed(7)
        name, options = CASES[case]
        model = build(name, num_classes=CLASSES, **options)
        images = sample(2, 32, 32)
        return [ops.convert_to_numpy(ops.stop_gradient(model(images, training=True))) for _ in range(2)]

    first, second = two_steps(), two_steps()
    np.testing.assert_array_equal(first, second)
    # Only dropout makes two steps differ; and FCN's scores start at zero, whatever was dropped before them.
    drops = any(isinstance(layer, DROPOUTS) for layer in narrow(case)._flatten_layers())
    assert case.startswith("fcn") or drops != np.array_equal(*first)


@pytest.mark.parametrize("name", ["fcn_32s", "fcn_16s", "fcn_8s"])
def test_fcn_starts_from_equal_scores(name):
    model = build(name, num_classes=21, width=2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    labels = np.arange(37 * 53).reshape(1, 37, 53) % 21
    assert float(loss(labels, run(model, sample(1, 37, 53)))) == pytest.approx(math.log(21), rel=1e-6)


@once
def test_fcn_sizes_are_the_release_s():
    model = shapes_of("fcn_8s", num_classes=21, width=2)
    names = ["block1_conv1", *(f"block{i}_pool" for i in range(1, 6)), "score_fr"]
    names += ["upscore2", "upscore_pool4", "upscore", "logits"]
    trace = [698, 349, 175, 88, 44, 22, 16, 34, 70, 568, 500]
    probe = keras.Model(model.inputs, [model.get_layer(name).output for name in names])
    assert [s.shape[1] for s in probe.compute_output_spec(keras.KerasTensor((1, 500, 500, 3)))] == trace


def test_unet_valid_sees_388_pixels_as_572():
    model = shapes_of("unet", num_classes=2, input_shape=(388, 388, 1), padding="valid", width=1)
    sizes = [model.get_layer(name).output.shape[1] for name in ("pad", "bottom_conv2", "up1_conv", "logits")]
    assert sizes == [572, 28, 392, 388]


def sizes(model, names, size):
    """Return the heights of some layers' outputs for an image of height and width ``size``."""
    probe = keras.Model(model.inputs, [model.get_layer(name).output for name in names])
    specs = probe.compute_output_spec(keras.KerasTensor((1, *size, model.inputs[0].shape[-1])))
    return [tuple(spec.shape[1:3]) for spec in specs]


@once
@pytest.mark.parametrize(
    ("name", "options", "layers", "size", "expected"),
    [
        ("deeplab_v1", {}, ["fc8"], (321, 321), [(41, 41)]),
        ("deeplab_v1", {}, ["fc8"], (513, 513), [(65, 65)]),
        ("deeplab_v2", {}, ["aspp"], (321, 321), [(41, 41)]),
        ("deeplab_v2", {}, ["aspp"], (513, 513), [(65, 65)]),
        ("deeplab_v3", {}, ["scores"], (513, 513), [(33, 33)]),
        ("deeplab_v3", {"output_stride": 8}, ["scores"], (513, 513), [(65, 65)]),
        ("deeplab_v3", {}, ["scores"], (769, 769), [(49, 49)]),
        ("pspnet", {}, ["conv2_block3_out", "pyramid_concat"], (473, 473), [(119, 119), (60, 60)]),
        ("pspnet", {}, ["pyramid_concat"], (713, 713), [(90, 90)]),
        ("gcn", {}, [f"refine{s}" for s in (4, 8, 16, 32)], (512, 512), [(n, n) for n in (128, 64, 32, 16)]),
        (
            "icnet",
            {},
            ["conv5_4_relu", "sub24", "sub124", "sub124_scores"],
            (1025, 2049),
            [(33, 65), (65, 129), (129, 257), (257, 513)],
        ),
    ],
)
def test_score_maps_have_the_papers_sizes(name, options, layers, size, expected):
    assert sizes(shapes_of(name, num_classes=2, width=4, **options), layers, size) == expected


@pytest.mark.parametrize(("output_stride", "rates"), [(16, (2, 4, 8)), (8, (4, 8, 16))])
def test_deeplab_v3_rates(output_stride, rates):
    model = shapes_of("deeplab_v3", num_classes=2, width=4, output_stride=output_stride)
    found = [model.get_layer(f"conv5_block{i}_2_conv").dilation_rate for i in (1, 2, 3)]
    assert found == [(rate, rate) for rate in rates]
    pyramid = [model.get_layer(f"aspp_{rate}_conv").dilation_rate[0] for rate in (6, 12, 18)]
    assert pyramid == [rate * 16 // output_stride for rate in (6, 12, 18)]


@pytest.mark.parametrize(
    ("name", "size", "weights"),
    [
        ("pspnet", (37, 53), {"logits": 1.0, "auxiliary": 0.4}),
        ("deeplab_v1", (6, 8), {"scores": 1.0}),
        ("deeplab_v2", (6, 8), {"scores": 1.0}),
        (
            "deeplab_v2 scales",
            (9, 9),
            dict.fromkeys(["scores", "scores_100", "scores_075", "scores_050"], 1.0),
        ),
        ("icnet", (17, 17), {"sub124": 1.0, "sub24": 0.4, "sub4": 0.16}),
        ("unet", (37, 53), {"logits": 1.0}),
    ],
)
def test_training_heads_and_their_weights(name, size, weights):
    case, options = CASES[name]
    model = build(case, num_classes=CLASSES, auxiliary=True, **options)
    assert loss_weights(case, model) == weights
    grids = {"deeplab_v1": 8, "deeplab_v2": 8, "deeplab_v2 scales": 32, "icnet": 32}
    assert label_grids(case, model) == (dict.fromkeys(weights, grids[name]) if name in grids else {})
    outputs = model(sample(1, 37, 53))
    assert {"logits", *weights} == set(outputs)
    assert outputs["logits"].shape == (1, 37, 53, CLASSES)
    assert outputs[next(iter(weights))].shape == (1, *size, CLASSES)
    assert {keras.backend.standardize_dtype(output.dtype) for output in outputs.values()} == {"float32"}
    assert isinstance(shapes_of(case, num_classes=CLASSES, **options).output, keras.KerasTensor)


def test_deeplab_v2_takes_the_highest_score_of_three_scales():
    case, options = CASES["deeplab_v2 scales"]
    outputs = fill(build(case, num_classes=CLASSES, auxiliary=True, **options))(sample(1, 65, 65))
    assert [outputs[f"scores_{scale}"].shape[1] for scale in ("100", "075", "050")] == [9, 7, 5]
    first, *others = (outputs[f"scores_{scale}"] for scale in ("100", "075", "050"))
    resized = [first, *(ResizeLike()(other, first) for other in others)]
    expected = np.max([ops.convert_to_numpy(ops.stop_gradient(x)) for x in resized], axis=0)
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.stop_gradient(outputs["scores"])), expected, rtol=1e-6
    )


@each_case
def test_a_large_odd_image_gives_full_size_logits(case):
    logits = run(narrow(case), sample(1, 257, 513))
    assert logits.shape == (1, 257, 513, CLASSES)
    assert np.isfinite(logits).all()


def test_enet_sizes():
    model = shapes_of("enet", num_classes=11, input_shape=(360, 480, 3))
    names = ("initial_prelu", "bottleneck1_4_prelu", "bottleneck3_8_prelu", "bottleneck5_1_relu")
    sizes = [model.get_layer(name).output.shape[1:3] for name in names]
    assert sizes == [(180, 240), (90, 120), (45, 60), (180, 240)]


@pytest.mark.parametrize("name", MODELS)
def test_models_are_named_after_their_architecture(name):
    assert shapes_of(name, num_classes=2, width=4).name == name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "unett", "num_classes": 2}, r"no model 'unett'. Did you mean 'unet'\? Known: .*enet"),
        (
            {"name": "unet", "num_classes": 2, "widht": 4},
            r"model 'unet' has no such option. Did you mean 'width'\?",
        ),
        ({"name": "unet", "num_classes": 2, "filter": 4}, r"It takes: width .*, padding .*, dropout .*\."),
        ({"name": "enet", "num_classes": 0}, r"num_classes is 0; .* at least 1"),
        ({"name": "enet", "num_classes": 2.0}, r"num_classes is 2\.0; .* integer"),
        ({"name": "enet", "num_classes": 2, "width": 6}, r"width is 6; enet .* multiple of 4"),
        (
            {"name": "unet", "num_classes": 2, "padding": "full"},
            r"padding is 'full'; unet takes 'same' or 'valid'",
        ),
        (
            {"name": "unet", "num_classes": 2, "input_shape": (None, None, None)},
            r"input_shape is \(None, None, None\); a model takes \(height, width, channels\), .* at least 1",
        ),
        (
            {"name": "unet", "num_classes": 2, "input_shape": (None, None, 0)},
            r"input_shape is \(None, None, 0\)",
        ),
        (
            {"name": "enet", "num_classes": 2, "input_shape": (None, None, 20)},
            r"above the image's 20 channels",
        ),
    ],
)
def test_mistakes_are_answered(arguments, message):
    with pytest.raises(ConfigError, match=message):
        build(**arguments)


SOME = {name: {} if name == "enet" else options for name, options in CASES.values()}


@once
@pytest.mark.parametrize("channels", [1, *(pytest.param(n, marks=pytest.mark.heavy) for n in (2, 4)), 13])
@pytest.mark.parametrize("name", MODELS)
def test_any_number_of_channels(name, channels):
    model = fill(build(name, num_classes=CLASSES, input_shape=(None, None, channels), **SOME[name]))
    assert model.inputs[0].shape == (None, None, None, channels)
    image = sample(1, 33, 40, channels)[0].astype("float32")
    # Each of the channels has a say: the images after the first have one inverted.
    images = np.stack([image] * (channels + 1))
    for channel in range(channels):
        images[channel + 1, ..., channel] = 255 - image[..., channel]
    logits, *others = run(model, images)
    assert logits.shape == (33, 40, CLASSES) and np.isfinite(logits).all()
    assert all(np.abs(other - logits).max() > 0 for other in others)
    kept = model.get_layer("normalize").get_config() if name not in ("segnet_basic", "deeplab_v2") else {}
    if kept.get("mean"):
        assert kept["mean"] == 127.5


def test_aliases():
    assert shapes_of("ENet", num_classes=2, width=4).name == "enet"


def test_listing_names_imports_no_keras():
    code = "import sys, kerseg.models; print(*kerseg.models.MODELS); sys.exit('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(MODELS)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({case: golden_values(case) for case in CASES}, indent=1) + "\n")
