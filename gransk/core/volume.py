"""A CT volume in Hounsfield units with its place in the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gransk.core.errors import InvalidValueError

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Geometry:
    """Where voxel indices lie in the patient.

    Indices are ordered (k, j, i): slice, row, column. Slices run from feet to
    head, rows in the image's column direction (anterior to posterior in an
    ordinary axial CT), columns in the row direction (right to left).

    Parameters
    ----------
    shape : tuple of int
        Slices, rows, columns.
    origin : tuple of float
        Centre of voxel (0, 0, 0) in mm, LPS.
    spacing : tuple of float
        Distance between voxel centres in mm along k, j and i.
    directions : tuple of three tuples of float
        Unit vectors in LPS along k, j and i.

    Raises
    ------
    InvalidValueError
        Where sizes or spacings are not positive or the vectors are not unit
        and mutually perpendicular.
    """

    shape: tuple[int, int, int]
    origin: tuple[float, float, float]
    spacing: tuple[float, float, float]
    directions: tuple[
        tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]
    ] = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise InvalidValueError("Geometry.shape", self.shape, "three positive integers")
        if len(self.spacing) != 3 or not all(0 < s < 1000 for s in self.spacing):
            raise InvalidValueError("Geometry.spacing", self.spacing, "three lengths in mm")
        axes = np.asarray(self.directions, dtype=float)
        if axes.shape != (3, 3) or not np.allclose(axes @ axes.T, np.eye(3), atol=1e-3):
            raise InvalidValueError(
                "Geometry.directions", self.directions, "three perpendicular unit vectors"
            )

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """3 x 3 matrix whose columns are the steps in mm along k, j and i."""
        steps: npt.NDArray[np.float64] = (
            np.asarray(self.directions) * np.asarray(self.spacing)[:, None]
        )
        return steps.T

    def to_lps(self, index: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Patient coordinates (mm, LPS) of (k, j, i) indices, shape (..., 3)."""
        return np.asarray(np.asarray(index, dtype=float) @ self.affine.T + np.asarray(self.origin))

    def to_index(self, lps: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Fractional (k, j, i) indices of patient coordinates (mm, LPS)."""
        delta = np.asarray(lps, dtype=float) - np.asarray(self.origin)
        return np.asarray(delta @ np.linalg.inv(self.affine).T)

    @property
    def voxel_volume_mm3(self) -> float:
        return float(np.prod(self.spacing))


@dataclass(frozen=True)
class Volume:
    """Hounsfield units on a grid.

    Parameters
    ----------
    hu : ndarray of float32, shape (slices, rows, columns)
        Hounsfield units, scanner padding already set to -1024 or below.
    geometry : Geometry
        Of the same shape.
    """

    hu: FloatArray
    geometry: Geometry

    def __post_init__(self) -> None:
        if self.hu.shape != self.geometry.shape:
            raise InvalidValueError(
                "Volume.hu", self.hu.shape, f"an array of shape {self.geometry.shape}"
            )
        if self.hu.dtype != np.float32:
            raise InvalidValueError("Volume.hu", self.hu.dtype, "float32")


def interpolated(values: FloatArray, at: Sequence[npt.NDArray[np.float64]]) -> FloatArray:
    """Linear interpolation axis by axis at fractional indices.

    Parameters
    ----------
    values : ndarray of float32, shape (k, j, i)
    at : sequence of three ndarrays
        Fractional indices along k, j, i; beyond the array the edge repeats.

    Returns
    -------
    ndarray of float32, shape (len(at[0]), len(at[1]), len(at[2]))
    """
    out = values
    for axis in (0, 1, 2):
        low = np.clip(np.floor(at[axis]).astype(int), 0, values.shape[axis] - 1)
        high = np.minimum(low + 1, values.shape[axis] - 1)
        share = np.clip(at[axis] - low, 0, 1).astype(np.float32)
        shape = [1, 1, 1]
        shape[axis] = -1
        share = share.reshape(shape)
        out = np.take(out, low, axis) * (1 - share) + np.take(out, high, axis) * share
    return out
