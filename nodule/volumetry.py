"""The volume of a nodule, its edge's voxels counted by how much nodule is in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Spacing = tuple[float, float, float]

LUNG_HU = -850.0
LUNG_BELOW_HU = -600.0
LEAST_CONTRAST_HU = 150.0
EDGE_MM = 1.2
RIM_MM = 1.0
FEWEST_INNER = 8
FEWEST_LUNG = 20
LEAST_INSIDE = 0.501


@dataclass(frozen=True)
class Shares:
    """How much of each voxel is nodule.

    Parameters
    ----------
    counted : ndarray of float32
        0 to 1; their sum is the volume in voxels.
    edge : ndarray of float32
        The same held above 0.5 in the mask, so that 0.5 is the mask's edge, moved
        by about a voxel to where the density says.
    """

    counted: FloatArray
    edge: FloatArray


def shares(hu: FloatArray, inside: BoolArray, spacing: Spacing) -> Shares:
    """Share of nodule in every voxel.

    Inner voxels count whole. A voxel of the edge, on either side, counts by
    where its HU lies between the lung and the nodule just within the edge. A
    dense neighbour that goes on beyond the edge is wall or vessel and counts nothing.

    Parameters
    ----------
    hu : ndarray of float32
        HU of the nodule with a margin.
    inside : ndarray of bool
        The nodule, same shape.
    spacing : tuple of float
        mm along k, j, i.
    """
    depth = ndimage.distance_transform_edt(inside, sampling=spacing)
    away = ndimage.distance_transform_edt(~inside, sampling=spacing)
    low = lung_level(hu, inside, away)
    high = _rim_level(hu, inside, depth)
    if high - low < LEAST_CONTRAST_HU:
        return Shares(inside.astype(np.float32), inside.astype(np.float32))
    share = np.clip((hu - low) / (high - low), 0, 1).astype(np.float32)
    share[ndimage.binary_erosion(inside) & (depth > EDGE_MM)] = 1
    share[~inside & ~_edge(share, inside, away)] = 0
    edge = np.where(inside, np.maximum(share, LEAST_INSIDE), share)
    return Shares(share, edge.astype(np.float32))


def _edge(share: FloatArray, inside: BoolArray, away: npt.NDArray[np.float64]) -> BoolArray:
    """Voxels outside the mask whose density is the nodule's.

    Dense ones only where they touch the mask and no wall or vessel goes on from them: a
    mask that was drawn tight leaves them out.
    """
    touching = ndimage.binary_dilation(inside) & ~inside
    near = touching | ((away <= EDGE_MM) & ~inside)
    dense = (share >= 0.5) & ~inside
    other = ndimage.binary_propagation(dense & ~near, mask=dense)
    edge: BoolArray = (near & ~dense) | (touching & dense & ~other)
    return edge


def volume_mm3(hu: FloatArray, inside: BoolArray, spacing: Spacing) -> float:
    """Volume in mm3, the sum of :func:`shares`, whose parameters it takes."""
    return float(shares(hu, inside, spacing).counted.sum(dtype=np.float64) * np.prod(spacing))


def lung_level(hu: FloatArray, inside: BoolArray, away: npt.NDArray[np.float64]) -> float:
    """Median of the lung round a nodule, HU.

    Parameters
    ----------
    hu, inside : ndarray
        Those of :func:`shares`.
    away : ndarray of float
        Distance from the nodule, mm; its blurred edge does not count as lung.
    """
    lung = hu[~inside & (away > EDGE_MM) & (hu < LUNG_BELOW_HU)]
    return float(np.median(lung)) if len(lung) >= FEWEST_LUNG else LUNG_HU


def _rim_level(hu: FloatArray, inside: BoolArray, depth: npt.NDArray[np.float64]) -> float:
    """Density of the nodule just within its blurred edge, HU.

    Not that of the middle: a solid core says nothing of the ground glass round
    it. Where the blur leaves no such shell it is that of the densest eighth.
    """
    shell = hu[(depth > EDGE_MM) & (depth <= EDGE_MM + RIM_MM)]
    if len(shell) < FEWEST_INNER:
        shell = np.sort(hu[inside])[-max(1, int(inside.sum()) // 8) :]
    return float(np.median(shell))
