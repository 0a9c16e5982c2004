"""Round spots inside the lungs: where the detector's network looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.volume import Volume
from nodule import grid

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

LUNG_HU = -850.0
# Brightness above this is cut off: small and faint nodules then answer as much as vessels do.
TISSUE_HU = -450.0
# Gaussian width in mm, most spots kept. A ball answers most at its radius / sqrt(3).
# Vessels crowd the small widths; a place of their own keeps faint large nodules.
SCALES = ((1.0, 350), (1.5, 350), (2.2, 250), (3.3, 120), (5.0, 70), (7.5, 30))
COARSE_FROM = 3.0
WEAKEST = 20.0
SLAB_MM = 64.0
MARGIN_MM = 24.0


@dataclass(frozen=True)
class Spot:
    """A round spot.

    Parameters
    ----------
    index : tuple of float
        (k, j, i) in voxels of the scan.
    radius_mm : float
        Of the ball that answers most.
    strength : float
        How much brighter and how ball-like, in HU.
    """

    index: tuple[float, float, float]
    radius_mm: float
    strength: float


def find_spots(
    volume: Volume,
    lungs: BoolArray,
    progress: Callable[[float], None] = lambda _: None,
) -> list[Spot]:
    """The strongest round spots of each size in the lungs, strongest first.

    Parameters
    ----------
    volume : Volume
        Axial CT in HU.
    lungs : ndarray of bool
        Same shape; not empty.
    progress : callable
        Told the share done, 0 to 1.
    """
    spacing = volume.geometry.spacing
    whole = grid.box_of(lungs, (1, 1, 1))
    slabs = list(_slabs(whole, spacing))
    found: list[Spot] = []
    for number, (box, low, high) in enumerate(slabs):
        at = grid.coordinates(box, spacing)
        hu = grid.resampled(grid.smoothed(volume.hu[box.slices], spacing), _from(at, box))
        inside = lungs[np.ix_(*[np.round(a).astype(int) for a in at])]
        hu = np.where(inside, np.clip(hu, LUNG_HU, TISSUE_HU), np.float32(LUNG_HU))
        for point, sigma, strength in _maxima(hu, inside):
            index = tuple(
                float(np.interp(p, np.arange(len(a)), a)) for p, a in zip(point, at, strict=True)
            )
            if low <= index[0] < high:
                found.append(Spot((index[0], index[1], index[2]), _radius(sigma), strength))
        progress((number + 1) / len(slabs))
    chosen: list[Spot] = []
    for sigma, quota in SCALES:
        same = [s for s in found if s.radius_mm == _radius(sigma)]
        chosen += sorted(same, key=lambda s: -s.strength)[:quota]
    return _apart(chosen, spacing)


def _radius(sigma: float) -> float:
    return float(sigma * 3**0.5)


def _slabs(
    box: grid.Box, spacing: tuple[float, float, float]
) -> Iterator[tuple[grid.Box, float, float]]:
    """Boxes along k that overlap, each with the range of k that is its own."""
    length = max(1, round(SLAB_MM / spacing[0]))
    margin = max(1, round(MARGIN_MM / spacing[0]))
    for low in range(box.start[0], box.stop[0], length):
        high = min(low + length, box.stop[0])
        start = (max(box.start[0], low - margin), *box.start[1:])
        stop = (min(box.stop[0], high + margin), *box.stop[1:])
        yield grid.Box(start, stop), low, high


def _from(at: list[npt.NDArray[np.float64]], box: grid.Box) -> list[npt.NDArray[np.float64]]:
    return [a - s for a, s in zip(at, box.start, strict=True)]


def _maxima(
    hu: FloatArray, inside: BoolArray
) -> Iterator[tuple[npt.NDArray[np.float64], float, float]]:
    """(point on the 1 mm grid, sigma in mm, strength) of every local maximum."""
    fine = hu - np.float32(LUNG_HU)
    coarse = ndimage.zoom(ndimage.gaussian_filter(fine, 0.8), 0.5, order=1, grid_mode=True,
                          mode="nearest")  # fmt: skip
    coarse_inside = ndimage.binary_dilation(inside)[::2, ::2, ::2]
    coarse_inside = _fit(coarse_inside, coarse.shape)
    for sigma, quota in SCALES:
        step = 1.0 if sigma < COARSE_FROM else 2.0
        image, mask = (fine, inside) if step == 1.0 else (coarse, coarse_inside)
        width = sigma / step if step == 1.0 else (sigma**2 - 0.8**2) ** 0.5 / step
        blurred = ndimage.gaussian_filter(image, width, truncate=3.0)
        answer = -ndimage.laplace(blurred) * np.float32((sigma / step) ** 2)
        points = _peaks(answer, mask)
        strengths = _roundness(blurred, points, (sigma / step) ** 2)
        for number in np.argsort(-strengths, kind="stable")[: 2 * quota]:
            if strengths[number] > WEAKEST:
                yield (points[number] + 0.5) * step - 0.5, sigma, float(strengths[number])


def _peaks(answer: FloatArray, mask: BoolArray) -> npt.NDArray[np.int64]:
    """Points above their 26 neighbours, away from the array's faces."""
    inner = (slice(1, -1),) * 3
    points = np.argwhere((answer[inner] > WEAKEST) & mask[inner]) + 1
    value = answer[tuple(points.T)]
    for offset in np.ndindex(3, 3, 3):
        if offset == (1, 1, 1):
            continue
        keep = value >= answer[tuple((points + offset - 1).T)]
        points, value = points[keep], value[keep]
    return points


def _fit(mask: BoolArray, shape: tuple[int, ...]) -> BoolArray:
    out = np.zeros(shape, bool)
    part = tuple(slice(0, min(a, b)) for a, b in zip(mask.shape, shape, strict=True))
    out[part] = mask[part]
    return out


def _roundness(
    image: FloatArray, points: npt.NDArray[np.int64], scale: float
) -> npt.NDArray[np.float64]:
    """Strength of each point: geometric mean of Hessian's middle and least curvature."""

    def value(offset: npt.NDArray[np.int_]) -> FloatArray:
        part: FloatArray = image[tuple((points + offset).T)]
        return part

    unit = np.eye(3, dtype=int)
    hessian = np.zeros((len(points), 3, 3))
    for a in range(3):
        hessian[:, a, a] = value(unit[a]) + value(-unit[a]) - 2 * value(0 * unit[a])
        for b in range(a):
            plus, minus = unit[a] + unit[b], unit[a] - unit[b]
            cross = value(plus) + value(-plus) - value(minus) - value(-minus)
            hessian[:, a, b] = hessian[:, b, a] = cross / 4
    curves = -np.linalg.eigvalsh(hessian)[:, ::-1] * scale
    least, middle = np.maximum(curves[:, 0], 0), np.maximum(curves[:, 1], 0)
    strengths: npt.NDArray[np.float64] = 3 * np.sqrt(least * middle)
    return strengths


def _apart(spots: list[Spot], spacing: tuple[float, float, float]) -> list[Spot]:
    """Spots by falling strength, without those inside a stronger one."""
    ordered = sorted(spots, key=lambda s: -s.strength)
    places = np.array([s.index for s in ordered]).reshape(-1, 3) * spacing
    free = np.ones(len(ordered), bool)
    kept: list[Spot] = []
    for number, spot in enumerate(ordered):
        if free[number]:
            kept.append(spot)
            away = np.linalg.norm(places - places[number], axis=1)
            free &= away >= max(3.0, 0.6 * spot.radius_mm)
    return kept
