"""What is measured of a segmented nodule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gransk.core.errors import InvalidValueError
from gransk.core.findings import Mask
from gransk.core.volume import Volume
from nodule.axes import (
    Axis,
    Outline,
    PlaneAxes,
    View,
    axes,
    greatest_plane,
    longest_mm,
    maximum_transverse_mm,
    outlines,
    plane_axes,
)
from nodule.density import Calcification, Density, Fat, Texture, density, solid_part, texture
from nodule.fissure import NO_LUNGS, Perifissural, perifissural
from nodule.place import LungMap, Place, pleural_contact
from nodule.volumetry import shares, volume_mm3

__all__ = [
    "Axis", "Calcification", "Density", "Fat", "NoduleMeasurement", "Outline", "PlaneAxes",
    "SolidPart", "Texture", "View", "axes", "measure", "outlines", "texture", "volume_mm3",
]  # fmt: skip

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
Index = npt.NDArray[np.int64]

MARGIN_MM = 4.0


@dataclass(frozen=True)
class SolidPart:
    """The solid part of a part-solid nodule.

    Parameters
    ----------
    volume_mm3 : float
        In mm3.
    axes : PlaneAxes
        In the axial slice where the solid part is largest.
    """

    volume_mm3: float
    axes: PlaneAxes


@dataclass(frozen=True)
class NoduleMeasurement:
    """Size, place and density of one nodule.

    Parameters
    ----------
    volume_mm3 : float
        In mm3; voxels of the edge count by their share of nodule.
    axial : PlaneAxes
        In the axial slice where the nodule is largest.
    greatest : PlaneAxes
        In the axial, coronal or sagittal plane that shows the greatest dimension.
    maximum_transverse_mm : float
        Longest diameter in any axial slice, mm.
    longest_mm : float
        Longest diameter in space, mm.
    centre_lps_mm : tuple of float
        Centre of mass of the mask, mm, LPS.
    density : Density
        Hounsfield units and what they say.
    solid : SolidPart or None
        Of a part-solid nodule.
    place : Place
        Side, lobe and contact with the pleura; unknown without lungs.
    outlines : tuple of Outline
        Of every slice of the mask, feet first.
    perifissural : Perifissural
        Whether it lies at a fissure, an estimate; not assessed without lungs.
    """

    volume_mm3: float
    axial: PlaneAxes
    greatest: PlaneAxes
    maximum_transverse_mm: float
    longest_mm: float
    centre_lps_mm: tuple[float, float, float]
    density: Density
    solid: SolidPart | None
    place: Place
    outlines: tuple[Outline, ...]
    perifissural: Perifissural = NO_LUNGS

    @property
    def long_axis(self) -> Axis:
        """Long axis in the axial slice where the nodule is largest."""
        return self.axial.long_axis

    @property
    def short_axis(self) -> Axis:
        """Short axis in the same slice."""
        return self.axial.short_axis

    @property
    def slice_index(self) -> int:
        """That slice's k."""
        return self.axial.index

    @property
    def mean_diameter_mm(self) -> float:
        """Mean of long and short axis in that slice, mm."""
        return self.axial.mean_mm

    @property
    def mean_hu(self) -> float:
        """Mean over the mask, HU."""
        return self.density.mean_hu

    @property
    def texture(self) -> Texture | None:
        """None where the nodule is too small or lies between two kinds."""
        return self.density.texture


def measure(
    volume: Volume,
    mask: Mask,
    lungs: BoolArray | None = None,
    lung_map: LungMap | None = None,
    sharp: bool = False,
) -> NoduleMeasurement:
    """Measure a nodule.

    Parameters
    ----------
    volume : Volume
        Axial CT in HU.
    mask : Mask
        Not empty, in the volume's grid.
    lungs : ndarray of bool, optional
        From :func:`nodule.lungs.segment_lungs`; without them neither contact with the
        pleura nor a place at a fissure is told.
    lung_map : LungMap, optional
        Of the same lungs; without it neither side nor lobe is told.
    sharp : bool
        Whether the kernel sharpens edges; then neither calcium nor fat is assessed.

    Raises
    ------
    InvalidValueError
        Where the mask is empty or reaches beyond the volume, or the lungs' shape
        differs.
    """
    array = mask.to_array()
    origin = np.asarray(mask.origin)
    if not array.any() or (origin + array.shape > np.asarray(volume.hu.shape)).any():
        raise InvalidValueError("mask", mask.shape, "a mask inside the volume, not empty")
    if lungs is not None and lungs.shape != volume.hu.shape:
        raise InvalidValueError("lungs", lungs.shape, f"the shape {volume.hu.shape}")
    spacing = volume.geometry.spacing
    box, start = _box(array, origin, volume)
    part, inside = volume.hu[box], np.zeros(tuple(s.stop - s.start for s in box), bool)
    at = tuple(slice(o - s, o - s + n) for o, s, n in zip(origin, start, array.shape, strict=True))
    inside[at] = array
    share = shares(part, inside, spacing)
    axial = plane_axes(share.edge, start, spacing, View.AXIAL)
    found = density(part, inside, spacing, sharp)
    centre = volume.geometry.to_lps(origin + np.argwhere(array).mean(axis=0))
    x, y, z = (float(v) for v in centre)
    contact = None if lungs is None else pleural_contact(part, inside, lungs[box], spacing)
    return NoduleMeasurement(
        volume_mm3=float(share.counted.sum(dtype=np.float64)) * volume.geometry.voxel_volume_mm3,
        axial=axial,
        greatest=greatest_plane(share.edge, start, spacing, axial),
        maximum_transverse_mm=maximum_transverse_mm(share.edge, spacing),
        longest_mm=longest_mm(share.edge, spacing),
        centre_lps_mm=(x, y, z),
        density=found,
        solid=_solid(part, inside, start, volume) if found.texture is Texture.PART_SOLID else None,
        place=_place((x, y, z), lung_map, contact),
        outlines=outlines(mask),
        perifissural=perifissural(volume, mask, lungs, axial.mean_mm, found.texture),
    )


def _place(
    lps_mm: tuple[float, float, float], lung_map: LungMap | None, contact: float | None
) -> Place:
    if lung_map is None:
        return Place(pleural_contact=contact)
    return Place(
        side=lung_map.side(lps_mm),
        lobe=lung_map.lobe(lps_mm),
        upper_lobe=lung_map.upper_lobe(lps_mm),
        pleural_contact=contact,
    )


def _box(
    array: BoolArray, origin: Index, volume: Volume
) -> tuple[tuple[slice, ...], tuple[int, int, int]]:
    """The mask's box widened by 4 mm inside the scan, and its first voxel."""
    margin = np.ceil(MARGIN_MM / np.asarray(volume.geometry.spacing)).astype(int)
    low = np.maximum(origin - margin, 0)
    high = np.minimum(origin + array.shape + margin, volume.hu.shape)
    k, j, i = (int(v) for v in low)
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True)), (k, j, i)


def _solid(
    hu: FloatArray, inside: BoolArray, start: tuple[int, int, int], volume: Volume
) -> SolidPart | None:
    part = solid_part(hu, inside, volume.geometry.spacing)
    if part is None:
        return None
    return SolidPart(
        volume_mm3=float(part.sum()) * volume.geometry.voxel_volume_mm3,
        axes=plane_axes(part, start, volume.geometry.spacing, View.AXIAL),
    )
