"""Findings as a segmentation: one binary segment a finding (PS3.3 A.51)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from highdicom import AlgorithmIdentificationSequence
from highdicom.color import CIELabColor
from highdicom.seg import Segmentation, SegmentDescription
from pydicom import Dataset
from pydicom.sr.codedict import codes

from gransk.core import codes as terms
from gransk.core.findings import Finding, FrameRef
from gransk.core.identity import MANUFACTURER
from gransk.core.keys import uid
from gransk.core.object_kinds import ObjectKind
from gransk.results.dicom.common import MadeObject, Report, bare_source, seal
from gransk.results.dicom.items import concept
from gransk.results.dicom.planes import Plane

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
COLOURS = (
    (255, 196, 0), (0, 200, 255), (255, 90, 120), (120, 230, 90), (200, 140, 255), (255, 140, 60),
)  # fmt: skip


def make_seg(report: Report) -> MadeObject | None:
    """The segmentation; None where no finding has a mask, or images have no place."""
    masked = [f for f in report.findings.standing if f.mask is not None and f.mask.to_array().any()]
    used = _used_frames(masked)
    planes = [report.plane(report.findings.frames[k]) for k in used]
    if not masked or None in planes:
        return None
    sources = [
        _source(report, report.findings.frames[k], plane, n)
        for n, (k, plane) in enumerate(zip(used, planes, strict=True))
        if plane is not None
    ]
    series_uid, sop_uid = report.uid("SEG", "series"), report.uid("SEG", "1")
    dataset = Segmentation(
        source_images=sources,
        pixel_array=_pixels(masked, used, sources[0].Rows, sources[0].Columns),
        segmentation_type="BINARY",
        segment_descriptions=[_segment(report, n, f) for n, f in enumerate(masked, start=1)],
        series_instance_uid=series_uid,
        series_number=report.series_number(2),
        sop_instance_uid=sop_uid,
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=report.version,
        device_serial_number=report.version,
        content_label=report.content_label,
        content_description=report.say("research"),
        series_description=f"{report.title}: {report.say('segmentation')}"[:64],
    )
    _refer_to_real_images(dataset, [report.findings.frames[k] for k in used], sources)
    _fix_dimension_uid(dataset, report)
    return seal(dataset, report, ObjectKind.SEG, (series_uid, sop_uid))


def _used_frames(findings: list[Finding]) -> list[int]:
    """Indices of the frames in which any mask has a voxel."""
    used: set[int] = set()
    for finding in findings:
        if finding.mask is not None:
            filled = np.flatnonzero(finding.mask.to_array().any(axis=(1, 2)))
            used.update(int(k) + finding.mask.origin[0] for k in filled)
    return sorted(used)


def _pixels(
    findings: list[Finding], used: list[int], rows: int, columns: int
) -> npt.NDArray[np.uint8]:
    """Segment numbers, or where segments overlap one plane a segment."""
    labels = np.zeros((len(used), rows, columns), np.uint8 if len(findings) < 256 else np.uint16)
    boxes = [_box(finding, used) for finding in findings]
    overlap = False
    for number, (where, box) in enumerate(boxes, start=1):
        view = labels[where]
        overlap = overlap or bool((view[box] != 0).any())
        view[box] = number
        labels[where] = view
    if not overlap:
        return labels
    stacked = np.zeros((*labels.shape, len(findings)), np.uint8)
    for number, (where, box) in enumerate(boxes):
        stacked[(*where, number)] = box
    return stacked


def _box(finding: Finding, used: list[int]) -> tuple[Any, npt.NDArray[np.bool_]]:
    """Index of a mask's box in the used frames, and its voxels."""
    if finding.mask is None:
        raise ValueError("a finding without a mask has no box")
    array = finding.mask.to_array()
    k, j, i = finding.mask.origin
    filled = np.flatnonzero(array.any(axis=(1, 2)))
    first = used.index(k + int(filled[0]))
    where = (
        slice(first, first + int(filled[-1] - filled[0]) + 1),
        slice(j, j + array.shape[1]),
        slice(i, i + array.shape[2]),
    )
    return where, array[filled[0] : filled[-1] + 1]


