"""The outline of what lies at a place, drawn classically: no network is asked.

Rays go out from the place, and the closed path on which grey falls most from inside to outside,
changing its distance by little from ray to ray, is found by dynamic programming (Timp and
Karssemeijer 2004, Med Phys 31:958). ``bench.mammo.priors`` prints how it agrees with people's
outlines and with itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason
from mammo.image.grid import SPACING_MM, BoolArray, Prepared
from mammo.marks.mark import Point
from mammo.marks.outlines import longest_mm

Array = npt.NDArray[np.float64]
Outliner = Callable[[Prepared, Point], tuple[Point, ...]]
"""From a place, in prepared coordinates, to a closed polygon there."""

ANGLES = 64
RADII_MM = np.arange(1.5, 32.0, 0.5)
SMOOTH_MM = 0.6
# A usual radius, and how far from it the path is pulled back.
USUAL_MM, PULL = 8.0, 0.15
# Sigma along the ray over which grey falls, and cost of one step in or out.
FALL_MM = 0.8
BEND = 0.35
LEAST_FALL = 0.004


def outlined(prepared: Prepared, place: Point) -> tuple[Point, ...]:
    """The closed polygon round a place, in prepared coordinates.

    Raises
    ------
    RefusalError
        ``NOTHING_TO_OUTLINE`` where the place lies outside of the breast, or nothing there is
        brighter than what is round it.
    """
    column, row = int(place[0]), int(place[1])
    rows, columns = prepared.breast.shape
    if not (0 <= row < rows and 0 <= column < columns and prepared.breast[row, column]):
        raise RefusalError(Reason.NOTHING_TO_OUTLINE, "outside the breast")
    fall = _fall(prepared, place)
    best = _path(fall)
    along = fall[np.arange(ANGLES), best]
    if float(along.mean()) < LEAST_FALL:
        raise RefusalError(Reason.NOTHING_TO_OUTLINE, "nothing brighter than what is round it")
    reach = ndimage.gaussian_filter1d(RADII_MM[best], 1.0, mode="wrap") / SPACING_MM
    x, y = place[0] + reach * np.cos(_angles()), place[1] + reach * np.sin(_angles())
    inside = np.stack([np.clip(x, 0, columns), np.clip(y, 0, rows)], axis=-1)
    return tuple((float(a), float(b)) for a, b in inside)


def _angles() -> Array:
    return np.arange(ANGLES) * 2 * np.pi / ANGLES


def _fall(prepared: Prepared, place: Point) -> Array:
    """How much grey falls outwards in each millimetre, by ray and radius."""
    reach = int(np.ceil((RADII_MM[-1] + 3) / SPACING_MM))
    column, row = int(place[0]), int(place[1])
    top, left = max(0, row - reach), max(0, column - reach)
    box = (slice(top, row + reach + 1), slice(left, column + reach + 1))
    grey = ndimage.gaussian_filter(prepared.grey[box], SMOOTH_MM / SPACING_MM, mode="nearest")
    x = place[0] + np.outer(np.cos(_angles()), RADII_MM) / SPACING_MM - left - 0.5
    y = place[1] + np.outer(np.sin(_angles()), RADII_MM) / SPACING_MM - top - 0.5
    level = ndimage.map_coordinates(grey, [y, x], order=1, mode="nearest")
    step = float(RADII_MM[1] - RADII_MM[0])
    fall = -ndimage.gaussian_filter1d(level, FALL_MM / step, axis=1, order=1, mode="nearest") / step
    deep = ndimage.map_coordinates(
        _deep(prepared.breast[box]).astype(np.float32), [y, x], order=1, mode="nearest"
    )
    return np.asarray(fall * (deep > 0.5), dtype=float)


def _deep(breast: BoolArray) -> BoolArray:
    """The breast without its skin, whose edge is the strongest of all."""
    size = round(2.0 / SPACING_MM) * 2 + 1
    return np.asarray(ndimage.minimum_filter(breast, size, mode="nearest"), dtype=bool)


def _path(fall: Array) -> npt.NDArray[np.intp]:
    """Index of the radius on each ray: twice round, so that the path closes."""
    scale = max(float(np.percentile(fall, 95)), LEAST_FALL)
    pull = PULL * np.log(RADII_MM / USUAL_MM) ** 2
    cost = -np.clip(fall / scale, -1, 1.5) + pull[None, :]
    cost = np.concatenate([cost, cost])
    total = np.zeros(cost.shape)
    came = np.zeros(cost.shape, dtype=np.intp)
    total[0] = cost[0]
    steps = np.arange(-2, 3)
    count = cost.shape[1]
    for n in range(1, len(cost)):
        padded = np.pad(total[n - 1], 2, constant_values=np.inf)
        choices = np.stack([padded[2 + s : 2 + s + count] for s in steps])
        choices = choices + BEND * np.abs(steps)[:, None]
        chosen = np.argmin(choices, axis=0)
        came[n] = np.arange(count) + steps[chosen]
        total[n] = cost[n] + choices[chosen, np.arange(count)]
    path = np.empty(len(cost), dtype=np.intp)
    path[-1] = int(np.argmin(total[-1]))
    for n in range(len(cost) - 1, 0, -1):
        path[n - 1] = came[n, path[n]]
    # The middle of both turns is free of the ends; it begins half a turn late.
    half = ANGLES // 2
    return np.roll(path[half : half + ANGLES], half)


def diameters_mm(polygon: npt.ArrayLike) -> tuple[float, float]:
    """Longest diameter, and that of a disk of the polygon's area, mm."""
    points = np.asarray(polygon, dtype=float)
    x, y = points.T
    area = abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
    return longest_mm(points), 2 * float(np.sqrt(area / np.pi)) * SPACING_MM


def middle(polygon: npt.ArrayLike) -> Point:
    """Centre of gravity of a polygon's area; of its corners where it has none."""
    points = np.asarray(polygon, dtype=float)
    start = points.mean(axis=0)
    (x, y), (u, v) = (points - start).T, (np.roll(points, -1, axis=0) - start).T
    cross = x * v - u * y
    if abs(float(cross.sum())) < 1e-9:
        return float(start[0]), float(start[1])
    centre = start + np.array([((x + u) * cross).sum(), ((y + v) * cross).sum()]) / (
        3 * cross.sum()
    )
    return float(centre[0]), float(centre[1])
