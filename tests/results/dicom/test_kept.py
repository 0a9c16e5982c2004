"""Findings of an earlier study from our own report in it."""

from __future__ import annotations

import datetime

import pytest
from dicom_samples import CREATED, by_kind, ct_headers, make, study_of

from gransk.core.findings import Review, ReviewState
from gransk.results.dicom.kept import newest_report
from gransk.results.dicom.objects import Predecessor

REJECTED = Review(state=ReviewState.REJECTED, by="Nora Nurse", role="nurse", at=CREATED)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "reports"
    made.mkdir()
    return made


@pytest.fixture
def study(headers):
    return study_of(headers)


def write(folder, headers, findings, name="1", **changes):
    """A report in the folder; the object."""
    given = {"report_key": digest_of(name), **changes}
    report = by_kind(make(headers, findings, **given), "SR")
    (folder / f"{name}.dcm").write_bytes(report.content)
    return report


def digest_of(name):
    return (name * 64)[:64]


def test_positions_tracking_uids_and_edits_come_back(folder, study, headers, two_nodules):
    first, second = two_nodules.findings
    gone = second.model_copy(update={"reviews": (REJECTED,)})
    edited = two_nodules.model_copy(update={"findings": (first, gone)})
    write(folder, headers, edited)
    kept = newest_report(folder, study, "nodule")
    found = {f.tracking_uid: f for f in kept.findings.findings}
    assert found.keys() == {first.tracking_uid, second.tracking_uid}
    assert found[first.tracking_uid].centre_lps_mm == first.centre_lps_mm
    assert found[second.tracking_uid].rejected
    assert not found[first.tracking_uid].rejected
    assert kept.findings.study_instance_uid == study.uid
    assert kept.findings.application == "nodule"


def test_the_newest_that_nothing_replaces_counts(folder, study, headers, two_nodules):
    one = two_nodules.model_copy(update={"findings": two_nodules.findings[:1]})
    later = CREATED + datetime.timedelta(hours=1)
    first = write(folder, headers, two_nodules, "1", created=later)
    before = Predecessor(
        str(headers[0].StudyInstanceUID),
        first.series_instance_uid,
        first.sop_class_uid,
        first.sop_instance_uid,
    )
    write(folder, headers, one, "2", predecessors=[before])
    kept = newest_report(folder, study, "nodule")
    assert len(kept.findings.findings) == 1, "the later one was replaced, whatever its time"
    write(folder, headers, two_nodules, "3", created=later)
    assert len(newest_report(folder, study, "nodule").findings.findings) == 2


def test_equal_bytes_have_one_key(folder, study, headers, two_nodules):
    write(folder, headers, two_nodules)
    assert newest_report(folder, study, "nodule") == newest_report(folder, study, "nodule")
    key = newest_report(folder, study, "nodule").key
    write(folder, headers, two_nodules, "2", created=CREATED + datetime.timedelta(days=1))
    assert newest_report(folder, study, "nodule").key != key


def test_another_application_patient_study_or_a_damaged_file_does_not_count(
    folder, study, headers, two_nodules
):
    assert newest_report(folder, study, "nodule") is None
    (folder / "noise.dcm").write_bytes(b"no DICOM")
    report = write(folder, headers, two_nodules)
    assert newest_report(folder, study, "other") is None
    (folder / "1.dcm").write_bytes(report.content[:900])
    assert newest_report(folder, study, "nodule") is None
    others = ct_headers()
    for header in others:
        header.PatientID = "somebody else"
    write(folder, others, two_nodules)
    assert newest_report(folder, study, "nodule") is None


def test_a_report_on_images_that_are_not_here_does_not_count(folder, headers, two_nodules):
    write(folder, headers, two_nodules)
    others = ct_headers()
    for number, header in enumerate(others):
        header.SOPInstanceUID = f"1.2.3.{number}"
    assert newest_report(folder, study_of(others), "nodule") is None
