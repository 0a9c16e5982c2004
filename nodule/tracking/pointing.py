"""A nodule that a person points at, outlined and measured as the detector's are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from gransk.core.application import Place
from gransk.core.ct import DEFAULT_MEMORY_MB, Frame, frames_of, read_volume
from gransk.core.errors import RefusalError
from gransk.core.findings import Finding, Findings, Mask
from gransk.core.keys import uid
from gransk.core.reasons import Reason
from gransk.core.study import Study
from gransk.core.volume import Volume
from nodule.detector import Candidate
from nodule.lungs import segment_lungs
from nodule.morphology import Morphology
from nodule.place import LungMap
from nodule.reading import Reader, finding_of, is_sharp
from nodule.segmenter import LUNG_EDGE_MM, Outliner
from nodule.volumetry import LEAST_CONTRAST_HU, lung_level

BoolArray = npt.NDArray[np.bool_]

ORIGIN = "person"
SMALLEST_MM = 2.0
ROUND_MM = 6.0
# The segmenter marks a single voxel where it finds nothing.
FEWEST_VOXELS = 2


def measured_at(
    study: Study,
    findings: Findings,
    place: Place,
    segmenter: Outliner,
    morphology: Morphology,
    memory_mb: int = DEFAULT_MEMORY_MB,
) -> Finding:
    """The nodule at a place, in the images that were analysed.

    The place may be on an image of another series of the study: the same point of the
    patient is looked at.

    Raises
    ------
    RefusalError
        ``NOTHING_TO_OUTLINE`` where the place lies outside the analysed images or the lungs,
        or nothing there is denser than lung; as `read_volume` otherwise.
    """
    instances = {i.sop_instance_uid: i for i in study.instances}
    wanted = {frame.sop_instance_uid for frame in findings.frames}
    if not wanted <= set(instances):
        raise RefusalError(Reason.NO_SUITABLE_SERIES, "the analysed images are gone")
    if place.sop_instance_uid not in instances:
        raise RefusalError(Reason.NOTHING_TO_OUTLINE, "an image of another study")
    frames_there = frames_of(instances[place.sop_instance_uid])
    if not 1 <= (place.frame or 1) <= len(frames_there):
        raise RefusalError(Reason.NOTHING_TO_OUTLINE, f"frame {place.frame}")
    lps = _lps(frames_there[(place.frame or 1) - 1], place)
    chosen = tuple(instances[name] for name in sorted(wanted))
    volume, frames = read_volume(chosen, memory_mb)
    lungs = segment_lungs(volume)
    index = volume.geometry.to_index(lps)
    if (index < -0.5).any() or (index > np.array(volume.hu.shape) - 0.5).any():
        raise RefusalError(Reason.NOTHING_TO_OUTLINE, "outside the analysed images")
    reader = Reader(segmenter, morphology, is_sharp(chosen[0].header.get("ConvolutionKernel")))
    k, j, i = (float(v) for v in index)
    candidate = Candidate((k, j, i), lps, ROUND_MM / 2, 1.0, None)
    nodule = reader.read(volume, lungs, LungMap(lungs, volume.geometry), candidate)
    if nodule.measured.mean_diameter_mm < SMALLEST_MM or not _in_lung(volume, lungs, nodule.mask):
        raise RefusalError(Reason.NOTHING_TO_OUTLINE, "nothing denser than lung")
    centre = (str(round(v)) for v in nodule.measured.centre_lps_mm)
    return finding_of(
        nodule,
        uid("nodule", ORIGIN, study.uid, *centre),
        f"Nodule {len(findings.findings) + 1}",
        volume.geometry.spacing,
        frames,
        ORIGIN,
    )


def _lps(frame: Frame, place: Place) -> tuple[float, float, float]:
    """The point of the patient, mm, LPS (PS3.3 C.7.6.2.1.1)."""
    row, column = frame.orientation
    rows, columns = frame.pixel_spacing
    point = (
        frame.position + row * (place.column - 0.5) * columns + column * (place.row - 0.5) * rows
    )
    x, y, z = (float(v) for v in point)
    return x, y, z


def _in_lung(volume: Volume, lungs: BoolArray, mask: Mask) -> bool:
    """Does what was outlined lie in the lungs or at their edge, denser than the lung round it?"""
    spacing = np.array(volume.geometry.spacing)
    inside = mask.to_array()
    margin = np.ceil(ROUND_MM / spacing).astype(int)
    low = np.maximum(np.array(mask.origin) - margin, 0)
    high = np.minimum(np.array(mask.origin) + inside.shape + margin, volume.hu.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    whole = np.zeros(tuple(high - low), bool)
    start = np.array(mask.origin) - low
    whole[tuple(slice(a, a + n) for a, n in zip(start, inside.shape, strict=True))] = inside
    if whole.sum() < FEWEST_VOXELS or not lungs[box].any():
        return False
    away = ndimage.distance_transform_edt(~lungs[box], sampling=spacing)
    level = lung_level(volume.hu[box], whole, np.where(whole, 0.0, ROUND_MM))
    contrast = float(np.median(volume.hu[box][whole])) - level
    return bool(np.median(away[whole]) <= LUNG_EDGE_MM and contrast >= LEAST_CONTRAST_HU)
