"""The whole suite beside a real remote PACS: an earlier study comes, in time and late."""

import datetime
import os
import sys
from pathlib import Path

import httpx
import pytest
from free_ports import free_port
from harness_orthanc import OrthancProcess, make_config
from harness_suite import Suite
from radiographs import save
from sqlalchemy import select
from test_beside import (  # noqa: F401 (a fixture)
    installed,
    row,
    send,
    spots,
    told,
    tracking,
    wait_told,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "following_application"))

from bright_spots import BrightSpots

from gransk.archive.tables import PriorFetch, PriorSearch, Purpose
from gransk.core.application import Context
from gransk.core.findings import Review, ReviewState
from gransk.core.reasons import Reason
from gransk.core.study import Instance, Study
from gransk.results.blobs import BlobStore
from gransk.results.dicom.objects import make_objects
from gransk.results.tables import Analysis, Report, Workitem, WorkState
from gransk.site import people
from gransk.site.database import utcnow
from gransk.site.tables import Role
from gransk.web.access import SESSION_COOKIE

pytestmark = pytest.mark.system
PASSWORD = "a long enough pass phrase"
ELSEWHERE = "2.25.777"


class Both:
    """A suite and the PACS that it asks, each of which may be down."""

    def __init__(self, folder, packages, kind, **section):
        (folder / "pacs").mkdir()
        (folder / "suite").mkdir()
        pacs = make_config(folder / "pacs", orthanc={"aet": "PACS"})
        door, ours = pacs.orthanc, free_port()
        archive = {"name": "pacs", "kind": kind, "timeout_seconds": 5}
        if kind == "dimse":
            archive |= {"aet": "PACS", "host": "127.0.0.1", "port": door.dicom_port}
        else:
            archive |= {"url": f"{door.url}/dicom-web", "username": door.username}
            archive |= {"password_file": str(door.password_file)}
        us = {"AET": "ORTHANC", "Host": "127.0.0.1", "Port": ours}
        us |= {"AllowEcho": True, "AllowFind": True, "AllowMove": True, "AllowStore": False}
        self.pacs = OrthancProcess(pacs, folder / "pacs" / "o", {"DicomModalities": {"us": us}})
        self.suite = Suite(
            folder / "suite",
            environment={"PYTHONPATH": packages},
            intake={"quiet_seconds": 0.5, "poll_seconds": 0.2},
            orthanc={"dicom_port": ours},
            priors={"archives": [archive], **section},
        )

    def __enter__(self):
        self.pacs.start()
        self.suite.__enter__()
        return self

    def __exit__(self, *_):
        self.suite.stop()
        self.pacs.stop()

    def in_pacs(self, tmp_path, image):
        self.pacs.client.store(save(image, tmp_path / "prior.dcm").read_bytes())
        return str(image.StudyInstanceUID)


@pytest.fixture
def both(installed, tmp_path):  # noqa: F811
    made = []

    def make(kind, **section):
        paths = [str(installed), *filter(None, [os.environ.get("PYTHONPATH")])]
        one = Both(tmp_path, os.pathsep.join(paths), kind, **section)
        made.append(one)
        return one.__enter__()

    yield make
    for one in made:
        one.__exit__()


def worklist(suite):
    with suite.database.begin() as session:
        people.create_account(session, "reader", "Reader", [Role.RADIOLOGIST], password=PASSWORD)
    token = people.sign_in(suite.database, "reader", PASSWORD, 1).token
    address = f"http://127.0.0.1:{suite.config.service.port}/api/worklist"
    answer = httpx.get(address, cookies={SESSION_COOKIE: token}, trust_env=False)
    return [one["key"] for one in answer.json()["studies"]]


