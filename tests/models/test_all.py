"""Every check for every architecture: a new one is a row in ``CASES`` and in ``COUNTS``.

Behaviour is tested on narrow models, parameter counts on full ones. Weights come from a formula, so the
golden outputs in ``golden.json`` need no download; ``python tests/models/test_all.py`` writes them anew.
"""

import json
import math
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from kerseg.errors import ConfigError
from kerseg.models import MODELS, build
from kerseg.models.complexity import multiply_adds

GOLDEN = Path(__file__).with_name("golden.json")
CLASSES = 5

CASES = {
    "fcn_32s": ("fcn_32s", {"width": 2}),
    "fcn_16s": ("fcn_16s", {"width": 2}),
    "fcn_8s": ("fcn_8s", {"width": 2}),
    "fcn_8s learned": ("fcn_8s", {"width": 2, "learned_upsampling": True}),
    "unet": ("unet", {"width": 4}),
    "unet valid": ("unet", {"width": 4, "padding": "valid"}),
    "enet": ("enet", {"width": 8}),
}
COUNTS = {  # trainable parameters at full width: 21, 19 and 11 classes
    "fcn_32s": (134_346_581, 134_338_387, 134_305_611),
    "fcn_16s": (134_357_354, 134_348_134, 134_311_254),
    "fcn_8s": (134_362_751, 134_353_017, 134_314_081),
    "unet": (31_033_045, 31_032_915, 31_032_395),
    "enet": (364_313, 364_183, 363_663),
}
MULTIPLY_ADDS = [  # giga, for one image of (height, width)
    ("fcn_8s", {"num_classes": 21}, (500, 500), 180.97),
    ("unet", {"num_classes": 21}, (512, 512), 193.01),
    ("unet", {"num_classes": 2, "input_shape": (None, None, 1), "padding": "valid"}, (388, 388), 150.43),
    ("enet", {"num_classes": 19}, (360, 640), 1.72),
    ("enet", {"num_classes": 19}, (512, 1024), 3.92),
    ("enet", {"num_classes": 11}, (360, 480), 1.27),
]

each_case = pytest.mark.parametrize("case", CASES)
tensorflow_only = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="uses tf.function")


def narrow(case):
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


