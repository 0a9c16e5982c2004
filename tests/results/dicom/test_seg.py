"""The segmentation: voxels, places and references."""

from __future__ import annotations

import datetime

import highdicom
import numpy as np
import pydicom
import pytest
from dicom_samples import (
    COLUMNS,
    ROWS,
    by_kind,
    ct_headers,
    errors,
    findings_of,
    make,
    nodule,
    read,
)
from pydicom import Dataset

from gransk.core.findings import Findings, FrameRef, Review, ReviewState
from gransk.core.keys import uid

AT = datetime.datetime(2026, 3, 2, 8, 15, 30, tzinfo=datetime.UTC)


def whole(findings: Findings, number: int) -> np.ndarray:
    """Mask of a finding in the full grid."""
    mask = findings.findings[number].mask
    grid = np.zeros((len(findings.frames), ROWS, COLUMNS), bool)
    where = tuple(slice(o, o + s) for o, s in zip(mask.origin, mask.shape, strict=True))
    grid[where] = mask.to_array()
    return grid


def segmented(seg: Dataset, headers: list[Dataset], number: int) -> np.ndarray:
    """The same from the object, placed by its references."""
    order = {h.SOPInstanceUID: k for k, h in enumerate(headers)}
    grid = np.zeros((len(headers), ROWS, COLUMNS), bool)
    for frame, group in zip(
        seg.pixel_array.reshape(-1, ROWS, COLUMNS), seg.PerFrameFunctionalGroupsSequence,
        strict=True,
    ):  # fmt: skip
        image = group.DerivationImageSequence[0].SourceImageSequence[0]
        if segment_number(seg, group) == number + 1:
            grid[order[image.ReferencedSOPInstanceUID]] |= frame.astype(bool)
    return grid


def segment_number(seg: Dataset, group: Dataset) -> int:
    shared = seg.SharedFunctionalGroupsSequence[0]
    holder = group if "SegmentIdentificationSequence" in group else shared
    return int(holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber)


def test_segments_are_the_masks(headers, two_nodules, tmp_path):
    made = by_kind(make(headers, two_nodules), "SEG")
    seg = read(made)
    for number, finding in enumerate(two_nodules.findings):
        assert np.array_equal(segmented(seg, headers, number), whole(two_nodules, number))
        segment = seg.SegmentSequence[number]
        assert (segment.SegmentLabel, segment.TrackingUID) == (
            finding.tracking_id,
            finding.tracking_uid,
        )
        assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Nodule"
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        assert (
            "ab" * 32 in segment.SegmentationAlgorithmIdentificationSequence[0].AlgorithmParameters
        )
    assert seg.FrameOfReferenceUID == headers[0].FrameOfReferenceUID
    assert seg.ContentDescription == "Research use, not a medical device."
    path = tmp_path / "seg.dcm"
    path.write_bytes(made.content)
    assert errors(path) == set()
    assert highdicom.seg.segread(path).number_of_segments == 2


def test_what_a_person_pointed_at_is_outlined_semiautomatically(headers, two_nodules, tmp_path):
    found, point = two_nodules.findings
    added = Review(state=ReviewState.ADDED, by="Rita", at=AT, role="radiographer")
    point = point.model_copy(update={"origin": "person", "reviews": (added,)})
    made = by_kind(
        make(headers, two_nodules.model_copy(update={"findings": (found, point)})), "SEG"
    )
    segments = read(made).SegmentSequence
    assert [one.SegmentAlgorithmType for one in segments] == ["AUTOMATIC", "SEMIAUTOMATIC"]
    told = [one.SegmentationAlgorithmIdentificationSequence[0] for one in segments]
    assert told[0] == told[1], "the program that outlined it is named all the same"
    path = tmp_path / "seg.dcm"
    path.write_bytes(made.content)
    assert errors(path) == set()


