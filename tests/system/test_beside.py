"""Studies beside earlier ones, from C-STORE to a report that tells what became of each spot."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from harness_suite import Suite
from pydicom import dcmread
from radiographs import radiograph, save
from sqlalchemy import select

from gransk.archive.tables import SeenStudy
from gransk.core.application import Place
from gransk.core.followup import Outcome
from gransk.core.reasons import Reason
from gransk.pipeline.workitems import report_again
from gransk.results import edits, profiles
from gransk.results.blobs import BlobStore
from gransk.results.dicom.read import read_report
from gransk.results.store import read_follow_up
from gransk.results.tables import Analysis, KeptComparison, Report, Workitem, WorkState
from gransk.site.events import EventKind

pytestmark = pytest.mark.system
PACKAGE = Path(__file__).parents[1] / "following_application"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The package as pip installs it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source")
    for file in PACKAGE.glob("*.*"):
        (source / file.name).write_bytes(file.read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--target", str(folder), str(source)],
        check=True,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def suite(installed, tmp_path_factory):
    paths = [str(installed), *filter(None, [os.environ.get("PYTHONPATH")])]
    with Suite(
        tmp_path_factory.mktemp("suite"),
        environment={"PYTHONPATH": os.pathsep.join(paths)},
        intake={"quiet_seconds": 0.5, "poll_seconds": 0.2},
    ) as suite:
        yield suite


def spots(patient, date, *places, **attributes):
    """A radiograph with bright squares of (row, column, side)."""
    random = np.random.default_rng(len(places))
    pixels = random.integers(0, 500, (64, 64), dtype=np.uint16)
    for row, column, side in places:
        pixels[row : row + side, column : column + side] = 4000
    return radiograph(PatientID=patient, StudyDate=date, PixelData=pixels.tobytes(), **attributes)


def send(suite, tmp_path, image):
    assert suite.store(save(image, tmp_path / f"{image.SOPInstanceUID}.dcm")) == [0]
    return str(image.StudyInstanceUID)


def row(session, study_uid):
    return session.execute(
        select(Workitem, SeenStudy)
        .join(SeenStudy, SeenStudy.key == Workitem.study_key)
        .where(SeenStudy.study_instance_uid == study_uid)
    ).first()


def told(suite, study_uid):
    """What the study's present report tells beside its findings."""
    blobs = BlobStore(suite.config.blob_folder)
    with suite.database.read() as session:
        found = row(session, study_uid)
        if found is None or found[0].report_key is None or found[0].state != WorkState.READY:
            return None
        return read_follow_up(session, blobs, found[0].report_key)


def wait_ended(suite, study_uid):
    def ended():
        with suite.database.read() as session:
            found = row(session, study_uid)
            return found is not None and found[0].state in (
                WorkState.READY, WorkState.NOT_ANALYSED,
            )  # fmt: skip

    suite.until(ended, 60, "the study to end")


def wait_told(suite, study_uid, compared, seconds=60):
    """Wait until the report tells so many comparisons."""

    def there():
        follow_up = told(suite, study_uid)
        return follow_up is not None and len(follow_up.comparisons) == compared

    suite.until(there, seconds, f"{compared} comparisons of the study")
    return told(suite, study_uid)


def reported(suite, study_uid):
    """The study's one structured report in the archive."""
    suite.wait_delivered(60)
    with suite.database.read() as session:
        orthanc_id = row(session, study_uid)[1].orthanc_id
    client = suite.orthanc.client
    objects = [dcmread(io.BytesIO(client.file(i.orthanc_id))) for i in client.instances(orthanc_id)]
    (report,) = [one for one in objects if one.Modality == "SR"]
    return report


def tracking(suite, study_uid):
    """Tracking UIDs that the study's delivered SR tells of what nobody rejected, by area."""
    buffer = io.BytesIO()
    reported(suite, study_uid).save_as(buffer)
    found = read_report(buffer.getvalue())
    return {f.measured("area"): f.tracking_uid for f in found if not f.rejected}


def test_the_second_study_is_told_beside_the_first(suite, tmp_path):
    first = send(suite, tmp_path, spots("TWO", "20250101", (10, 10, 4), (40, 40, 3)))
    wait_ended(suite, first)
    second = send(suite, tmp_path, spots("TWO", "20250701", (10, 10, 6), (10, 50, 2)))
    follow_up = wait_told(suite, second, 1)

    (comparison,) = follow_up.comparisons
    assert comparison.prior_study == first
    assert sorted(one.outcome for one in comparison.lesions) == [
        Outcome.MATCHED, Outcome.NEW, Outcome.RESOLVED,
    ]  # fmt: skip
    (grown,) = [one for one in comparison.lesions if one.outcome is Outcome.MATCHED]
    assert grown.changed("area_change_percent").value == pytest.approx(125.0)
    assert follow_up.text["en"] == "2 spots\n1 compared"
    assert "1 compared" in follow_up.assessment.advice[0].text["en"]
    one, two = tracking(suite, first), tracking(suite, second)
    assert two[36.0] == one[16.0], "a lesion bears one tracking UID in both reports"
    assert two[4.0] not in one.values()


def test_an_earlier_study_that_comes_late_makes_a_new_report_without_a_new_analysis(
    suite, tmp_path
):
    later = send(suite, tmp_path, spots("LATE", "20250701", (10, 10, 6)))
    wait_told(suite, later, 0)
    reported = tracking(suite, later)
    with suite.database.read() as session:
        sealed = session.get_one(Analysis, row(session, later)[0].analysis_key).sealed_at
    earlier = send(suite, tmp_path, spots("LATE", "20250101", (10, 10, 4)))
    wait_told(suite, later, 1)
    with suite.database.read() as session:
        item = row(session, later)[0]
        assert session.get_one(Analysis, item.analysis_key).sealed_at == sealed
        assert session.get_one(Report, item.report_key).supersedes is not None
    wait_ended(suite, earlier)
    assert tracking(suite, later)[36.0] == reported[36.0], "what was reported stays"
    suite.until(
        lambda: tracking(suite, earlier)[16.0] == reported[36.0],
        60, "the earlier study to take the lesion's tracking UID",
    )  # fmt: skip


