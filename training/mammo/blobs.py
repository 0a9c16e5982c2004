"""Marks of a plain bright blob detector: false ones to learn from and to measure with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.errors import RefusalError
from gransk.core.raster import resized
from mammo.image.grid import SPACING_MM, Prepared
from mammo.marks.mark import Kind, Mark, Point
from mammo.marks.outlining import Outliner, diameters_mm, middle, outlined
from mammo.marks.peaks import peaks

GRID_MM = 1.0
SIGMAS_MM = (3.0, 4.5, 6.5)
APART_MM = 12.0
LEAST = 0.02


def blobs(
    prepared: Prepared, limit: int, without: npt.NDArray[np.bool_] | None = None
) -> list[tuple[Point, float]]:
    """(place in prepared coordinates, strength 0 to 1) of bright blobs, strongest first.

    Strength is the largest scale-normalised Laplacian of a Gaussian over `SIGMAS_MM`.

    Parameters
    ----------
    without : ndarray of bool, the prepared image's shape, optional
        Where none is looked for, such as the pectoral muscle.
    """
    grey = prepared.at(GRID_MM)
    inside = resized(prepared.breast, grey.shape) > 0.5
    near = ndimage.distance_transform_edt(np.pad(inside, ((1, 1), (0, 1))))[1:-1, :-1]
    allowed = near > 5 / GRID_MM
    if without is not None:
        allowed &= resized(without, grey.shape) < 0.5
    heat = np.max(
        [-((s / GRID_MM) ** 2) * ndimage.gaussian_laplace(grey, s / GRID_MM) for s in SIGMAS_MM],
        axis=0,
    )
    heat = np.clip(np.where(allowed, heat, 0), 0, 0.999).astype(np.float32)
    scale = GRID_MM / SPACING_MM
    found = peaks(heat, APART_MM / GRID_MM, LEAST, limit)
    return [((x * scale, y * scale), value) for x, y, value in found]


def mark_at(
    prepared: Prepared, place: Point, probability: float, outliner: Outliner = outlined
) -> Mark | None:
    """A mark with an outline; None where nothing can be outlined."""
    try:
        outline = outliner(prepared, place)
    except RefusalError:
        return None
    size, _ = diameters_mm(outline)
    return Mark(
        view=0,
        kind=Kind.MASS,
        centre=middle(outline),
        outline=outline,
        size_mm=size,
        probability=probability,
        malignancy=0.0,
    )
