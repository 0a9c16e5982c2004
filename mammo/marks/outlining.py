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
    away = directions()[:, None] * RADII_MM[None, :, None] / SPACING_MM
    return fall_along(prepared, np.asarray(place) + away, float(RADII_MM[1] - RADII_MM[0]))


def directions() -> Array:
    """Of the rays, shape (`ANGLES`, 2), (column, row)."""
    return np.stack([np.cos(_angles()), np.sin(_angles())], axis=-1)


def fall_along(prepared: Prepared, rays: Array, step_mm: float) -> Array:
    """How much grey falls outwards in each millimetre of rays; 0 in skin and air.

    Parameters
    ----------
    prepared : Prepared
    rays : ndarray, shape (rays, steps, 2)
        Prepared coordinates, from the inside out.
    step_mm : float
        Between two of a ray.
    """
    reach = round(3 / SPACING_MM)
    low = np.maximum(np.floor(rays.min(axis=(0, 1))).astype(int) - reach, 0)
    high = np.maximum(np.ceil(rays.max(axis=(0, 1))).astype(int) + reach, low + 1)
    box = (slice(low[1], high[1]), slice(low[0], high[0]))
    if not prepared.grey[box].size:
        return np.zeros(rays.shape[:2])
    grey = ndimage.gaussian_filter(prepared.grey[box], SMOOTH_MM / SPACING_MM, mode="nearest")
    at = [rays[..., 1] - low[1] - 0.5, rays[..., 0] - low[0] - 0.5]
    level = ndimage.map_coordinates(grey, at, order=1, mode="nearest")
    fall = -ndimage.gaussian_filter1d(level, FALL_MM / step_mm, axis=1, order=1, mode="nearest")
    deep = ndimage.map_coordinates(
        _deep(prepared.breast[box]).astype(np.float32), at, order=1, mode="nearest"
    )
    return np.asarray(fall / step_mm * (deep > 0.5), dtype=float)


def _deep(breast: BoolArray) -> BoolArray:
    """The breast without its skin, whose edge is the strongest of all."""
    size = round(2.0 / SPACING_MM) * 2 + 1
    return np.asarray(ndimage.minimum_filter(breast, size, mode="nearest"), dtype=bool)


def _path(fall: Array) -> npt.NDArray[np.intp]:
    """Index of the radius on each ray."""
    scale = max(float(np.percentile(fall, 95)), LEAST_FALL)
    pull = PULL * np.log(RADII_MM / USUAL_MM) ** 2
    cost = -np.clip(fall / scale, -1, 1.5) + pull[None, :]
    _, paths = closed_paths(cost[:, None], BEND)
    return np.asarray(paths[0])


def closed_paths(cost: Array, bend: float) -> tuple[Array, npt.NDArray[np.intp]]:
    """The cheapest closed path of each of several tables.

    Parameters
    ----------
    cost : ndarray, shape (rays, tables, steps)
    bend : float
        Cost of one step in or out from ray to ray; two at most.

    Returns
    -------
    ndarray, shape (tables,)
        What each path costs, twice round.
    ndarray of int, shape (tables, rays)
        Its step on each ray.
    """
    rays, tables, count = cost.shape
    # Twice round, so that the path closes.
    cost = np.concatenate([cost, cost])
    total = cost[0]
    came = np.zeros(cost.shape, dtype=np.int8)
    steps = np.arange(-2, 3, dtype=np.int8)
    for n in range(1, len(cost)):
        padded = np.pad(total, ((0, 0), (2, 2)), constant_values=np.inf)
        choices = np.stack([padded[:, 2 + s : 2 + s + count] + bend * abs(s) for s in steps])
        chosen = choices.argmin(axis=0)
        came[n] = steps[chosen]
        total = cost[n] + np.take_along_axis(choices, chosen[None], axis=0)[0]
    each = np.arange(tables)
    path = np.empty((len(cost), tables), dtype=np.intp)
    path[-1] = total.argmin(axis=1)
    for n in range(len(cost) - 1, 0, -1):
        path[n - 1] = path[n] + came[n, each, path[n]]
    # The middle of both turns is free of the ends; it begins half a turn late.
    half = rays // 2
    return total.min(axis=1), np.roll(path[half : half + rays], half, axis=0).T


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
