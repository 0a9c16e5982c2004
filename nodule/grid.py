"""Parts of a scan on the grids that the networks see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.errors import InvalidValueError
from gransk.core.volume import Volume, interpolated

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

STEP_MM = 1.0
AIR_HU = -1000.0
WINDOW_HU = (-1000.0, 400.0)


@dataclass(frozen=True)
class Box:
    """A box of voxels: ``start`` inside, ``stop`` outside, both (k, j, i)."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    def __post_init__(self) -> None:
        if any(a < 0 or a >= b for a, b in zip(self.start, self.stop, strict=True)):
            raise InvalidValueError("Box", (self.start, self.stop), "start below stop")

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        k, j, i = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return k, j, i


def box_of(mask: BoolArray, margin: tuple[int, int, int]) -> Box:
    """The smallest box round a mask that is not empty, widened by a margin in voxels."""
    ends = []
    for axis in range(3):
        other = tuple(a for a in range(3) if a != axis)
        hit = np.flatnonzero(mask.any(axis=other))
        if len(hit) == 0:
            raise InvalidValueError("mask", "no voxel set", "at least one voxel")
        low = max(0, int(hit[0]) - margin[axis])
        high = min(mask.shape[axis], int(hit[-1]) + 1 + margin[axis])
        ends.append((low, high))
    return Box((ends[0][0], ends[1][0], ends[2][0]), (ends[0][1], ends[1][1], ends[2][1]))


def resampled(hu: FloatArray, at: list[npt.NDArray[np.float64]]) -> FloatArray:
    """Linear interpolation axis by axis at fractional indices, clipped to the window.

    Parameters
    ----------
    hu : ndarray of float32, shape (k, j, i)
        HU.
    at : list of three ndarrays
        Fractional indices along k, j, i; beyond the array the edge repeats.

    Returns
    -------
    ndarray of float32, shape (len(at[0]), len(at[1]), len(at[2]))
    """
    return np.clip(interpolated(hu, at), *WINDOW_HU).astype(np.float32, copy=False)


def smoothed(hu: FloatArray, spacing: tuple[float, float, float]) -> FloatArray:
    """Low-pass along axes that are finer than the 1 mm grid, HU in and out."""
    out = np.clip(hu, *WINDOW_HU)
    for axis, step in enumerate(spacing):
        if step < 0.6 * STEP_MM:
            out = ndimage.gaussian_filter1d(out, 0.4 * STEP_MM / step, axis=axis, truncate=3)
    return out


def averaged(
    hu: FloatArray, at: list[npt.NDArray[np.float64]], steps: tuple[float, ...]
) -> FloatArray:
    """Onto a coarser or finer grid without aliasing: means weighted by triangles, axis by axis.

    Parameters
    ----------
    hu : ndarray of float32, shape (k, j, i)
        HU.
    at : list of three ndarrays
        Fractional indices along k, j, i; beyond the array the edge repeats.
    steps : tuple of three floats
        Voxels from one point to the next: triangles are as wide, but never narrower
        than linear interpolation.

    Returns
    -------
    ndarray of float32, shape (len(at[0]), len(at[1]), len(at[2]))
        Clipped to the window.
    """
    planes, rows, columns = (
        _triangles(points, step, count)
        for points, step, count in zip(at, steps, hu.shape, strict=True)
    )
    out = np.clip(hu, *WINDOW_HU)
    out = (planes @ out.reshape(len(out), -1)).reshape(-1, *hu.shape[1:])
    averages: FloatArray = rows @ (out @ columns.T)
    return averages


def _triangles(points: npt.NDArray[np.float64], step: float, count: int) -> FloatArray:
    """Weights of every voxel along an axis in every point, shape (len(points), count)."""
    away = np.arange(count) - np.clip(points, 0, count - 1)[:, None]
    weight = np.maximum(0, 1 - np.abs(away) / max(1.0, step))
    triangles: FloatArray = (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
    return triangles


def patch(volume: Volume, centre: npt.ArrayLike, size: int, step_mm: float = STEP_MM) -> FloatArray:
    """A cube round a point.

    Parameters
    ----------
    volume : Volume
        The scan.
    centre : array_like of three floats
        Fractional (k, j, i) index of the cube's centre.
    size : int
        Points along an edge.
    step_mm : float
        Distance between points in mm.

    Returns
    -------
    ndarray of float32, shape (size, size, size)
        HU clipped to the window; outside the scan the edge repeats.
    """
    middle = np.asarray(centre, dtype=float)
    reach = (np.arange(size) - (size - 1) / 2) * step_mm
    at = [m + reach / s for m, s in zip(middle, volume.geometry.spacing, strict=True)]
    start = [max(0, min(n - 1, int(a[0]) - 2)) for a, n in zip(at, volume.hu.shape, strict=True)]
    stop = [
        min(n, max(lo + 1, int(np.ceil(a[-1])) + 3))
        for a, n, lo in zip(at, volume.hu.shape, start, strict=True)
    ]
    part = volume.hu[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]]
    if step_mm > STEP_MM:
        sigma = [0.4 * step_mm / s if s < step_mm else 0 for s in volume.geometry.spacing]
        part = ndimage.gaussian_filter(np.clip(part, *WINDOW_HU), sigma, truncate=2)
    else:
        part = smoothed(part, volume.geometry.spacing)
    return resampled(part, [a - lo for a, lo in zip(at, start, strict=True)])


VIEW_SIZE = 32
VIEW_STEPS_MM = (1.0, 2.0)


def views(volume: Volume, centre: npt.ArrayLike) -> FloatArray:
    """What the detector's network sees of a spot: 32 mm near by and 64 mm round it.

    Parameters
    ----------
    volume : Volume
        The scan.
    centre : array_like of three floats
        Fractional (k, j, i) index.

    Returns
    -------
    ndarray of float32, shape (2, 32, 32, 32)
        HU clipped to -1000..400 on grids of 1 mm and 2 mm.
    """
    return np.stack([_view(volume, np.asarray(centre, float), step) for step in VIEW_STEPS_MM])


def _view(volume: Volume, centre: npt.NDArray[np.float64], step_mm: float) -> FloatArray:
    reach = (np.arange(VIEW_SIZE) - (VIEW_SIZE - 1) / 2) * step_mm
    at, box, steps = [], [], []
    for middle, spacing, count in zip(
        centre, volume.geometry.spacing, volume.hu.shape, strict=True
    ):
        points, step = middle + reach / spacing, step_mm / spacing
        margin = max(1.0, step)
        low = int(np.clip(points[0] - margin, 0, count - 1))
        high = int(np.clip(np.ceil(points[-1] + margin) + 1, low + 1, count))
        at.append(points - low)
        box.append(slice(low, high))
        steps.append(step)
    return averaged(volume.hu[box[0], box[1], box[2]], at, (steps[0], steps[1], steps[2]))
