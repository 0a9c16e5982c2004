"""Pectoral muscle, nipple and posterior nipple line of one prepared view."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.errors import InvalidValueError
from gransk.core.raster import resized
from mammo.image.grid import SPACING_MM, BoolArray, FloatArray, Prepared
from mammo.marks.mark import Point
from mammo.view import Projection

Array = npt.NDArray[np.float64]

GRID_MM = 1.0
"""Everything here is looked for on a grid of this spacing."""
EDGE_MM = 2.0
"""Sigma of the derivative that finds the muscle's edge."""
TOP_MM = (8.0, 100.0)
"""Where the muscle's edge may leave the top of the breast, from the chest wall."""
DOWN_MM = (25.0, 260.0)
"""How far down it may meet the chest wall."""
SLOPES = (0.12, 1.1)
"""Millimetres towards the nipple for one up."""
USUAL_SLOPE = (0.42, 0.2)
BAND_MM = 7.0
"""How far the edge may lie from a straight line."""
LEAST_EDGE = 0.028
"""Mean fall of grey a mm, over the noise of the breast's own, that an edge must have."""
SKIN_MM = (7.0, 20.0)
"""From where to where, up and down, the skin about a nipple tells how it would run without."""
BUMP_MM = 1.2
"""How far a nipple in profile stands out from the skin line about it, at least."""


@dataclass(frozen=True)
class Anatomy:
    """Places on one view, in the coordinates of its prepared image.

    Parameters
    ----------
    pectoral : ndarray of bool, the prepared image's shape
        Empty in CC and where no muscle's edge was found.
    edge : tuple of (column, row)
        The muscle's edge from the top down; empty where there is none.
    nipple : (float, float)
    in_profile : bool
        Whether the nipple stands out from the skin line; else its place is that of the most
        protruding point.
    line_end : (float, float)
        Where the posterior nipple line ends: at the muscle or the image's edge (MLO, at a
        right angle to the muscle), at the image's edge (CC).
    """

    pectoral: BoolArray = field(repr=False)
    edge: tuple[Point, ...] = field(repr=False)
    nipple: Point
    in_profile: bool
    line_end: Point

    def __post_init__(self) -> None:
        if self.pectoral.ndim != 2 or (not self.edge and self.pectoral.any()):
            raise InvalidValueError("Anatomy.pectoral", self.pectoral.shape, "a mask with an edge")

    @property
    def line_mm(self) -> float:
        """Length of the posterior nipple line."""
        return float(np.hypot(*np.subtract(self.nipple, self.line_end)) * SPACING_MM)

    @property
    def muscle_to_line_mm(self) -> float | None:
        """How far below the posterior nipple line the muscle reaches, negative where it ends
        above; None where no muscle is seen.

        Both are taken where the line of the muscle, drawn on, meets the posterior nipple line.
        """
        if not self.edge:
            return None
        lowest, across = np.array(self.edge[-1]), _across(np.array(self.edge))
        # Along the muscle, downwards: at a right angle to the posterior nipple line.
        down = np.array([-across[1], across[0]])
        return float((lowest - np.array(self.nipple)) @ down * SPACING_MM)


def find_anatomy(prepared: Prepared, projection: Projection) -> Anatomy:
    """Find muscle, nipple and posterior nipple line."""
    grey = prepared.at(GRID_MM)
    breast = resized(prepared.breast, grey.shape) > 0.5
    scale = GRID_MM / SPACING_MM
    edge = _muscle_edge(grey, breast) if projection is Projection.MLO else None
    nipple, in_profile = _nipple(breast, edge)
    end = _line_end(nipple, edge)
    pectoral = np.zeros(prepared.grey.shape, dtype=bool)
    if edge is not None:
        columns = np.arange(prepared.grey.shape[1]) + 0.5
        rows = (np.arange(prepared.grey.shape[0]) + 0.5) / scale
        reach = np.interp(rows, edge[:, 1], edge[:, 0], right=0.0) * scale
        pectoral = (columns[None, :] < reach[:, None]) & prepared.breast
    return Anatomy(
        pectoral=pectoral,
        edge=() if edge is None else tuple(_point(p * scale) for p in edge),
        nipple=_point(nipple * scale),
        in_profile=in_profile,
        line_end=_point(end * scale),
    )


def _point(place: Array) -> Point:
    return float(place[0]), float(place[1])


