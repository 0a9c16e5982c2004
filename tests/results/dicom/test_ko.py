"""Key images: those on which the structured report draws, and why."""

from __future__ import annotations

import datetime

import pytest
from dicom_samples import by_kind, findings_of, make, nodule, read
from highdicom.ko import KeyObjectSelectionDocument
from mammo_exam import drawn_exam

from gransk.core.findings import FrameRef, Region
from gransk.results.acts import Signature
from gransk.results.dicom.objects import Predecessor, make_objects
from mammo.presentation import presentation

AT = datetime.datetime(2026, 3, 2, 9, 0, tzinfo=datetime.UTC)


def references(dataset):
    return [
        item.ReferencedSOPSequence[0]
        for item in dataset.ContentSequence
        if item.ValueType == "IMAGE"
    ]


def test_the_images_that_the_report_draws_on(headers, two_nodules):
    made = read(by_kind(make(headers, two_nodules), "KO"))
    assert made.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.59"
    title = made.ConceptNameCodeSequence[0]
    assert (title.CodeValue, title.CodingSchemeDesignator) == ("113000", "DCM")
    assert made.ContentTemplateSequence[0].TemplateIdentifier == "2010"
    named = [str(one.ReferencedSOPInstanceUID) for one in references(made)]
    assert named == [str(headers[k].SOPInstanceUID) for k in (5, 6)]
    document = KeyObjectSelectionDocument.from_dataset(made)
    for header in (headers[5], headers[6]):
        place = document.resolve_reference(str(header.SOPInstanceUID))
        assert place[:2] == (header.StudyInstanceUID, header.SeriesInstanceUID)


def test_names_and_how_the_report_stands(headers, two_nodules):
    before = Predecessor("1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.88.33", "1.2.3.4.5")
    signature = Signature(person="Dorte Doctor", role="radiologist", at=AT)
    made = read(
        by_kind(
            make(headers, two_nodules, signature=signature, predecessors=[before], language="da"),
            "KO",
        )
    )
    (said,) = [i.TextValue for i in made.ContentSequence if i.ValueType == "TEXT"
               and i.ConceptNameCodeSequence[0].CodeValue == "113012"]  # fmt: skip
    for part in ("Nodule 1, Nodule 2", "Til forskningsbrug", "Erstatter", "Dorte Doctor"):
        assert part in said, part
    people = [i.PersonName for i in made.ContentSequence if i.ValueType == "PNAME"]
    assert people == ["Dorte Doctor"]


def test_images_of_several_series(tmp_path):
    exam = drawn_exam(tmp_path)
    made = read(
        by_kind(
            make_objects(
                study=exam.study, findings=exam.findings, presentation=presentation(),
                pictures=[], report_key="b" * 64, created=AT,
            ),
            "KO",
        )
    )  # fmt: skip
    named = {str(one.ReferencedSOPInstanceUID) for one in references(made)}
    assert named == {exam.images[name] for name in ("R CC", "R MLO", "L MLO")}
    (study,) = made.CurrentRequestedProcedureEvidenceSequence
    assert len(study.ReferencedSeriesSequence) == 3


def test_frames_are_named(headers):
    header = headers[0]
    header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    uid = str(header.SOPInstanceUID)
    frames = tuple(
        FrameRef(
            sop_class_uid=str(header.SOPClassUID), sop_instance_uid=uid,
            series_instance_uid=str(header.SeriesInstanceUID), frame=n,
        )
        for n in (1, 2, 3)
    )  # fmt: skip
    regions = tuple(
        Region(sop_instance_uid=uid, frame=n, points=((1, 1), (5, 1), (5, 5))) for n in (3, 2)
    )
    finding = nodule(1, headers, (5, 30, 40)).model_copy(update={"mask": None, "regions": regions})
    found = findings_of(headers, finding).model_copy(update={"frames": frames})
    (one,) = references(read(by_kind(make([header], found), "KO")))
    assert list(one.ReferencedFrameNumber) == [2, 3]


@pytest.mark.parametrize("placed", [False, None])
def test_no_key_image_without_a_place(headers, placed):
    lesion = nodule(1, headers, (5, 30, 40)).model_copy(
        update={"regions": (), "mask": None, "centre_lps_mm": None}
    )
    findings = findings_of(headers, *([] if placed is None else [lesion]))
    assert "KO" not in {one.kind for one in make(headers, findings)}
