"""Streaks of two metal rods along the spine, by simulated projections."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.transform import iradon, radon

from gransk.core.volume import FloatArray, Volume

# Water attenuates 0.019 per mm at 70 keV (NIST XCOM: 0.193 cm2/g).
WATER_PER_MM = 0.0193
METAL_WATERS = 40.0
ROD_MM = 4.0
APART_MM = 36.0
LENGTH_MM = 60.0
BODY_HU = -300.0
# Behind metal the detector sees no less than this: its own noise.
FLOOR = 1e-3
POINTS = 192
ANGLES = np.linspace(0.0, 180.0, 120, endpoint=False)


def metal(scan: Volume) -> Volume:
    """A scan in whose middle 60 mm two rods run along the spine and starve the detector."""
    spacing = scan.geometry.spacing
    middle, half = len(scan.hu) / 2, LENGTH_MM / 2 / spacing[0]
    first, stop = int(max(0, middle - half)), int(min(len(scan.hu), middle + half + 1))
    hu = scan.hu.copy()
    row, column = _spine(scan.hu[int(middle)])
    for k in range(first, stop):
        rods = _rods(scan.hu[k].shape, (row, column), spacing[1:])
        streaks = _streaks(scan.hu[k], rods, spacing[1])
        hu[k] = np.clip(np.where(rods, 3071, hu[k] + streaks), -1024, 3071)
    return replace(scan, hu=hu)


def _spine(plane: FloatArray) -> tuple[float, float]:
    """Three quarters of the way to the back, in the middle of the body."""
    labels, _ = ndimage.label(ndimage.binary_opening(plane > BODY_HU, iterations=3))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    rows, columns = np.nonzero(labels == sizes.argmax())
    return float(rows.min() + 0.75 * np.ptp(rows)), float((columns.min() + columns.max()) / 2)


def _rods(
    shape: tuple[int, ...], middle: tuple[float, float], spacing: tuple[float, float]
) -> npt.NDArray[np.bool_]:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    down = (rows - middle[0]) * spacing[0]
    across = np.abs(columns - middle[1]) * spacing[1] - APART_MM / 2
    rods: npt.NDArray[np.bool_] = down**2 + across**2 <= ROD_MM**2
    return rods


def _streaks(plane: FloatArray, rods: npt.NDArray[np.bool_], spacing_mm: float) -> FloatArray:
    """HU to be added: what filtered back projection makes of what did not pass."""
    scale = [POINTS / n for n in plane.shape]
    waters = np.clip((_zoomed(plane, scale) + 1000) / 1000, 0, None)
    share = _zoomed(rods.astype(np.float32), scale)
    per_point = WATER_PER_MM * spacing_mm / scale[0]
    behind = radon(share, ANGLES, circle=False) * METAL_WATERS  # type: ignore[no-untyped-call]
    before = radon(waters, ANGLES, circle=False)  # type: ignore[no-untyped-call]
    path = (before + behind) * per_point
    lost = np.where(behind > 0, path + np.log(np.exp(-path) + FLOOR), 0)
    lost *= -1000 / per_point
    added = iradon(lost, ANGLES, POINTS, circle=False)  # type: ignore[no-untyped-call]
    streaks = _zoomed(added, [n / POINTS for n in plane.shape])
    return np.where(plane > -1000, streaks, 0).astype(np.float32)


def _zoomed(plane: FloatArray, scale: list[float]) -> FloatArray:
    zoomed: FloatArray = ndimage.zoom(plane, scale, order=1, grid_mode=True, mode="nearest")
    return zoomed
