"""A small made chest that follow-ups are made of in tests."""

from __future__ import annotations

from functools import cache

import numpy as np

from bench.followup.hosts import Host, Own
from bench.nodule.pasted import Offers
from gransk.core.volume import Geometry, Volume
from training.nodule.cutouts import Cutout

SHAPE, SPACING = (124, 150, 190), (2.0, 1.4, 1.4)
GEOMETRY = Geometry(SHAPE, (-132.0, -104.0, -326.0), SPACING)
OWN = Own((-55.0, 0.0, -200.0), 12.0, 5.0)
LUNG, TISSUE = -850.0, 40.0


@cache
def host() -> Host:
    """Two lungs in a body, with one nodule of its own, no noise."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    x, y, z = np.moveaxis(GEOMETRY.to_lps(np.stack([k, j, i], axis=-1)), -1, 0)
    hu = np.full(SHAPE, -1000.0, np.float32)
    hu[(x / 125) ** 2 + (y / 95) ** 2 < 1] = TISSUE
    for side in (-1, 1):
        inside = ((x - 55 * side) / 42) ** 2 + (y / 62) ** 2 + ((z + 203) / 110) ** 2 < 1
        hu[inside] = LUNG
    away = np.sqrt((x - OWN.centre_mm[0]) ** 2 + (y - OWN.centre_mm[1]) ** 2
                   + (z - OWN.centre_mm[2]) ** 2)  # fmt: skip
    share = np.clip((OWN.diameter_mm / 2 - away) / 2 + 0.5, 0, 1)
    hu += ((TISSUE - hu) * share).astype(np.float32)
    return Host("made", Volume(hu, GEOMETRY), "STANDARD", (OWN,))


@cache
def offers() -> Offers:
    return Offers.of(host().volume, host().lungs)


@cache
def cutouts() -> tuple[Cutout, ...]:
    """One real-looking ball of 8 mm in lung."""
    shape, spacing = (5, 40, 40), (2.0, 0.8, 0.8)
    geometry = Geometry(shape, (0.0, 0.0, 0.0), spacing)
    grid = np.argwhere(np.ones(shape)) - (np.array(shape) - 1) / 2
    away = np.linalg.norm(grid * spacing, axis=1).reshape(shape)
    share = np.clip((4.0 - away) / 1.6 + 0.5, 0, 1)
    hu = (LUNG + (TISSUE - LUNG) * share).astype(np.float32)
    ball = Cutout("ball", "nobody", Volume(hu, geometry), share >= 0.5, 3, 8.0, 3.0, 5.0)
    return (ball,)
