"""Whether a mark of one exam is there in the other, whose analysis did not report it.

What the one exam shows there is looked for in the other near the place to which registration puts
it: how alike both are (normalised cross-correlation), and how much of the mark's brightness over
what is round it is there. No network is asked. The weights are fitted by
``python -m bench.mammo.priors --tune`` on made pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.draw import polygon2mask

from mammo.image.grid import SPACING_MM
from mammo.marks.mark import Point
from mammo.tracking.side import Side, Spot, patch

Array = npt.NDArray[np.float64]
Across = Callable[[npt.ArrayLike], Array]
"""From places of the mark's own view to the other's."""

STEP_MM = 0.8
BESIDE_MM = 8.0
ROUND_MM = 4.0
LEAST_CONTRAST = 0.02
# Fitted: log-odds = CONSTANT + LIKENESS * correlation + BRIGHTNESS * share of the brightness.
CONSTANT, LIKENESS, BRIGHTNESS = -11.13, 6.89, 6.54


class Seen(StrEnum):
    """Whether something is there."""

    PRESENT = "present"
    ABSENT = "absent"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Evidence:
    """What the other view shows near a mark's place.

    Parameters
    ----------
    likeness : float
        Largest correlation with the mark and what is round it.
    share : float
        Its brightness over what is round it, in parts of the mark's own; 0 to 1.5.
    place : (float, float)
        Where, in prepared coordinates of the other view.
    """

    likeness: float
    share: float
    place: Point

    @property
    def probability(self) -> float:
        """Of the mark being there."""
        odds = CONSTANT + LIKENESS * self.likeness + BRIGHTNESS * self.share
        return 1 / (1 + math.exp(-odds))


def look(spot: Spot, here: Side, there: Side, across: Across, taken: Sequence[Spot]) -> Evidence:
    """Look for a mark in the other view.

    Parameters
    ----------
    spot : Spot
        The mark, in its own view.
    here, there : Side
        Its own view and the other.
    across : callable
    taken : sequence of Spot
        Marks of the other view that are others: nothing is looked for inside of them.
    """
    grid, inside, weight = _template(spot)
    own = patch(here.prepared, grid)
    places = across(grid)
    steps = np.arange(-BESIDE_MM, BESIDE_MM + STEP_MM / 2, STEP_MM)
    middle = across(np.asarray(spot.centre))
    contrast = max(_contrast(own, inside, weight), LEAST_CONTRAST)
    best = Evidence(-1.0, 0.0, _point(middle))
    score = -math.inf
    shifts = [(x, y) for x in steps for y in steps if math.hypot(x, y) <= BESIDE_MM]
    whole, corner = _window(there, places)
    for shift in shifts:
        place = middle + np.array(shift) / SPACING_MM
        if any(other.holds(_point(place)) for other in taken):
            continue
        seen = _sampled(whole, corner, places + np.array(shift) / SPACING_MM)
        likeness = _correlation(own, seen, weight)
        share = float(np.clip(_contrast(seen, inside, weight) / contrast, 0, 1.5))
        # Nearer is likelier: 8 mm away costs a fourth of a perfect correlation.
        value = likeness + 0.5 * min(share, 1.0) - 0.004 * (shift[0] ** 2 + shift[1] ** 2)
        if value > score:
            score, best = value, Evidence(likeness, share, _point(place))
    return best


def _template(spot: Spot) -> tuple[Array, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Places about the mark, which of them lie inside it, and which count."""
    step = STEP_MM / SPACING_MM
    points = np.asarray(spot.outline)
    margin = ROUND_MM / SPACING_MM
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    x, y = (np.arange(low[n], high[n] + step, step) for n in (0, 1))
    grid = np.stack(np.meshgrid(x, y), axis=-1)
    shape = (len(y), len(x))
    inside = np.asarray(
        polygon2mask(shape, ((points - low) / step)[:, ::-1]),  # type: ignore[no-untyped-call]
        dtype=np.bool_,
    )
    if not inside.any():
        inside[shape[0] // 2, shape[1] // 2] = True
    weight = np.asarray(
        ndimage.distance_transform_edt(~inside) <= ROUND_MM / STEP_MM, dtype=np.bool_
    )
    return grid, inside, weight


def _window(side: Side, places: Array) -> tuple[Array, Point]:
    """Smoothed grey at `STEP_MM` about places, and its corner."""
    reach = BESIDE_MM / SPACING_MM + 8
    flat = places.reshape(-1, 2)
    low, high = flat.min(axis=0) - reach, flat.max(axis=0) + reach
    step = 2.0
    grid = np.stack(
        np.meshgrid(np.arange(low[0], high[0], step), np.arange(low[1], high[1], step)), axis=-1
    )
    return patch(side.prepared, grid), (float(low[0]), float(low[1]))


def _sampled(whole: Array, corner: Point, places: Array) -> Array:
    index = np.rint((places - np.asarray(corner)) / 2.0).astype(int)
    rows = np.clip(index[..., 1], 0, whole.shape[0] - 1)
    columns = np.clip(index[..., 0], 0, whole.shape[1] - 1)
    return np.asarray(whole[rows, columns])


def _contrast(grey: Array, inside: npt.NDArray[np.bool_], weight: npt.NDArray[np.bool_]) -> float:
    ring = weight & ~inside
    return float(grey[inside].mean() - grey[ring].mean()) if ring.any() else 0.0


def _correlation(one: Array, other: Array, weight: npt.NDArray[np.bool_]) -> float:
    a, b = one[weight] - one[weight].mean(), other[weight] - other[weight].mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size > 1e-9 else 0.0


def _point(place: Array) -> Point:
    return float(place[0]), float(place[1])
