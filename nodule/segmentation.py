"""The outline of one nodule in three dimensions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.errors import InvalidValueError
from gransk.core.findings import Mask
from gransk.core.volume import Volume

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

REACH_MM = 32.0
SEED_MM = 2.5
LUNG_HU = -850.0
SOLID_HU = 50.0
LOWEST_THRESHOLD_HU, HIGHEST_THRESHOLD_HU = -720.0, -350.0
# Share of the largest inscribed ball's radius that is opened: thinner parts are vessels.
OPENING = 0.55
# No voxel is farther from the ball's centre than this many radii (and 2 mm).
LONGEST = 1.8
LARGEST_BALL_MM = 24.0
# The ball's centre is no farther from the seed than this share of its radius.
CLIMB = 0.6


@dataclass(frozen=True)
class _Window:
    """The surroundings of a point on an even grid."""

    hu: FloatArray
    allowed: BoolArray
    start: npt.NDArray[np.int64]
    part: FloatArray
    step: float


def segment(
    volume: Volume, centre_index: tuple[float, float, float], lungs: BoolArray | None = None
) -> Mask:
    """The nodule at a point.

    A region denser than half way from lung to the nodule's core, inside the
    closed lungs where they are given, without what is much thinner than the
    nodule itself. Attached vessels and the wall are cut by opening.

    Parameters
    ----------
    volume : Volume
        Axial CT in HU.
    centre_index : tuple of float
        (k, j, i) in voxels, from the detector or from a person; a few
        millimetres beside the middle are enough.
    lungs : ndarray of bool, optional
        From :func:`nodule.lungs.segment_lungs`; without it an attached wall is
        cut by shape alone.

    Returns
    -------
    Mask
        At least one voxel; at most 64 mm long.

    Raises
    ------
    InvalidValueError
        Where the centre lies outside the scan or the lungs' shape differs.
    """
    centre = checked_centre(volume, centre_index, lungs)
    window = _window(volume, centre, lungs)
    spacing = np.asarray(volume.geometry.spacing)
    fine = _region(window, (centre - window.start) * spacing)
    return _packed(fine, window, volume, centre)


def checked_centre(
    volume: Volume, centre_index: tuple[float, float, float], lungs: BoolArray | None
) -> npt.NDArray[np.float64]:
    """The point as an array, once it lies in the scan and the lungs fit the scan.

    Raises
    ------
    InvalidValueError
        Where one of them does not.
    """
    centre = np.asarray(centre_index, dtype=float)
    inside = (centre >= -0.5) & (centre <= np.asarray(volume.hu.shape) - 0.5)
    if centre.shape != (3,) or not inside.all():
        raise InvalidValueError("centre_index", centre_index, "a point of the scan")
    if lungs is not None and lungs.shape != volume.hu.shape:
        raise InvalidValueError("lungs", lungs.shape, f"the shape {volume.hu.shape}")
    return centre


def _window(volume: Volume, centre: npt.NDArray[np.float64], lungs: BoolArray | None) -> _Window:
    spacing = np.asarray(volume.geometry.spacing)
    reach = np.ceil(REACH_MM / spacing).astype(int)
    middle = np.clip(np.round(centre).astype(int), 0, np.asarray(volume.hu.shape) - 1)
    start = np.maximum(middle - reach, 0)
    box = tuple(slice(a, b) for a, b in zip(start, middle + reach + 1, strict=True))
    part = np.maximum(volume.hu[box], -1024)
    step = float(np.clip(spacing[1:].min(), 0.6, 1.0))
    points = _points(part.shape, spacing / step)
    hu = ndimage.map_coordinates(part, points, order=1, mode="nearest")
    if lungs is None:
        allowed = np.ones(hu.shape, bool)
    else:
        soft = lungs[box].astype(np.float32)
        allowed = ndimage.map_coordinates(soft, points, order=1, mode="nearest") > 0.5
    return _Window(hu.astype(np.float32), allowed, start, part, step)


def _points(shape: tuple[int, ...], scale: npt.NDArray[np.float64]) -> FloatArray:
    """Even grid over an array: fractional indices, shape (3, k, j, i)."""
    counts = [int(np.floor((n - 1) * s + 1e-6)) + 1 for n, s in zip(shape, scale, strict=True)]
    axes = [np.arange(c) / s for c, s in zip(counts, scale, strict=True)]
    points: FloatArray = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    return points


def _region(window: _Window, centre_mm: npt.NDArray[np.float64]) -> BoolArray:
    """The nodule on the window's even grid; may be empty."""
    step = window.step
    hu = ndimage.gaussian_filter(window.hu, 0.5 / step)
    away = _distance(hu.shape, centre_mm / step) * step
    near = (away <= SEED_MM) & window.allowed
    if not near.any():
        near = away <= SEED_MM
    seed = _brightest(hu, near, away)
    core = hu[_distance(hu.shape, seed) * step <= 1.5]
    region = (hu > threshold_hu(hu, window.allowed, float(np.median(core)))) & window.allowed
    labels, _ = ndimage.label(region)
    label = labels[tuple(seed)]
    if label == 0:
        return np.zeros(hu.shape, bool)
    return _without_thin(labels == label, seed, step)


