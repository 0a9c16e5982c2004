"""A patient is merged while the whole suite runs: everything is the survivor's, nothing is lost."""

import datetime
import os
import random
import socket
import sys
import time
from pathlib import Path

import pytest
import requests
from free_ports import free_port
from harness_suite import Suite
from radiographs import save
from sqlalchemy import select
from test_beside import (  # noqa: F401 (a fixture)
    installed,
    reported,
    row,
    send,
    spots,
    told,
    tracking,
    wait_told,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))

from hl7_cases import message, msh

from gransk.archive.identity_tables import CorrectionState, IdentityCorrection
from gransk.archive.tables import SeenStudy
from gransk.core.patients import patient_key
from gransk.delivery.hl7.acknowledgement import read_acknowledgement
from gransk.delivery.hl7.mllp import Unframer, framed
from gransk.pipeline.workitems import report_again
from gransk.reading import followup
from gransk.reading.followup import Wish
from gransk.reading.tables import FollowUpRow, FollowUpState
from gransk.results import edits, profiles
from gransk.results.tables import Analysis, DeliveryState, Report, Workitem, WorkState
from gransk.site import people
from gransk.site.events import EventKind
from gransk.site.tables import Role

pytestmark = pytest.mark.system
READER = edits.Person("reader", "Rita Reader", "radiologist")
NURSE = edits.Person("nurse", "Nora Nurse", "nurse")


@pytest.fixture(scope="module")
def suite(installed, tmp_path_factory):  # noqa: F811
    paths = [str(installed), *filter(None, [os.environ.get("PYTHONPATH")])]
    sender = {"name": "pas", "addresses": ["127.0.0.0/8"], "application": "RIS", "takes": ["adt"]}
    with Suite(
        tmp_path_factory.mktemp("suite"),
        environment={"PYTHONPATH": os.pathsep.join(paths)},
        intake={"quiet_seconds": 0.5, "poll_seconds": 0.2},
        identity={"images": "correct"},
        messages={"listener": {"port": free_port(), "senders": [sender]}},
    ) as suite:
        yield suite


def say(suite, now, prior, control_id, name="Right^Name"):
    """A patient administration merges two patients; the code of the answer."""
    content = message(
        msh("ADT^A40^ADT_A39", control_id), "EVN|A40|20260302093015",
        f"PID|1||{now}||{name}||19600101|F", f"MRG|{prior}",
    )  # fmt: skip
    port = suite.config.messages.listener.port
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(framed(content))
        connection.settimeout(20)
        unframer = Unframer(10**6)
        while True:
            for frame in unframer.feed(connection.recv(65536)):
                return read_acknowledgement(frame.content).code


def act(suite, study_uid, do):
    """Do an act as the pages do it, and wait for the report that tells it."""
    with suite.database.begin() as session:
        item = row(session, study_uid)[0]
        before = item.report_key
        do(session, edits.Seen.of(item))
        assert report_again(session, item.id, "tester", EventKind.FINDING_EDITED)

    def there():
        with suite.database.read() as session:
            item = row(session, study_uid)[0]
            return item.state == WorkState.READY and item.report_key != before

    suite.until(there, 90, "the report that tells the act")
    suite.wait_delivered(90)


def before_all(suite, tmp_path, patient):
    """A study with what people did at it: edited, signed, answered and on the follow-up list."""
    study = send(suite, tmp_path, spots(patient, "20250701", (10, 10, 6), (40, 40, 3)))
    wait_told(suite, study, 0, 90)
    suite.wait_delivered(90)
    found = tracking(suite, study)
    act(suite, study, lambda s, seen: edits.reject(s, seen, NURSE, found[9.0], "artefact"))
    act(suite, study, lambda s, seen: edits.sign(s, seen, READER))
    assert reported(suite, study).VerificationFlag == "VERIFIED"
    with suite.database.begin() as session:
        item, seen = row(session, study)
        people.create_account(session, f"d{patient}".lower(), "Dorte", [Role.NURSE])
        listed = session.scalars(select(FollowUpRow).where(FollowUpRow.study_key == seen.key)).one()
        wish = Wish(FollowUpState.BOOKED, responsible=f"d{patient}".lower(), next_step="CT",
                    booked_on=datetime.date(2026, 6, 1))  # fmt: skip
        followup.change(session, listed.id, listed.version, wish, "tester")
        answer = {"patient": {"smoking": {"value": "never", "source": "person",
                                          "date": "2025-07-01"}}}  # fmt: skip
        assert profiles.keep(session, seen, "other", answer, {}, "tester") == 1
        sealed = session.get_one(Analysis, item.analysis_key).sealed_at
        return study, seen.key, item.analysis_key, sealed, found