def _across(edge: Array) -> Array:
    """Unit vector from the muscle to the breast, at a right angle to a line through its edge."""
    along = edge[-1] - edge[0]
    along = along / np.linalg.norm(along)
    return np.array([along[1], -along[0]])


def _line_end(nipple: Array, edge: Array | None) -> Array:
    """Where the posterior nipple line meets the muscle, or the image's edge before."""
    if edge is None:
        return np.array([0.0, nipple[1]])
    across = _across(edge)
    depth = float((nipple - edge[0]) @ across)
    end = nipple - depth * across
    if end[0] >= 0:
        return np.asarray(end)
    share = nipple[0] / (nipple[0] - end[0])
    return np.asarray(nipple + share * (end - nipple))


def _muscle_edge(grey: FloatArray, breast: BoolArray) -> Array | None:
    """(column, row) of the muscle's edge from the top down, or None.

    The straight line with the steepest fall of grey from the chest wall's upper corner is
    found among all, then each row's place on it by dynamic programming within a band
    (straight line as in Karssemeijer 1998, Phys Med Biol 43:365; its refinement as in
    Ma 2007, Academic Radiology 14:1122, in rows instead of a graph).
    """
    near = ndimage.distance_transform_edt(np.pad(breast, ((0, 0), (1, 0)), mode="edge"))[:, 1:]
    filled = _filled(grey, breast)
    right = -ndimage.gaussian_filter(filled, EDGE_MM / GRID_MM, order=(0, 1))
    down = -ndimage.gaussian_filter(filled, EDGE_MM / GRID_MM, order=(1, 0))
    fade = np.clip((near - 2) / 3, 0, 1)
    right, down = right * fade, down * fade
    best = _best_line(right, down, breast)
    if best is None:
        return None
    top, (reach, length) = best
    return _refined(right, down, top, reach, length)


def _filled(grey: FloatArray, breast: BoolArray) -> FloatArray:
    """Outside of the breast, the grey of the nearest place inside: the skin is no edge."""
    place = ndimage.distance_transform_edt(~breast, return_distances=False, return_indices=True)
    return np.asarray(grey[tuple(place)])


