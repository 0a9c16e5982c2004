"""Whether a nodule lies at a fissure: a thin sheet beside it, sought in the images.

An estimate from geometry. Its coefficients come from synthetic nodules drawn at synthetic
sheets into real scans (``python -m training.nodule.fissure``); no radiologist's word on
perifissural nodules was at hand. Fissures are thinner than voxels and are seldom seen in
slices of 3 mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.errors import InvalidValueError
from gransk.core.findings import Mask
from gransk.core.volume import Volume
from nodule.density import Texture
from nodule.grid import patch
from nodule.place import Answer

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]

# Points of the cube round the nodule, 1 mm apart.
CUBE = 41
MIDDLE = (CUBE - 1) / 2

# Sheets are sought so far from the lungs' edge, which is good to 2.5 mm, and so far
# from the nodule and from vessels, whose shells look like sheets.
WALL_MM = 3.0
NODULE_MM = 2
VESSEL_HU, VESSEL_MM = -350.0, 2

# Second derivative across the sheet at this scale, times the scale squared; along the sheet
# it is at most half of that. Fissures in slices of 1 mm have some 20 to 30.
SCALE_MM = 1.2
STRENGTH_HU = (12.0, 70.0)
ALONG = 0.5

# The sheet is followed so far round the nodule, and may leave so much lung between.
REACH_MM = 15.0
GAP_MM = 6.0
TRIED = 300
# Points belong to it that lie so near and slant alike (cosine).
APART_MM = 1.2
ALIKE = 0.85
FEWEST = 60

# Where the sheet ought to be it is seen as a ridge of so many HU above both sides.
CELL_MM = 2.0
PROFILE_MM, PROFILE_STEP_MM = 4.0, 0.5
RIDGE_HU = 25.0
FEWEST_CELLS = 20

# A typical perifissural nodule is solid and under 10 mm (Lung-RADS 2022).
LARGEST_MM = 10.0
THICKEST_SLICES_MM = 2.0
# Share of its plane in which a sheet must be seen before anything is said, and over which
# area. Raised, as the limit of thickness was lowered, when pictures of the four whole
# LIDC-IDRI scans showed sheets that were no fissures; so those scans measure neither.
LEAST_COVERAGE, LEAST_AREA_MM2 = 0.7, 100.0

# Intercept and weights of `features`; printed by python -m training.nodule.fissure.
COEFFICIENTS = (-1.87, 2.45, 2.38)
# Truth was synthetic, so no answer is surer than this.
SUREST = 0.95
YES, NO = 0.7, 0.2


class Unassessed(StrEnum):
    """Why it is not told whether a nodule lies at a fissure."""

    NO_LUNGS = "no_lungs"
    THICK_SLICES = "thick_slices"
    TOO_LARGE = "too_large"
    NOT_SOLID = "not_solid"
    NO_FISSURE_SEEN = "no_fissure_seen"


@dataclass(frozen=True)
class Sheet:
    """The most likely sheet near a nodule.

    Parameters
    ----------
    coverage : float
        Share of its plane within 15 mm of the nodule in which it is seen, of what
        no wall, vessel or nodule hides.
    area_mm2 : float
        Where it is seen.
    contrast_hu : float
        Mean height of its profile above the lung at both sides, on a 1 mm grid.
    thickness_mm : float
        Width of the profile at half of its height.
    gap_mm : float
        From the nodule's surface to the sheet; 0 where it passes through the nodule.
    centre_mm : float
        From the nodule's centre to the sheet.
    """

    coverage: float
    area_mm2: float
    contrast_hu: float
    thickness_mm: float
    gap_mm: float
    centre_mm: float


@dataclass(frozen=True)
class Perifissural:
    """Whether a nodule lies at a fissure: an estimate from geometry.

    Parameters
    ----------
    probability : float or None
        None where it is not assessed.
    reason : Unassessed or None
        Why it is not.
    sheet : Sheet or None
        What was found near it, also where that was too little to say anything.

    Raises
    ------
    InvalidValueError
        Where there are both a probability and a reason or neither, or the probability
        is not within 0 and 1.
    """

    probability: float | None
    reason: Unassessed | None
    sheet: Sheet | None = None

    def __post_init__(self) -> None:
        if (self.probability is None) == (self.reason is None):
            raise InvalidValueError("Perifissural", self.reason, "a probability or a reason")
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise InvalidValueError("Perifissural.probability", self.probability, "0 to 1")

    @property
    def answer(self) -> Answer:
        """In words: yes from 0.7, no to 0.2, uncertain between."""
        if self.probability is None:
            return Answer.NOT_ASSESSED
        if self.probability >= YES:
            return Answer.YES
        return Answer.NO if self.probability <= NO else Answer.UNCERTAIN


NO_LUNGS = Perifissural(None, Unassessed.NO_LUNGS)


def perifissural(
    volume: Volume,
    mask: Mask,
    lungs: BoolArray | None,
    mean_diameter_mm: float,
    texture: Texture | None,
) -> Perifissural:
    """Whether a nodule lies at a fissure.

    Told only of nodules that may be typical perifissural ones (solid, under 10 mm), in
    slices to 2 mm, and only where a sheet is seen near the nodule: a fissure that is
    not seen may still be there.

    Parameters
    ----------
    volume : Volume
        Axial CT in HU.
    mask : Mask
        The nodule, inside the volume, not empty.
    lungs : ndarray of bool or None
        From :func:`nodule.lungs.segment_lungs`, of the volume's shape.
    mean_diameter_mm : float
        In the axial plane of largest area.
    texture : Texture or None
        None, too small to be told, counts as solid.
    """
    if lungs is None:
        return NO_LUNGS
    if volume.geometry.spacing[0] > THICKEST_SLICES_MM + 0.01:
        return Perifissural(None, Unassessed.THICK_SLICES)
    if mean_diameter_mm >= LARGEST_MM:
        return Perifissural(None, Unassessed.TOO_LARGE)
    if texture not in (None, Texture.SOLID):
        return Perifissural(None, Unassessed.NOT_SOLID)
    sheet = find_sheet(Surroundings.of(volume, mask, lungs))
    if sheet is None or not is_seen(sheet):
        return Perifissural(None, Unassessed.NO_FISSURE_SEEN, sheet)
    return Perifissural(probability(sheet), None, sheet)


def is_seen(sheet: Sheet) -> bool:
    """Whether a sheet is seen well enough to say anything."""
    return sheet.coverage >= LEAST_COVERAGE and sheet.area_mm2 >= LEAST_AREA_MM2


def features(sheet: Sheet | None) -> tuple[float, float]:
    """What the probability rests on, both less the farther the sheet is; 0 without one.

    How completely it is seen (coverage cubed: planes by chance reach one half), and over
    which area, in 500 mm2.
    """
    if sheet is None:
        return 0.0, 0.0
    near = float(np.exp(-sheet.gap_mm / 2))
    return near * sheet.coverage**3, near * sheet.area_mm2 / 500


def probability(sheet: Sheet | None) -> float:
    """Probability that a nodule touches the sheet and that it is one: logistic."""
    weights = zip(COEFFICIENTS[1:], features(sheet), strict=True)
    raw = 1 / (1 + np.exp(-COEFFICIENTS[0] - sum(w * f for w, f in weights)))
    return float(np.clip(raw, 1 - SUREST, SUREST))


@dataclass(frozen=True)
class Surroundings:
    """A cube of 41 mm round a nodule's centre on a 1 mm grid.

    Parameters
    ----------
    hu : ndarray of float32
    inside, lung : ndarray of bool
        Nodule and lungs, same shape.
    """

    hu: FloatArray
    inside: BoolArray
    lung: BoolArray

    @classmethod
    def of(cls, volume: Volume, mask: Mask, lungs: BoolArray) -> Surroundings:
        """Of a nodule in a scan; beyond the scan is no lung."""
        array = mask.to_array()
        centre = np.asarray(mask.origin) + np.argwhere(array).mean(axis=0)
        at = [
            np.round(c + (np.arange(CUBE) - MIDDLE) / s).astype(int)
            for c, s in zip(centre, volume.geometry.spacing, strict=True)
        ]
        inside = _nearest(array, [a - o for a, o in zip(at, mask.origin, strict=True)])
        return cls(patch(volume, centre, CUBE), inside, _nearest(lungs, at))

    @property
    def radius_mm(self) -> float:
        """Of the ball of equal volume."""
        return float((3 * self.inside.sum() / (4 * np.pi)) ** (1 / 3))

    @property
    def free(self) -> BoolArray:
        """Where a sheet could be told: lung away from its edge, the nodule and vessels."""
        deep = self.lung
        if not deep.all():
            deep = ndimage.distance_transform_edt(deep) > WALL_MM
        vessels = (self.hu > VESSEL_HU) & ~self.inside
        hidden = ndimage.binary_dilation(vessels, iterations=VESSEL_MM)
        hidden |= ndimage.binary_dilation(self.inside, iterations=NODULE_MM)
        return np.asarray(deep & ~hidden)


def _nearest(array: BoolArray, at: list[npt.NDArray[np.int64]]) -> BoolArray:
    """Values at indices along each axis, False beyond the array."""
    out = np.zeros([len(a) for a in at], bool)
    there = [(a >= 0) & (a < n) for a, n in zip(at, array.shape, strict=True)]
    used = [a[t] for a, t in zip(at, there, strict=True)]
    out[np.ix_(*there)] = array[np.ix_(*used)]
    return out


def find_sheet(around: Surroundings) -> Sheet | None:
    """The sheet near a nodule that most points agree on; None where too few do.

    Points whose second derivatives are those of a bright sheet each propose the plane that
    they lie in; the plane with most points that lie in it and slant alike is fitted to
    them, then bent. Always gives the same answer for the same images.
    """
    free = around.free
    points, normals = _sheet_points(around.hu, free)
    radius = around.radius_mm
    close = np.linalg.norm(points, axis=1) <= REACH_MM + radius
    surface = _agreed(points[close], normals[close], radius)
    return None if surface is None else _measured(around, free, surface)


def _sheet_points(hu: FloatArray, free: BoolArray) -> tuple[Points, Points]:
    """Points of sheets, mm from the cube's middle, and the unit vectors across."""
    soft = np.minimum(hu, np.float32(VESSEL_HU))
    hessian = np.empty((*hu.shape, 3, 3), np.float32)
    for a, b in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
        order = [(a == axis) + (b == axis) for axis in range(3)]
        second = ndimage.gaussian_filter(soft, SCALE_MM, order, mode="nearest", truncate=3)
        hessian[..., a, b] = hessian[..., b, a] = second * np.float32(SCALE_MM**2)
    least, most = STRENGTH_HU
    bright = np.trace(hessian, axis1=3, axis2=4) < -least * (1 - ALONG)
    index = np.argwhere(free & bright)
    values, vectors = np.linalg.eigh(hessian[tuple(index.T)])
    across = -values[:, 0]
    sheet = (across > least) & (across < most)
    sheet &= np.abs(values[:, 1:]).max(axis=1, initial=0) < ALONG * across
    return index[sheet].astype(float) - MIDDLE, vectors[sheet][:, :, 0].astype(float)