def objects(suite):
    """Patient ID of every object that Orthanc holds."""
    client = suite.orthanc.client
    return [
        client.instance_tags(one.orthanc_id)["0010,0020"]["Value"]
        for study in client.study_ids()
        for one in client.instances(study)
    ]


def corrected(suite, key):
    with suite.database.read() as session:
        states = session.scalars(
            select(IdentityCorrection.state).where(IdentityCorrection.study_key == key)
        ).all()
        seen = session.get_one(SeenStudy, key)
        items = session.scalars(select(Workitem).where(Workitem.study_key == key)).all()
        return (
            set(states) == {CorrectionState.DONE}
            and not seen.pending
            and seen.fingerprint == seen.settled_fingerprint
            and all(item.fingerprint == seen.fingerprint for item in items)
            and all(item.state == WorkState.READY for item in items)
        )


def gone(suite, patient):
    return patient not in objects(suite)


def check(suite, study, key, analysis, sealed, found, now, old):
    suite.until(lambda: corrected(suite, key), 120, "the images to be corrected and told")
    suite.wait_delivered(120)
    suite.until(lambda: gone(suite, old), 60, "the old objects to leave")
    report = reported(suite, study)
    assert (report.PatientID, str(report.PatientName)) == (now, "Right^Name")
    assert report.VerificationFlag == "VERIFIED", "it is the same that was signed"
    assert report.PredecessorDocumentsSequence
    assert tracking(suite, study) == {36.0: found[36.0]}
    with suite.database.read() as session:
        item, seen = row(session, study)
        assert (seen.key, seen.patient_id, seen.deleted_at) == (key, now, None)
        assert item.analysis_key == analysis
        assert session.get_one(Analysis, analysis).sealed_at == sealed, "nothing is analysed anew"
        assert item.read_as, "readers know the images as they knew them"
        (standing,) = session.scalars(
            select(Report).where(Report.workitem_id == item.id, Report.key == item.report_key)
        )
        assert standing.withdrawn_at is None
        listed = session.scalars(select(FollowUpRow).where(FollowUpRow.study_key == key)).one()
        assert listed.patient_key == patient_key(now, "", "19600101", "F")
        assert (listed.state, listed.responsible) == (FollowUpState.BOOKED, f"d{old}".lower())
        known = profiles.current(session, seen, "other")
        assert known["patient"]["smoking"]["value"] == "never"
        keys = session.scalars(
            select(SeenStudy.key).where(SeenStudy.study_instance_uid == study)
        ).all()
        assert list(keys) == [key]
    here = [
        line for line in suite.deliveries()
        if line.state == DeliveryState.SENT and line.report_key == standing.key
    ]  # fmt: skip
    assert here
    assert sorted(objects(suite)).count(now) == 1 + len(here), "the image and its objects, once"


def test_a_merge_moves_everything_though_the_service_is_killed_in_the_middle(suite, tmp_path):
    before = before_all(suite, tmp_path, "OLD1")
    assert say(suite, "NEW1", "OLD1", "M1") == "AA"
    suite.kill("service")
    suite.start("service")
    assert say(suite, "NEW1", "OLD1", "M1") == "AA", "it is known already"
    check(suite, *before, "NEW1", "OLD1")


@pytest.mark.full
@pytest.mark.parametrize("seed", range(6))
def test_a_merge_outlasts_kills_of_everything(suite, tmp_path, seed):
    chance = random.Random(seed)
    old, now = f"OLDX{seed}", f"NEWX{seed}"
    before = before_all(suite, tmp_path, old)
    assert say(suite, now, old, f"X{seed}") == "AA"
    for _ in range(4):
        time.sleep(chance.uniform(0.0, 1.5))
        name = chance.choice(["service", "worker-0", "orthanc"])
        suite.kill(name)
        time.sleep(chance.uniform(0.0, 0.5))
        suite.start(name)
    check(suite, *before, now, old)