def picture(batch, height, width, channels=3):
    numbers = np.arange(batch * height * width * channels).reshape(batch, height, width, channels)
    return (127.5 + 127.5 * np.sin(numbers * 0.7 + (numbers // 97) * 0.13)).astype("uint8")


def run(model, image):
    return ops.convert_to_numpy(ops.stop_gradient(model(image, training=False)))


def trainable(model):
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def golden_values(case):
    model = narrow(case)
    logits = run(model, picture(1, 45, 70))
    points = [logits[0, 0, 0], logits[0, 22, 35], logits[0, 44, 69]]
    return {"parameters": trainable(model), "logits": [[float(f"{v:.6g}") for v in p] for p in points]}


def test_table_is_complete():
    assert {name for name, _ in CASES.values()} == set(COUNTS) == set(MODELS)


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts(name):
    model = build(name, num_classes=21)
    assert trainable(model) == COUNTS[name][0]
    # Only layers with as many filters as classes depend on their number, each in proportion to it: the other
    # columns need no second model of half a gigabyte.
    slope = sum(layer.count_params() / 21 for layer in model.layers if getattr(layer, "filters", 0) == 21)
    assert [trainable(model) - (21 - c) * slope for c in (19, 11)] == list(COUNTS[name][1:])


def test_parameter_counts_of_variants():
    paper = build("unet", num_classes=2, input_shape=(None, None, 1), padding="valid")
    assert trainable(paper) == 31_030_658
    enet = build("enet", num_classes=11)
    encoder = keras.Model(enet.inputs, enet.get_layer("bottleneck3_8_prelu").output)
    assert trainable(encoder) == 338_028
    fixed, learned = (
        trainable(build("fcn_8s", num_classes=21, width=2, learned_upsampling=v)) for v in (False, True)
    )
    assert learned - fixed == 2 * 4 * 4 * 21**2


@pytest.mark.parametrize(("name", "options", "size", "expected"), MULTIPLY_ADDS)
def test_multiply_adds(name, options, size, expected):
    assert multiply_adds(build(name, **options), *size) / 1e9 == pytest.approx(expected, rel=0.005)


@each_case
@pytest.mark.parametrize("size", [(1, 1), (37, 53), (375, 500)])
def test_any_size_and_integer_images(case, size):
    model, image = narrow(case), picture(1, *size)
    logits = run(model, image)
    assert logits.shape == (1, *size, CLASSES)
    assert logits.dtype == "float32"
    assert np.isfinite(logits).all()
    np.testing.assert_array_equal(logits, run(model, image.astype("float32")))


@each_case
def test_inference_is_deterministic_and_images_do_not_mix(case):
    model, images = narrow(case), picture(2, 37, 53)
    together = run(model, images)
    np.testing.assert_array_equal(together, run(model, images))
    apart = np.concatenate([run(model, images[:1]), run(model, images[1:])])
    # Not bit for bit: oneDNN picks its blocking, and with it the order of sums, by the batch size.
    np.testing.assert_allclose(together, apart, rtol=0, atol=2e-5 * np.abs(together).max())


@each_case
def test_save_and_load_gives_equal_logits(case, tmp_path):
    model, image = narrow(case), picture(1, 37, 53)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(run(model, image), run(loaded, image))


@each_case
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_logits_are_float32_in_mixed_precision(case, policy):
    image = picture(1, 37, 53)
    exact = run(narrow(case), image)
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        logits = run(narrow(case), image)
    finally:
        keras.config.set_dtype_policy(previous)
    assert logits.dtype == "float32"
    # On average only: where two pixels of a window are nearly equal, rounding decides where ENet unpools to.
    assert np.abs(logits - exact).mean() < 0.25 * np.abs(exact).mean()


@each_case
def test_golden_numbers(case):
    expected = json.loads(GOLDEN.read_text())[case]
    actual = golden_values(case)
    assert actual["parameters"] == expected["parameters"]
    np.testing.assert_allclose(actual["logits"], expected["logits"], rtol=1e-3, atol=1e-4)


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

    model, image = narrow(case), picture(2, 37, 53)
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
@each_case
def test_one_graph_serves_every_size(case):
    import tensorflow as tf

    model = narrow(case)
    graph = tf.function(lambda image: model(image, training=False))
    graph = graph.get_concrete_function(tf.TensorSpec((None, None, None, 3), "uint8"))
    for size in (1, 1), (37, 53), (64, 96):
        image = picture(1, *size)
        # A graph fuses convolution and batch normalisation, which rounds differently.
        expected = run(model, image)
        np.testing.assert_allclose(
            graph(tf.constant(image)), expected, rtol=0, atol=1e-4 * np.abs(expected).max()
        )


@each_case
def test_training_is_reproducible(case):
    def two_steps():
        keras.utils.set_random_seed(7)
        name, options = CASES[case]
        model = build(name, num_classes=CLASSES, **options)
        images = picture(2, 32, 32)
        return [ops.convert_to_numpy(ops.stop_gradient(model(images, training=True))) for _ in range(2)]

    first, second = two_steps(), two_steps()
    np.testing.assert_array_equal(first, second)
    # FCN's scores start at zero, whatever was dropped before them.
    assert case.startswith("fcn") or not np.array_equal(*first)


@pytest.mark.parametrize("name", ["fcn_32s", "fcn_16s", "fcn_8s"])
def test_fcn_starts_from_equal_scores(name):
    model = build(name, num_classes=21, width=2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    labels = np.arange(37 * 53).reshape(1, 37, 53) % 21
    assert float(loss(labels, run(model, picture(1, 37, 53)))) == pytest.approx(math.log(21), rel=1e-6)


def test_fcn_sizes_are_the_release_s():
    model = build("fcn_8s", num_classes=21, width=2)
    names = ["block1_conv1", *(f"block{i}_pool" for i in range(1, 6)), "score_fr"]
    names += ["upscore2", "upscore_pool4", "upscore", "logits"]
    trace = [698, 349, 175, 88, 44, 22, 16, 34, 70, 568, 500]
    probe = keras.Model(model.inputs, [model.get_layer(name).output for name in names])
    assert [s.shape[1] for s in probe.compute_output_spec(keras.KerasTensor((1, 500, 500, 3)))] == trace


def test_unet_valid_sees_388_pixels_as_572():
    model = build("unet", num_classes=2, input_shape=(388, 388, 1), padding="valid", width=1)
    sizes = [model.get_layer(name).output.shape[1] for name in ("pad", "bottom_conv2", "up1_conv", "logits")]
    assert sizes == [572, 28, 392, 388]


def test_enet_sizes():
    model = build("enet", num_classes=11, input_shape=(360, 480, 3))
    names = ("initial_prelu", "bottleneck1_4_prelu", "bottleneck3_8_prelu", "bottleneck5_1_relu")
    sizes = [model.get_layer(name).output.shape[1:3] for name in names]
    assert sizes == [(180, 240), (90, 120), (45, 60), (180, 240)]


@pytest.mark.parametrize("name", MODELS)
def test_models_are_named_after_their_architecture(name):
    assert build(name, num_classes=2, width=4).name == name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "unett", "num_classes": 2}, r"no model 'unett'. Did you mean 'unet'\? Known: .*enet"),
        (
            {"name": "unet", "num_classes": 2, "widht": 4},
            r"'unet' has no option 'widht'. Did you mean 'width'\?",
        ),
        ({"name": "unet", "num_classes": 2, "filter": 4}, r"It takes: width, padding, dropout\."),
        ({"name": "enet", "num_classes": 0}, r"num_classes is 0; .* at least 1"),
        ({"name": "enet", "num_classes": 2.0}, r"num_classes is 2\.0; .* integer"),
        ({"name": "enet", "num_classes": 2, "width": 6}, r"width is 6; enet .* multiple of 4"),
        (
            {"name": "unet", "num_classes": 2, "padding": "full"},
            r"padding is 'full'; unet takes 'same' or 'valid'",
        ),
        ({"name": "fcn_8s", "num_classes": 2, "input_shape": (None, None, 1)}, r"takes RGB"),
    ],
)
def test_mistakes_are_answered(arguments, message):
    with pytest.raises(ConfigError, match=message):
        build(**arguments)


def test_aliases():
    assert build("ENet", num_classes=2, width=4).name == "enet"


def test_listing_names_imports_no_keras():
    code = "import sys, kerseg.models; print(*kerseg.models.MODELS); sys.exit('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(MODELS)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({case: golden_values(case) for case in CASES}, indent=1) + "\n")
