"""Where nodules may be: a network over the whole lungs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.models import Model
from gransk.core.volume import Volume
from nodule import grid

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

MODEL_ID = "nodule-search"

# The network sees seven slices 2 mm apart and answers for the middle one.
STEPS_MM = (2.0, 1.0, 1.0)
SLICES = 7
# It answers at every second point of a slice, and wants slices of a multiple of this.
STRIDE = 2
MULTIPLE = 16
MARGIN_MM = 16.0
BATCH = 8
WEAKEST = 0.05
MOST = 200
# Noisy scans have thousands of weak peaks.
MOST_PEAKS = 2000


@dataclass(frozen=True)
class Spot:
    """A place that may hold a nodule.

    Parameters
    ----------
    index : tuple of float
        (k, j, i) in voxels of the scan.
    radius_mm : float
        Rough.
    strength : float
        Of the network's answer, 0 to 1; ranks spots and is no probability.
    """

    index: tuple[float, float, float]
    radius_mm: float
    strength: float


@dataclass(frozen=True)
class Lattice:
    """The lungs' box on the network's grid.

    Parameters
    ----------
    hu : ndarray of float32, shape (slices, rows, columns)
        HU, clipped to -1000..400; rows and columns are multiples of 16.
    inside : ndarray of bool, shape (slices, rows / 2, columns / 2)
        The lungs at the points that the network answers for.
    start : tuple of float
        Index (k, j, i) of the first point in voxels of the scan.
    per_point : tuple of float
        Voxels of the scan from one point of ``hu`` to the next.
    """

    hu: FloatArray
    inside: BoolArray
    start: tuple[float, float, float]
    per_point: tuple[float, float, float]

    @classmethod
    def of(cls, volume: Volume, lungs: BoolArray) -> Lattice:
        spacing = volume.geometry.spacing
        margin = [round(MARGIN_MM / s) for s in spacing]
        box = grid.box_of(lungs, (0, margin[1], margin[2]))
        per_point = tuple(step / s for step, s in zip(STEPS_MM, spacing, strict=True))
        at = [
            np.arange(a, b - 1 + 1e-6, step)
            for a, b, step in zip(box.start, box.stop, per_point, strict=True)
        ]
        at[1], at[2] = _filled(at[1], per_point[1]), _filled(at[2], per_point[2])
        hu = grid.averaged(volume.hu[box.slices], [a - s for a, s in zip(at, box.start,
                           strict=True)], per_point)  # fmt: skip
        near = [
            np.clip(np.round(a).astype(int), 0, n - 1)
            for a, n in zip((at[0], at[1][::STRIDE], at[2][::STRIDE]), lungs.shape, strict=True)
        ]
        start = (float(at[0][0]), float(at[1][0]), float(at[2][0]))
        return cls(hu, lungs[np.ix_(*near)], start, (per_point[0], per_point[1], per_point[2]))

    def slab(self, first: int, stop: int) -> FloatArray:
        """Every slice of a range with its neighbours, shape (stop - first, 7, rows, columns)."""
        reach = np.arange(SLICES) - SLICES // 2
        at = np.clip(np.arange(first, stop)[:, None] + reach, 0, len(self.hu) - 1)
        slab: FloatArray = self.hu[at]
        return slab

    def index(self, point: npt.ArrayLike) -> tuple[float, float, float]:
        """Voxel of the scan of a point of ``inside``."""
        scaled = np.asarray(point, float) * (1, STRIDE, STRIDE)
        k, j, i = (float(v) for v in self.start + scaled * self.per_point)
        return k, j, i


def _filled(at: npt.NDArray[np.float64], step: float) -> npt.NDArray[np.float64]:
    """More points at the end, up to a multiple of 16."""
    more = -len(at) % MULTIPLE
    return np.concatenate([at, at[-1] + step * np.arange(1, more + 1)])


class Search:
    """Places that may hold nodules.

    Parameters
    ----------
    model : Model
        The model ``nodule-search``: ``slabs`` in, ``nodule`` and ``radius_mm`` out.
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def find(
        self,
        volume: Volume,
        lungs: BoolArray,
        progress: Callable[[float], None] = lambda _: None,
        most: int = MOST,
    ) -> list[Spot]:
        """The strongest spots in the lungs, strongest first.

        Parameters
        ----------
        volume : Volume
            Axial CT in HU.
        lungs : ndarray of bool
            Same shape; not empty.
        progress : callable
            Told the share done, 0 to 1.
        most : int
            Spots that are given.
        """
        lattice = Lattice.of(volume, lungs)
        answer, radius = self._answers(lattice, progress)
        points = _peaks(np.where(ndimage.binary_dilation(lattice.inside), answer, 0))
        strength = answer[tuple(points.T)]
        order = np.argsort(-strength, kind="stable")[:MOST_PEAKS]
        last = np.array(volume.hu.shape) - 1
        spots = [
            Spot(
                _within(lattice.index(_top(answer, point)), last),
                float(radius[tuple(point)]),
                float(answer[tuple(point)]),
            )
            for point in points[order]
        ]
        return _apart(spots, volume.geometry.spacing, most)

    def _answers(
        self, lattice: Lattice, progress: Callable[[float], None]
    ) -> tuple[FloatArray, FloatArray]:
        answer = np.zeros(lattice.inside.shape, np.float32)
        radius = np.ones(lattice.inside.shape, np.float32)
        count = len(lattice.hu)
        for first in range(0, count, BATCH):
            stop = min(first + BATCH, count)
            here = _window(lattice.inside[first:stop])
            if here is not None:
                rows, columns = (slice(s.start * STRIDE, s.stop * STRIDE) for s in here)
                slabs = np.ascontiguousarray(lattice.slab(first, stop)[:, :, rows, columns])
                out = self._model.run({"slabs": slabs})
                answer[first:stop, *here] = out["nodule"]
                radius[first:stop, *here] = out["radius_mm"]
            progress(stop / count)
        return answer, radius


