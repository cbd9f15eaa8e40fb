"""Which of ``numbers/*.json`` each architecture must equal, and where.

A new architecture is its JSON and a row in ``ROWS``.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from comparing import Case, Compared, Row

NUMBERS = Path(__file__).with_name("numbers")


def cases(name: str) -> Iterator[Compared]:
    """Yield all cases of an architecture, those that are left out too."""
    golden = json.loads((NUMBERS / f"{name}.json").read_text())
    for case in golden["cases"]:
        yield Compared(name, case, ROWS[name])


def smallest_of(name: str) -> Compared:
    """Return the case of an architecture that takes least time and memory, the head alone not counted."""
    whole = (case for case in cases(name) if not case.left_out and not case.entry)
    return min(whole, key=lambda case: (case.pixels, case.options.get("backbone") != "resnet50"))


HEAD_ALONE = "head alone"
DRIFTS = {
    "not 8k + 1": "at a size that the release never meets, where its scores drift; kerseg pads such images"
}


def _scale_skips(model: keras.Model, case: Case) -> None:
    """FCN-8s "at once" multiplies pool4 by 0.01 and pool3 by 0.0001; the kernels behind them do as well."""
    if "at once" in case["options"]:
        for name, factor in (("score_pool4", 0.01), ("score_pool3", 0.0001)):
            kernel = model.get_layer(name).kernel
            kernel.assign(kernel * factor)


def _fcn() -> Row:
    layers = {
        "stem (relu1_2)": "block1_conv2",
        "pool1": "block1_pool",
        "pool3": "block3_pool",
        "pool5": "block5_pool",
        "relu7": "fc7",
        "logits at stride 32": "score_fr",
        "logits at stride 16": "fuse_pool4",
        "logits at stride 8": "fuse_pool3",
    }
    return Row(layers=layers, adjust=_scale_skips)


def _epsilon(case: Case) -> dict[str, Any]:
    return {"epsilon": case["options"]["epsilon"]}


def _deeplab_v2(case: Case) -> dict[str, Any]:
    multi_scale = "multi-scale" in case["options"]
    return {"backbone": case["options"].get("backbone", "resnet101"), "multi_scale": multi_scale}


def _deeplab_v3(case: Case) -> dict[str, Any]:
    return {
        name: case["options"][name] for name in ("output_stride", "multi_grid") if name in case["options"]
    }


def _pspnet(case: Case) -> dict[str, Any]:
    ade20k = "ADE20K" in case["source"]
    return {"backbone": "resnet50", "stride_in": "1x1"} if ade20k else {}


def _pspnet_order(model: keras.Model, case: Case) -> None:
    """The release concatenates the bins from fine to coarse, kerseg from coarse to fine."""
    if "[x, 6, 3, 2, 1]" not in case["options"]["concatenation"]:
        return
    kernel = model.get_layer("head_conv").kernel
    x, *bins = np.split(keras.ops.convert_to_numpy(kernel), (2048, 2560, 3072, 3584), axis=2)
    kernel.assign(np.concatenate([x, *bins[::-1]], axis=2))


def _torch_dropout(model: keras.Model, case: Case) -> None:
    """Torch's spatial dropout multiplies in evaluation by what it keeps; the norm before it does as well."""
    if "times 0.99" not in case["options"]["evaluation"]:
        return
    for layer in model.layers:
        if layer.name.endswith("_expand_norm") and layer.name.startswith(
            tuple(f"bottleneck{i}" for i in (1, 2, 3))
        ):
            for weight in (layer.gamma, layer.beta):
                weight.assign(weight * (0.99 if layer.name.startswith("bottleneck1") else 0.9))