def _source(report: Report, frame: FrameRef, plane: Plane, number: int) -> Dataset:
    """A frame as if it were a CT image of its own, for highdicom to read places from."""
    source = bare_source(report)
    source.SOPClassUID = CT_IMAGE
    source.SOPInstanceUID = report.uid("frame", str(number))
    source.SeriesInstanceUID = frame.series_instance_uid
    source.FrameOfReferenceUID = _frame_of_reference(report)
    source.Rows, source.Columns = plane.rows, plane.columns
    source.ImagePositionPatient = list(plane.position)
    source.ImageOrientationPatient = list(plane.orientation)
    source.PixelSpacing = list(plane.spacing)
    source.SliceThickness = plane.thickness or None
    for keyword in (
        "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
    ):  # fmt: skip
        if keyword in report.header:
            source.add(report.header[keyword])
    return source


def _frame_of_reference(report: Report) -> str:
    given = str(report.header.get("FrameOfReferenceUID", "") or "")
    return given or uid(report.findings.frames[0].series_instance_uid, "frame of reference")


def _segment(report: Report, number: int, finding: Finding) -> SegmentDescription:
    findings = report.findings
    # What is outlined from a person's point is SEMIAUTOMATIC (PS3.3 C.8.20.2).
    by_person = finding.origin == "person"
    return SegmentDescription(
        segment_number=number,
        segment_label=finding.tracking_id,
        segmented_property_category=concept(terms.MORPHOLOGICALLY_ABNORMAL),
        segmented_property_type=concept(finding.kind),
        algorithm_type="SEMIAUTOMATIC" if by_person else "AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name=f"{MANUFACTURER} {findings.application}"[:64],
            family=codes.DCM.ArtificialIntelligence,
            version=findings.application_version,
            source=MANUFACTURER,
            parameters={m.id: f"{m.version} sha256={m.sha256}" for m in findings.models},
        ),
        tracking_uid=finding.tracking_uid,
        tracking_id=finding.tracking_id,
        anatomic_regions=[concept(finding.site)],
        display_color=CIELabColor.from_rgb(*COLOURS[(number - 1) % len(COLOURS)]),
    )


def _refer_to_real_images(dataset: Dataset, frames: list[FrameRef], sources: list[Dataset]) -> None:
    """Put the real images, and their frame numbers, where the stand-ins are named."""
    real = {str(s.SOPInstanceUID): f for s, f in zip(sources, frames, strict=True)}
    for group in dataset.PerFrameFunctionalGroupsSequence:
        for derivation in group.get("DerivationImageSequence") or []:
            for item in derivation.SourceImageSequence:
                frame = real.get(str(item.ReferencedSOPInstanceUID))
                if frame is None:  # highdicom shares one item among segments
                    continue
                item.ReferencedSOPClassUID = frame.sop_class_uid
                item.ReferencedSOPInstanceUID = frame.sop_instance_uid
                if frame.frame is not None:
                    item.ReferencedFrameNumber = frame.frame
    dataset.SourceImageSequence = [_instance(f) for f in _objects(frames)]
    for series in dataset.ReferencedSeriesSequence:
        of_series = [f for f in frames if f.series_instance_uid == str(series.SeriesInstanceUID)]
        series.ReferencedInstanceSequence = [_instance(f) for f in _objects(of_series)]


def _objects(frames: list[FrameRef]) -> list[FrameRef]:
    """One frame of each object."""
    return list({frame.sop_instance_uid: frame for frame in frames}.values())


def _instance(frame: FrameRef) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = frame.sop_class_uid
    item.ReferencedSOPInstanceUID = frame.sop_instance_uid
    return item


def _fix_dimension_uid(dataset: Dataset, report: Report) -> None:
    """highdicom draws this UID at random."""
    fixed = report.uid("SEG", "dimensions")
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = fixed