def _best_line(
    right: FloatArray, down: FloatArray, breast: BoolArray
) -> tuple[int, tuple[float, float]] | None:
    rows, columns = breast.shape
    touching = np.nonzero(breast[:, : max(2, columns // 40)].any(axis=1))[0]
    if not touching.size:
        return None
    top = int(touching.min())
    reaches = np.arange(TOP_MM[0], min(TOP_MM[1], columns - 1), 2.0) / GRID_MM
    lengths = np.arange(DOWN_MM[0], min(DOWN_MM[1], rows * 1.4), 3.0) / GRID_MM
    reach, length = (a.ravel() for a in np.meshgrid(reaches, lengths))
    slope = reach / length
    keep = (slope >= SLOPES[0]) & (slope <= SLOPES[1])
    reach, length, slope = reach[keep], length[keep], slope[keep]
    if not reach.size:
        return None
    share = np.linspace(0.02, 0.98, 49)
    y = top + share[None, :] * length[:, None]
    x = reach[:, None] * (1 - share[None, :])
    seen = y < rows - 1
    size = np.hypot(reach, length)[:, None]
    # Fall of grey along the direction from the muscle to the breast.
    fall = (
        ndimage.map_coordinates(right, [y, x], order=1, mode="nearest") * length[:, None]
        + ndimage.map_coordinates(down, [y, x], order=1, mode="nearest") * reach[:, None]
    ) / size
    cap = float(np.percentile(np.hypot(right, down)[breast], 95))
    fall = np.clip(fall, -cap, cap) * seen
    mean = fall.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    shown = size[:, 0] * seen.mean(axis=1)
    usual = np.exp(-0.5 * ((slope - USUAL_SLOPE[0]) / USUAL_SLOPE[1]) ** 2)
    score = mean * (shown / 100) ** 0.35 * (0.5 + 0.5 * usual)
    n = int(np.argmax(score))
    if mean[n] < LEAST_EDGE * _scale(right, down, breast):
        return None
    return top, (float(reach[n]), float(length[n]))


def _scale(right: FloatArray, down: FloatArray, breast: BoolArray) -> float:
    return 0.25 + 10 * float(np.median(np.hypot(right, down)[breast]))


def _refined(right: FloatArray, down: FloatArray, top: int, reach: float, length: float) -> Array:
    """Each row's place within a band about the straight line, changing by little a row."""
    rows = np.arange(top, min(int(top + length) + 1, right.shape[0]))
    straight = reach * (1 - (rows - top) / length)
    offsets = np.arange(-BAND_MM, BAND_MM + 0.5, 0.5) / GRID_MM
    x = straight[:, None] + offsets[None, :]
    y = np.repeat(rows[:, None].astype(float), len(offsets), axis=1)
    size = np.hypot(reach, length)
    fall = (
        ndimage.map_coordinates(right, [y, np.maximum(x, 0)], order=1, mode="nearest") * length
        + ndimage.map_coordinates(down, [y, np.maximum(x, 0)], order=1, mode="nearest") * reach
    ) / size
    cap = max(float(np.percentile(fall, 90)), 1e-6)
    cost = -np.clip(fall, -cap, cap) / cap + 0.4 * (offsets[None, :] / BAND_MM) ** 2
    total = cost.copy()
    came = np.zeros(cost.shape, dtype=int)
    steps = np.array([-1, 0, 1])
    for n in range(1, len(rows)):
        padded = np.pad(total[n - 1], 1, constant_values=np.inf)
        choices = np.stack([padded[1 + s : 1 + s + len(offsets)] for s in steps])
        choices = choices + 0.3 * np.abs(steps)[:, None]
        chosen = np.argmin(choices, axis=0)
        came[n] = np.arange(len(offsets)) + steps[chosen]
        total[n] += choices[chosen, np.arange(len(offsets))]
    path = np.empty(len(rows), dtype=int)
    path[-1] = int(np.argmin(total[-1]))
    for n in range(len(rows) - 1, 0, -1):
        path[n - 1] = came[n, path[n]]
    columns = np.maximum(straight + ndimage.gaussian_filter1d(offsets[path], 4.0), 0)
    # The edge runs towards the chest wall.
    columns = np.minimum.accumulate(columns)
    kept = columns > 0.5
    kept[:2] = True
    return np.stack([columns[kept], rows[kept] + 0.5], axis=-1)


def _nipple(breast: BoolArray, edge: Array | None) -> tuple[Array, bool]:
    """The nipple in profile, else the point that protrudes most; (column, row)."""
    rows, columns = breast.shape
    has = np.asarray(breast.any(axis=1))
    skin = np.where(has, columns - np.argmax(breast[:, ::-1], axis=1), 0).astype(float)
    y = np.arange(rows)
    if edge is None:
        protrusion = skin
    else:
        across = _across(edge)
        # Between straight out and at a right angle to the muscle: the breast hangs.
        direction = across + np.array([1.0, 0.0])
        direction /= np.linalg.norm(direction)
        protrusion = skin * direction[0] + y * direction[1]
    protrusion = np.where(has, protrusion, -np.inf)
    bump = _bump(skin, has)
    top = float(protrusion.max())
    close = protrusion > top - 14.0 / GRID_MM
    standing = np.where(close, 2.5 * np.minimum(bump, 4.0) - 0.35 * (top - protrusion), -np.inf)
    n = int(np.argmax(standing))
    if bump[n] * GRID_MM >= BUMP_MM:
        return np.array([skin[n], n + 0.5]), True
    flat = np.nonzero(protrusion > top - 0.6)[0]
    n = int(np.median(flat))
    return np.array([skin[n], n + 0.5]), False


def _bump(skin: Array, has: BoolArray) -> Array:
    """How far each row's skin stands out from a parabola through the skin about it, pixels."""
    reach = round(SKIN_MM[1] / GRID_MM)
    y = np.arange(-reach, reach + 1)
    about = np.abs(y) >= SKIN_MM[0] / GRID_MM
    # Least squares on the skin about it alone: weights that give the parabola's value here.
    design = np.stack([np.ones(about.sum()), y[about], y[about] ** 2], axis=1)
    weights = np.zeros(len(y))
    weights[about] = np.linalg.pinv(design)[0]
    smooth = ndimage.gaussian_filter1d(skin, 1.0)
    explained = np.asarray(ndimage.correlate1d(skin, weights, mode="nearest"))
    whole = ndimage.minimum_filter1d(has.astype(np.uint8), 2 * reach + 1, mode="constant") > 0
    return np.where(whole, smooth - explained, -np.inf)
