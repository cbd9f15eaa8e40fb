"""What the architectures say of their releases' solvers: which layers stand on the backbone, and at which rates."""

import keras
import pytest

from kerseg import backbones, models
from kerseg.models import MODELS

ON_VGG, ON_RESNET = ("fcn_8s", "deeplab_v1", "segnet"), ("deeplab_v2", "gcn")


def layers(model: keras.Model) -> set[str]:
    return {variable.path.split("/")[-2] for variable in model.trainable_variables}


@pytest.mark.parametrize("name", ON_VGG + ON_RESNET)
def test_what_is_not_new_is_the_backbone(name: str) -> None:
    backbone = "resnet50" if name in ON_RESNET else "vgg16"
    options = {"backbone": backbone} if name in ON_RESNET else {}
    network = models.build(name, num_classes=3, width=8, auxiliary=True, **options)
    solver = models.solver(name)
    image = keras.Input((None, None, 3))
    features = backbones.build(backbone, image, output_stride=32, width=8)
    trunk = layers(keras.Model(image, list(features.values())))
    kept = {layer for layer in layers(network) if not solver.is_new(f"{layer}/kernel")}
    assert kept - {"fc6", "fc7"} == trunk  # which VGG16's weights bring too


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        ("fcn_8s", "score_fr/bias", (2.0, 0.0)),
        ("deeplab_v1", "fc8/kernel", (10.0, 1.0)),
        ("deeplab_v2", "aspp_6/bias", (20.0, 0.0)),
        ("deeplab_v2", "conv4_block3_1_bn/gamma", (0.0, 0.0)),
        ("pspnet", "pyramid2_bn/beta", (10.0, 0.0)),
        ("pspnet", "conv3_block1_1_conv/kernel", (1.0, 1.0)),
        ("icnet", "sub24_scores/bias", (2.0, 1.0)),
        ("segnet", "block1_conv1_bn/gamma", (1.0, 1.0)),
        ("enet", "initial_prelu/alpha", (1.0, 1.0)),
    ],
)
def test_multipliers_are_the_releases(name: str, path: str, expected: tuple[float, float]) -> None:
    assert models.solver(name).of(path) == expected


@pytest.mark.parametrize("name", MODELS)
def test_every_declared_loss_exists(name: str) -> None:
    from kerseg.losses import parse

    for expression in models.losses(name).values():
        parse(expression)
