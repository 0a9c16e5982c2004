"""Where in the lungs a nodule lies: side, lobe by approximation, and contact with the pleura."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.errors import InvalidValueError
from gransk.core.volume import Geometry

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]
Spacing = tuple[float, float, float]

COARSE_MM = 5.0
# How far the border between the lungs may lie from its place in the whole scan.
BORDER_REACH_MM = 30.0
BORDER_SLICES = 9
FEWEST_POINTS = 50

# Mean place of the fissures in relative coordinates of one lung: height 0 at its base and 1
# at its apex, depth 0 at its front and 1 at its back. Chosen so that the lobes get their
# known shares of each lung (Yamada 2020, Respiration 99:598, table 3, lying);
# bench.nodule.place prints what they get.
OBLIQUE_FRONT, OBLIQUE_BACK = 0.10, 0.78
HORIZONTAL = 0.53
# Nearer to a fissure than this the lobe is not told, as share of the lung's height.
UNCERTAIN_SHARE = 0.10

WALL_HU = -300.0
# The lungs' edge is good to about this.
WALL_MM = 2.5
CONTACT_SHARE = 0.05


class Side(StrEnum):
    """A patient's side."""

    RIGHT = "right"
    LEFT = "left"


class Lobe(StrEnum):
    """A lobe; the lingula belongs to the left upper lobe."""

    UPPER = "upper"
    MIDDLE = "middle"
    LOWER = "lower"
    UNCERTAIN = "uncertain"


class Answer(StrEnum):
    """An answer that may be missing."""

    YES = "yes"
    NO = "no"
    UNCERTAIN = "uncertain"
    NOT_ASSESSED = "not_assessed"


@dataclass(frozen=True)
class Extent:
    """How far one lung reaches, mm, LPS: base and apex, front and back."""

    base: float
    apex: float
    front: float
    back: float


@dataclass(frozen=True)
class Place:
    """Where a nodule lies.

    Parameters
    ----------
    side : Side or None
        None where no lungs are known.
    lobe : Lobe
        By planes of mean anatomy; uncertain near them.
    upper_lobe : Answer
        Whether it is an upper lobe; known below the horizontal fissure even where
        the lobe is not.
    pleural_contact : float or None
        Share of the surface that touches the lung's outside, 0 to 1.
    """

    side: Side | None = None
    lobe: Lobe = Lobe.UNCERTAIN
    upper_lobe: Answer = Answer.UNCERTAIN
    pleural_contact: float | None = None

    @property
    def juxtapleural(self) -> Answer:
        """Whether the nodule touches the pleura."""
        if self.pleural_contact is None:
            return Answer.NOT_ASSESSED
        return Answer.YES if self.pleural_contact >= CONTACT_SHARE else Answer.NO


class LungMap:
    """Sides and lobes of one scan, from the mask of both lungs.

    Sides are told by a border that runs through the gap between the lungs in each
    slice; lobes by planes at the mean place of the fissures in a lung's own height
    and depth: no fissure is sought in the images for it.

    Parameters
    ----------
    lungs : ndarray of bool, shape (slices, rows, columns)
        From :func:`nodule.lungs.segment_lungs`.
    geometry : Geometry
        Of the scan, axial.

    Raises
    ------
    InvalidValueError
        Where lungs and geometry differ in shape or hardly any lung is there.
    """

    def __init__(self, lungs: BoolArray, geometry: Geometry) -> None:
        if lungs.shape != geometry.shape:
            raise InvalidValueError("lungs", lungs.shape, f"the shape {geometry.shape}")
        steps = [max(1, round(COARSE_MM / s)) for s in geometry.spacing]
        coarse = lungs[:: steps[0], :: steps[1], :: steps[2]]
        points = np.argwhere(coarse) * steps
        if len(points) < FEWEST_POINTS:
            raise InvalidValueError("lungs", len(points), "a mask that holds lungs")
        lps = geometry.to_lps(points)
        self._heights, self._border = _border(lps, steps[0] * geometry.spacing[0])
        left = lps[:, 0] > self._border_at(lps[:, 2])
        self._extents = {
            Side.RIGHT: _extent(lps[~left], lps),
            Side.LEFT: _extent(lps[left], lps),
        }

    def side(self, lps_mm: tuple[float, float, float]) -> Side:
        """Side of a point, mm, LPS."""
        x, _, z = lps_mm
        return Side.LEFT if x > float(self._border_at(np.array([z]))[0]) else Side.RIGHT

    def lobe(self, lps_mm: tuple[float, float, float], margin: float = UNCERTAIN_SHARE) -> Lobe:
        """Lobe of a point, mm, LPS; uncertain within the margin of a fissure's mean place.

        The margin is a share of the lung's height.
        """
        side, height, above = self._position(lps_mm)
        if abs(above) < margin:
            return Lobe.UNCERTAIN
        if above < 0:
            return Lobe.LOWER
        if side is Side.LEFT:
            return Lobe.UPPER
        if abs(height - HORIZONTAL) < margin:
            return Lobe.UNCERTAIN
        return Lobe.UPPER if height > HORIZONTAL else Lobe.MIDDLE

    def upper_lobe(self, lps_mm: tuple[float, float, float]) -> Answer:
        """Whether a point, mm, LPS, lies in an upper lobe."""
        side, height, _ = self._position(lps_mm)
        if side is Side.RIGHT and height < HORIZONTAL - UNCERTAIN_SHARE:
            return Answer.NO
        lobe = self.lobe(lps_mm)
        if lobe is Lobe.UNCERTAIN:
            return Answer.UNCERTAIN
        return Answer.YES if lobe is Lobe.UPPER else Answer.NO

    def _position(self, lps_mm: tuple[float, float, float]) -> tuple[Side, float, float]:
        """Side, relative height, and height above the oblique fissure."""
        side = self.side(lps_mm)
        extent = self._extents[side]
        height = (lps_mm[2] - extent.base) / max(extent.apex - extent.base, 1.0)
        depth = (lps_mm[1] - extent.front) / max(extent.back - extent.front, 1.0)
        depth = min(max(depth, 0.0), 1.0)
        return side, height, height - (OBLIQUE_FRONT + (OBLIQUE_BACK - OBLIQUE_FRONT) * depth)

    def _border_at(self, z: Points) -> Points:
        found: Points = np.interp(z, self._heights, self._border)
        return found


