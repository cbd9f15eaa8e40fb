"""U-Net, ENet, DeepLab-v3 and PSPNet in plain PyTorch, layer by layer as ``kerseg.models`` builds them.

What kerseg is timed against in ``models.py`` and ``gpu.py``. `segmentation_models_pytorch` has other networks
under two of these names (0.6.0: a further 3x3 convolution and dropout in DeepLab-v3, an encoder that ends at its
third stage in PSPNet), so its times would compare nothing.

Each takes RGB of 0 to 255, any number type, as ``(batch, 3, height, width)``, and returns a dictionary of logits
of the same size: ``logits``, and ``auxiliary`` too while PSPNet trains.
"""

import itertools
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

VGG_MEAN = (123.68, 116.78, 103.94)


class UNet(nn.Module):
    """``kerseg.models.unet``; the sizes of the image are multiples of 16."""

    def __init__(self, classes: int, width: int = 64):
        super().__init__()
        channels = [width * 2**level for level in range(5)]
        self.down = nn.ModuleList(two_convs(a, b) for a, b in itertools.pairwise([3, *channels]))
        self.dropout = nn.Dropout(0.5)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * n, n, 2, 2) for n in channels[3::-1])
        self.merge = nn.ModuleList(two_convs(2 * n, n) for n in channels[3::-1])
        self.logits = nn.Conv2d(width, classes, 1)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return the outputs by name."""
        x, skips = image.float() / 255, []
        for level, convs in enumerate(self.down):
            x = convs(functional.max_pool2d(x, 2) if level else x)
            x = self.dropout(x) if level >= 3 else x
            skips.append(x)
        skips.pop()  # the bottom is x itself
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([skips.pop(), up(x)], 1))
        return {"logits": self.logits(x)}


def two_convs(inputs: int, channels: int) -> nn.Sequential:
    first, second = nn.Conv2d(inputs, channels, 3, padding=1), nn.Conv2d(channels, channels, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True))


class ENet(nn.Module):
    """``kerseg.models.enet``; the sizes of the image are multiples of 8."""

    CONTEXT = (
        {},
        {"dilation": 2},
        {"asymmetric": True},
        {"dilation": 4},
        {},
        {"dilation": 8},
        {"asymmetric": True},
        {"dilation": 16},
    )

    def __init__(self, classes: int, width: int = 16):
        super().__init__()
        quarter, eighth = 4 * width, 8 * width
        self.initial = nn.Conv2d(3, width - 3, 3, 2, 1)
        self.initial_norm = nn.Sequential(nn.BatchNorm2d(width, 1e-3), nn.PReLU(width))
        self.down1 = ENetBlock(width, quarter, down=True, dropout=0.01)
        self.stage1 = nn.Sequential(*(ENetBlock(quarter, quarter, dropout=0.01) for _ in range(4)))
        self.down2 = ENetBlock(quarter, eighth, down=True, dropout=0.1)
        context = (ENetBlock(eighth, eighth, dropout=0.1, **options) for options in 2 * self.CONTEXT)
        self.stage2 = nn.Sequential(*context)
        self.up4 = ENetBlock(eighth, quarter, up=True)
        self.stage4 = nn.Sequential(ENetBlock(quarter, quarter), ENetBlock(quarter, quarter))
        self.up5 = ENetBlock(quarter, width, up=True)
        self.stage5 = ENetBlock(width, width)
        self.logits = nn.ConvTranspose2d(width, classes, 2, 2)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return the outputs by name."""
        x = image.float() / 255
        x = self.initial_norm(torch.cat([self.initial(x), functional.max_pool2d(x, 2)], 1))
        x, index1 = self.down1(x)
        x, index2 = self.down2(self.stage1(x))
        x = self.stage4(self.up4(self.stage2(x), index2))
        return {"logits": self.logits(self.stage5(self.up5(x, index1)))}


