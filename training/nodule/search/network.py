"""The network that looks for nodules in whole lungs: a 2.5-D pyramid over slices of 2 mm."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from nodule.grid import WINDOW_HU
from nodule.search import SLICES

WIDTHS = (32, 48, 64, 96)
# Nodules are few: the first answer is that there are none.
RARE = -4.0
SMALLEST_MM, LARGEST_MM = 1.0, 30.0


def _conv(width_in: int, width_out: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width_out, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(width_out),
        nn.ReLU(inplace=True),
    )


class _Block(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = torch.relu(x + self.second(self.first(x)))
        return out


class SearchNet(nn.Module):
    """Logit of a nodule's centre and log of its radius in mm at every second point.

    Takes slabs in HU, shape (n, 7, rows, columns) on a grid of 1 mm, rows and columns
    multiples of 16; gives (n, 2, rows / 2, columns / 2).
    """

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = WIDTHS
        self.levels = nn.ModuleList(
            [
                nn.Sequential(_conv(SLICES, a, 5, 2), _Block(a)),
                nn.Sequential(_conv(a, b, 3, 2), _Block(b), _Block(b)),
                nn.Sequential(_conv(b, c, 3, 2), _Block(c), _Block(c)),
                nn.Sequential(_conv(c, d, 3, 2), _Block(d), _Block(d)),
            ]
        )
        self.narrow = nn.ModuleList([nn.Conv2d(w, v, 1) for w, v in ((d, c), (c, b), (b, a))])
        self.merge = nn.ModuleList([_conv(w, w) for w in (c, b, a)])
        self.head = nn.Conv2d(a, 2, 1)
        with torch.no_grad():
            self.head.bias.copy_(torch.tensor([RARE, 1.0]))  # type: ignore[union-attr]

    def forward(self, slabs: Tensor) -> Tensor:
        low, high = WINDOW_HU
        x = (slabs.clamp(low, high) - low) / (high - low)
        seen = []
        for level in self.levels:
            x = level(x)
            seen.append(x)
        for narrow, merge, finer in zip(self.narrow, self.merge, seen[-2::-1], strict=True):
            x = merge(finer + interpolate(narrow(x), scale_factor=2.0, mode="nearest"))
        out: Tensor = self.head(x)
        return out


class Exported(nn.Module):
    """The network as it ships: probabilities and radii instead of logits and logarithms."""

    def __init__(self, net: SearchNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, slabs: Tensor) -> tuple[Tensor, Tensor]:
        out = self.net(slabs)
        radius = torch.exp(out[:, 1]).clamp(SMALLEST_MM, LARGEST_MM)
        return torch.sigmoid(out[:, 0]), radius
