"""The lungs of a chest CT, with the nodules that touch their walls."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.errors import RefusalError
from gransk.core.reasons import Reason
from gransk.core.volume import Volume
from nodule.grid import box_of

BoolArray = npt.NDArray[np.bool_]

COARSE_MM = 2.5
AIR_HU = -400.0
# Bowel gas and the air outside are near -1000 HU; emphysematous lungs stay above.
GAS_HU = -975.0
CLOSING_MM = 14.0
LARGEST_HOLE_MM2 = 1500.0
SMALLEST_PART_ML = 60.0
SMALLEST_LUNGS_ML = 300.0
SHORTEST_CUT_LUNG_MM = 150.0
CUT_SHARE = 0.25


def segment_lungs(volume: Volume) -> BoolArray:
    """Voxels of both lungs, walls smoothed so that attached nodules lie inside.

    Works on a grid of about 2.5 mm, so that edges are good to about that.
    Large airways inside the chest count as lung.

    Parameters
    ----------
    volume : Volume
        Axial CT in HU.

    Returns
    -------
    ndarray of bool, shape (slices, rows, columns)

    Raises
    ------
    RefusalError
        ``NO_LUNGS`` where less than 300 ml of lung was found,
        ``COVERAGE_INCOMPLETE`` where lungs cut by the first or last slice are
        seen over less than 150 mm.
    """
    steps = [max(1, round(COARSE_MM / s)) for s in volume.geometry.spacing]
    spacing = np.asarray(volume.geometry.spacing) * steps
    lungs = _lung_air(_coarse(volume, steps), spacing)
    if lungs.sum() * float(np.prod(spacing)) < SMALLEST_LUNGS_ML * 1000:
        raise RefusalError(Reason.NO_LUNGS)
    _check_coverage(lungs, spacing)
    # A rim of other tissue joins what lies round the lungs, so that it is no hole.
    box = box_of(lungs, (1, 1, 1)).slices
    lungs[box] = _closed(lungs[box], spacing)
    return _refined(lungs, steps, volume.geometry.shape)


def _coarse(volume: Volume, steps: list[int]) -> npt.NDArray[np.float32]:
    """Every n-th slice, in-plane means of blocks: shape (k, j, i), HU."""
    _, sj, si = steps
    hu = volume.hu[:: steps[0]]
    rows, columns = hu.shape[1] // sj * sj, hu.shape[2] // si * si
    total = np.zeros((len(hu), rows // sj, columns // si), np.float32)
    for j in range(sj):
        for i in range(si):
            total += np.maximum(hu[:, j:rows:sj, i:columns:si], -1024)
    total /= np.float32(sj * si)
    return total


def _lung_air(hu: npt.NDArray[np.float32], spacing: npt.NDArray[np.float64]) -> BoolArray:
    """Air inside the body that is neither bowel gas nor a trifle."""
    air = hu < AIR_HU
    for plane in air:
        labels, _ = ndimage.label(plane)
        rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        plane &= ~np.isin(labels, np.unique(rim[rim > 0]))
    # Thin bridges to the bowel, the oesophagus and folds of skin are cut.
    core = ndimage.binary_erosion(air, border_value=1)
    labels, count = ndimage.label(core)
    if count == 0:
        return air & False
    index = np.arange(1, count + 1)
    ml = ndimage.sum_labels(core, labels, index) * np.prod(spacing) / 1000
    mean = ndimage.mean(hu, labels, index)
    good = index[(ml >= SMALLEST_PART_ML) & (mean > GAS_HU)]
    if len(good) == 0:
        return air & False
    kept = np.isin(labels, good)
    grown: BoolArray = ndimage.binary_dilation(kept, iterations=2) & air
    return grown


def _check_coverage(lungs: BoolArray, spacing: npt.NDArray[np.float64]) -> None:
    area = lungs.sum(axis=(1, 2))
    length = np.count_nonzero(area) * spacing[0]
    cut = max(area[0], area[-1]) > CUT_SHARE * area.max()
    if cut and length < SHORTEST_CUT_LUNG_MM:
        raise RefusalError(Reason.COVERAGE_INCOMPLETE, f"{length:.0f} mm of cut lungs")


def _closed(lungs: BoolArray, spacing: npt.NDArray[np.float64]) -> BoolArray:
    """Morphological closing by a ball, then small holes of each slice filled."""
    pad = np.ceil(CLOSING_MM / spacing).astype(int) + 1
    padded = np.pad(lungs, [(p, p) for p in pad], mode="constant")
    # The ends repeat, else closing would eat into lungs cut by the scan.
    padded[: pad[0]] = padded[pad[0]]
    padded[-pad[0] :] = padded[-pad[0] - 1]
    near = _within(padded, CLOSING_MM, spacing)
    closed = ~_within(~near, CLOSING_MM, spacing)
    closed = closed[tuple(slice(p, -p) for p in pad)] | lungs
    for plane in closed:
        holes, count = ndimage.label(~plane)
        if count:
            size = np.bincount(holes.ravel()) * spacing[1] * spacing[2]
            size[0] = np.inf
            plane |= (size <= LARGEST_HOLE_MM2)[holes]
    return closed


def _within(mask: BoolArray, mm: float, spacing: npt.NDArray[np.float64]) -> BoolArray:
    """Voxels no farther than ``mm`` from the mask."""
    distance = ndimage.distance_transform_edt(~mask, sampling=spacing)
    near: BoolArray = distance <= mm
    return near


def _refined(coarse: BoolArray, steps: list[int], shape: tuple[int, int, int]) -> BoolArray:
    """Nearest neighbour back onto the scan's own grid."""
    offset = [steps[0] // 2, 0, 0]
    at = [
        np.minimum((np.arange(n) + o) // s, c - 1)
        for n, o, s, c in zip(shape, offset, steps, coarse.shape, strict=True)
    ]
    # Planes last: whole ones are copied, which is fast.
    fine: BoolArray = coarse.take(at[2], 2).take(at[1], 1).take(at[0], 0)
    return fine
