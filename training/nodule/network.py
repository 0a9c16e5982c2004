"""The network that tells nodules from vessels: two small 3-D towers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LOW_HU, HIGH_HU = -1000.0, 400.0


def _block(width_in: int, width_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(width_in, width_out, 3, padding=1, bias=False),
        nn.BatchNorm3d(width_out),
        nn.ReLU(inplace=True),
    )


def _tower(w: int) -> nn.Sequential:
    """An eighth of the points along an edge; the first layer strides to save memory traffic."""
    return nn.Sequential(
        nn.Conv3d(1, w, 5, stride=2, padding=2, bias=False),
        nn.BatchNorm3d(w),
        nn.ReLU(inplace=True),
        _block(w, 2 * w),
        nn.MaxPool3d(2),
        _block(2 * w, 3 * w),
        _block(3 * w, 3 * w),
        nn.MaxPool3d(2),
        _block(3 * w, 4 * w),
    )


class SpotNet(nn.Module):
    """Logits of nodule and of malignancy for views in HU, shape (n, 2, 32, 32, 32)."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.near = _tower(width)
        self.far = _tower(width // 2)
        self.mix = nn.Sequential(
            nn.Dropout(0.3), nn.Linear(12 * width, 64), nn.ReLU(), nn.Dropout(0.2)
        )
        self.head = nn.Linear(64, 2)

    def forward(self, views: Tensor) -> Tensor:
        scaled = (views.clamp(LOW_HU, HIGH_HU) - LOW_HU) / (HIGH_HU - LOW_HU)
        parts = []
        # Detail counts in the middle 24 mm; the far view shows what lies around.
        near = self.near(scaled[:, :1, 4:28, 4:28, 4:28])
        far = self.far(scaled[:, 1:])
        for features, middle in ((near, near), (far, far[:, :, 1:3, 1:3, 1:3])):
            parts += [features.mean((2, 3, 4)), middle.amax((2, 3, 4))]
        logits: Tensor = self.head(self.mix(torch.cat(parts, 1)))
        return logits


class Exported(nn.Module):
    """The network as it ships: probabilities instead of logits."""

    def __init__(self, net: SpotNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        share = torch.sigmoid(self.net(views))
        return share[:, 0], share[:, 1]
