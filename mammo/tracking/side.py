"""One view of one of two exams that are compared, with its marks measured there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import points_in_poly

from gransk.core.errors import RefusalError
from mammo.image.grid import SPACING_MM, Prepared
from mammo.marks.mark import Point
from mammo.marks.outlining import Outliner, diameters_mm, middle

# Outlines are drawn from a mark's place and from these beside it.
AROUND_MM = ((0.0, 0.0), (2.0, 0.0), (-2.0, 0.0), (0.0, 2.0), (0.0, -2.0))
NEAR_MM = 5.0
"""As far as registration may put a place beside the breast that shows it."""


@dataclass(frozen=True)
class Spot:
    """A mark on one view, as a comparison measures it.

    Parameters
    ----------
    uid : str
        Tracking UID.
    centre : (float, float)
        Prepared coordinates.
    outline : tuple of (float, float)
        Prepared coordinates.
    by_hand : bool
        A person drew or placed it: its outline stays.
    mean_mm : float, optional
        Geometric mean of the diameters of outlines drawn from several points; None where the
        outline alone tells.
    """

    uid: str
    centre: Point
    outline: tuple[Point, ...] = field(repr=False)
    by_hand: bool = False
    mean_mm: float | None = None

    @property
    def longest_mm(self) -> float:
        return diameters_mm(self.outline)[0]

    @property
    def diameter_mm(self) -> float:
        """Of a disk of the outline's area: it repeats better than the longest."""
        return diameters_mm(self.outline)[1] if self.mean_mm is None else self.mean_mm

    def sized(self, diameter_mm: float) -> Spot:
        """The same outline about its middle, made so large."""
        x, y = middle(self.outline)
        zoom = diameter_mm / diameters_mm(self.outline)[1]
        outline = tuple((x + (a - x) * zoom, y + (b - y) * zoom) for a, b in self.outline)
        return replace(self, outline=outline, mean_mm=None)

    def holds(self, place: Point) -> bool:
        """Does a place lie inside of the outline?"""
        return bool(points_in_poly([place], self.outline)[0])  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Side:
    """One view and its marks.

    Parameters
    ----------
    prepared : Prepared
    spots : tuple of Spot
        What the analysis of that exam reported on this view.
    """

    prepared: Prepared = field(repr=False)
    spots: tuple[Spot, ...]

    @classmethod
    def measured(cls, prepared: Prepared, marks: Sequence[Spot], outliner: Outliner) -> Side:
        """A view whose marks are outlined anew, so that both exams are measured alike."""
        return cls(
            prepared,
            tuple(m if m.by_hand else steadied(prepared, m, outliner) for m in marks),
        )

    def covers(self, place: npt.ArrayLike) -> bool:
        """Does the image reach a place, and show breast there or within `NEAR_MM`?

        Beyond the image, as behind its chest wall, nothing can be said of it.
        """
        at = np.asarray(place, dtype=float)
        # Of the upright image, whose shape this is, though it may be stored turned.
        column, row = Prepared.to_native(self.prepared, at)
        rows, columns = self.prepared.native_shape
        if not (0 <= row < rows and 0 <= column < columns):
            return False
        reach = NEAR_MM / SPACING_MM
        low = np.maximum(np.floor(at - reach).astype(int), 0)
        high = np.maximum(np.ceil(at + reach).astype(int), 0)
        return bool(self.prepared.breast[low[1] : high[1], low[0] : high[0]].any())


def steadied(prepared: Prepared, mark: Spot, outliner: Outliner) -> Spot:
    """The mark with an outline that does not hang on the point it was drawn from.

    Outlines are drawn from its middle and from beside it. Its diameter is their geometric mean,
    its outline the one that comes nearest to that. Where nothing can be outlined, the mark stays
    as it is.
    """
    found = []
    for place in around(mark.centre):
        try:
            outline = outliner(prepared, place)
        except RefusalError:
            continue
        found.append((diameters_mm(outline)[1], outline))
    if not found:
        return mark
    mean = math.exp(sum(math.log(size) for size, _ in found) / len(found))
    _, outline = min(found, key=lambda pair: abs(math.log(pair[0] / mean)))
    return Spot(mark.uid, middle(outline), outline, mean_mm=mean)


def around(place: Point) -> list[Point]:
    """A place and those beside it that outlines are drawn from."""
    return [(place[0] + x / SPACING_MM, place[1] + y / SPACING_MM) for x, y in AROUND_MM]


def patch(prepared: Prepared, places: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Smoothed grey at prepared places, shape (..., 2)."""
    at = np.asarray(places, dtype=float)
    low = np.maximum(np.floor(at.reshape(-1, 2).min(axis=0)).astype(int) - 8, 0)
    high = np.maximum(np.ceil(at.reshape(-1, 2).max(axis=0)).astype(int) + 8, low + 1)
    grey = prepared.grey[low[1] : high[1], low[0] : high[0]]
    if not grey.size:
        return np.zeros(at.shape[:-1])
    smooth = ndimage.gaussian_filter(grey, 0.5 / SPACING_MM, mode="nearest")
    x, y = at[..., 0] - low[0] - 0.5, at[..., 1] - low[1] - 0.5
    return np.asarray(ndimage.map_coordinates(smooth, [y, x], order=1, cval=0.0), dtype=float)
