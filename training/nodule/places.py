"""Where in a scan nodules are put: inside the lung, at its wall, at a vessel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.volume import FloatArray, Volume
from training.nodule.insertion import WALL_HU, Points, Shape, even_directions

BoolArray = npt.NDArray[np.bool_]

PLACES = ("inner", "wall", "vessel", "fissure")
VESSEL_HU = -300.0
TRIES = 400
# Largest share of tissue in the nodule's ball and the millimetre round it.
CROWDED = {"inner": 0.08, "wall": 0.16, "vessel": 0.16, "fissure": 0.08}
APART_MM = 20.0
RAY_MM = 6.0


@dataclass(frozen=True)
class Ground:
    """A scan prepared for finding places.

    Parameters
    ----------
    volume : Volume
    lungs : ndarray of bool
    starts : dict
        By place, voxels (k, j, i) near which it may be found.
    """

    volume: Volume
    lungs: BoolArray
    starts: dict[str, npt.NDArray[np.int64]]

    @classmethod
    def of(cls, volume: Volume, lungs: BoolArray) -> Ground:
        """Look for walls and vessels on every second pixel."""
        coarse, hu = lungs[:, ::2, ::2], volume.hu[:, ::2, ::2]
        deep = ndimage.binary_erosion(coarse, iterations=3)
        rim = ndimage.binary_dilation(coarse, np.ones((1, 3, 3), bool)) & ~coarse
        bright = deep & (hu > VESSEL_HU)
        inner = _indices(deep & (hu < -700))
        return cls(
            volume,
            lungs,
            {
                "inner": inner,
                "fissure": inner,
                "wall": _indices(rim & (hu > VESSEL_HU)),
                "vessel": _indices(bright),
            },
        )

    def find(
        self, place: str, shape: Shape, taken: list[tuple[Points, float]], rng: np.random.Generator
    ) -> Points | None:
        """A centre, fractional (k, j, i), where the shape touches what it should and little else.

        Parameters
        ----------
        place : str
            One of `PLACES`.
        shape : Shape
        taken : list of (centre, radius)
            In mm from voxel (0, 0, 0); no nodule comes near them.
        rng : Generator

        Returns
        -------
        ndarray or None
            None where none of some hundred tries was good.
        """
        spacing = np.asarray(self.volume.geometry.spacing)
        starts = self.starts[place]
        radius = shape.diameter_mm / 2
        for start in starts[rng.integers(len(starts), size=TRIES)] if len(starts) else ():
            centre = start + rng.uniform(-0.5, 0.5, 3)
            if place in ("wall", "vessel"):
                surface = self._surface(centre)
                if surface is None:
                    continue
                point, inward = surface
                centre = point + inward * float(shape.radius_mm(-inward)) / spacing
            apart = all(
                np.linalg.norm(centre * spacing - other) > radius + r + APART_MM
                for other, r in taken
            )
            if apart and self._crowded(centre, radius) <= CROWDED[place]:
                return np.asarray(centre)
        return None

    def _surface(self, start: Points) -> tuple[Points, Points] | None:
        """The point where tissue turns to lung near a point, and the direction into the lung."""
        spacing = np.asarray(self.volume.geometry.spacing)
        reach = np.ceil(8.0 / spacing).astype(int)
        low = np.round(start).astype(int) - reach
        high = low + 2 * reach + 1
        if (low < 0).any() or (high > self.volume.hu.shape).any():
            return None
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        hu = ndimage.gaussian_filter(np.clip(self.volume.hu[box], -1000, 60), 1.5 / spacing)
        uphill = np.array([g[tuple(reach)] for g in np.gradient(hu, *spacing)])
        if np.linalg.norm(uphill) < 20:
            return None
        inward = -uphill / np.linalg.norm(uphill)
        along = np.arange(-2.0, RAY_MM, 0.1)
        ray = start + along[:, None] * inward / spacing
        values = self._hu_at(ray)
        airy = values < WALL_HU
        # The ray must start in tissue and stay in the lung once it left the tissue.
        if airy[0] or not airy.any() or not airy[int(np.argmax(airy)) :].all():
            return None
        return ray[int(np.argmax(airy))], inward

    def _crowded(self, centre: Points, radius: float) -> float:
        """Share of tissue, and of what is no lung, in a ball and the millimetre round it."""
        spacing = np.asarray(self.volume.geometry.spacing)
        shells = np.linspace(0.2, 1, 5) * (radius + 1.0)
        points = (even_directions(120)[None] * shells[:, None, None]).reshape(-1, 3)
        at = np.round(centre + points / spacing).astype(int)
        if (at < 0).any() or (at >= self.volume.hu.shape).any():
            return 1.0
        hu = self.volume.hu[tuple(at.T)]
        # Each shell stands for the volume between its neighbours.
        weight = np.repeat(shells**2, 120)
        tissue = (hu > WALL_HU) | (hu < -990) | ~self.lungs[tuple(at.T)]
        return float(np.average(tissue, weights=weight))

    def _hu_at(self, points: Points) -> FloatArray:
        values: FloatArray = ndimage.map_coordinates(
            self.volume.hu, points.T, order=1, mode="nearest", prefilter=False
        )
        return values


def _indices(mask: BoolArray) -> npt.NDArray[np.int64]:
    """Voxels of the scan from a mask of every second pixel."""
    return np.asarray(np.argwhere(mask) * np.array([1, 2, 2]))
