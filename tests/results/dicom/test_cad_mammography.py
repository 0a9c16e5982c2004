"""Mammography CAD SR: what a mammography workstation is told, and how truly."""

from __future__ import annotations

import datetime

import pytest
from cad_samples import (
    below,
    cad_of,
    headers_of,
    image_of,
    items,
    made,
    name,
    number,
    report_of,
    target,
    value,
    walk,
)
from mammo_exam import DRAWN, SPACING, MammoExam, drawn_exam
from pydicom import Dataset
from template_checker import check

from gransk.core import codes
from gransk.core.errors import RefusalError
from gransk.core.findings import Finding, Review, ReviewState
from gransk.core.reasons import Reason
from gransk.results.acts import Signature
from gransk.results.dicom.common import Predecessor
from mammo.cad import left_out
from mammo.coding import KINDS, quality
from mammo.marks.mark import Kind
from mammo.view import STANDARD

DENSITY, CLUSTER, DISTORTION = "129793001", "129769006", "129792006"
NOW = datetime.datetime(2026, 3, 2, 9, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def exam(tmp_path_factory) -> MammoExam:
    return drawn_exam(tmp_path_factory.mktemp("exam"), calibrated=True)


@pytest.fixture(scope="module")
def report(exam) -> Dataset:
    return cad_of(report_of(exam.study, exam.findings))


def changed(exam: MammoExam, *found: Finding, **changes: object) -> Dataset:
    """The report of the exam with these findings instead, checked against its template."""
    findings = exam.findings.model_copy(update={"findings": found})
    document = cad_of(report_of(exam.study, findings, **changes))
    assert check(document, headers_of(exam.study)) == []
    return document


def marks(document: Dataset) -> list[Dataset]:
    return [one for one in items(document, "111059") if value(one) != "129715009"]


def test_object_is_what_it_says(exam, report):
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.50"
    assert report.file_meta.MediaStorageSOPClassUID == report.SOPClassUID
    assert (report.Modality, report.ValueType) == ("SR", "CONTAINER")
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "4000"
    assert report.ContentTemplateSequence[0].MappingResource == "DCMR"
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "AccessionNumber"):
        assert report.get(keyword) == headers_of(exam.study)[0].get(keyword)
    assert check(report, headers_of(exam.study)) == []


def test_marks_lie_on_their_images_pixels(exam, report):
    centres = {}
    for mark in marks(report):
        (centre,), (outline,) = below(mark, "111010"), below(mark, "111041")
        assert (centre.GraphicType, outline.GraphicType) == ("POINT", "POLYLINE")
        assert image_of(report, centre) == image_of(report, outline)
        points = list(zip(outline.GraphicData[::2], outline.GraphicData[1::2], strict=True))
        assert points[0] == points[-1]
        centres[image_of(report, centre)] = (tuple(centre.GraphicData), points)
    wanted = {exam.images[f"{m.side} {m.view}"]: m for m in DRAWN}
    assert centres.keys() == wanted.keys()
    for uid, (centre, points) in centres.items():
        assert centre == pytest.approx(wanted[uid].centre, abs=0.05)
        radius = [((x - centre[0]) ** 2 + (y - centre[1]) ** 2) ** 0.5 for x, y in points]
        assert radius == pytest.approx([wanted[uid].radius] * len(radius), abs=0.2)


def test_image_library_tells_side_view_and_spacing(exam, report):
    (library,) = below(report, "111028")
    by_uid = {}
    for image in library.ContentSequence:
        uid = image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        assert "ConceptNameCodeSequence" not in image
        by_uid[uid] = {name(one): one for one in image.ContentSequence}
    assert set(by_uid) == set(exam.images.values())
    sides = {"R": "73056007", "L": "80248007"}
    views = {"CC": "399162004", "MLO": "399368009"}
    for label, uid in exam.images.items():
        side, view = label.split()
        told = by_uid[uid]
        assert value(told["111027"]) == sides[side]
        assert value(told["111031"]) == views[view]
        assert number(told["111026"]) == number(told["111066"]) == SPACING
        assert told["111044"].TextValue == ("P" if side == "R" else "A")
        assert told["111060"].Date == "20260105"


def test_view_modifiers_and_retired_codes_come_as_codes_of_today(tmp_path):
    own = drawn_exam(tmp_path)
    modifier = Dataset()
    modifier.CodeValue, modifier.CodingSchemeDesignator = "R-102D5", "SRT"
    modifier.CodeMeaning = "Implant Displaced"
    (view,) = headers_of(own.study)[0].ViewCodeSequence
    view.ViewModifierCodeSequence = [modifier]
    document = cad_of(report_of(own.study, own.findings))
    (told,) = items(document, "111032")
    assert value(told) == "399209000"
    assert told.ConceptCodeSequence[0].CodingSchemeDesignator == "SCT"
    assert check(document, headers_of(own.study)) == []