class ENetBlock(nn.Module):
    """Any of ENet's bottlenecks: no dropout marks the decoder's, which have plain ReLUs."""

    def __init__(self, inputs, channels, *, down=False, up=False, dilation=1, asymmetric=False, dropout=0.0):
        super().__init__()
        self.down, self.up, self.missing = down, up, channels - inputs
        internal, size = channels // 4, 2 if down else 1

        def activation(n: int) -> nn.Module:
            return nn.PReLU(n) if dropout else nn.ReLU(inplace=True)

        if up:
            middle = [nn.ConvTranspose2d(internal, internal, 3, 2, 1, 1)]
        elif asymmetric:
            middle = [
                nn.Conv2d(internal, internal, (5, 1), padding=(2, 0), bias=False),
                nn.Conv2d(internal, internal, (1, 5), padding=(0, 2), bias=False),
            ]
        else:
            middle = [nn.Conv2d(internal, internal, 3, padding=dilation, dilation=dilation)]
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, internal, size, size, bias=False),
            *(nn.BatchNorm2d(internal, 1e-3), activation(internal)),
            *middle,
            *(nn.BatchNorm2d(internal, 1e-3), activation(internal)),
        )
        if up:
            self.main = conv_norm(inputs, channels, 1, relu=False, epsilon=1e-3)
        self.expand = conv_norm(internal, channels, 1, relu=False, epsilon=1e-3)
        self.dropout = nn.Dropout2d(dropout)
        self.activation = activation(channels)

    def forward(self, x: Tensor, index: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Apply the block; a downsampling one also returns its pooling's positions."""
        main, y = x, self.branch(x)
        if self.down:
            main, index = functional.max_pool2d(x, 2, return_indices=True)
            main = functional.pad(main, (0, 0, 0, 0, 0, self.missing))
        if self.up:
            main = functional.max_unpool2d(self.main(x), index, 2)
        y = self.activation(main + self.dropout(self.expand(y)))
        return (y, index) if self.down else y


class DeepLabV3(nn.Module):
    """``kerseg.models.deeplab_v3`` with output stride 16 and multi-grid (1, 2, 4)."""

    def __init__(self, classes: int, depth: int = 101, width: int = 64):
        super().__init__()
        inputs, channels = 32 * width, 4 * width
        self.backbone = ResNet(depth, width, plan=((2, 1), (2, 1), (1, 2)), multi_grid=(1, 2, 4))
        self.branches = nn.ModuleList([conv_norm(inputs, channels, 1)])
        self.branches.extend(conv_norm(inputs, channels, 3, dilation=rate) for rate in (6, 12, 18))
        self.mean = conv_norm(inputs, channels, 1)
        self.project = conv_norm(5 * channels, channels, 1)
        self.scores = nn.Conv2d(channels, classes, 1)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return the outputs by name."""
        x = self.backbone(image)[-1]
        levels = [branch(x) for branch in self.branches]
        levels.append(self.mean(x.mean((2, 3), keepdim=True)).expand_as(levels[0]))
        x = self.project(torch.cat(levels, 1))
        return {"logits": resize(self.scores(x), image)}


class PSPNet(nn.Module):
    """``kerseg.models.pspnet`` with output stride 8, the deep stem and the auxiliary head."""

    BINS = (1, 2, 3, 6)

    def __init__(self, classes: int, depth: int = 101, width: int = 64):
        super().__init__()
        inputs, channels = 32 * width, 8 * width
        self.backbone = ResNet(depth, width, plan=((2, 1), (1, 2), (1, 4)), deep_stem=True)
        self.pyramid = nn.ModuleList(conv_norm(inputs, channels, 1) for _ in self.BINS)
        self.head = conv_norm(inputs + 4 * channels, channels, 3)
        self.scores = nn.Sequential(nn.Dropout(0.1), nn.Conv2d(channels, classes, 1))
        self.auxiliary_head = conv_norm(16 * width, 4 * width, 3)
        self.auxiliary = nn.Sequential(nn.Dropout(0.1), nn.Conv2d(4 * width, classes, 1))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return the outputs by name."""
        *_, early, x = self.backbone(image)
        levels = [x]
        for bins, convs in zip(self.BINS, self.pyramid, strict=True):
            levels.append(resize(convs(functional.adaptive_avg_pool2d(x, bins)), x))
        outputs = {"logits": resize(self.scores(self.head(torch.cat(levels, 1))), image)}
        if self.training:
            outputs["auxiliary"] = resize(self.auxiliary(self.auxiliary_head(early)), image)
        return outputs


class ResNet(nn.Module):
    """``kerseg.backbones.resnet`` without dilation but for the last two stages; returns its four stages."""

    DEPTHS: ClassVar[dict[int, Sequence[int]]] = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}

    def __init__(self, depth, width, *, plan, multi_grid=(1, 1, 1), deep_stem=False):
        super().__init__()
        self.register_buffer("image_mean", torch.tensor(VGG_MEAN).view(3, 1, 1), persistent=False)
        channels = 2 * width if deep_stem else width
        if deep_stem:
            first = (
                conv_norm(3, width, 3, stride=2),
                conv_norm(width, width, 3),
                conv_norm(width, channels, 3),
            )
        else:
            first = (conv_norm(3, width, 7, stride=2),)
        self.stem = nn.Sequential(*first, nn.MaxPool2d(3, 2, 1))
        self.stages = nn.ModuleList()
        for stage, (units, (stride, dilation)) in enumerate(
            zip(self.DEPTHS[depth], [(1, 1), *plan], strict=True)
        ):
            blocks, inner = nn.Sequential(), width * 2**stage
            for i in range(units):
                grid = multi_grid[i] if stage == 3 else 1
                blocks.append(Unit(channels, inner, stride if i == 0 else 1, dilation * grid, project=i == 0))
                channels = 4 * inner
            self.stages.append(blocks)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the output of each stage."""
        x, maps = self.stem(image.float() - self.image_mean), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class Unit(nn.Module):
    """A bottleneck unit, its stride in the 3x3 convolution."""

    def __init__(self, inputs: int, channels: int, stride: int, dilation: int, *, project: bool):
        super().__init__()
        outputs = 4 * channels
        self.shortcut = conv_norm(inputs, outputs, 1, stride=stride, relu=False) if project else nn.Identity()
        self.branch = nn.Sequential(
            conv_norm(inputs, channels, 1),
            conv_norm(channels, channels, 3, stride=stride, dilation=dilation),
            conv_norm(channels, outputs, 1, relu=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the unit."""
        return functional.relu(self.shortcut(x) + self.branch(x), inplace=True)


