"""Where a mark lies in the breast: quadrant, depth and distance from the nipple.

From the posterior nipple line of its view: in MLO it parts upper from lower, in CC outer from
inner (upright images have the outer side up); its thirds are anterior, middle and posterior
(BI-RADS, location of a finding).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mammo.image.anatomy import Anatomy
from mammo.image.grid import SPACING_MM
from mammo.marks.mark import Point
from mammo.view import Projection

CENTRAL_MM = 10.0
"""Nearer to the posterior nipple line, a mark is on neither side of it."""


@dataclass(frozen=True)
class Place:
    """Where a mark lies on one view.

    Parameters
    ----------
    half : str
        ``upper`` or ``lower`` (MLO), ``outer`` or ``inner`` (CC); empty near the line.
    depth : str
        ``anterior``, ``middle`` or ``posterior``.
    nipple_mm : float
        From the nipple, straight.
    behind_mm : float
        From the nipple, along the posterior nipple line.
    """

    half: str
    depth: str
    nipple_mm: float
    behind_mm: float


def place_of(centre: Point, anatomy: Anatomy, projection: Projection) -> Place:
    """Place of a mark's centre, prepared pixels."""
    nipple, end = np.array(anatomy.nipple), np.array(anatomy.line_end)
    line = end - nipple
    length = float(np.hypot(*line))
    along = line / length if length else np.array([-1.0, 0.0])
    # The nipple points right and rows grow downwards: what lies above the line is negative.
    across = np.array([along[1], -along[0]])
    away = np.array(centre) - nipple
    behind = float(away @ along)
    aside = float(away @ across) * SPACING_MM
    halves = ("upper", "lower") if projection is Projection.MLO else ("outer", "inner")
    half = "" if abs(aside) < CENTRAL_MM else halves[int(aside > 0)]
    share = behind / length if length else 0.0
    depth = "anterior" if share < 1 / 3 else "middle" if share < 2 / 3 else "posterior"
    return Place(half, depth, float(np.hypot(*away)) * SPACING_MM, behind * SPACING_MM)


def quadrant(halves: tuple[str, ...]) -> str:
    """Quadrant of a lesion from the halves that its views tell; empty where none does.

    Parameters
    ----------
    halves : tuple of str
        Of one view, or of CC and MLO.
    """
    told = {half for half in halves if half}
    across = next((h for h in ("outer", "inner") if h in told), "")
    down = next((h for h in ("upper", "lower") if h in told), "")
    if across and down:
        return f"{down}_{across}"
    if not told and len(halves) == 2:
        return "central"
    return across or down