@dataclass(frozen=True)
class _Surface:
    """A bent plane: two unit vectors along, one across, and the height over the first two."""

    axes: Points
    terms: Points

    @staticmethod
    def basis(u: Points, v: Points) -> Points:
        """Terms of the height; bends are in units of 10 mm."""
        return np.stack([np.ones_like(u), u, v, u * u / 10, u * v / 10, v * v / 10], axis=-1)

    def height(self, u: Points, v: Points) -> Points:
        return np.asarray(self.basis(u, v) @ self.terms)

    def above(self, points: Points) -> Points:
        """Distance of points from it, mm, signed, across."""
        local = points @ self.axes.T
        return np.asarray(local[:, 2] - self.height(local[:, 0], local[:, 1]))


def _agreed(points: Points, normals: Points, radius: float) -> _Surface | None:
    """The surface through the plane that most points agree on."""
    offsets = (points * normals).sum(axis=1)
    eligible = np.flatnonzero(np.abs(offsets) <= radius + GAP_MM)
    if len(points) < FEWEST or len(eligible) == 0:
        return None
    tried = eligible[:: -(-len(eligible) // TRIED)]
    near = np.abs(points @ normals[tried].T - offsets[tried]) <= APART_MM
    near &= np.abs(normals @ normals[tried].T) >= ALIKE
    own = near[:, np.argmax(near.sum(axis=0))]
    if own.sum() < FEWEST:
        return None
    middle = points[own].mean(axis=0)
    axes = np.linalg.svd(points[own] - middle, full_matrices=False)[2]
    surface = _Surface(axes, np.array([middle @ axes[2], 0, 0, 0, 0, 0]))
    for bent in (False, False, True, True):
        own = np.abs(surface.above(points)) <= (APART_MM if bent else 1.5 * APART_MM)
        own &= np.abs(normals @ axes[2]) >= ALIKE
        if own.sum() < FEWEST:
            return None
        surface = _fitted(points[own] @ axes.T, axes, bent)
    return surface


def _fitted(local: Points, axes: Points, bent: bool) -> _Surface:
    """Least squares through points; strong bends count against it."""
    basis = _Surface.basis(local[:, 0], local[:, 1])
    used = 6 if bent else 3
    ridge = np.diag([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])[:, :used] * len(local) ** 0.5
    rows = np.vstack([basis[:, :used], ridge])
    terms = np.zeros(6)
    terms[:used] = np.linalg.lstsq(rows, np.append(local[:, 2], np.zeros(6)), rcond=None)[0]
    return _Surface(axes, terms)


def _measured(around: Surroundings, free: BoolArray, surface: _Surface) -> Sheet | None:
    """What is seen along a surface; None where hardly any of it lies in free lung."""
    span = np.arange(-REACH_MM, REACH_MM + 0.1, CELL_MM)
    u, v = np.meshgrid(span, span, indexing="ij")
    across = np.arange(-PROFILE_MM, PROFILE_MM + 0.1, PROFILE_STEP_MM)
    local = np.broadcast_arrays(
        u[..., None], v[..., None], surface.height(u, v)[..., None] + across
    )
    at = np.moveaxis(np.stack(local, axis=-1) @ surface.axes + MIDDLE, -1, 0)
    hu = ndimage.map_coordinates(np.minimum(around.hu, VESSEL_HU), at, order=1, mode="nearest")
    near = np.abs(across) <= PROFILE_MM / 2
    lung = ndimage.map_coordinates(free.astype(np.uint8), at[..., near], order=0)
    told = (lung.min(axis=-1) > 0) & (np.hypot(u, v) <= REACH_MM)
    if told.sum() < FEWEST_CELLS:
        return None
    seen = told & (_ridge(hu, told, across) > RIDGE_HU)
    profile = hu[told].mean(axis=0)
    profile -= (profile[across < -2].mean() + profile[across > 2].mean()) / 2
    height = float(profile[np.abs(across) <= 1].max())
    rim = around.inside & ~ndimage.binary_erosion(around.inside)
    away = surface.above(np.argwhere(rim).astype(float) - MIDDLE)
    return Sheet(
        coverage=float(seen.sum() / told.sum()),
        area_mm2=float(seen.sum()) * CELL_MM**2,
        contrast_hu=height,
        thickness_mm=float((profile > height / 2).sum()) * PROFILE_STEP_MM,
        gap_mm=0.0 if away.min() <= 0 <= away.max() else float(np.abs(away).min()),
        centre_mm=float(abs(surface.above(np.zeros((1, 3)))[0])),
    )


def _ridge(hu: FloatArray, told: BoolArray, across: Points) -> Points:
    """Height of each cell's profile above the brighter of both sides, from 3 x 3 cells."""
    weight = told[..., None].astype(float)
    total = ndimage.uniform_filter(hu * weight, (3, 3, 1), mode="constant")
    mean = total / np.maximum(ndimage.uniform_filter(weight, (3, 3, 1), mode="constant"), 1e-6)
    sides = [mean[..., side].mean(axis=-1) for side in (across < -2, across > 2)]
    return np.asarray(mean[..., np.abs(across) <= 1].max(axis=-1) - np.maximum(*sides))
