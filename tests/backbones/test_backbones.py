"""The trunks: parameters, multiply-adds, sizes at each output stride, what they refuse."""

import math

import keras
import pytest

from kerseg import backbones, models
from kerseg.backbones import BACKBONES
from kerseg.backbones.backbone import plan_strides
from kerseg.errors import ConfigError
from kerseg.models import MODELS
from kerseg.profiling.complexity import multiply_adds, shapes_only
from kerseg.weights import trunk as trunk_of

FIGURES = {  # trainable parameters, and multiply-adds (giga) at 224x224: architectures.md, tables 1.1 and 1.2
    "vgg16": (14_714_688, 15.35),
    "resnet50": (23_508_032, 4.09),
    "resnet101": (42_500_160, 7.80),
    "resnet152": (58_143_808, 11.51),
    "resnet50_v2": (23_519_360, 3.48),
    "resnet101_v2": (42_528_896, 7.19),
    "resnet152_v2": (58_187_904, 10.90),
}
once = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="follows from the graph, which is the same on every backend",
)


def trunk(name, size=(None, None), **options):
    image = keras.Input((*size, 3))
    with shapes_only():
        features = backbones.build(name, image, **options)
    return keras.Model(image, features[max(features)]), features


@once
def test_table_is_complete():
    assert set(FIGURES) == set(BACKBONES)


@once
@pytest.mark.parametrize("name", FIGURES)
def test_parameters_and_multiply_adds(name):
    model, _ = trunk(name)
    parameters, giga = FIGURES[name]
    assert sum(math.prod(weight.shape) for weight in model.trainable_weights) == parameters
    assert multiply_adds(model, 224, 224) / 1e9 == pytest.approx(giga, rel=0.01)


@once
@pytest.mark.parametrize("name", ["vgg16", "resnet50", "resnet50_v2"])  # deeper ones have the same strides
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_features_at_stride_s_have_a_share_of_s(name, output_stride):
    image = keras.Input((None, None, 3))
    features = backbones.build(name, image, output_stride=output_stride, width=4)
    assert max(features) == output_stride and {4, 8} <= set(features)
    model = keras.Model(image, list(features.values()))
    for size in (321, 321), (96, 75):
        maps = model.compute_output_spec(keras.KerasTensor((1, *size, 3)))
        for stride, spec in zip(features, maps, strict=True):
            assert tuple(spec.shape[1:3]) == tuple(math.ceil(side / stride) for side in size)


@once
@pytest.mark.parametrize(
    ("output_stride", "sizes"), [(32, [41, 21, 11, 11]), (16, [41, 21, 21, 21]), (8, [41, 41, 41, 41])]
)
def test_slim_s_stages_at_321_pixels(output_stride, sizes):
    _, features = trunk("resnet101_v2", (321, 321), output_stride=output_stride, width=4)
    assert [stage.shape[1] for stage in features.stages] == sizes


@once
def test_dilation_takes_the_place_of_strides():
    model, _ = trunk("resnet50", output_stride=8, width=4)
    rates = [model.get_layer(f"conv{stage}_block2_2_conv").dilation_rate[0] for stage in (2, 3, 4, 5)]
    assert rates == [1, 1, 2, 4]
    # TF-Slim's last unit of a stage still sees with the stage's own rate: the next stage's is doubled.
    model, _ = trunk("resnet50_v2", output_stride=8, width=4)
    last = {2: 3, 3: 4, 4: 6, 5: 3}
    rates = [model.get_layer(f"conv{s}_block{n}_2_conv").dilation_rate[0] for s, n in last.items()]
    assert rates == [1, 1, 2, 4]
    assert plan_strides(16, stages=3, first=4) == [(2, 1), (2, 1), (1, 2)]


@once
@pytest.mark.parametrize(("where", "strides"), [("1x1", [(2, 2), (1, 1)]), ("3x3", [(1, 1), (2, 2)])])
def test_where_a_resnet_has_its_strides(where, strides):
    model, _ = trunk("resnet50", width=4, stride_in=where)
    assert [model.get_layer(f"conv3_block1_{i}_conv").strides for i in (1, 2)] == strides


@once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "resnet18"}, r"no backbone 'resnet18'\. Did you mean 'resnet1\d\d?'\?.* Known: vgg16"),
        (
            {"backbone": "vgg16", "stride_in": "1x1"},
            r"stride_in is '1x1'; the backbone 'vgg16' has no such option\. Those that do: resnet50, resnet101, "
            r"resnet152\.$",
        ),
        (
            {"backbone": "resnet_v2_50", "stem": "deep"},
            r"stem is 'deep'; the backbone 'resnet50_v2' has no such option\.",
        ),
        ({"output_stride": 4}, r"output_stride is 4; backbones take 8, 16 or 32"),
        ({"stem": "3x3"}, r"stem is '3x3'; a ResNet takes '7x7' or 'deep'"),
    ],
)
def test_mistakes_are_answered(options, message):
    with pytest.raises(ConfigError, match=message):
        models.build("pspnet", num_classes=2, **options)


@once
@pytest.mark.parametrize("architecture", [name for name in MODELS if "backbone" in MODELS.options(name)])
@pytest.mark.parametrize("name", ["vgg16", "resnet50", "resnet50_v2"])  # deeper ones have the same strides
def test_an_architecture_takes_every_backbone(architecture, name):
    with shapes_only():
        model = models.build(architecture, num_classes=2, width=4, backbone=name)
    assert model.output_shape[-1] == 2
    assert trunk_of.name_of(model) == name
    assert model.get_layer("normalize").backbone == name


def test_a_model_from_a_file_still_knows_its_backbone(tmp_path):
    models.build("deeplab_v3", num_classes=2, width=2, backbone="resnet50_v2").save(tmp_path / "model.keras")
    assert trunk_of.name_of(keras.saving.load_model(tmp_path / "model.keras")) == "resnet50_v2"


@once
def test_strides_that_a_backbone_lacks_are_named():
    with pytest.raises(
        ConfigError, match=r"'vgg16', which has features at strides 2, 4, 8, 16, 32; .* needs 64 too"
    ):
        backbones.build("vgg16", keras.Input((64, 64, 3)), strides=(4, 64))


@once
def test_norms_cannot_be_frozen_where_there_are_none():
    with pytest.raises(ConfigError, match=r"freeze_norm is True; the backbone 'vgg16' has no such option"):
        models.build("deeplab_v3", num_classes=2, width=2, backbone="vgg16", freeze_norm=True)


@once
@pytest.mark.parametrize(
    ("weights", "asked", "pool"),
    [("imagenet", {}, "keras"), (None, {}, None), ("imagenet", {"root_pool": "slim"}, "slim")],
)
def test_the_root_pooling_follows_the_weights(weights, asked, pool):
    options = models.options_with_weights("deeplab_v3", weights, {"backbone": "resnet_v2_50", **asked})
    assert options.get("root_pool") == pool


@once
@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet50", {"stride_in": "5x5"}, r"stride_in is '5x5'; a ResNet takes '1x1' or '3x3'"),
        ("resnet50_v2", {"root_pool": "torch"}, r"root_pool is 'torch'; a ResNet v2 takes 'slim' or 'keras'"),
    ],
)
def test_variants_are_checked(name, options, message):
    with pytest.raises(ConfigError, match=message):
        trunk(name, **options)