def _border(lps: Points, step: float) -> tuple[Points, Points]:
    """Heights, and x of the border between the lungs at each, mm."""
    bins = np.arange(lps[:, 0].min() - COARSE_MM, lps[:, 0].max() + 2 * COARSE_MM, COARSE_MM)
    middles = (bins[:-1] + bins[1:]) / 2
    rows = np.round((lps[:, 2] - lps[:, 2].min()) / step).astype(int)
    heights = lps[:, 2].min() + np.arange(rows.max() + 1) * step
    counts = np.zeros((len(heights), len(middles)))
    np.add.at(counts, (rows, np.searchsorted(bins, lps[:, 0]) - 1), 1)
    low, high = np.percentile(lps[:, 0], [20, 80])
    central = (middles > low) & (middles < high)
    # The emptiest column of the whole scan, then of each slice near it.
    total = ndimage.uniform_filter1d(counts.sum(axis=0), 3)
    whole = middles[central][np.argmin(total[central])]
    away = np.abs(middles - whole)
    smooth = ndimage.uniform_filter(counts, (3, 3))
    cost = np.where(away <= BORDER_REACH_MM, smooth + away / 100, np.inf)
    border = ndimage.median_filter(middles[np.argmin(cost, axis=1)], BORDER_SLICES, mode="nearest")
    return heights, border


def _extent(own: Points, both: Points) -> Extent:
    """Extent of one lung, of both where it hardly has any."""
    points = own if len(own) >= FEWEST_POINTS else both
    base, apex = np.percentile(points[:, 2], [1, 99.5])
    front, back = np.percentile(points[:, 1], [1, 99])
    return Extent(float(base), float(apex), float(front), float(back))


def pleural_contact(hu: FloatArray, inside: BoolArray, lungs: BoolArray, spacing: Spacing) -> float:
    """Share of a nodule's surface that touches the outside of the lung.

    A face of the surface touches where the voxel beyond it is dense and no deeper
    in the lungs than their own edge is uncertain.

    Parameters
    ----------
    hu : ndarray of float32
        HU of the nodule with a margin.
    inside, lungs : ndarray of bool
        Nodule and lungs, same shape.
    spacing : tuple of float
        mm along k, j, i.

    Returns
    -------
    float
        0 to 1.
    """
    if lungs.all():
        return 0.0
    wall = (ndimage.distance_transform_edt(lungs, sampling=spacing) <= WALL_MM) & (hu > WALL_HU)
    wall &= ~inside
    faces = touching = 0.0
    for axis in range(3):
        area = float(np.prod(spacing)) / spacing[axis]
        for shift in (-1, 1):
            beyond = np.roll(inside, shift, axis) & ~inside
            faces += area * float(beyond.sum())
            touching += area * float((beyond & wall).sum())
    return touching / faces if faces else 0.0