def threshold_hu(hu: FloatArray, allowed: BoolArray, core_hu: float) -> float:
    """Half way between the surrounding lung and the core, within sensible bounds, HU."""
    lung = hu[allowed & (hu < -600)]
    level = float(np.median(lung)) if len(lung) > 50 else LUNG_HU
    half = (level + min(core_hu, SOLID_HU)) / 2
    return float(np.clip(half, LOWEST_THRESHOLD_HU, HIGHEST_THRESHOLD_HU))


def _distance(shape: tuple[int, ...], point: npt.ArrayLike) -> FloatArray:
    """Distance of every grid point from a point, in grid steps."""
    axes = [np.arange(n) - p for n, p in zip(shape, np.asarray(point), strict=True)]
    k, j, i = np.meshgrid(*axes, indexing="ij", sparse=True)
    distance: FloatArray = np.sqrt(k**2 + j**2 + i**2).astype(np.float32)
    return distance


def _brightest(hu: FloatArray, near: BoolArray, away_mm: FloatArray) -> npt.NDArray[np.int64]:
    """The densest point near by; density counts up to soft tissue, then nearness."""
    worth = np.where(near, np.minimum(hu, SOLID_HU) - 40 * away_mm, -np.inf)
    return np.array(np.unravel_index(int(np.argmax(worth)), hu.shape))


def _without_thin(region: BoolArray, seed: npt.NDArray[np.int64], step: float) -> BoolArray:
    """Cut what hangs on the nodule by less than about half of its thickness."""
    depth = ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1, 1:-1] * step
    top = _climb(depth, seed, step)
    radius = min(float(depth[tuple(top)]), LARGEST_BALL_MM)
    bound = _distance(region.shape, top) * step <= LONGEST * radius + 2
    width = OPENING * radius
    labels, _ = ndimage.label(depth > width)
    kernel = labels == labels[tuple(top)] if labels[tuple(top)] else depth == depth[tuple(top)]
    back = ndimage.distance_transform_edt(~(kernel & bound)) * step
    kept: BoolArray = region & bound & (back <= width + 0.6 * step)
    return kept


def _climb(depth: FloatArray, seed: npt.NDArray[np.int64], step: float) -> npt.NDArray[np.int64]:
    """Uphill from the seed: centre of an inscribed ball that holds the seed."""
    here = seed
    for _ in range(64):
        low = np.maximum(here - 2, 0)
        part = depth[tuple(slice(a, b) for a, b in zip(low, here + 3, strict=True))]
        there = low + np.array(np.unravel_index(int(np.argmax(part)), part.shape))
        away = float(np.linalg.norm(there - seed)) * step
        if depth[tuple(there)] <= depth[tuple(here)] or away > depth[tuple(there)] * CLIMB:
            return here
        here = there
    return here


def _packed(
    fine: BoolArray, window: _Window, volume: Volume, centre: npt.NDArray[np.float64]
) -> Mask:
    """The region on the scan's own grid, cropped; one voxel where it was empty."""
    spacing = np.asarray(volume.geometry.spacing)
    axes = [np.arange(n) * s / window.step for n, s in zip(window.part.shape, spacing, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"))
    soft = ndimage.map_coordinates(fine.astype(np.float32), points, order=1, mode="nearest")
    mask = soft > 0.5
    if not mask.any():
        at = np.round(centre).astype(int) - window.start
        mask[tuple(np.clip(at, 0, np.asarray(mask.shape) - 1))] = True
    used = np.argwhere(mask)
    low, high = used.min(axis=0), used.max(axis=0) + 1
    k, j, i = (int(v) for v in window.start + low)
    return Mask.from_array(
        mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))], (k, j, i)
    )