def test_two_views_of_one_lesion_are_one_feature(exam, report):
    (feature,) = items(report, "111015")
    assert value(feature) == KINDS[Kind.MASS].value
    assert value(below(feature, "111016")[0]) == "111154"
    assert value(below(feature, "111057")[0]) == "111158"
    both = below(feature, "111059")
    assert [value(one) for one in both] == [DENSITY, DENSITY]
    pair = [f for f in exam.findings.findings if f.lesion_uid]
    assert pair[0].lesion_uid == below(feature, "112040")[0].UID
    assert [below(one, "112040")[0].UID for one in both] == [f.tracking_uid for f in pair]
    for one, finding in zip(both, pair, strict=True):
        assert number(below(one, "111012")[0]) == pytest.approx(100 * finding.probability)
        assert number(below(one, "111047")[0]) == pytest.approx(100 * finding.malignancy)
        assert number(below(one, "103339001")[0]) == finding.measured("size_mm")
        assert below(one, "111001")[0].TextValue == "Gransk mammo"
        assert "research" in below(one, "111002")[0].TextValue
    impressions = items(report, "111034")
    assert len(impressions) == 3
    assert [value(below(i, "111056")[0]) for i in impressions] == ["111150", "111150", "111151"]


def test_quadrant_and_depth_stand_at_the_feature_where_both_marks_agree(exam):
    pair = [f for f in exam.findings.findings if f.lesion_uid]
    told = tuple(
        f.model_copy(update={"qualities": (quality("quadrant", where), quality("depth", depth))})
        for f, where, depth in zip(
            pair, ("upper_outer", "upper_outer"), ("anterior", "middle"), strict=True
        )
    )
    (feature,) = items(changed(exam, *told), "111015")
    assert value(below(feature, "111048")[0]) == "76365002"
    assert not below(feature, "111020")
    tail = tuple(
        f.model_copy(update={"qualities": (quality("quadrant", "axillary_tail"),)}) for f in pair
    )
    (feature,) = items(changed(exam, *tail), "111015")
    assert value(below(feature, "111014")[0]) == "129785001"
    assert not below(feature, "111048")


@pytest.mark.parametrize(
    ("kind", "alone", "together"),
    [
        (Kind.MASS, DENSITY, "129788004"),
        (Kind.ASYMMETRY, DENSITY, DENSITY),
        (Kind.DISTORTION, DISTORTION, DISTORTION),
        (Kind.CALCIFICATIONS, CLUSTER, CLUSTER),
    ],
)
def test_kinds_have_the_names_that_the_standard_has_for_one_and_for_several_views(
    exam, kind, alone, together
):
    found = [
        f.model_copy(
            update={
                "kind": KINDS[kind],
                "malignancy": None if kind is Kind.CALCIFICATIONS else f.malignancy,
                "qualities": (quality("shape", "irregular"), quality("margin", "spiculated")),
            }
        )
        for f in exam.findings.findings
    ]
    document = changed(exam, *found)
    assert [value(one) for one in marks(document)] == [alone] * 3
    assert [value(one) for one in items(document, "111015")] == [together]
    sized = 0 if kind is Kind.DISTORTION else 3
    assert len(items(document, "103339001")) == sized
    shaped = 4 if alone == DENSITY else 0
    assert len(items(document, "107644003")) == len(items(document, "112233002")) == shaped


def test_a_kind_that_the_standard_does_not_know_is_a_region_with_its_name(exam):
    odd = codes.Code(value="LUMP", scheme="99GRANSK", meaning="Lump of another kind")
    document = changed(exam, exam.findings.findings[0].model_copy(update={"kind": odd}))
    (mark,) = marks(document)
    assert value(mark) == "111099"
    assert below(mark, "111058")[0].TextValue == "Lump of another kind"
    assert not below(mark, "111047")


def test_readers_suspicion_is_no_probability_of_cancer(exam):
    rated = exam.findings.findings[0].model_copy(update={"malignancy_concept": codes.SUSPICION})
    assert not items(changed(exam, rated), "111047")


def test_density_is_coded_and_the_score_is_told_in_words(exam, report):
    (composition,) = [one for one in items(report, "111059") if value(one) == "129715009"]
    assert value(below(composition, "129715009")[0]) == "129717001"
    assert number(below(composition, "111046")[0]) == 31.0
    assert not below(composition, "111010")
    (words,) = items(report, "111033")
    assert "9" in words.TextValue
    assert words.TextValue.startswith("Research use, not a medical device.")


def test_an_exam_without_findings_says_so_over_an_empty_tree(exam):
    document = changed(exam)
    (summary,) = below(document, "111017")
    assert value(summary) == "111241"
    assert not items(document, "111059")
    assert not items(document, "111034")
    assert "No findings." in items(document, "111033")[0].TextValue
    assert value(below(document, "111064")[0]) == "111222"
    looked = items(document, "111022")
    assert [value(one) for one in looked] == [DENSITY, DISTORTION, CLUSTER]
    for one in looked:
        images = [target(document, r) for r in one.ContentSequence if "ValueType" not in r]
        uids = {i.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for i in images}
        assert uids == set(exam.images.values())


