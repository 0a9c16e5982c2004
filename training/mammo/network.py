"""The network that marks masses: heat maps on a feature pyramid, and an opinion of the film."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from training.mammo.encoder import CHANNELS, Encoder
from training.mammo.films import SIGNS

WIDTH = 64
STRIDE = 8
OUTLINE_STRIDE = 4


@dataclass(frozen=True)
class Opinion:
    """Logits of a batch of films.

    Parameters
    ----------
    mass, malignant : Tensor, shape (n, rows / 8, columns / 8)
        Of the centre of a mass, and of a malignant mass.
    suspicion : Tensor, same shape
        Of malignancy, where there is a mass.
    outline : Tensor, shape (n, rows / 4, columns / 4)
        Of being inside a mass.
    look : Tensor, shape (n, 64, rows / 8, columns / 8)
        What the place looks like.
    signs : Tensor, shape (n, 12, rows / 8, columns / 8)
        Of each of `training.mammo.films.SIGNS`, where there is a mass.
    film : Tensor, shape (n,)
        Of malignancy anywhere.
    """

    mass: Tensor
    malignant: Tensor
    suspicion: Tensor
    outline: Tensor
    look: Tensor
    signs: Tensor
    film: Tensor


class Detector(nn.Module):
    """Grey films, shape (n, 1, rows, columns), 0 to 1, both divisible by 32."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.sides = nn.ModuleList(nn.Conv2d(channels, WIDTH, 1) for channels in CHANNELS)
        self.smooth = _filtered()
        self.fine = nn.Conv2d(WIDTH, 32, 3, padding=1)
        self.outline = nn.Conv2d(32, 1, 1)
        self.places = nn.Sequential(_filtered(), _filtered())
        self.heat = nn.Conv2d(WIDTH, 3, 1)
        self.signs = nn.Conv2d(WIDTH, len(SIGNS), 1)
        self.whole = nn.Sequential(nn.Linear(2 * WIDTH, 64), nn.ReLU(), nn.Linear(64, 1))
        # A rare thing is rare from the first step on.
        nn.init.constant_(self.heat.bias[:2], -4.0)
        nn.init.constant_(self.outline.bias, -3.0)

    def forward(self, films: Tensor) -> Opinion:
        maps = [side(x) for side, x in zip(self.sides, self.encoder(films), strict=True)]
        top = maps[3]
        for lower in (maps[2], maps[1]):
            top = lower + interpolate(top, size=lower.shape[-2:], mode="nearest")
        top = self.smooth(top)
        look = self.places(top)
        heat, signs = self.heat(look), self.signs(look)
        fine = maps[0] + interpolate(top, size=maps[0].shape[-2:], mode="nearest")
        outline = self.outline(torch.relu(self.fine(fine)))
        # The film's opinion looks where the marks are.
        weight = heat[:, 1].flatten(1).softmax(1)
        seen = (look.flatten(2) * weight[:, None]).sum(2)
        whole = look.flatten(2).mean(2)
        film = self.whole(torch.cat([seen, whole], 1))[:, 0]
        return Opinion(heat[:, 0], heat[:, 1], heat[:, 2], outline[:, 0], look, signs, film)


def _filtered() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.ReLU(inplace=True))
