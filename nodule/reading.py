"""One nodule from a point in a scan to a finding: outlined, judged, measured, coded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gransk.core.codes import LUNG, NODULE, SUSPICION
from gransk.core.findings import Finding, FrameRef, Mask, Region
from gransk.core.volume import Volume
from nodule.coding import measurements, qualities
from nodule.detector import Candidate
from nodule.kernels import kernel_class
from nodule.measurement import NoduleMeasurement, Texture, measure
from nodule.morphology import Morphology, MorphologyReading
from nodule.place import Answer, LungMap
from nodule.segmenter import Outliner
from nodule.uncertainty import ErrorModel

BoolArray = npt.NDArray[np.bool_]

# They raise the density of edges.
SHARP_KERNELS = ("lung", "bone")


@dataclass(frozen=True)
class Nodule:
    """One nodule as it was outlined, judged and measured."""

    candidate: Candidate
    mask: Mask
    reading: MorphologyReading
    measured: NoduleMeasurement


@dataclass(frozen=True)
class Reader:
    """Outlines, judges and measures what the detector found or a person points at.

    Parameters
    ----------
    segmenter : Outliner
    morphology : Morphology
    sharp : bool
        Whether the kernel sharpens edges.
    """

    segmenter: Outliner
    morphology: Morphology
    sharp: bool

    def read(
        self, volume: Volume, lungs: BoolArray, lung_map: LungMap, candidate: Candidate
    ) -> Nodule:
        """The nodule at a candidate's place."""
        mask = self.segmenter.segment(volume, candidate.index, lungs)
        reading = self.morphology.judge(volume, candidate.index, mask)
        measured = measure(volume, mask, lungs, lung_map, self.sharp)
        return Nodule(candidate, mask, reading, measured)


def holds(mask: Mask, index: Iterable[float]) -> bool:
    """Does a point, (k, j, i), lie in a nodule that is outlined already?"""
    at = np.round(np.array(list(index))).astype(int) - mask.origin
    array = mask.to_array()
    inside = (at >= 0).all() and (at < array.shape).all()
    return bool(inside and array[tuple(at)])


def is_sharp(kernel: object) -> bool:
    """Is a Convolution Kernel (0018,1210), one name or several, one that sharpens edges?"""
    names = [kernel] if isinstance(kernel, str) else list(kernel or ())  # type: ignore[call-overload]
    return any(kernel_class(str(n)) in SHARP_KERNELS for n in names)


def error_model(measured: NoduleMeasurement, spacing: tuple[float, float, float]) -> ErrorModel:
    """How far the sizes of a nodule in a scan of that spacing may lie from the true ones."""
    return ErrorModel(
        spacing,
        subsolid=measured.texture is not Texture.SOLID,
        attached=measured.place.juxtapleural is Answer.YES,
    )


def finding_of(
    nodule: Nodule,
    tracking_uid: str,
    tracking_id: str,
    spacing: tuple[float, float, float],
    frames: tuple[FrameRef, ...],
    origin: str = "detector",
) -> Finding:
    """A nodule as a finding of the scan whose images ``frames`` are."""
    measured, reading = nodule.measured, nodule.reading
    return Finding(
        tracking_uid=tracking_uid,
        tracking_id=tracking_id,
        kind=NODULE,
        site=LUNG,
        probability=min(1.0, max(0.0, nodule.candidate.probability)),
        malignancy=round(reading.malignancy, 5),
        malignancy_concept=SUSPICION,
        centre_lps_mm=rounded(measured.centre_lps_mm),
        measurements=measurements(measured, error_model(measured, spacing), reading),
        qualities=qualities(measured),
        regions=regions(measured, frames),
        mask=nodule.mask,
        origin=origin,
    )


def regions(measured: NoduleMeasurement, frames: tuple[FrameRef, ...]) -> tuple[Region, ...]:
    """Outlines, those of the slice of largest area first, larger before smaller."""
    outer = [o for o in measured.outlines if not o.hole]
    outer.sort(
        key=lambda o: (o.slice_index != measured.slice_index, o.slice_index, -_area(o.points))
    )
    return tuple(
        Region(
            sop_instance_uid=frames[o.slice_index].sop_instance_uid,
            frame=frames[o.slice_index].frame,
            points=o.points,
        )
        for o in outer
    )


def _area(points: tuple[tuple[float, float], ...]) -> float:
    x, y = np.array(points).T
    return float(abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2)


def rounded(point: tuple[float, float, float]) -> tuple[float, float, float]:
    """To hundredths of a millimetre."""
    return round(point[0], 2), round(point[1], 2), round(point[2], 2)
