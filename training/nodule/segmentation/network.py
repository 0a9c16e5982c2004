"""The network that outlines the nodule in a cube's middle: a small 3-D U-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LOW_HU, HIGH_HU = -1000.0, 400.0


def _block(width_in: int, width_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(width_in, width_out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm3d(width_out),
        nn.ReLU(inplace=True),
    )


class OutlineNet(nn.Module):
    """Logits of nodule for cubes in HU, shape (n, 1, s, s, s) with s a multiple of eight.

    The finest level is thin, as it costs most; what the nodule is, is told by the
    coarser ones. Nothing marks the centre: the cube's middle is it.
    """

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        w = width
        self.enter = _block(1, w)
        self.at_half = nn.Sequential(_block(w, 3 * w, 2), _block(3 * w, 3 * w))
        self.at_quarter = nn.Sequential(_block(3 * w, 6 * w, 2), _block(6 * w, 6 * w))
        self.at_eighth = nn.Sequential(
            _block(6 * w, 8 * w, 2), _block(8 * w, 8 * w), nn.Dropout3d(0.1)
        )
        self.to_quarter = nn.Conv3d(8 * w, 6 * w, 1)
        self.to_half = nn.Conv3d(6 * w, 3 * w, 1)
        self.to_fine = nn.Conv3d(3 * w, w, 1)
        self.mix_quarter = _block(6 * w, 6 * w)
        self.mix_half = _block(3 * w, 3 * w)
        self.mix_fine = _block(2 * w, w)
        self.head = nn.Conv3d(w, 1, 1)
        # Few points are nodule: begin there.
        nn.init.constant_(self.head.bias, -3.0)  # type: ignore[arg-type]
        self.up = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, cubes: Tensor) -> Tensor:
        scaled = (cubes.clamp(LOW_HU, HIGH_HU) - LOW_HU) / (HIGH_HU - LOW_HU)
        fine = self.enter(scaled)
        half = self.at_half(fine)
        quarter = self.at_quarter(half)
        deep = self.at_eighth(quarter)
        quarter = self.mix_quarter(self.up(self.to_quarter(deep)) + quarter)
        half = self.mix_half(self.up(self.to_half(quarter)) + half)
        fine = self.mix_fine(torch.cat([self.up(self.to_fine(half)), fine], 1))
        logits: Tensor = self.head(fine)
        return logits


class Exported(nn.Module):
    """The network as it ships: probabilities instead of logits, shape (n, s, s, s)."""

    def __init__(self, net: OutlineNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, cubes: Tensor) -> Tensor:
        return torch.sigmoid(self.net(cubes))[:, 0]