ROWS = {
    "fcn_32s": _fcn(),
    "fcn_16s": _fcn(),
    "fcn_8s": _fcn(),
    "unet": Row(
        layers={
            "stem (down1)": "down1_conv2",
            "down4": "down4_conv2",
            "encoder (bottom)": "bottom_conv2",
            "up4, up-convolution alone": "up4_conv",
            "up1": "up1_conv2",
        },
        options=lambda case: {"padding": case["options"]["padding"]},
        entries={"no: sizes 16k + 12": "pad"},
    ),
    "segnet": Row(
        layers={
            "pool1": "block1_pool",
            "pool3": "block3_pool",
            "pool5": "block5_pool",
            "relu5_1_D": "decoder5_conv1_relu",
            "relu1_2_D": "decoder1_conv2_relu",
        },
        options=_epsilon,
        float32=False,
    ),
    "segnet_basic": Row(
        layers={
            "pool1": "encoder1_pool",
            "pool4": "encoder4_pool",
            "conv_decode4 normalised": "decoder4_conv_bn",
        },
        options=_epsilon,
        float32=False,
    ),
    "deeplab_v1": Row(
        layers={
            "stem (relu1_2)": "block1_conv2",
            "pool1": "block1_pool",
            "pool3": "block3_pool",
            "pool5": "block5_pool",
            "pool5a": "pool5a",
            "relu7": "fc7",
            "logits at stride 8": "fc8",
        },
        left_out=DRIFTS,
    ),
    "deeplab_v2": Row(
        layers={
            "stem (relu1_2)": "block1_conv2",
            "pool1": "block1_pool",
            "pool3": "block3_pool",
            "pool5": "block5_pool",
            "branch 1": "fc8_1",
            "stem (pool1)": "pool1_pool",
            "res3b3": "conv3_block4_out",
            "res4b22": "conv4_block23_out",
            "res5c": "conv5_block3_out",
            "branch of dilation 6": "aspp_6",
            "logits at stride 8": "maximum aspp",
        },
        options=_deeplab_v2,
        entries={HEAD_ALONE: "conv5_block3_out"},
        left_out=DRIFTS,
    ),
    "deeplab_v3": Row(
        layers={
            "stem (pool1)": "pool1_pool",
            "layer3": "conv4_block23_out",
            "encoder (layer4)": "conv5_block3_out",
            "aspp, 1x1 branch": "aspp_1x1_relu",
            "aspp, first dilated branch": "aspp_6_relu",
            "aspp": "aspp_project_relu",
            "logits at stride 16": "scores",
            "logits at stride 8": "scores",
        },
        options=_deeplab_v3,
        entries={HEAD_ALONE: "conv5_block3_out"},
        left_out={
            "torchvision as it is": "torchvision's own network, with a convolution that the paper has not"
        },
    ),
    "pspnet": Row(
        layers={
            "stem (pool1)": "pool1_pool",
            "conv3": "conv3_block4_out",
            "conv4": "conv4_block23_out conv4_block6_out",
            "conv5": "conv5_block3_out",
            **{f"pyramid {bins}": f"pyramid{bins}_relu" for bins in (1, 2, 3, 6)},
            "conv5_4": "head_relu",
            "logits at stride 8": "logits_scores",
        },
        options=_pspnet,
        adjust=_pspnet_order,
        entries={HEAD_ALONE: "conv5_block3_out"},
    ),
    "enet": Row(
        layers={
            "stem (initial block)": "initial_prelu",
            "bottleneck1_0": "bottleneck1_0_prelu",
            "bottleneck1_4": "bottleneck1_4_prelu",
            "bottleneck2_0": "bottleneck2_0_prelu",
            "bottleneck2_3 (asymmetric)": "bottleneck2_3_prelu",
            "encoder": "bottleneck3_8_prelu",
        },
        adjust=_torch_dropout,
        float32=False,
    ),
    "icnet": Row(
        layers={
            "sub2 stem (pool1)": "pool1_pool",
            "conv3_1": "conv3_block1_out",
            "conv5_3": "conv5_block3_out",
            "pyramid summed": "pyramid_add",
            "conv5_4": "conv5_4_relu",
            "sub24": "sub24",
            "sub124": "sub124",
            "sub1": "sub1_3_relu",
            "logits at stride 4": "sub124_scores",
        },
    ),
}
