"""The outline of one nodule by a network, with the classical outline where it gives none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.errors import InvalidValueError
from gransk.core.findings import Mask
from gransk.core.models import Model
from gransk.core.volume import Volume
from nodule.grid import AIR_HU, resampled
from nodule.segmentation import checked_centre, segment

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Axes = list[npt.NDArray[np.float64]]

MODEL_ID = "nodule-segmenter"
SIZE = 32
# Near by for most nodules; far for large ones.
STEPS_MM = (0.8, 1.6)
# Of what is this wide in the far cube, the near one shows too little surroundings.
LARGE_MM = 16.0
# What comes so near to a cube's faces may be cut by them.
MARGIN_MM = 2.0
# The middle may lie so far beside the nodule.
BESIDE_MM = 3.0
# The lungs' edges are good to about this.
LUNG_EDGE_MM = 3.0


@dataclass(frozen=True)
class Outlined:
    """A nodule on a box of the scan's own grid.

    ``width_mm`` is that of its box in the slices; ``cut`` says whether the cube cut it.
    """

    inside: BoolArray
    start: npt.NDArray[np.int64]
    width_mm: float
    cut: bool


class Outliner(Protocol):
    """Whatever outlines a nodule at a point."""

    def segment(
        self,
        volume: Volume,
        centre_index: tuple[float, float, float],
        lungs: BoolArray | None = None,
    ) -> Mask:
        """The nodule at a point, (k, j, i) in voxels."""


class Segmenter:
    """Outlines nodules with the model ``nodule-segmenter``.

    The network sees cubes of 25.6 and 51.2 mm round the point. What is more
    probable than the threshold and hangs together with the middle is the nodule.
    The wide cube decides on nodules that are 16 mm wide or more in it, or that
    the other one does not hold. The classical outline of
    :func:`nodule.segmentation.segment` takes over where the network gives
    nothing, or where even the wide cube cuts the nodule.

    Parameters
    ----------
    model : Model
        ``cubes`` in, ``nodule`` out.
    threshold : float, optional
        Least probability of a voxel; the card's operating point where it is not given.

    Raises
    ------
    ModelError
        Where neither the card nor the caller gives a threshold.
    InvalidValueError
        Where the threshold is not between 0 and 1.
    """

    def __init__(self, model: Model, threshold: float | None = None) -> None:
        if threshold is None:
            threshold = model.threshold
        if not 0 < threshold < 1:
            raise InvalidValueError("threshold", threshold, "a number between 0 and 1")
        self.threshold = threshold
        self._model = model

    def segment(
        self,
        volume: Volume,
        centre_index: tuple[float, float, float],
        lungs: BoolArray | None = None,
    ) -> Mask:
        """The nodule at a point.

        Parameters
        ----------
        volume : Volume
            Axial CT in HU.
        centre_index : tuple of float
            (k, j, i) in voxels, from the detector or from a person.
        lungs : ndarray of bool, optional
            From :func:`nodule.lungs.segment_lungs`; nothing farther than 3 mm
            outside them is nodule.

        Returns
        -------
        Mask
            At least one voxel, at most 64 mm long.

        Raises
        ------
        InvalidValueError
            Where the centre lies outside the scan or the lungs' shape differs.
        """
        centre = checked_centre(volume, centre_index, lungs)
        cubes = np.stack([cube(volume, centre, step)[None] for step in STEPS_MM])
        shares = self._model.run({"cubes": cubes})["nodule"]
        near, far = (
            self._outline(volume, centre, lungs, step, share)
            for step, share in zip(STEPS_MM, shares, strict=True)
        )
        large = far is not None and far.width_mm >= LARGE_MM
        found = far if large or near is None or near.cut else near
        if found is None or found.cut:
            return segment(volume, centre_index, lungs)
        return cropped(found)

    def _outline(
        self,
        volume: Volume,
        centre: npt.NDArray[np.float64],
        lungs: BoolArray | None,
        step: float,
        share: FloatArray,
    ) -> Outlined | None:
        spacing = np.asarray(volume.geometry.spacing)
        box, at = _voxels(volume.hu.shape, centre, spacing, step)
        inside = resampled(share, at) > self.threshold
        if lungs is not None:
            inside &= near_lungs(lungs[box], spacing)
        start = np.array([b.start for b in box])
        part = middle_part(inside, centre - start, spacing)
        if part is None:
            return None
        width = (np.ptp(np.argwhere(part)[:, 1:], axis=0) + 1) * spacing[1:]
        cut = is_cut(part, start, volume.hu.shape, spacing)
        return Outlined(part, start, float(width.max()), cut)


def cube(volume: Volume, centre: npt.ArrayLike, step_mm: float) -> FloatArray:
    """What the network sees of a point.

    Parameters
    ----------
    volume : Volume
        The scan.
    centre : array_like of three floats
        Fractional (k, j, i) index of the cube's centre.
    step_mm : float
        Distance between points in mm.

    Returns
    -------
    ndarray of float32, shape (32, 32, 32)
        HU clipped to -1000..400; air outside the scan.
    """
    spacing = volume.geometry.spacing
    reach = (np.arange(SIZE) - (SIZE - 1) / 2) * step_mm
    at = [m + reach / s for m, s in zip(np.asarray(centre, float), spacing, strict=True)]
    low = [int(np.clip(a[0] - 2, 0, n - 1)) for a, n in zip(at, volume.hu.shape, strict=True)]
    high = [int(np.clip(a[-1] + 3, b + 1, n)) for a, b, n in
            zip(at, low, volume.hu.shape, strict=True)]  # fmt: skip
    part = volume.hu[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    # Detail that the cube's grid could not hold.
    sigma = [0.4 * step_mm / s if s < 0.7 * step_mm else 0.0 for s in spacing]
    if any(sigma):
        part = ndimage.gaussian_filter(np.clip(part, AIR_HU, 400), sigma, truncate=2.5)
    out = resampled(part, [a - b for a, b in zip(at, low, strict=True)])
    for axis, (a, n) in enumerate(zip(at, volume.hu.shape, strict=True)):
        np.moveaxis(out, axis, 0)[(a < -0.5) | (a > n - 0.5)] = AIR_HU
    return out


def _voxels(
    shape: tuple[int, ...],
    centre: npt.NDArray[np.float64],
    spacing: npt.NDArray[np.float64],
    step: float,
) -> tuple[tuple[slice, ...], Axes]:
    """The scan's box inside the cube, and its voxels' places along the cube's axes."""
    reach = (SIZE - 1) / 2 * step / spacing
    low = np.maximum(np.ceil(centre - reach), 0).astype(int)
    high = np.minimum(np.floor(centre + reach) + 1, shape).astype(int)
    at = [
        (np.arange(a, b) - c) * s / step + (SIZE - 1) / 2
        for a, b, c, s in zip(low, high, centre, spacing, strict=True)
    ]
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True)), at


