"""The left breast against the right one, in the same view.

Every prepared view has its chest wall at the left, so that one breast lies over the other like its
mirror image; :mod:`mammo.image.registration` takes up what is left. Grey is compared as its rank
within the breast, as exposure and processing may differ. What either breast has and the other has
not near the mirrored place is its *asymmetry*, in ranks: 0 where the other side is as bright, 1
where the brightest lies against the darkest. ``bench.mammo.sides`` prints what it tells of masses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.draw import polygon2mask

from gransk.core.codes import NO_UNITS, Code
from gransk.core.findings import Measurement, Note
from gransk.core.raster import resized
from mammo.image.grid import SPACING_MM, BoolArray, FloatArray, Prepared
from mammo.image.registration import Registration, ranked, register
from mammo.marks.mark import Mark, Point
from mammo.view import Projection

# PS3.16 has no term for how unlike two breasts are.
ASYMMETRY = Code(value="ASYMMETRY", scheme="99GRANSK", meaning="Asymmetry against other breast")
GRID_MM = 1.0
NEAR_MM = 10.0
"""So far beside the mirrored place the other breast is searched: breasts are not mirror images."""
SMOOTH_MM = 5.0
NO_COUNTERPART = 0.2
"""Asymmetry from which a mark has no counterpart."""


@dataclass(frozen=True)
class Sides:
    """Both breasts in one view, the right laid over the left.

    Parameters
    ----------
    left, right : Prepared
    registration : Registration
        From the left breast to the right.
    map : ndarray of float32, shape (rows, columns)
        Left less right, in ranks, smoothed over `SMOOTH_MM`, on the left breast's grid of
        `GRID_MM`; 0 where only one of them shows breast.
    shared : ndarray of bool, same shape
        Where both show breast.
    """

    left: Prepared = field(repr=False)
    right: Prepared = field(repr=False)
    registration: Registration = field(repr=False)
    map: FloatArray = field(repr=False)
    shared: BoolArray = field(repr=False)

    @property
    def asymmetry(self) -> float:
        """Mean difference of the two breasts in this view, 0 (mirror images) to 1."""
        return float(np.abs(self.map[self.shared]).mean()) if self.shared.any() else 0.0

    def of(self, outline: npt.ArrayLike, of_left: bool) -> float | None:
        """Asymmetry of what an outline of one breast holds; None where the other is not shown.

        The mean rank inside less the highest mean rank of the same outline anywhere within
        `NEAR_MM` of the mirrored place in the other breast.

        Parameters
        ----------
        outline : array_like, shape (n, 2)
            Prepared coordinates of its own breast.
        of_left : bool
        """
        here, there = (self.left, self.right) if of_left else (self.right, self.left)
        move = self.registration.forth if of_left else self.registration.back
        points = np.asarray(outline, dtype=float)
        own = _mean_inside(_ranks(here), points)
        other = _best_near(_ranks(there), move(points))
        return None if own is None or other is None else own - other

    def mirrored(self, place: Point, of_left: bool) -> Point:
        """Where a place of one breast lies in the other, prepared coordinates."""
        move = self.registration.forth if of_left else self.registration.back
        x, y = move(np.asarray(place, dtype=float))
        return float(x), float(y)


def compare_sides(left: Prepared, right: Prepared) -> Sides:
    """Lay the right breast over the left and subtract it.

    Raises
    ------
    RefusalError
        ``REGISTRATION_FAILED`` where the breasts are too unlike in shape.
    """
    registration = register(left, right)
    ranks, other = _ranks(left), _ranks(right)
    rows, columns = ranks.shape
    step = GRID_MM / SPACING_MM
    grid = np.stack(np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5), axis=-1) * step
    places = registration.forth(grid) / step - 0.5
    moved = ndimage.map_coordinates(
        other, [places[..., 1], places[..., 0]], order=1, cval=0.0
    ).astype(np.float32)
    shared = (ranks > 0) & (moved > 0.2)
    share = np.maximum(ndimage.gaussian_filter(shared.astype(np.float32), SMOOTH_MM / GRID_MM), 0.1)
    apart = ndimage.gaussian_filter(np.where(shared, ranks - moved, 0), SMOOTH_MM / GRID_MM) / share
    return Sides(left, right, registration, np.where(shared, apart, 0).astype(np.float32), shared)


def without_counterpart(
    sides: Sides, marks: Sequence[Mark], others: Sequence[Mark], of_left: bool
) -> list[tuple[float | None, bool]]:
    """Of each mark of one breast: its asymmetry, and whether it has no counterpart.

    A mark has a counterpart where the other breast is about as bright near the mirrored place,
    or holds a mark within `NEAR_MM` and its own radius of it.
    """
    found = []
    for mark in marks:
        asymmetry = sides.of(mark.outline, of_left)
        place = sides.mirrored(mark.centre, of_left)
        reach = NEAR_MM + mark.size_mm / 2
        paired = any(
            float(np.hypot(*np.subtract(place, other.centre))) * SPACING_MM <= reach
            for other in others
        )
        alone = asymmetry is not None and asymmetry >= NO_COUNTERPART and not paired
        found.append((asymmetry, alone))
    return found


def mark_measurement(asymmetry: float) -> Measurement:
    """``asymmetry`` of one mark, for its finding."""
    return Measurement(
        name="asymmetry", concept=ASYMMETRY, unit=NO_UNITS, value=round(asymmetry, 2)
    )


def exam_measurement(sides: Sides, view: Projection) -> Measurement:
    """``asymmetry_cc`` or ``asymmetry_mlo`` of the exam."""
    return Measurement(
        name=f"asymmetry_{view.lower()}", concept=ASYMMETRY, unit=NO_UNITS,
        value=round(sides.asymmetry, 3), method=f"{view}, left against right",
    )  # fmt: skip


def note(names: Sequence[str]) -> Note:
    """That marks, by what people call them, have no counterpart."""
    return Note(code="no_counterpart", values={"marks": ", ".join(names)})


def _ranks(view: Prepared) -> FloatArray:
    """Rank of each place within the breast, 0 to 1 of what lies inside; 0 outside."""
    grey = view.at(GRID_MM)
    inside = resized(view.breast, grey.shape) > 0.5
    out = ranked(grey, inside)
    low = float(out[inside].min()) if inside.any() else 0.0
    # From the registration's range to 0 to 1, with the breast's darkest above 0.
    return np.where(inside, np.maximum((out - low) / (1 - low), 1e-3), 0).astype(np.float32)


def _mean_inside(ranks: FloatArray, points: npt.NDArray[np.float64]) -> float | None:
    """Mean rank inside of an outline; None where no breast is there."""
    return _means(ranks, points, [(0, 0)])


def _best_near(ranks: FloatArray, points: npt.NDArray[np.float64]) -> float | None:
    """The highest mean inside of the outline, moved about by up to `NEAR_MM`."""
    reach = round(NEAR_MM / GRID_MM)
    steps = range(-reach, reach + 1, 2)
    return _means(ranks, points, [(y, x) for y in steps for x in steps if np.hypot(x, y) <= reach])


def _means(
    ranks: FloatArray, points: npt.NDArray[np.float64], steps: Sequence[tuple[int, int]]
) -> float | None:
    """The highest of the means inside of an outline that is moved by cells down and across."""
    at = points / (GRID_MM / SPACING_MM)
    low = np.floor(at.min(axis=0)).astype(int)
    shape = np.ceil(at.max(axis=0)).astype(int) + 1 - low
    inside = polygon2mask((shape[1], shape[0]), (at - low)[:, ::-1] - 0.5)  # type: ignore[no-untyped-call]
    inside[shape[1] // 2, shape[0] // 2] |= not inside.any()
    rows, columns = np.nonzero(inside)
    best = None
    for down, across in steps:
        r, c = rows + low[1] + down, columns + low[0] + across
        there = (r >= 0) & (c >= 0) & (r < ranks.shape[0]) & (c < ranks.shape[1])
        values = ranks[r[there], c[there]]
        values = values[values > 0]
        # Of an outline that lies mostly outside, the rest tells little.
        if values.size * 2 >= rows.size:
            mean = float(values.mean())
            best = mean if best is None else max(best, mean)
    return best