def test_another_patient_of_the_same_number_is_told_and_not_compared(suite, tmp_path):
    first = send(
        suite, tmp_path, spots("SAME", "20250101", (10, 10, 4), PatientBirthDate="19500101")
    )
    wait_ended(suite, first)
    second = send(suite, tmp_path, spots("SAME", "20250701", (10, 10, 6)))
    follow_up = wait_told(suite, second, 0)
    assert [one.reason for one in follow_up.not_compared] == [Reason.PRIOR_IDENTITY_MISMATCH]


def test_an_earlier_study_that_cannot_be_analysed_never_stops_the_report(suite, tmp_path):
    first = send(suite, tmp_path, spots("BAD", "20250101", (10, 10, 4), ImageComments="refuse"))
    wait_ended(suite, first)
    second = send(suite, tmp_path, spots("BAD", "20250701", (10, 10, 6)))
    follow_up = wait_told(suite, second, 0)
    assert [one.reason for one in follow_up.not_compared] == [Reason.PRIOR_NOT_ANALYSED]


def test_an_answer_makes_a_new_report_from_kept_findings_and_comparisons(suite, tmp_path):
    first = send(suite, tmp_path, spots("ANSWER", "20250101", (10, 10, 4)))
    wait_ended(suite, first)
    second = send(suite, tmp_path, spots("ANSWER", "20250701", (10, 10, 6)))
    wait_told(suite, second, 1)
    with suite.database.read() as session:
        before = row(session, second)[0].report_key
        kept = session.scalars(select(KeptComparison.sealed_at)).all()
        assert kept
    with suite.database.begin() as session:
        item, seen = row(session, second)
        answer = {"smoking": {"value": "never", "source": "person", "date": "2025-07-01"}}
        assert profiles.keep(session, seen, "spots", {"patient": answer}, {}, "tester") == 1
        assert report_again(session, item.id, "tester", EventKind.PROFILE_ANSWERED)
    suite.until(
        lambda: (f := told(suite, second)) is not None and "patient" in str(f.assessment.advice),
        60, "a report with the answer",
    )  # fmt: skip
    with suite.database.read() as session:
        assert row(session, second)[0].report_key != before
        assert session.scalars(select(KeptComparison.sealed_at)).all() == kept


def seen_by(session, study_uid):
    return edits.Seen.of(row(session, study_uid)[0])


def again(suite, study_uid, act):
    """Do an act as the pages do it, and wait for the report that tells it."""
    with suite.database.begin() as session:
        item = row(session, study_uid)[0]
        before = item.report_key
        act(session, edits.Seen.of(item))
        assert report_again(session, item.id, "tester", EventKind.FINDING_EDITED)

    def there():
        with suite.database.read() as session:
            item = row(session, study_uid)[0]
            return item.state == WorkState.READY and item.report_key != before

    suite.until(there, 60, "the report that tells the act")
    suite.wait_delivered(60)


def test_what_people_do_is_told_measured_and_signed(suite, tmp_path):
    study = send(suite, tmp_path, spots("EDIT", "20250701", (10, 10, 6), (40, 40, 3)))
    wait_told(suite, study, 0)
    nurse = edits.Person("nurse", "Nora Nurse", "nurse")
    reader = edits.Person("reader", "Rita Reader", "radiologist")
    found = tracking(suite, study)
    evidence = reported(suite, study).CurrentRequestedProcedureEvidenceSequence[0]
    image = evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    place = Place(sop_instance_uid=image.ReferencedSOPInstanceUID, column=50.5, row=12.5)

    again(suite, study, lambda s, seen: edits.reject(s, seen, nurse, found[9.0], "artefact"))
    assert tracking(suite, study) == {36.0: found[36.0]}
    again(suite, study, lambda s, seen: edits.add(s, seen, nurse, place))
    after = tracking(suite, study)
    assert sorted(after) == [25.0, 36.0], "what was pointed at is measured"
    unsigned = reported(suite, study)
    assert unsigned.VerificationFlag == "UNVERIFIED"

    again(suite, study, lambda s, seen: edits.sign(s, seen, reader))
    signed = reported(suite, study)
    assert signed.VerificationFlag == "VERIFIED"
    assert "Rita" in str(signed.VerifyingObserverSequence[0].VerifyingObserverName)
    (before,) = signed.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert before.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == unsigned.SOPInstanceUID
    assert tracking(suite, study) == after

    again(suite, study, lambda s, seen: edits.confirm(s, seen, nurse, found[36.0]))
    assert reported(suite, study).VerificationFlag == "UNVERIFIED", "signed before it was changed"


def test_a_place_where_nothing_can_be_outlined_is_kept_and_stops_nothing(suite, tmp_path):
    study = send(suite, tmp_path, spots("OUTSIDE", "20250701", (10, 10, 6)))
    wait_told(suite, study, 0)
    nurse = edits.Person("nurse", "Nora Nurse", "nurse")
    outside = Place(sop_instance_uid="1.2", column=900.0, row=900.0)
    again(suite, study, lambda s, seen: edits.add(s, seen, nurse, outside))
    assert list(tracking(suite, study)) == [36.0]
    with suite.database.read() as session:
        seen = seen_by(session, study)
        (act,) = edits.acts(session, seen.study_key, seen.application, seen.analysis_key)
    assert act.refused is Reason.INCONSISTENT_IMAGES