def test_frames_lie_where_the_images_lie(headers, two_nodules):
    seg = read(by_kind(make(headers, two_nodules), "SEG"))
    places = {h.SOPInstanceUID: list(h.ImagePositionPatient) for h in headers}
    for group in seg.PerFrameFunctionalGroupsSequence:
        image = group.DerivationImageSequence[0].SourceImageSequence[0]
        position = group.PlanePositionSequence[0].ImagePositionPatient
        assert list(position) == places[image.ReferencedSOPInstanceUID]
    shared = seg.SharedFunctionalGroupsSequence[0]
    assert list(shared.PixelMeasuresSequence[0].PixelSpacing) == [0.75, 0.75]


def test_only_frames_with_voxels_are_written(headers, two_nodules):
    seg = read(by_kind(make(headers, two_nodules), "SEG"))
    used = sum(int(f.mask.to_array().any(axis=(1, 2)).sum()) for f in two_nodules.findings)
    assert seg.NumberOfFrames == used
    assert seg.pixel_array.any(axis=(1, 2)).all()


def test_overlapping_nodules_keep_every_voxel(headers):
    findings = findings_of(
        headers, nodule(1, headers, (5, 30, 40)), nodule(2, headers, (6, 32, 43), radius=3)
    )
    seg = read(by_kind(make(headers, findings), "SEG"))
    assert (whole(findings, 0) & whole(findings, 1)).any()
    for number in (0, 1):
        assert np.array_equal(segmented(seg, headers, number), whole(findings, number))


def test_no_masks_no_segmentation(headers):
    finding = nodule(1, headers, (5, 30, 40)).model_copy(update={"mask": None})
    assert "SEG" not in {m.kind for m in make(headers, findings_of(headers, finding))}


def test_images_without_a_place_give_no_segmentation(two_nodules):
    headers = ct_headers()
    for header in headers:
        del header.ImagePositionPatient
    assert "SEG" not in {m.kind for m in make(headers, two_nodules)}


def enhanced(headers: list[Dataset]) -> Dataset:
    """The slices as the frames of one enhanced CT image."""
    image = headers[0]
    image.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    image.SOPInstanceUID = uid("test", "enhanced")
    image.NumberOfFrames = len(headers)
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = headers[0].PixelSpacing, "1.25"
    orientation.ImageOrientationPatient = headers[0].ImageOrientationPatient
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = [orientation]
    image.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for header in headers:
        position, group = Dataset(), Dataset()
        position.ImagePositionPatient = list(header.ImagePositionPatient)
        group.PlanePositionSequence = [position]
        frames.append(group)
    image.PerFrameFunctionalGroupsSequence = frames
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(image, keyword)
    return image


def test_multiframe_source_is_referred_to_by_frame(two_nodules, tmp_path):
    headers = ct_headers()
    places = [list(h.ImagePositionPatient) for h in headers]
    image = enhanced(headers)
    frames = tuple(
        FrameRef(
            sop_class_uid=str(image.SOPClassUID),
            sop_instance_uid=str(image.SOPInstanceUID),
            series_instance_uid=str(image.SeriesInstanceUID),
            frame=n + 1,
        )
        for n in range(len(places))
    )
    found = tuple(f.model_copy(update={"regions": ()}) for f in two_nodules.findings)
    findings = two_nodules.model_copy(update={"frames": frames, "findings": found})
    made = by_kind(make([image], findings), "SEG")
    seg = read(made)
    for group in seg.PerFrameFunctionalGroupsSequence:
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID == image.SOPInstanceUID
        assert (
            list(group.PlanePositionSequence[0].ImagePositionPatient)
            == (places[source.ReferencedFrameNumber - 1])
        )
    instances = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert [i.ReferencedSOPInstanceUID for i in instances] == [image.SOPInstanceUID]
    path = tmp_path / "seg.dcm"
    path.write_bytes(made.content)
    assert errors(path) == set()


@pytest.mark.parametrize("keyword", ["FrameOfReferenceUID", "SliceThickness"])
def test_missing_geometry_attribute_does_not_stop_the_segmentation(two_nodules, keyword):
    headers = ct_headers()
    for header in headers:
        delattr(header, keyword)
    seg = read(by_kind(make(headers, two_nodules), "SEG"))
    assert isinstance(seg, pydicom.Dataset)
    assert seg.FrameOfReferenceUID
