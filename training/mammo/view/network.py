"""What is exported: MLO from CC by one layer, the breast by its side, the distance from films."""

from __future__ import annotations

import torch
from torch import nn

from training.mammo.view.fit import CELL, Fitted


class Exported(nn.Module):
    """What the model gives: right, mlo, strangeness.

    Parameters
    ----------
    fitted : Fitted
    """

    def __init__(self, fitted: Fitted) -> None:
        super().__init__()
        self.cells = nn.AvgPool2d(CELL)
        self.view = nn.Linear(fitted.weights.size, 1)
        with torch.no_grad():
            self.view.weight.copy_(torch.from_numpy(fitted.weights)[None])
            self.view.bias.fill_(fitted.offset)
        self.register_buffer("right", torch.tensor(fitted.right, dtype=torch.float32))
        self.register_buffer("means", torch.from_numpy(fitted.means))
        self.register_buffer("factors", torch.from_numpy(fitted.factors))
        self.middle = fitted.middle

    def forward(
        self, image: torch.Tensor, mirrored: torch.Tensor, features: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Each of shape (n,); inputs as on the card."""
        right = self.right[0] + (self.right[1] - self.right[0]) * mirrored
        mlo = torch.sigmoid(self.view(self.cells(image).flatten(1)))[:, 0]
        apart = features[:, None, :] - self.means[None]
        turned = torch.einsum("gij,ngj->ngi", self.factors, apart)
        distance = (turned**2).sum(dim=-1).min(dim=1).values
        return right, mlo, distance / (distance + self.middle)
