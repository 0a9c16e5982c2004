"""Diameters of a nodule in a plane and in space, and its outlines."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist, squareform
from skimage.measure import find_contours

from gransk.core.findings import Mask

Shares = npt.NDArray[np.float32] | npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]
Spacing = tuple[float, float, float]

CHORDS = 64
# Hulls of fewer points cost more than all their distances.
FEW_POINTS = 24


class View(StrEnum):
    """An orientation of planes, as the scan's own grid has them."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


# The mask's axis that a plane is perpendicular to.
NORMALS = {View.AXIAL: 0, View.CORONAL: 1, View.SAGITTAL: 2}


@dataclass(frozen=True)
class Axis:
    """A straight line in one plane.

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
class PlaneAxes:
    """Long and short axis in one plane.

    Parameters
    ----------
    view : View
        Orientation of the plane.
    index : int
        Slice, row or column of the scan that the plane is.
    long_axis, short_axis : Axis
        The longest diameter, and the longest line across the nodule that is
        perpendicular to it.
    """

    view: View
    index: int
    long_axis: Axis
    short_axis: Axis

    @property
    def mean_mm(self) -> float:
        """Mean of both axes, mm."""
        return (self.long_axis.length_mm + self.short_axis.length_mm) / 2


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


def axes(plane: Shares, spacing: tuple[float, float], origin: tuple[int, int]) -> tuple[Axis, Axis]:
    """Longest diameter of a region, and the longest line perpendicular to it.

    Parameters
    ----------
    plane : ndarray of float32 or bool, shape (rows, columns)
        Share of nodule in each pixel; its edge runs where it is 0.5. Somewhere above it.
    spacing : tuple of float
        mm between rows and between columns.
    origin : tuple of int
        Row and column of the plane's first pixel.
    """
    rings = [ring * spacing for ring, hole in _rings(plane) if not hole]
    first, last = _farthest(np.concatenate(rings))
    along = (last - first) / np.linalg.norm(last - first)
    start, end = _longest_chord(rings, along, np.array([-along[1], along[0]]))
    return _axis(first, last, spacing, origin), _axis(start, end, spacing, origin)


def plane_axes(
    shares: Shares, origin: tuple[int, int, int], spacing: Spacing, view: View
) -> PlaneAxes:
    """Axes in the plane of one orientation in which the nodule has its largest area.

    Parameters
    ----------
    shares : ndarray of float32 or bool, shape (slices, rows, columns)
        Share of nodule in each voxel; its edge runs where it is 0.5. Somewhere above it.
    origin : tuple of int
        Its first voxel in the scan, (k, j, i).
    spacing : tuple of float
        mm along k, j, i.
    view : View
        Orientation.
    """
    normal = NORMALS[view]
    in_plane = [axis for axis in range(3) if axis != normal]
    at = int(np.argmax(shares.sum(axis=tuple(in_plane), dtype=np.float64)))
    rows, columns = in_plane
    found = axes(
        np.take(shares, at, axis=normal),
        (spacing[rows], spacing[columns]),
        (origin[rows], origin[columns]),
    )
    return PlaneAxes(view, origin[normal] + at, *found)


def greatest_plane(
    shares: Shares, origin: tuple[int, int, int], spacing: Spacing, axial: PlaneAxes
) -> PlaneAxes:
    """Axes in the orientation that shows the nodule's greatest dimensions.

    Fleischner 2017 (MacMahon, Radiology 284:228) measures on the axial, coronal
    or sagittal image, whichever shows the greatest dimensions. Here it is the one
    with the greatest mean of both axes, each taken in its plane of largest area.
    Another plane than the axial is taken only where its mean is greater by more
    than half the distance between slices: by less, it is the slices' own coarseness.

    Parameters
    ----------
    shares, origin, spacing
        Those of :func:`plane_axes`.
    axial : PlaneAxes
        Those of the axial plane of largest area.
    """
    others = [plane_axes(shares, origin, spacing, v) for v in (View.CORONAL, View.SAGITTAL)]
    best = max(others, key=lambda p: p.mean_mm)
    return best if best.mean_mm - axial.mean_mm > spacing[0] / 2 else axial


def maximum_transverse_mm(shares: Shares, spacing: Spacing) -> float:
    """Longest diameter in any axial slice, mm (Brock's size).

    Parameters
    ----------
    shares, spacing
        Those of :func:`plane_axes`.
    """
    points = np.concatenate([_crossings(shares, axis) for axis in (1, 2)])
    slices = points[:, 0]
    points = points[:, 1:] * spacing[1:]
    return max(_width(points[slices == k]) for k in np.unique(slices))


def longest_mm(shares: Shares, spacing: Spacing) -> float:
    """Longest diameter in space, mm, between points of the nodule's surface.

    Parameters
    ----------
    shares, spacing
        Those of :func:`plane_axes`.
    """
    points = np.concatenate([_crossings(shares, axis) for axis in range(3)]) * spacing
    along = _DIRECTIONS @ points.T
    outermost = np.unique(np.concatenate([along.argmax(axis=1), along.argmin(axis=1)]))
    return float(pdist(points[outermost]).max())


def _half_sphere(count: int) -> Points:
    """Directions evenly apart, on a spiral from pole to equator."""
    height = (np.arange(count) + 0.5) / count
    turn = np.arange(count) * np.pi * (3 - np.sqrt(5))
    across = np.sqrt(1 - height**2)
    return np.stack([height, across * np.cos(turn), across * np.sin(turn)], axis=1)


# About 7 degrees apart, which shortens a diameter by less than 0.2 %.
_DIRECTIONS = _half_sphere(400)


def _crossings(shares: Shares, axis: int) -> Points:
    """Points between neighbours along an axis where the share passes 0.5, in voxels."""
    padded = np.pad(shares, 1).astype(float)
    count = padded.shape[axis]
    low, high = np.take(padded, range(count - 1), axis), np.take(padded, range(1, count), axis)
    at = np.nonzero((low > 0.5) != (high > 0.5))
    points = np.stack(at, axis=1).astype(float)
    points[:, axis] += (0.5 - low[at]) / (high[at] - low[at])
    return points


def _width(points: Points) -> float:
    first, last = _farthest(points)
    return float(np.linalg.norm(last - first))


def outlines(mask: Mask) -> tuple[Outline, ...]:
    """Closed polygons along the mask's edge in each of its slices, feet first."""
    found = []
    for k, plane in enumerate(mask.to_array()):
        if plane.any():
            for ring, hole in _rings(plane):
                points = tuple(_image_point(p, mask.origin[1:]) for p in ring)
                found.append(Outline(mask.origin[0] + k, points, hole))
    return tuple(found)


def _farthest(points: Points) -> tuple[Points, Points]:
    """The two points that are farthest apart; they are corners of the convex hull."""
    corners = points
    if len(points) > FEW_POINTS:
        try:
            corners = points[np.sort(ConvexHull(points).vertices)]
        except QhullError:
            corners = points
    apart = squareform(pdist(corners))
    a, b = np.unravel_index(int(np.argmax(apart)), apart.shape)
    return corners[a], corners[b]


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
        for level in np.linspace(u.min(), u.max(), CHORDS + 2)[1:-1]:
            cut = (u <= level) != (u2 <= level)
            hits = np.sort(v[cut] + (level - u[cut]) / (u2[cut] - u[cut]) * (v2[cut] - v[cut]))
            for low, high in zip(hits[::2], hits[1::2], strict=True):
                if high - low > best[0]:
                    ends = (level * along + low * across, level * along + high * across)
                    best = (float(high - low), *ends)
    return best[1], best[2]


def _rings(plane: Shares) -> list[tuple[Points, bool]]:
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