def _window(inside: BoolArray) -> tuple[slice, slice] | None:
    """Rows and columns round the lungs of some slices, of lengths that the network takes."""
    out = []
    for axis in (1, 2):
        used = np.flatnonzero(inside.any(axis=(0, 3 - axis)))
        if len(used) == 0:
            return None
        margin, unit = round(MARGIN_MM / (STRIDE * STEPS_MM[axis])), MULTIPLE // STRIDE
        low = max(0, int(used[0]) - margin) // unit * unit
        high = min(inside.shape[axis], -(-(int(used[-1]) + 1 + margin) // unit) * unit)
        out.append(slice(low, high))
    return out[0], out[1]


def _peaks(answer: FloatArray) -> npt.NDArray[np.int64]:
    """Points of at least the weakest answer that are no lower than their 26 neighbours."""
    highest = ndimage.maximum_filter(answer, 3, mode="constant")
    return np.argwhere((answer >= WEAKEST) & (answer == highest))


def _top(answer: FloatArray, point: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """A peak between points: of the parabola through it and its neighbours, axis by axis."""
    top = point.astype(float)
    for axis, size in enumerate(answer.shape):
        if 0 < point[axis] < size - 1:
            step = np.eye(3, dtype=int)[axis]
            below, here, above = (float(answer[tuple(point + n * step)]) for n in (-1, 0, 1))
            bend = below - 2 * here + above
            if bend < 0:
                top[axis] += min(0.5, max(-0.5, (below - above) / (2 * bend)))
    return top


def _within(
    index: tuple[float, float, float], last: npt.NDArray[np.int64]
) -> tuple[float, float, float]:
    """A place in the scan: the lattice may reach beyond its last rows and columns."""
    k, j, i = (float(v) for v in np.clip(index, 0, last))
    return k, j, i


def _apart(spots: list[Spot], spacing: tuple[float, float, float], most: int) -> list[Spot]:
    """The first spots by falling strength, without those inside a stronger one."""
    places = np.array([s.index for s in spots]).reshape(-1, 3) * spacing
    free = np.ones(len(spots), bool)
    kept: list[Spot] = []
    for number, spot in enumerate(spots):
        if len(kept) == most:
            break
        if free[number]:
            kept.append(spot)
            away = np.linalg.norm(places - places[number], axis=1)
            free &= away >= max(3.0, 0.6 * spot.radius_mm)
    return kept
