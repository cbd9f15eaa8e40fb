"""The figures of the architectures: up to date, derived, and read without building anything."""

import math

import keras
import pytest

from kerseg import backbones
from kerseg.backbones import BACKBONES
from kerseg.errors import ConfigError
from kerseg.models import MODELS, build
from kerseg.profiling import figures
from kerseg.profiling.complexity import multiply_adds, output_stride, shapes_only


def test_the_file_is_up_to_date():
    counted = figures.count()
    assert figures.read() == counted, "run scripts/reference.py --figures"
    assert figures.FILE.read_text(encoding="utf-8") == figures.dump(counted)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fcn_16s", {"imagenet": {}, "vgg_16": {}, "fcn_32s": {}, "fcn_8s": {}}),
        ("segnet", {"imagenet": {}, "vgg_16": {}}),
        ("enet", {}),
        ("icnet", {}),  # the layers of a ResNet-50 with half its channels
    ],
)
def test_what_a_model_can_start_from(name, expected):
    assert figures.read()[name].starts == expected


def test_a_stem_or_backbone_that_published_weights_need_is_named():
    starts = figures.read()["pspnet"].starts
    assert starts["imagenet"] == {"stem": "7x7"}
    assert starts["resnet_v2_101"] == {"backbone": "resnet_v2_101"}


def test_the_names_of_published_weights_are_those_that_can_be_read():
    assert dict(BACKBONES.aliases) == {
        entry.checkpoint.scope: name for name in BACKBONES if (entry := backbones.get(name)).checkpoint
    }


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("deeplab_v1", {}, ("imagenet", "vgg_16")),
        ("deeplab_v1", {"width": 32}, ()),
        ("deeplab_v2", {"backbone": "vgg16", "multi_scale": True}, ("imagenet", "vgg_16")),
        ("deeplab_v3", {"backbone": "resnet50"}, ("imagenet",)),
        ("deeplab_v3", {"backbone": "resnet50_v2"}, ("imagenet", "resnet_v2_50")),
        ("pspnet", {"backbone": "resnet50"}, ()),
        ("pspnet", {"backbone": "resnet50", "stem": "7x7"}, ("imagenet",)),
        ("icnet", {"width": 64}, ()),
    ],
)
def test_published_weights_are_named_where_every_shape_fits(name, options, expected):
    with shapes_only():
        model = build(name, num_classes=2, **options)
    assert figures.published(model) == expected
    trunk = options.get("backbone", "resnet50" if name == "icnet" else "vgg16")
    mine = figures.shapes_of(model)
    theirs = _trunk_shapes(trunk)
    shared = mine.keys() & theirs.keys()
    assert shared
    assert all(mine[key] == theirs[key] for key in shared) == bool(expected)


def _trunk_shapes(name: str) -> figures.Shapes:
    image = keras.Input((None, None, 3))
    with shapes_only():
        stages = backbones.build(name, image).stages
    return figures.shapes_of(keras.Model(image, stages[-1]))


def test_kin_have_nearly_all_parameters_by_name_and_shape():
    shapes = {"a": {"x": (9, 11), "y": (1,)}, "b": {"x": (9, 11)}, "c": {"x": (99,), "y": (1,)}}
    assert figures.sharing_backbone("a", shapes) == ["b"]
    assert figures.sharing_backbone("b", shapes) == ["a"]
    assert figures.sharing_backbone("c", shapes) == []


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("fcn_8s", {"width": 2}, 32),
        ("unet", {"width": 4, "padding": "valid"}, 16),
        ("deeplab_v2", {"width": 2, "backbone": "vgg16"}, 8),
        # The network sees the image at half its size too.
        ("deeplab_v2", {"width": 2, "backbone": "vgg16", "multi_scale": True}, 16),
        ("deeplab_v3", {"width": 4, "backbone": "resnet50", "output_stride": 8}, 8),
        ("enet", {"width": 8}, 8),
        ("enet", {"width": 8, "input_shape": (64, 64, 3)}, None),
    ],
)
def test_output_stride(name, options, expected):
    with shapes_only():
        model = build(name, num_classes=2, **options)
    assert output_stride(model) == expected


def test_parameters_are_trainable_and_others():
    model = build("enet", num_classes=3, width=8)
    trainable, other = figures.parameters(model)
    assert trainable + other == model.count_params()
    assert other == sum(math.prod(variable.shape) for variable in model.non_trainable_weights) > 0
    assert multiply_adds(model, 64, 64) > 0


@pytest.mark.parametrize("name", MODELS)
def test_every_model_names_its_paper(name):
    paper = figures.paper(name)
    assert paper.url == f"https://arxiv.org/abs/{paper.arxiv}"
    # A title and a year; no sentence and no author has come along.
    assert paper.title[-4:].isdigit() and "\n" not in paper.title and ". " not in paper.title


def test_an_alias_has_the_paper_of_its_model():
    assert figures.paper("ENet") == figures.paper("enet")
    with pytest.raises(ConfigError, match="There is no model 'enett'"):
        figures.paper("enett")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("enet", True),
        ("Deeplab_v3", True),
        ("enett", True),
        ("runs/enet", False),
        ("best.keras", False),
        (".", False),
    ],
)
def test_a_name_is_told_from_a_path(text, expected):
    assert figures.is_name(text) is expected
