"""What a nodule is made of, by its Hounsfield units: texture, calcium and fat."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Spacing = tuple[float, float, float]

# Above it a voxel is solid.
SOLID_HU = -300.0
RIM_MM = 0.8
FEWEST_TEXTURE_VOXELS = 20
SOLID_SHARE = 0.75
PART_SHARES = (0.15, 0.6)
GLASS_SHARE = 0.08
LEAST_SOLID_MM3 = 34.0

# The densest malignant nodule of Siegelman 1980 (AJR 135:1) had 147 HU, calcified ones
# 164 HU and more; contrast medium and noise ask for a margin.
CALCIUM_HU = 200.0
# The usual range of fat in hamartomas.
FAT_HU = (-120.0, -40.0)
# Less calcium than a tenth of the nodule is no benign pattern: Khan 2010 (Ann Thorac Med 5:67).
PATTERN_SHARE = 0.10
LEAST_CALCIUM_SHARE = 0.03
DIFFUSE_SHARE = 0.66
FREE_SHARE = 0.1
FULL_SHARE = 0.6
# Borders of middle, shell and edge: 0 at the deepest voxels, 1 at the rim.
MIDDLE, EDGE = 0.45, 0.8
POPCORN_PARTS = 3
THICKEST_SLICE_MM = 3.0
SMALLEST_MM = 5.0
FEWEST_VOXELS = 8
FAT_DEPTH_MM, FAT_RIM_MM = 2.0, 1.0
SMOOTHING_MM = 0.7


class Texture(StrEnum):
    """How dense a nodule is."""

    SOLID = "solid"
    PART_SOLID = "part_solid"
    GROUND_GLASS = "ground_glass"


class Calcification(StrEnum):
    """Where a nodule's calcium lies; the first four patterns are those called benign."""

    DIFFUSE = "diffuse"
    CENTRAL = "central"
    LAMINATED = "laminated"
    POPCORN = "popcorn"
    OTHER = "other"
    NONE = "none"
    NOT_ASSESSED = "not_assessed"


class Fat(StrEnum):
    """Whether a nodule holds fat."""

    PRESENT = "present"
    NONE = "none"
    NOT_ASSESSED = "not_assessed"


@dataclass(frozen=True)
class Density:
    """Hounsfield units of a nodule.

    Parameters
    ----------
    mean_hu : float
        Over the whole mask, its blurred edge included.
    core_hu : float
        Median of the middle, that the edge does not blur; of the densest quarter
        of a nodule that has no such middle.
    texture : Texture or None
        None where the nodule is too small or lies between two kinds.
    calcification : Calcification
    fat : Fat
    """

    mean_hu: float
    core_hu: float
    texture: Texture | None
    calcification: Calcification
    fat: Fat


def density(hu: FloatArray, inside: BoolArray, spacing: Spacing, sharp: bool = False) -> Density:
    """Hounsfield units of a nodule and what they say.

    Parameters
    ----------
    hu : ndarray of float32
        HU of the nodule with a margin.
    inside : ndarray of bool
        The nodule, same shape, not empty.
    spacing : tuple of float
        mm along k, j, i.
    sharp : bool
        Whether the kernel sharpens edges: it raises HU there, so that neither
        calcium nor fat is assessed.
    """
    depth = ndimage.distance_transform_edt(inside, sampling=spacing)
    kind = texture(hu, inside, spacing)
    smooth = _smoothed(hu, inside, spacing)
    size = 2 * (3 * inside.sum() * np.prod(spacing) / (4 * np.pi)) ** (1 / 3)
    assessed = not sharp and spacing[0] <= THICKEST_SLICE_MM
    return Density(
        mean_hu=float(hu[inside].mean(dtype=np.float64)),
        core_hu=_core(hu, inside, depth, spacing),
        texture=kind,
        calcification=(
            _calcification(smooth, depth, spacing, size) if assessed else Calcification.NOT_ASSESSED
        ),
        fat=_fat(smooth, depth, kind) if assessed else Fat.NOT_ASSESSED,
    )


def solid_part(hu: FloatArray, inside: BoolArray, spacing: Spacing) -> BoolArray | None:
    """The solid part of a part-solid nodule: its largest piece above -300 HU.

    Vessels that cross ground glass are as dense: what is thinner than two voxels goes.

    Parameters
    ----------
    hu, inside, spacing
        Those of :func:`density`.

    Returns
    -------
    ndarray of bool or None
        None where nothing is solid.
    """
    solid = (_smoothed(hu, inside, spacing) > SOLID_HU) & inside
    opened = ndimage.binary_opening(solid, ndimage.generate_binary_structure(3, 1))
    labels, count = ndimage.label(opened if opened.any() else solid)
    if count == 0:
        return None
    largest = int(np.argmax(np.bincount(labels.ravel())[1:])) + 1
    part: BoolArray = labels == largest
    return part