def test_a_study_waits_for_its_prior_and_is_told_beside_it(both, tmp_path):
    one = both("dimse")
    prior = one.in_pacs(tmp_path, spots("A", "20250101", (10, 10, 4)))
    current = send(one.suite, tmp_path, spots("A", "20250701", (10, 10, 6)))
    follow_up = wait_told(one.suite, current, 1)
    assert follow_up.comparisons[0].prior_study == prior
    assert follow_up.not_compared == ()
    one.suite.wait_delivered(30)
    with one.suite.database.read() as session:
        item, seen = row(session, prior)
        mine, me = row(session, current)
        assert (seen.purpose, item.state, item.report_key) == (
            Purpose.PRIOR, WorkState.READY, None,
        )  # fmt: skip
        assert (mine.attempt, mine.started_at >= item.finished_at) == (0, True), "it did not wait"
        assert session.scalars(select(Report.workitem_id)).all() == [mine.id]
        assert session.scalars(select(PriorSearch.study_key)).all() == [me.key]
        held = one.suite.orthanc.client.instance_count(seen.orthanc_id)
    assert held == 1, "nothing is delivered to a prior"
    assert worklist(one.suite) == [me.key]

    with one.suite.database.begin() as session:
        session.get_one(PriorFetch, prior).remove_at = utcnow()
    one.suite.until(lambda: one.suite.orthanc.client.find_study(prior) is None, 45, "its removal")
    assert told(one.suite, current) == follow_up


def test_our_own_report_in_a_prior_names_its_lesion(both, tmp_path):
    """What another installation reported counts: positions, tracking UIDs and people's edits."""
    one = both("dimse")
    image = spots("C", "20250101", (10, 10, 4), (40, 40, 3))
    prior = one.in_pacs(tmp_path, image)
    one.pacs.client.store(reported_elsewhere(image))
    current = send(one.suite, tmp_path, spots("C", "20250701", (10, 10, 6)))
    follow_up = wait_told(one.suite, current, 1)
    (lesion,) = follow_up.comparisons[0].lesions
    assert lesion.outcome == "matched", "the spot that a person rejected is none that resolved"
    assert lesion.current_uid == lesion.prior_uid == ELSEWHERE
    assert tracking(one.suite, current) == {36.0: ELSEWHERE}
    with one.suite.database.read() as session:
        item = row(session, prior)[0]
        findings = BlobStore(one.suite.config.blob_folder).get(
            session.get_one(Analysis, item.analysis_key).findings_sha256
        )
    assert ELSEWHERE in findings.decode()


def reported_elsewhere(image):
    """A structured report of the image: one spot under a name of its own, one rejected."""
    study = Study.from_instances([Instance(header=image, load=lambda: image)])
    application = BrightSpots()
    context = Context(None, application.settings_schema(), analysis_key="elsewhere")
    found = application.analyse(study, application.select(study, context.settings), context)
    first, second = found.findings
    now = datetime.datetime(2025, 1, 2, 12, tzinfo=datetime.UTC)
    review = Review(state=ReviewState.REJECTED, by="Nora Nurse", role="nurse", at=now)
    findings = (
        first.model_copy(update={"tracking_uid": ELSEWHERE}),
        second.model_copy(update={"reviews": (review,)}),
    )
    made = make_objects(
        study=study,
        findings=found.model_copy(update={"findings": findings}),
        presentation=application.presentation,
        pictures=[],
        report_key="e" * 64,
        created=now,
    )
    return next(one.content for one in made if one.kind == "SR")


def test_a_prior_of_a_silent_archive_comes_late_and_makes_a_new_report(both, tmp_path):
    one = both("dicomweb", wait_minutes=0)
    prior = one.in_pacs(tmp_path, spots("B", "20250101", (10, 10, 4)))
    one.pacs.stop()
    current = send(one.suite, tmp_path, spots("B", "20250701", (10, 10, 6)))

    def ended():
        with one.suite.database.read() as session:
            found = row(session, current)
            return found is not None and found[0].state == WorkState.READY

    one.suite.until(ended, 60, "the study to be reported without its prior")
    with one.suite.database.read() as session:
        analysis = row(session, current)[0].analysis_key
    one.suite.kill("service")
    one.pacs.start()
    one.suite.start("service")
    follow_up = wait_told(one.suite, current, 1)
    assert follow_up.comparisons[0].prior_study == prior
    assert Reason.PRIOR_UNREACHABLE not in {one.reason for one in follow_up.not_compared}
    with one.suite.database.read() as session:
        assert row(session, current)[0].analysis_key == analysis
        assert len(session.scalars(select(Workitem.id)).all()) == 2
