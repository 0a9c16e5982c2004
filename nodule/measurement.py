"""What is measured of a segmented nodule."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import find_contours

from gransk.core.errors import InvalidValueError
from gransk.core.findings import Mask
from gransk.core.volume import Volume

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]

LUNG_HU = -850.0
LEAST_CONTRAST_HU = 150.0
SOLID_HU = -300.0
RIM_MM = 0.8
EDGE_MM = 1.2
MARGIN = 4
FEWEST_TEXTURE_VOXELS = 20
SOLID_SHARE = 0.75
PART_SHARES = (0.15, 0.6)
GLASS_SHARE = 0.08


class Texture(StrEnum):
    """How dense a nodule is."""

    SOLID = "solid"
    PART_SOLID = "part_solid"
    GROUND_GLASS = "ground_glass"


@dataclass(frozen=True)
class Axis:
    """A straight line in one slice.

    Parameters
    ----------
    length_mm : float
        In mm.
    start, end : tuple of float
        (column, row) as in DICOM images: the top left pixel's centre is (0.5, 0.5).
    """

    length_mm: float
    start: tuple[float, float]
    end: tuple[float, float]


@dataclass(frozen=True)
class Outline:
    """A closed polygon round the nodule in one slice.

    Parameters
    ----------
    slice_index : int
        k of the scan.
    points : tuple of (column, row)
        As in DICOM images: the top left pixel's centre is (0.5, 0.5). The
        first point is not repeated.
    hole : bool
        Whether it bounds a hole of the nodule instead.
    """

    slice_index: int
    points: tuple[tuple[float, float], ...]
    hole: bool


@dataclass(frozen=True)
class NoduleMeasurement:
    """Size, place and density of one nodule.

    Parameters
    ----------
    volume_mm3 : float
        In mm3; voxels of the edge count by their share of nodule.
    long_axis, short_axis : Axis
        In the axial slice where the mask is largest: the longest diameter, and
        the longest line across the mask that is perpendicular to it.
    slice_index : int
        That slice's k.
    mean_diameter_mm : float
        Mean of both axes, mm.
    centre_lps_mm : tuple of float
        Centre of mass of the mask, mm, LPS.
    mean_hu : float
        Mean over the mask, HU.
    texture : Texture or None
        None where the nodule is too small or lies between two kinds.
    outlines : tuple of Outline
        Of every slice of the mask, feet first.
    """

    volume_mm3: float
    long_axis: Axis
    short_axis: Axis
    slice_index: int
    mean_diameter_mm: float
    centre_lps_mm: tuple[float, float, float]
    mean_hu: float
    texture: Texture | None
    outlines: tuple[Outline, ...]


def measure(volume: Volume, mask: Mask) -> NoduleMeasurement:
    """Measure a nodule.

    Parameters
    ----------
    volume : Volume
        Axial CT in HU.
    mask : Mask
        Not empty, in the volume's grid.

    Raises
    ------
    InvalidValueError
        Where the mask is empty or reaches beyond the volume.
    """
    array = mask.to_array()
    origin = np.asarray(mask.origin)
    if not array.any() or (origin + array.shape > np.asarray(volume.hu.shape)).any():
        raise InvalidValueError("mask", mask.shape, "a mask inside the volume, not empty")
    spacing = volume.geometry.spacing
    part, inside = _with_margin(volume, array, origin)
    k = int(np.argmax(array.sum(axis=(1, 2))))
    long_axis, short_axis = axes(array[k], (spacing[1], spacing[2]), (mask.origin[1:]))
    x, y, z = (float(v) for v in volume.geometry.to_lps(origin + np.argwhere(array).mean(axis=0)))
    return NoduleMeasurement(
        volume_mm3=volume_mm3(part, inside, spacing),
        long_axis=long_axis,
        short_axis=short_axis,
        slice_index=int(origin[0]) + k,
        mean_diameter_mm=(long_axis.length_mm + short_axis.length_mm) / 2,
        centre_lps_mm=(x, y, z),
        mean_hu=float(part[inside].mean(dtype=np.float64)),
        texture=texture(part, inside, spacing),
        outlines=outlines(mask),
    )


def _with_margin(
    volume: Volume, array: BoolArray, origin: npt.NDArray[np.int64]
) -> tuple[FloatArray, BoolArray]:
    """HU and mask of the box widened by up to four voxels."""
    low = np.maximum(origin - MARGIN, 0)
    high = np.minimum(origin + array.shape + MARGIN, volume.hu.shape)
    part = volume.hu[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    inside = np.zeros(part.shape, bool)
    at = origin - low
    inside[tuple(slice(a, a + n) for a, n in zip(at, array.shape, strict=True))] = array
    return part, inside


def volume_mm3(hu: FloatArray, inside: BoolArray, spacing: tuple[float, float, float]) -> float:
    """Volume with the edge's voxels counted by density.

    Inner voxels count whole. A voxel of the edge, on either side, counts by
    where its HU lies between lung and nodule; a dense neighbour outside the
    mask is wall or vessel and counts nothing.

    Parameters
    ----------
    hu : ndarray of float32
        HU of the nodule with a margin.
    inside : ndarray of bool
        The nodule, same shape.
    spacing : tuple of float
        mm along k, j, i.
    """
    voxel = float(np.prod(spacing))
    depth = ndimage.distance_transform_edt(inside, sampling=spacing)
    away = ndimage.distance_transform_edt(~inside, sampling=spacing)
    inner = ndimage.binary_erosion(inside) & (depth > EDGE_MM)
    outer = (ndimage.binary_dilation(inside) | (away <= EDGE_MM)) & ~inside
    lung = hu[~inside & (hu < -600)]
    low = float(np.median(lung)) if len(lung) > 20 else LUNG_HU
    core = hu[inner] if inner.sum() >= 8 else np.sort(hu[inside])[-max(1, inside.sum() // 4) :]
    high = float(np.median(core))
    if high - low < LEAST_CONTRAST_HU:
        return float(inside.sum()) * voxel
    share = np.clip((hu - low) / (high - low), 0, 1)
    count = inner.sum() + share[inside & ~inner].sum() + share[outer & (share < 0.5)].sum()
    return float(count) * voxel


def axes(
    plane: BoolArray, spacing: tuple[float, float], origin: tuple[int, int]
) -> tuple[Axis, Axis]:
    """Longest diameter of a region, and the longest line perpendicular to it.

    Parameters
    ----------
    plane : ndarray of bool, shape (rows, columns)
        Not empty.
    spacing : tuple of float
        mm between rows and between columns.
    origin : tuple of int
        Row and column of the plane's first pixel.
    """
    rings = [ring for ring, hole in _rings(plane) if not hole]
    points = np.concatenate(rings) * spacing
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    a, b = np.unravel_index(int(np.argmax(apart)), apart.shape)
    along = (points[b] - points[a]) / apart[a, b]
    across = np.array([-along[1], along[0]])
    start, end = _longest_chord([ring * spacing for ring in rings], along, across)
    long_axis = _axis(points[a], points[b], spacing, origin)
    return long_axis, _axis(start, end, spacing, origin)


def _axis(
    start: Points, end: Points, spacing: tuple[float, float], origin: tuple[int, int]
) -> Axis:
    first, last = (_image_point(p / spacing, origin) for p in (start, end))
    return Axis(float(np.linalg.norm(end - start)), first, last)


def _longest_chord(rings: list[Points], along: Points, across: Points) -> tuple[Points, Points]:
    """Ends of the longest line in direction ``across`` that lies within one ring."""
    best = (0.0, rings[0][0], rings[0][0])
    for ring in rings:
        u, v = ring @ along, ring @ across
        u2, v2 = np.roll(u, -1), np.roll(v, -1)
        for level in np.linspace(u.min(), u.max(), 66)[1:-1]:
            cut = (u <= level) != (u2 <= level)
            hits = np.sort(v[cut] + (level - u[cut]) / (u2[cut] - u[cut]) * (v2[cut] - v[cut]))
            for low, high in zip(hits[::2], hits[1::2], strict=True):
                if high - low > best[0]:
                    ends = (level * along + low * across, level * along + high * across)
                    best = (float(high - low), *ends)
    return best[1], best[2]


def _rings(plane: BoolArray) -> list[tuple[Points, bool]]:
    """Contours of a plane as (row, column) points not repeated, and whether each is a hole."""
    padded = np.pad(plane, 1).astype(float)
    rings = []
    contours: list[Points] = find_contours(padded, 0.5, fully_connected="high")  # type: ignore[no-untyped-call]
    for contour in contours:
        ring = contour[:-1] - 1
        j, i = ring[:, 0], ring[:, 1]
        area = float(np.sum(j * np.roll(i, -1) - np.roll(j, -1) * i))
        rings.append((ring, area < 0))
    outer = max(rings, key=lambda r: len(r[0]))[1]
    return [(ring, hole != outer) for ring, hole in rings]


def _image_point(point: Points, origin: tuple[int, int]) -> tuple[float, float]:
    return float(point[1] + origin[1] + 0.5), float(point[0] + origin[0] + 0.5)


def outlines(mask: Mask) -> tuple[Outline, ...]:
    """Closed polygons along the mask's edge in each of its slices."""
    found = []
    for k, plane in enumerate(mask.to_array()):
        if plane.any():
            for ring, hole in _rings(plane):
                points = tuple(_image_point(p, mask.origin[1:]) for p in ring)
                found.append(Outline(mask.origin[0] + k, points, hole))
    return tuple(found)


def texture(
    hu: FloatArray, inside: BoolArray, spacing: tuple[float, float, float]
) -> Texture | None:
    """Solid, part-solid or ground glass, by the share of solid voxels within the rim.

    Parameters are those of :func:`volume_mm3`. None where fewer than 20 voxels
    lie deeper than the rim, which partial volume blurs, or the share is between kinds.
    """
    depth = ndimage.distance_transform_edt(inside, sampling=spacing)
    core = hu[depth > RIM_MM + min(spacing[1:]) / 2]
    if len(core) < FEWEST_TEXTURE_VOXELS:
        return None
    solid = float((core > SOLID_HU).mean())
    if solid >= SOLID_SHARE:
        return Texture.SOLID
    if solid <= GLASS_SHARE:
        return Texture.GROUND_GLASS
    if PART_SHARES[0] <= solid <= PART_SHARES[1]:
        return Texture.PART_SOLID
    return None
