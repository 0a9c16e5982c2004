"""A small network that finds clusters of specks at 0.2 mm: two heat maps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from mammo.marks.calcifications import MULTIPLE, SPECK_STRIDE, STRIDE

WIDTHS = (16, 32, 48)
FINEST = 1e-2


@dataclass(frozen=True)
class Opinion:
    """Logits of a batch of films.

    Parameters
    ----------
    cluster : Tensor, shape (n, rows / 8, columns / 8)
        Of the middle of a cluster.
    specks : Tensor, shape (n, rows / 4, columns / 4)
        Of holding a speck.
    """

    cluster: Tensor
    specks: Tensor


class Finder(nn.Module):
    """Grey films on the prepared grid, shape (n, 1, rows, columns), both divisible by 32."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.stem = nn.Conv2d(2, first, 5, 2, 2)
        self.down = nn.Conv2d(first, second, 3, 2, 1)
        self.spot = nn.Conv2d(second, second, 3, 1, 1)
        self.wide = nn.Conv2d(second, third, 3, 2, 1)
        self.near = nn.Conv2d(third, third, 3, 1, 1)
        self.far = nn.Conv2d(third, third, 3, 1, 3, 3)
        self.cluster = nn.Conv2d(third, 1, 1)
        self.back = nn.Conv2d(third, second, 1)
        self.specks = nn.Conv2d(second, 1, 1)
        # A rare thing is rare from the first step on.
        nn.init.constant_(self.cluster.bias, -4.0)
        nn.init.constant_(self.specks.bias, -4.0)

    def forward(self, films: Tensor) -> Opinion:
        return self.read(structure(films))

    def read(self, channels: Tensor) -> Opinion:
        """What `structure` gives, read."""
        x = torch.relu(self.stem(channels))
        x = torch.relu(self.down(x))
        spots = x + torch.relu(self.spot(x))
        y = torch.relu(self.wide(spots))
        y = y + torch.relu(self.near(y))
        y = y + torch.relu(self.far(y))
        back = interpolate(self.back(y), scale_factor=float(STRIDE // SPECK_STRIDE), mode="nearest")
        specks = self.specks(torch.relu(spots + back))
        return Opinion(self.cluster(y)[:, 0], specks[:, 0])


def structure(films: Tensor) -> Tensor:
    """Fine structure in units of its own strength around, and the grey itself.

    What is left of the grey without the mean of 1.8 mm, divided by its deviation within about
    2 cm: contrast and noise of film and digital systems become alike.
    """
    fine = films - avg_pool2d(films, 9, 1, 4, count_include_pad=False)
    coarse = avg_pool2d(fine**2, MULTIPLE, MULTIPLE)
    coarse = avg_pool2d(coarse, 3, 1, 1, count_include_pad=False)
    strength = interpolate(coarse, scale_factor=float(MULTIPLE), mode="nearest").sqrt()
    return torch.cat([fine / (strength + FINEST), films], 1)


class Exported(nn.Module):
    """The networks of all folds as one: probabilities with a leading axis of members."""

    def __init__(self, members: list[Finder]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, film: Tensor) -> tuple[Tensor, Tensor]:
        channels = structure(film)
        seen = [member.read(channels) for member in self.members]
        return (
            torch.stack([s.cluster.sigmoid() for s in seen]),
            torch.stack([s.specks.sigmoid() for s in seen]),
        )
