"""The outline of a mark, from the detector's map of what lies inside a mass."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.distance import pdist
from skimage import measure

from mammo.image.grid import SPACING_MM, BoolArray, FloatArray
from mammo.marks.mark import Point

NEAR_MM = 5.0
REACH_MM = 45.0
LEVEL = 0.5
LEAST = 0.1
UNKNOWN_MM = 8.0
TOLERANCE_MM = 0.3


def outline_of(
    inside: FloatArray, centre: Point, cell_mm: float
) -> tuple[tuple[Point, ...], float]:
    """Polygon in prepared pixels and its longest diameter in mm.

    Everything round the mark that reaches half of the map's height there, joined to it. Where
    the map holds nothing, a circle of 8 mm.

    Parameters
    ----------
    inside : ndarray
        0 to 1, cells of ``cell_mm``.
    centre : (float, float)
        Column and row of the mark, prepared pixels.
    cell_mm : float
    """
    corners = seen_at(inside, centre, cell_mm)
    if corners is None:
        return circle(centre, UNKNOWN_MM)
    return tuple((float(x), float(y)) for x, y in corners), longest_mm(corners)


def seen_at(inside: FloatArray, centre: Point, cell_mm: float) -> npt.NDArray[np.float64] | None:
    """Corners of what the map holds at a place, shape (n, 2), prepared pixels; None for nothing."""
    step = cell_mm / SPACING_MM
    column, row = centre[0] / step, centre[1] / step
    reach = int(REACH_MM / cell_mm)
    top, left = max(0, int(row) - reach), max(0, int(column) - reach)
    box = inside[top : int(row) + reach + 1, left : int(column) + reach + 1]
    down, across = np.mgrid[0 : box.shape[0], 0 : box.shape[1]] + 0.5
    far = np.hypot(down - (row - top), across - (column - left)) * cell_mm
    level = max(LEVEL * float(box[far <= NEAR_MM].max(initial=0)), LEAST)
    piece = _piece((box >= level) & (far <= REACH_MM), far)
    if piece is None:
        return None
    field = np.where(ndimage.binary_dilation(piece), box, 0)
    lines = measure.find_contours(np.pad(field, 1), level)  # type: ignore[no-untyped-call]
    line = max(lines, key=len)
    # Contours run between cell centres; the padding moved them by one.
    points = np.stack([line[:, 1] - 0.5 + left, line[:, 0] - 0.5 + top], axis=1) * step
    simple = measure.approximate_polygon(points, TOLERANCE_MM / SPACING_MM)  # type: ignore[no-untyped-call]
    corners = np.asarray(simple[:-1] if np.allclose(simple[0], simple[-1]) else simple)
    return corners if len(corners) >= 3 else None


def longest_mm(corners: npt.NDArray[np.float64]) -> float:
    """Longest distance between two corners in prepared pixels, mm."""
    return float(pdist(corners).max()) * SPACING_MM


def _piece(bright: BoolArray, far: FloatArray) -> BoolArray | None:
    """The piece that reaches nearest to the mark, where one is near enough."""
    labels, count = ndimage.label(bright)
    if not count:
        return None
    nearest = ndimage.minimum(far, labels, range(1, count + 1))
    best = int(np.argmin(nearest))
    if nearest[best] > NEAR_MM:
        return None
    return np.asarray(ndimage.binary_fill_holes(labels == best + 1), dtype=bool)


def circle(centre: Point, diameter_mm: float) -> tuple[tuple[Point, ...], float]:
    """What stands for an outline where there is none, and its diameter in mm."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radius = diameter_mm / 2 / SPACING_MM
    points = tuple(
        (float(centre[0] + radius * np.cos(a)), float(centre[1] + radius * np.sin(a)))
        for a in angles
    )
    return points, diameter_mm