def conv_norm(inputs, channels, size, *, stride=1, dilation=1, relu=True, epsilon=1e-5) -> nn.Sequential:
    padding = dilation * (size - 1) // 2
    convolution = nn.Conv2d(inputs, channels, size, stride, padding, dilation, bias=False)
    norm = nn.BatchNorm2d(channels, epsilon)
    return nn.Sequential(convolution, norm, *([nn.ReLU(inplace=True)] if relu else []))


def resize(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, like.shape[2:], mode="bilinear", align_corners=True)


MODELS = {"unet": UNet, "enet": ENet, "deeplab_v3": DeepLabV3, "pspnet": PSPNet}


def copy_weights(model: nn.Module, weights: Sequence[Sequence[np.ndarray]], image: Tensor) -> None:
    """Give ``model`` a Keras model's weights, layer by layer in the order in which both apply them.

    Args:
        model: One of ``MODELS``.
        weights: Each Keras layer's weights.
        image: Any that the model takes: it is applied once, to see that order.

    Raises:
        ValueError: The layers are not the same.
    """
    for module, arrays in zip(_called(model, image), weights, strict=True):
        own = [module.weight, getattr(module, "bias", None)]
        own += [getattr(module, "running_mean", None), getattr(module, "running_var", None)]
        for tensor, array in zip([entry for entry in own if entry is not None], arrays, strict=True):
            # (height, width, in, out) -> (out, in, height, width), and a transposed kernel's (.., out, in).
            array = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.reshape(-1)
            if tuple(tensor.shape) != array.shape:
                raise ValueError(f"{module}: the other side has {array.shape}")
            tensor.data.copy_(torch.from_numpy(np.ascontiguousarray(array)))


def _called(model: nn.Module, image: Tensor) -> list[nn.Module]:
    """Return the modules with weights of their own, in the order of their calls in training."""
    order: list[nn.Module] = []
    leaves = [
        module for module in model.modules() if next(module.parameters(recurse=False), None) is not None
    ]
    hooks = [leaf.register_forward_hook(lambda module, *_: order.append(module)) for leaf in leaves]
    with torch.no_grad():
        model.train()(image)
    for hook in hooks:
        hook.remove()
    return order