def test_an_image_that_could_not_be_analysed_is_told_as_failed(tmp_path):
    whole = drawn_exam(tmp_path / "whole")
    part = drawn_exam(tmp_path / "part", STANDARD[:3])
    gone = whole.images["L MLO"]
    note = left_out("L MLO", gone, RefusalError(Reason.NO_BREAST, "blank"))
    findings = part.findings.model_copy(update={"notes": (*part.findings.notes, note)})
    document = cad_of(report_of(whole.study, findings, incomplete=True))
    assert check(document, headers_of(whole.study)) == []
    assert document.CompletionFlag == "PARTIAL"
    assert value(below(document, "111064")[0]) == "111223"
    assert value(below(document, "111017")[0]) == "111244"
    (failed,) = items(document, "111025")
    for one in failed.ContentSequence:
        images = [target(document, r) for r in one.ContentSequence if "ValueType" not in r]
        assert [i.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for i in images] == [gone]
    text = items(document, "111033")[0].TextValue
    assert "The study was incomplete when it was analysed." in text
    assert "L MLO: " in text
    referenced = document.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    there = {i.ReferencedSOPInstanceUID for s in referenced for i in s.ReferencedSOPSequence}
    assert there == set(whole.images.values())


def test_views_are_put_together_only_where_a_breast_has_two(tmp_path):
    one_view = drawn_exam(tmp_path, (STANDARD[0], STANDARD[2]))
    document = cad_of(report_of(one_view.study, one_view.findings))
    assert "133884007" not in [value(one) for one in items(document, "111004")]
    assert not items(document, "111015")
    assert check(document, headers_of(one_view.study)) == []


def test_nothing_is_claimed_to_be_analysed_that_was_not(exam):
    bare = exam.findings.model_copy(update={"measurements": (), "qualities": ()})
    document = cad_of(report_of(exam.study, bare))
    assert [value(one) for one in items(document, "111004")] == ["133884007"]
    assert not [one for one in items(document, "111059") if value(one) == "129715009"]


def test_what_people_rejected_or_added_is_no_result_of_detection(exam):
    first, second, third = exam.findings.findings
    rejected = Review(state=ReviewState.REJECTED, by="A. Reader", at=NOW, role="radiologist")
    added = Review(state=ReviewState.ADDED, by="A. Reader", at=NOW, role="radiologist")
    document = changed(
        exam,
        first.model_copy(update={"reviews": (rejected,)}),
        second,
        third.model_copy(update={"origin": "person", "reviews": (added,)}),
    )
    (mark,) = marks(document)
    assert second.tracking_uid == below(mark, "112040")[0].UID
    assert "was rejected by a person" in items(document, "111033")[0].TextValue


def test_a_signed_report_is_final_and_verified(exam):
    signature = Signature(person="A. Reader", role="radiologist", at=NOW)
    document = cad_of(report_of(exam.study, exam.findings, signature=signature))
    assert (document.VerificationFlag, document.PreliminaryFlag) == ("VERIFIED", "FINAL")
    assert document.VerifyingObserverSequence[0].VerifyingObserverName == "A. Reader"
    assert check(document, headers_of(exam.study)) == []


def test_a_report_that_replaces_another_names_it(exam):
    before = Predecessor(exam.study.uid, "2.25.1", "1.2.840.10008.5.1.4.1.1.88.33", "2.25.2")
    document = cad_of(report_of(exam.study, exam.findings, predecessors=(before,)))
    series = document.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "2.25.2"


def test_danish_words_and_the_language_of_the_report(exam):
    document = cad_of(report_of(exam.study, exam.findings, language="da"))
    (language,) = below(document, "121049")
    assert (value(language), language.ConceptCodeSequence[0].CodingSchemeDesignator) == (
        "da", "RFC5646",
    )  # fmt: skip
    assert "Til forskningsbrug, ikke medicinsk udstyr." in items(document, "111033")[0].TextValue
    assert document.SeriesDescription == "Mammografi: CAD, til forskningsbrug"


def test_words_fit_the_character_set_of_the_images(exam, tmp_path):
    plain = drawn_exam(tmp_path)
    for header in headers_of(plain.study):
        del header.SpecificCharacterSet
        header.PatientName = "Mammografi^Aase"
    document = cad_of(report_of(plain.study, plain.findings, language="da"))
    assert "SpecificCharacterSet" not in document
    texts = [str(one.TextValue) for one in walk(document) if "TextValue" in one]
    assert all(text.isascii() for text in texts)


def test_equal_inputs_give_equal_bytes(exam):
    given = report_of(exam.study, exam.findings)
    assert made(given).content == made(report_of(exam.study, exam.findings)).content
    assert (
        made(given).sop_instance_uid
        != made(report_of(exam.study, exam.findings, report_key="ef" * 32)).sop_instance_uid
    )