def texture(hu: FloatArray, inside: BoolArray, spacing: Spacing) -> Texture | None:
    """Solid, part-solid or ground glass, by the share of solid voxels within the rim.

    Where the share is small, a solid piece as large as a ball of 4 mm makes it
    part-solid all the same. None where fewer than 20 voxels lie deeper than the rim,
    which partial volume blurs, or the share is between kinds.

    Parameters are those of :func:`density`.
    """
    depth = ndimage.distance_transform_edt(inside, sampling=spacing)
    core = hu[depth > RIM_MM + min(spacing[1:]) / 2]
    if len(core) < FEWEST_TEXTURE_VOXELS:
        return None
    solid = float((core > SOLID_HU).mean())
    if solid >= SOLID_SHARE:
        return Texture.SOLID
    if solid <= PART_SHARES[0]:
        part = solid_part(hu, inside, spacing)
        if part is not None and part.sum() * float(np.prod(spacing)) >= LEAST_SOLID_MM3:
            return Texture.PART_SOLID
        return Texture.GROUND_GLASS if solid <= GLASS_SHARE else None
    return Texture.PART_SOLID if solid <= PART_SHARES[1] else None


def _core(
    hu: FloatArray, inside: BoolArray, depth: npt.NDArray[np.float64], spacing: Spacing
) -> float:
    middle = hu[depth > max(RIM_MM + max(spacing) / 2, 0.5 * depth.max())]
    if len(middle) < FEWEST_VOXELS:
        middle = np.sort(hu[inside])[-max(1, int(inside.sum()) // 4) :]
    return float(np.median(middle))


def _smoothed(hu: FloatArray, inside: BoolArray, spacing: Spacing) -> FloatArray:
    """Means of about 1 mm within the nodule alone, so that noise is no calcium."""
    sigma = [SMOOTHING_MM / s for s in spacing]
    weight = ndimage.gaussian_filter(inside.astype(np.float32), sigma, truncate=2)
    total = ndimage.gaussian_filter(np.where(inside, hu, 0).astype(np.float32), sigma, truncate=2)
    smooth: FloatArray = np.where(inside, total / np.maximum(weight, 1e-6), np.float32(-1000))
    return smooth


def _calcification(
    smooth: FloatArray, depth: npt.NDArray[np.float64], spacing: Spacing, size_mm: float
) -> Calcification:
    """Pattern of the calcium, within the rim where the nodule is large enough."""
    within = depth > RIM_MM + min(spacing[1:]) / 2
    if within.sum() < FEWEST_TEXTURE_VOXELS:
        within = depth > 0
    calcium = (smooth > CALCIUM_HU) & within
    share = float(calcium.sum() / within.sum())
    if share < LEAST_CALCIUM_SHARE or calcium.sum() < FEWEST_VOXELS:
        return Calcification.NONE if size_mm >= SMALLEST_MM else Calcification.NOT_ASSESSED
    if share < PATTERN_SHARE:
        return Calcification.OTHER
    # Half way to the densest, so that a scanner's blur makes no calcium wider.
    level = max(CALCIUM_HU, float(np.percentile(smooth[within], 95)) / 2)
    pattern = _pattern((smooth > level) & within, within, depth)
    if share >= DIFFUSE_SHARE and pattern is not Calcification.LAMINATED:
        return Calcification.DIFFUSE
    return pattern


def _pattern(
    calcium: BoolArray, within: BoolArray, depth: npt.NDArray[np.float64]
) -> Calcification:
    out = _outwardness(depth, within)
    middle, edge = calcium[within & (out < MIDDLE)], calcium[within & (out > EDGE)]
    shell = calcium[within & (out >= MIDDLE) & (out <= EDGE)]
    if _share(middle) >= FULL_SHARE and _share(edge) < FREE_SHARE:
        return Calcification.CENTRAL
    if _share(shell) >= FULL_SHARE and _share(middle) < FULL_SHARE:
        return Calcification.LAMINATED
    return Calcification.POPCORN if _pieces(calcium) >= POPCORN_PARTS else Calcification.OTHER


def _outwardness(depth: npt.NDArray[np.float64], within: BoolArray) -> npt.NDArray[np.float64]:
    """0 at the deepest voxels, 1 at the rim."""
    least = float(depth[within].min())
    out: npt.NDArray[np.float64] = 1 - (depth - least) / max(depth.max() - least, 1e-6)
    return out


def _share(voxels: BoolArray) -> float:
    return float(voxels.mean()) if len(voxels) else 0.0


def _pieces(calcium: BoolArray) -> int:
    """How many connected pieces of some voxels each."""
    labels, _ = ndimage.label(calcium, ndimage.generate_binary_structure(3, 2))
    return int((np.bincount(labels.ravel())[1:] >= FEWEST_VOXELS // 2).sum())


def _fat(smooth: FloatArray, depth: npt.NDArray[np.float64], kind: Texture | None) -> Fat:
    """Fat in the depth of a solid nodule.

    A light piece that holds air or reaches the rim is none: there blurred air
    has the HU of fat.
    """
    deep = depth > FAT_DEPTH_MM
    if kind is not Texture.SOLID or deep.sum() < FEWEST_VOXELS:
        return Fat.NOT_ASSESSED
    light = (depth > 0) & (smooth <= FAT_HU[1])
    labels, count = ndimage.label(light, ndimage.generate_binary_structure(3, 3))
    index = np.arange(1, count + 1)
    if count == 0:
        return Fat.NONE
    size = ndimage.sum_labels(light, labels, index)
    lowest, nearest = ndimage.minimum(smooth, labels, index), ndimage.minimum(depth, labels, index)
    fatty = (size >= FEWEST_VOXELS) & (lowest >= FAT_HU[0]) & (nearest > FAT_RIM_MM)
    return Fat.PRESENT if fatty.any() else Fat.NONE
