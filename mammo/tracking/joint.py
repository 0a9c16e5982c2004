"""How much larger a mark is in one exam than in the other, from one outline drawn in both at once.

Rays go out from the mark's place in the earlier image; registration carries them into the later.
On them the closed path is found on which grey falls most from inside to outside in both, as in
`mammo.marks.outlining`: in the later image it lies so many times as far out, on every ray alike,
as makes the fall largest. What such an outline gets wrong it gets wrong in both, so that the ratio
of the two sizes is steadier than either size. ``bench.mammo.priors`` prints how steady. No network
is asked: where outlines of networks took part, change was followed less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from mammo.image.grid import SPACING_MM, Prepared
from mammo.image.registration import Registration
from mammo.marks.mark import Point
from mammo.marks.outlining import (
    LEAST_FALL,
    USUAL_MM,
    closed_paths,
    diameters_mm,
    directions,
    fall_along,
)

Array = npt.NDArray[np.float64]

# Radii grow by this much, in logarithms, from cell to cell; growth is tried in twice of it.
STEP = 0.04
RADII = np.arange(math.log(1.5), math.log(34.0), STEP)
GROWTHS = np.arange(-16, 17)
# Where falls are sampled along the rays: as far as the largest radius of the larger outline.
REACH_MM = np.arange(0.5, 48.0, 0.5)
# As in `mammo.marks.outlining`, in steps of the logarithm.
BEND, PULL = 0.22, 0.15
# Of growth, for each ray: between two that explain both images alike, the smaller is taken.
GROWTH_PULL = 0.1


@dataclass(frozen=True)
class Both:
    """Outlines of one mark in two exams.

    Parameters
    ----------
    earlier, later : tuple of (float, float)
        Prepared coordinates of either image.
    cost : float
        The less, the more grey falls on both, a ray.
    """

    earlier: tuple[Point, ...] = field(repr=False)
    later: tuple[Point, ...] = field(repr=False)
    cost: float

    @property
    def log_ratio(self) -> float:
        """Logarithm of the later diameter over the earlier, of disks of the outlines' areas."""
        return math.log(diameters_mm(self.later)[1] / diameters_mm(self.earlier)[1])


def drawn(
    earlier: Prepared, later: Prepared, registration: Registration, place: Point, there: Point
) -> Both | None:
    """Outline a mark from its place in either image; None where grey falls nowhere round it.

    Parameters
    ----------
    earlier, later : Prepared
    registration : Registration
        From the earlier to the later image: it turns and stretches the rays.
    place, there : (float, float)
        The mark's place in the earlier and in the later image, prepared coordinates.
    """
    rays = np.asarray(place) + directions()[:, None] * REACH_MM[None, :, None] / SPACING_MM
    moved = np.asarray(there) - registration.forth(place)
    falls = (
        fall_along(earlier, rays, 0.5),
        fall_along(later, registration.forth(rays) + moved, 0.5),
    )
    cost = _cost(falls)
    total, paths = closed_paths(cost, BEND)
    total = total / (2 * len(rays)) + GROWTH_PULL * (GROWTHS * STEP) ** 2
    best = int(total.argmin())
    growth = (GROWTHS[best] + _vertex(total, best)) * STEP
    path = ndimage.gaussian_filter1d(RADII[paths[best]], 1.0, mode="wrap")
    if max(float(_at(fall, path[:, None])[:, 0].mean()) for fall in falls) < LEAST_FALL:
        return None
    first, second = (
        np.asarray(place) + directions() * np.exp(path + sign * growth / 2)[:, None] / SPACING_MM
        for sign in (-1, 1)
    )
    return Both(
        _polygon(first, earlier),
        _polygon(registration.forth(second) + moved, later),
        float(total[best]),
    )


def _cost(falls: tuple[Array, Array]) -> Array:
    """What each step of each ray costs, by growth: shape (rays, growths, steps)."""
    parts = []
    for fall, sign in zip(falls, (-1, 1), strict=True):
        scale = max(float(np.percentile(fall, 95)), LEAST_FALL)
        at = RADII[None, :] + sign * GROWTHS[:, None] * STEP / 2
        parts.append(-np.clip(_at(fall, at.reshape(1, -1)) / scale, -1, 1.5))
    cost = (parts[0] + parts[1]) / 2
    pull = PULL * (RADII - math.log(USUAL_MM)) ** 2
    return cost.reshape(len(cost), len(GROWTHS), len(RADII)) + pull


def _at(fall: Array, logs: Array) -> Array:
    """Falls at logarithms of radii, of every ray alike (1, n) or each its own (rays, n)."""
    index = np.clip((np.exp(logs) - REACH_MM[0]) / (REACH_MM[1] - REACH_MM[0]), 0, None)
    low = np.minimum(index.astype(int), len(REACH_MM) - 2)
    share = np.minimum(index - low, 1)
    low, share = (np.broadcast_to(v, (len(fall), v.shape[1])) for v in (low, share))
    return np.asarray(
        np.take_along_axis(fall, low, 1) * (1 - share)
        + np.take_along_axis(fall, low + 1, 1) * share
    )


def _vertex(total: Array, best: int) -> float:
    """Of the parabola through the cheapest growth and its neighbours, in steps from it."""
    if not 0 < best < len(total) - 1:
        return 0.0
    before, here, after = total[best - 1 : best + 2]
    bent = before - 2 * here + after
    return float((before - after) / 2 / bent) if bent > 0 else 0.0


def _polygon(corners: Array, prepared: Prepared) -> tuple[Point, ...]:
    rows, columns = prepared.breast.shape
    inside = np.stack([np.clip(corners[:, 0], 0, columns), np.clip(corners[:, 1], 0, rows)], -1)
    return tuple((float(x), float(y)) for x, y in inside)
