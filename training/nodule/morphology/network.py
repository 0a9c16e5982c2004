"""The network that judges how a nodule looks: one small 3-D tower."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.nodule.morphology.ratings import TEXTURES

KINDS = len(TEXTURES)
OUTPUTS = ("calcified", "spiculated", "lobulated", "malignancy")
LUNG_HU, SOFT_HU, BONE_HU = -1000.0, 200.0, 1200.0


def _block(width_in: int, width_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(width_in, width_out, 3, padding=1, bias=False),
        nn.BatchNorm3d(width_out),
        nn.ReLU(inplace=True),
    )


class MorphologyNet(nn.Module):
    """Logits of three textures, then of OUTPUTS, for views of shape (n, 2, 15, 48, 48)."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        w = width
        self.stem = nn.Sequential(
            nn.Conv3d(3, w, (3, 5, 5), stride=2, padding=(1, 2, 2), bias=False),
            nn.BatchNorm3d(w),
            nn.ReLU(inplace=True),
            _block(w, 2 * w),
            nn.MaxPool3d(2),
            _block(2 * w, 3 * w),
            _block(3 * w, 3 * w),
        )
        self.top = nn.Sequential(nn.MaxPool3d(2), _block(3 * w, 5 * w))
        self.mix = nn.Sequential(
            nn.Dropout(0.3), nn.Linear(16 * w + 3, 64), nn.ReLU(), nn.Dropout(0.2)
        )
        self.head = nn.Linear(64, KINDS + len(OUTPUTS))

    def forward(self, views: Tensor) -> Tensor:
        hu, mask = views[:, :1], views[:, 1:]
        soft = (hu.clamp(LUNG_HU, SOFT_HU) - LUNG_HU) / (SOFT_HU - LUNG_HU)
        hard = (hu.clamp(0.0, BONE_HU)) / BONE_HU
        near = self.stem(torch.cat([soft, hard, mask], 1))
        far = self.top(near)
        # What lies inside the outline is pooled apart from what lies around it.
        inside = nn.functional.avg_pool3d(nn.functional.pad(mask, (0, 0, 0, 0, 0, 1)), 4)
        within = (near * inside).sum((2, 3, 4)) / (inside.sum((2, 3, 4)) + 0.1)
        total = mask.sum((1, 2, 3, 4)) + 1.0
        plain = torch.stack(
            [
                torch.log(total) / 5 - 1,
                (soft * mask).sum((1, 2, 3, 4)) / total,
                (hard * mask).sum((1, 2, 3, 4)) / total * 5,
            ],
            1,
        )
        features = [within, near.amax((2, 3, 4)), far.mean((2, 3, 4)), far.amax((2, 3, 4)), plain]
        logits: Tensor = self.head(self.mix(torch.cat(features, 1)))
        return logits


class Exported(nn.Module):
    """The network as it ships: calibrated probabilities instead of logits.

    Parameters
    ----------
    net : MorphologyNet
        Fitted.
    scale, shift : Tensor, shape (7,)
        Calibration: logit * scale + shift.
    """

    def __init__(self, net: MorphologyNet, scale: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, views: Tensor) -> tuple[Tensor, ...]:
        logits = self.net(views) * self.scale + self.shift
        texture = torch.softmax(logits[:, :KINDS], 1)
        rest = torch.sigmoid(logits[:, KINDS:])
        return (texture, *(rest[:, n] for n in range(len(OUTPUTS))))