@pytest.mark.full
@pytest.mark.parametrize("keep", [True, False], ids=["same_uids", "new_uids"])
def test_a_patient_that_orthanc_modified(suite, tmp_path, keep):
    old, now = f"OLDM{keep}", f"NEWM{keep}"
    study, key, analysis, sealed, found = before_all(suite, tmp_path, old)
    client, orthanc = suite.orthanc.client, suite.config.orthanc
    with suite.database.read() as session:
        parent = client.study(row(session, study)[1].orthanc_id)["ParentPatient"]
    kept = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"] if keep else []
    answer = requests.post(
        f"{orthanc.url}/patients/{parent}/modify",
        json={"Replace": {"PatientID": now, "PatientName": "Right^Name"}, "Keep": kept,
              "Force": True, "KeepSource": False, "Synchronous": True},
        auth=(orthanc.username, orthanc.password()), timeout=60,
    )  # fmt: skip
    assert answer.status_code == 200

    def moved():
        with suite.database.read() as session:
            seen = session.get_one(SeenStudy, key)
            item = session.scalars(select(Workitem).where(Workitem.study_key == key)).one()
            return (
                seen.patient_id == now
                and not seen.pending
                and item.state == WorkState.READY
                and item.fingerprint == seen.settled_fingerprint
            )

    suite.until(moved, 120, "the study under its new identity")
    suite.wait_delivered(120)
    with suite.database.read() as session:
        seen = session.get_one(SeenStudy, key)
        listed = session.scalars(select(FollowUpRow).where(FollowUpRow.study_key == key)).one()
        assert listed.patient_key == patient_key(now, "", "19600101", "F")
        known = profiles.current(session, seen, "other")
        assert known["patient"]["smoking"]["value"] == "never"
        item = session.scalars(select(Workitem).where(Workitem.study_key == key)).one()
        acts = edits.acts(session, key, "spots", item.analysis_key)
        assert [one.kind for one in acts] == ["reject", "sign"]
        assert (item.analysis_key == analysis) == keep
        assert bool(seen.read_as) == keep
        assert seen.study_instance_uid == study or not keep
        now_uid = seen.study_instance_uid
    assert told(suite, now_uid) is not None
    assert tracking(suite, now_uid) == {36.0: found[36.0]}, "lesion and rejection go on"
    signed = [one for one in _reports(suite, now_uid) if one == "VERIFIED"]
    assert bool(signed) == keep, "images under new UIDs are signed anew"
    assert sealed


def _reports(suite, study):
    return [reported(suite, study).VerificationFlag]


@pytest.mark.full
def test_images_sent_again_as_another_patient_s_whose_old_ones_are_deleted_later(suite, tmp_path):
    study, key, analysis, sealed, found = before_all(suite, tmp_path, "OLDS")
    again = spots(
        "NEWS", "20250701", (10, 10, 6), (40, 40, 3), StudyInstanceUID=study,
        PatientName="Right^Name",
    )  # fmt: skip
    client = suite.orthanc.client
    with suite.database.read() as session:
        old = session.get_one(SeenStudy, key).orthanc_id
    image = next(
        tags for tags in map(client.instance_tags, (i.orthanc_id for i in client.instances(old)))
        if tags["0008,0060"]["Value"] == "CR"
    )  # fmt: skip
    again.SOPInstanceUID = image["0008,0018"]["Value"]
    again.SeriesInstanceUID = image["0020,000e"]["Value"]
    again.file_meta.MediaStorageSOPInstanceUID = again.SOPInstanceUID
    assert suite.store(save(again, tmp_path / "again.dcm")) == [0]

    def ready(wanted):
        with suite.database.read() as session:
            rows = session.execute(
                select(SeenStudy, Workitem)
                .join(Workitem, Workitem.study_key == SeenStudy.key)
                .where(SeenStudy.study_instance_uid == study, SeenStudy.deleted_at.is_(None))
            ).all()
            return {seen.patient_id for seen, _ in rows} == wanted and all(
                item.state == WorkState.READY and item.fingerprint == seen.fingerprint
                for seen, item in rows
            )

    suite.until(lambda: ready({"OLDS", "NEWS"}), 120, "both studies to be analysed")
    suite.wait_delivered(120)
    client.delete_study(old)
    suite.until(lambda: ready({"NEWS"}), 120, "the study to go on under its new identity")
    suite.wait_delivered(120)
    with suite.database.read() as session:
        seen = session.get_one(SeenStudy, key)
        assert (seen.patient_id, seen.deleted_at) == ("NEWS", None)
        item = session.scalars(select(Workitem).where(Workitem.study_key == key)).one()
        assert (item.analysis_key, bool(item.read_as)) == (analysis, True)
        assert session.get_one(Analysis, analysis).sealed_at == sealed
        listed = session.scalars(select(FollowUpRow).where(FollowUpRow.study_key == key)).one()
        assert listed.patient_key == patient_key("NEWS", "", "19600101", "F")
        orthanc_id = seen.orthanc_id
    tags = [client.instance_tags(one.orthanc_id) for one in client.instances(orthanc_id)]
    reports = [one for one in tags if one["0008,0060"]["Value"] == "SR"]
    assert [one["0040,a493"]["Value"] for one in reports] == ["VERIFIED"], "one report, signed"
    assert found
