"""How far a measured size may lie from the true one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gransk.core.errors import InvalidValueError

Z95 = 1.96
# Of one volume's logarithm, from the repeatability of solid nodules between two scans
# of one day: 95 % limits of +-25 % (clinical rules, section 5), shared by two scans.
SCAN_DEVIATION = 0.09
# Of ground glass and of nodules at the pleura or in two minds, on top of it.
SUBSOLID_DEVIATION = 0.09
ATTACHED_DEVIATION = 0.06
# From bench.nodule.measurement: deviation of the volume's logarithm is this much
# times voxel to diameter, of an axial diameter in mm this much of a pixel
# and of a slice, and across slices this much of a slice.
VOXEL_FACTOR = 0.4
PIXEL_FACTOR = 0.2
SLICE_FACTOR = 0.1
ACROSS_FACTOR = 0.15
# As much more of each where the nodule is subsolid or attached.
LOOSE_FACTOR = 2.0


@dataclass(frozen=True)
class ErrorModel:
    """95 % limits of the sizes of one nodule in one scan.

    Two parts are added as independent: what a second scan of the same patient
    changes, in proportion to the size, and what voxels of this scan's size leave open,
    measured on synthetic nodules by ``bench.nodule.measurement``. How readers differ
    in what they call the nodule is in neither.

    Parameters
    ----------
    spacing : tuple of float
        mm along k, j, i.
    subsolid, attached : bool
        Whether the nodule is ground glass, part-solid or of uncertain texture, and
        whether it touches the pleura.

    Raises
    ------
    InvalidValueError
        Where a spacing is not positive.
    """

    spacing: tuple[float, float, float]
    subsolid: bool = False
    attached: bool = False

    def __post_init__(self) -> None:
        if min(self.spacing) <= 0:
            raise InvalidValueError("ErrorModel.spacing", self.spacing, "three lengths in mm")

    def volume(self, mm3: float) -> tuple[float, float]:
        """Limits of a volume, mm3."""
        factor = float(np.exp(Z95 * self.deviation(mm3)))
        return round(mm3 / factor, 1), round(mm3 * factor, 1)

    def deviation(self, mm3: float) -> float:
        """Standard deviation of a volume's logarithm.

        A ball of the volume tells the size against the voxels.
        """
        diameter = 2 * (3 * max(mm3, 1e-3) / (4 * np.pi)) ** (1 / 3)
        voxels = self._loose() * VOXEL_FACTOR * self._voxel() / diameter
        return float(np.hypot(self._share(), voxels))

    def in_plane(self, mm: float) -> tuple[float, float]:
        """Limits of a diameter in an axial plane, mm."""
        return self._length(mm, PIXEL_FACTOR * self.spacing[1] + SLICE_FACTOR * self.spacing[0])

    def in_space(self, mm: float) -> tuple[float, float]:
        """Limits of a diameter that runs across slices, mm."""
        return self._length(mm, PIXEL_FACTOR * self.spacing[1] + ACROSS_FACTOR * self.spacing[0])

    def _share(self) -> float:
        parts = [SCAN_DEVIATION]
        parts += [SUBSOLID_DEVIATION] if self.subsolid else []
        parts += [ATTACHED_DEVIATION] if self.attached else []
        return float(np.sqrt(np.sum(np.square(parts))))

    def _loose(self) -> float:
        return LOOSE_FACTOR if self.subsolid or self.attached else 1.0

    def _voxel(self) -> float:
        """Side of a cube as large as a voxel, mm."""
        return float(np.cbrt(np.prod(self.spacing)))

    def _length(self, mm: float, voxels_mm: float) -> tuple[float, float]:
        wide = Z95 * float(np.hypot(self._share() / 3 * mm, self._loose() * voxels_mm))
        return round(max(0.0, mm - wide), 2), round(mm + wide, 2)