def near_lungs(lungs: BoolArray, spacing: npt.NDArray[np.float64]) -> BoolArray:
    """Voxels in the lungs or at most an edge's error outside."""
    if not lungs.any():
        return np.ones(lungs.shape, bool)
    away = ndimage.distance_transform_edt(~lungs, sampling=spacing)
    near: BoolArray = away <= LUNG_EDGE_MM
    return near


def middle_part(
    inside: BoolArray, centre: npt.NDArray[np.float64], spacing: npt.NDArray[np.float64]
) -> BoolArray | None:
    """The connected part nearest to the centre, holes filled; None where none is near."""
    labels, count = ndimage.label(inside)
    if count == 0:
        return None
    points = np.argwhere(inside)
    away = np.linalg.norm((points - centre) * spacing, axis=1)
    nearest = int(np.argmin(away))
    if away[nearest] > max(BESIDE_MM, float(spacing.max()) / 2):
        return None
    part: BoolArray = ndimage.binary_fill_holes(labels == labels[tuple(points[nearest])])
    return part


def is_cut(
    part: BoolArray,
    start: npt.NDArray[np.int64],
    shape: tuple[int, ...],
    spacing: npt.NDArray[np.float64],
) -> bool:
    """Whether it comes near to a face of its box that is not the scan's own face."""
    used = np.argwhere(part)
    low, high = used.min(axis=0), used.max(axis=0)
    room_below = np.where(start > 0, low * spacing, np.inf)
    room_above = np.where(
        start + part.shape < shape, (np.asarray(part.shape) - 1 - high) * spacing, np.inf
    )
    return bool(min(room_below.min(), room_above.min()) < MARGIN_MM)


def cropped(found: Outlined) -> Mask:
    """The nodule as a mask of its own box."""
    used = np.argwhere(found.inside)
    low, high = used.min(axis=0), used.max(axis=0) + 1
    k, j, i = (int(v) for v in found.start + low)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    return Mask.from_array(found.inside[box], (k, j, i))
