"""Objects of a mammography exam: marks of one lesion on two views, and the page of four views."""

from __future__ import annotations

import datetime
import io

import numpy as np
import pytest
from dicom_samples import errors
from mammo_exam import MammoExam, drawn_exam
from pydicom import Dataset, dcmread

from gransk.core.findings import Review, ReviewState
from gransk.core.keys import uid
from gransk.results.dicom.kept import newest_report
from gransk.results.dicom.objects import MadeObject, make_objects
from gransk.results.dicom.read import read_labels, read_report, read_study_level
from mammo.pictures import pictures
from mammo.presentation import presentation
from mammo.view import STANDARD

CREATED = datetime.datetime(2026, 1, 5, 12, tzinfo=datetime.UTC)
MARK = (255, 196, 0)


def objects_of(exam: MammoExam, language: str = "en") -> list[MadeObject]:
    return make_objects(
        study=exam.study,
        findings=exam.findings,
        presentation=presentation(),
        pictures=pictures(exam.study, exam.findings),
        report_key="b" * 64,
        created=CREATED,
        language=language,
    )


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    return drawn_exam(tmp_path_factory.mktemp("exam"))


@pytest.fixture(scope="module")
def made(exam):
    return objects_of(exam)


def report_of(objects: list[MadeObject]) -> bytes:
    return next(one.content for one in objects if one.kind == "SR")


def pages_of(objects: list[MadeObject]) -> list[np.ndarray]:
    return [dcmread(io.BytesIO(o.content)).pixel_array for o in objects if o.kind == "SC"]


def items(dataset: Dataset, code: str) -> list[Dataset]:
    """Every content item of that concept, at any depth."""
    found = []
    for item in dataset.get("ContentSequence") or []:
        names = item.get("ConceptNameCodeSequence")
        if names and str(names[0].get("CodeValue", "")) == code:
            found.append(item)
        found += items(item, code)
    return found


def test_our_own_reader_reads_everything_back(exam, made):
    content = report_of(made)
    assert read_report(content) == list(exam.findings.findings)
    assert read_study_level(content) == (exam.findings.measurements, exam.findings.qualities)
    assert read_labels(dcmread(io.BytesIO(content))) == {
        uid: label for label, uid in exam.images.items()
    }


def test_two_views_of_one_lesion_are_two_regions_with_one_lesion_identifier(exam, made):
    report = dcmread(io.BytesIO(report_of(made)))
    groups = [g for m in items(report, "126010") for g in items(m, "125007")]
    assert len(groups) == 3
    tracking = [str(items(group, "112040")[0].UID) for group in groups]
    assert len(set(tracking)) == 3
    lesions = [[str(i.TextValue) for i in items(group, "121151")] for group in groups]
    assert lesions[0] == lesions[1] != []
    assert lesions[2] == []
    for group, name in zip(groups, ("R CC", "R MLO", "L MLO"), strict=True):
        places = [i for i in group.ContentSequence if i.ValueType == "SCOORD"]
        assert len(places) == 1
        image = places[0].ContentSequence[0].ReferencedSOPSequence[0]
        assert image.ReferencedSOPInstanceUID == exam.images[name]


def test_dicom_validator_finds_no_error(made, tmp_path):
    for number, one in enumerate(made):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(one.content)
        assert errors(path) == set(), one.kind


def test_no_frame_of_reference_is_claimed_where_the_views_have_none_or_several(exam, made):
    assert not items(dcmread(io.BytesIO(report_of(made))), "112227")
    for number, instance in enumerate(exam.study.instances):
        instance.header.FrameOfReferenceUID = uid("for", str(number))
    try:
        several = dcmread(io.BytesIO(report_of(objects_of(exam))))
    finally:
        for instance in exam.study.instances:
            del instance.header.FrameOfReferenceUID
    assert not items(several, "112227")


def test_the_study_level_is_in_a_container_of_its_own(made):
    report = dcmread(io.BytesIO(report_of(made)))
    inside = [str(i.TextValue) for m in items(report, "126010") for i in items(m, "112039")]
    derived = [str(i.TextValue) for m in items(report, "126011") for i in items(m, "112039")]
    assert "malignancy_probability_r_cc" in derived
    assert "density_category" in derived
    assert "malignancy_probability_r_cc" not in inside
    assert "exam_score" not in derived


def test_a_report_without_marks_keeps_the_study_level(exam):
    bare = exam.findings.model_copy(update={"findings": ()})
    objects = objects_of(MammoExam(exam.files, exam.study, bare))
    content = report_of(objects)
    assert read_report(content) == []
    assert read_study_level(content) == (bare.measurements, bare.qualities)
    assert len(pages_of(objects)) == 1


def test_an_earlier_report_comes_back_with_lesions_labels_and_study_level(exam, made, tmp_path):
    (tmp_path / "sr.dcm").write_bytes(report_of(made))
    kept = newest_report(tmp_path, exam.study, "mammo")
    assert kept is not None
    assert kept.findings.findings == exam.findings.findings
    assert kept.findings.measurements == exam.findings.measurements
    assert {f.label: f.sop_instance_uid for f in kept.findings.frames} == exam.images


def marked(page: np.ndarray) -> np.ndarray:
    """Pixels in the colour of marks, right of the text column."""
    near = np.abs(page.astype(int) - MARK).max(axis=2) < 40
    near[:, :490] = False
    return near


def test_the_page_of_four_views_hangs_them_back_to_back_with_their_marks(made):
    page = pages_of(made)[0]
    assert page.shape == (2000, 1600, 3)
    middle = 496 + (1600 - 56 - 496) // 2
    rows = {"CC": slice(300, 800), "MLO": slice(1300, 1700)}
    grey = page.mean(axis=2)
    for name, of in rows.items():
        assert grey[of, middle - 40 : middle - 8].mean() > 60, name
        assert grey[of, middle + 8 : middle + 40].mean() > 60, name
        assert grey[of, 500:560].mean() < 40, name
    found = marked(page)
    assert found[220:1000, 490:middle].sum() > 100
    assert found[220:1000, middle:].sum() == 0
    assert found[1100:, 490:middle].sum() > 100
    assert found[1100:, middle:].sum() > 60


def test_a_rejected_mark_is_drawn_no_more(exam):
    no = Review(state=ReviewState.REJECTED, by="Rikke", at=CREATED, reason="cyst")
    findings = tuple(
        f.model_copy(update={"reviews": (no,)}) if f.tracking_id == "Mark 1" else f
        for f in exam.findings.findings
    )
    edited = exam.findings.model_copy(update={"findings": findings})
    page = pages_of(objects_of(MammoExam(exam.files, exam.study, edited)))[0]
    assert marked(page)[220:1000].sum() == 0
    assert marked(page)[1100:].sum() > 160


def test_a_missing_view_is_said_in_its_place(tmp_path):
    whole = pages_of(objects_of(drawn_exam(tmp_path / "four")))[0]
    three = pages_of(objects_of(drawn_exam(tmp_path / "three", STANDARD[:3]), "da"))[0]
    box = slice(1100, 1800), slice(1060, 1500)
    assert whole[box].mean() > 40
    assert three[box].mean() < 25
    warning = np.abs(three[box].astype(int) - (242, 184, 75)).max(axis=2) < 40
    assert warning.sum() > 100
