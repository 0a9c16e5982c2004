"""Marks of studies in Orthanc: metadata in the version at hand, labels in one that has them."""

import io
import json
import logging

import pytest
from fhir_cases import SIGNED, another, first, images, release
from harness_orthanc import OrthancProcess, make_config, orthanc_of
from pydicom import dcmwrite
from pydicom.dataset import FileDataset
from sqlalchemy import select

from gransk.archive.followed import place_of
from gransk.archive.orthanc_config import render
from gransk.archive.tables import SeenStudy
from gransk.cli.archive import ArchiveMarks
from gransk.core.errors import ConfigurationError
from gransk.core.object_kinds import ObjectKind
from gransk.delivery.destination import RefusedError
from gransk.delivery.marks import Marker, StudyMark, wanted
from gransk.reading.urgent import stands
from gransk.results import edits
from gransk.results.blobs import BlobStore
from gransk.results.store import queue_deliveries, restore_report, withdraw_report
from gransk.results.tables import Delivery, Workitem, WorkState
from gransk.results.urgency import Level, Urgency
from gransk.results.versions import ReportVersion
from gransk.site.config_destinations import Marks, OrthancDestination, marked
from gransk.site.database import utcnow
from gransk.site.events import EventKind
from gransk.site.tables import Event

DESTINATION = {"name": "orthanc", "kind": "orthanc", "marks": {}}
MARKS = Marks()


class Archive:
    """An archive in memory: for what a real one cannot be made to do at will."""

    def __init__(self, error=None):
        self.error = error
        self.marks = {}

    def mark(self, place, marks):
        if self.error is not None:
            raise self.error
        self.marks[place] = list(marks)
        return True


def one_image(number=1):
    header = images(number)[0]
    header.Rows = header.Columns = 2
    header.PixelData = bytes(8)
    meta = header.file_meta
    content = io.BytesIO()
    made = FileDataset(content, header, file_meta=meta, preamble=b"\0" * 128)
    dcmwrite(content, made, enforce_file_format=True)
    return content.getvalue()


def urgent(session, study, level=Level.STAT):
    values = {"rule": "large", "application": "lesion", "report_key": "r"}
    session.add(Urgency(study_key=study, level=level, at=utcnow(), **values))


def withdraw(site, item):
    with site.database.begin() as session:
        row = session.get_one(Workitem, item)
        withdraw_report(session, row.report_key, row.study_key)


def restore(site, item):
    with site.database.begin() as session:
        restore_report(session, session.get_one(Workitem, item).report_key)


def sign(site, item):
    with site.database.begin() as session:
        row = session.get_one(Workitem, item)
        edits.sign(session, edits.Seen.of(row), edits.Person("bo", SIGNED.person, "radiologist"))
    another(site, item, 1, "ab" * 32, signature=SIGNED)


def marker(site, archive):
    return Marker(BlobStore(site.config.blob_folder), archive, place_of, "orthanc", stands)


def test_marks_follow_the_released_report(make_site):
    site = make_site()
    archive = Archive()
    one = marker(site, archive)
    hidden = site.sealed(site.study(2), released=False)
    with site.database.begin() as session:
        urgent(session, site.study_key(2))
    assert one.run_once(site.database) == 0
    item = first(site, 1)
    assert one.run_once(site.database) == 1
    assert archive.marks == {"id-1": ["findings"]}
    assert one.run_once(site.database) == 0
    sign(site, item)
    assert one.run_once(site.database) == 1
    assert archive.marks["id-1"] == ["findings", "signed"]
    withdraw(site, item)
    one.run_once(site.database)
    assert archive.marks["id-1"] == []
    restore(site, item)
    one.run_once(site.database)
    assert archive.marks["id-1"] == ["findings", "signed"]
    release(site, hidden)
    one.run_once(site.database)
    assert archive.marks["id-2"] == ["findings", "stat", "urgent"]
    with site.database.read() as session:
        told = session.scalars(
            select(Event).where(Event.kind == EventKind.STUDY_MARKED).order_by(Event.number)
        ).all()
    assert [event.data["marks"] for event in told] == [
        ["findings"], ["findings", "signed"], [], ["findings", "signed"],
        ["findings", "stat", "urgent"],
    ]  # fmt: skip


def test_the_mark_of_urgency_goes_as_the_study_is_read(make_site):
    site = make_site()
    archive = Archive()
    one = marker(site, archive)
    item = first(site, 1)
    with site.database.begin() as session:
        urgent(session, site.study_key(1))
    one.run_once(site.database)
    assert archive.marks["id-1"] == ["findings", "stat", "urgent"]
    assert one.run_once(site.database) == 0
    with site.database.begin() as session:
        row = session.get_one(Workitem, item)
        edits.sign(session, edits.Seen.of(row), edits.Person("bo", SIGNED.person, "radiologist"))
    assert one.run_once(site.database) == 1, "before the signed report is released"
    assert archive.marks["id-1"] == ["findings"]
    assert one.run_once(site.database) == 0


def test_a_study_that_is_gone_is_marked_when_it_returns(make_site):
    site = make_site()
    archive = Archive()
    one = marker(site, archive)
    item = first(site, 1)
    with site.database.begin() as session:
        session.get_one(SeenStudy, site.study_key(1)).deleted_at = utcnow()
    withdraw(site, item)
    assert one.run_once(site.database) == 0
    assert archive.marks == {}
    with site.database.begin() as session:
        session.get_one(SeenStudy, site.study_key(1)).deleted_at = None
    restore(site, item)
    assert one.run_once(site.database) == 1
    assert archive.marks == {"id-1": ["findings"]}


def test_a_study_whose_objects_are_sent_again_is_marked_again(make_site):
    """Deleted and sent again between two looks of ours, so that no report was withdrawn."""
    site = make_site()
    archive = Archive()
    one = marker(site, archive)
    item = first(site, 1)
    one.run_once(site.database)
    archive.marks.clear()
    restore(site, item)
    assert one.run_once(site.database) == 0
    with site.database.begin() as session:
        key = session.get_one(Workitem, item).report_key
        queue_deliveries(session, key, {"orthanc": (ObjectKind.SR,)})
        session.scalars(select(Delivery)).one().sent_at = utcnow()
    assert one.run_once(site.database) == 1
    assert archive.marks == {"id-1": ["findings"]}
    assert one.run_once(site.database) == 0


def test_a_refusal_rests_and_holds_up_no_other(make_site, caplog):
    site = make_site()
    first(site, 1)
    archive = Archive(RefusedError("no"))
    one = marker(site, archive)
    with caplog.at_level(logging.ERROR):
        assert one.run_once(site.database) == 0
        archive.error = None
        first(site, 2)
        assert one.run_once(site.database) == 1
    assert set(archive.marks) == {"id-2"}
    assert len(caplog.records) == 1
    assert marker(site, archive).run_once(site.database) == 1


def test_those_that_rest_take_no_other_s_place(make_site, monkeypatch):
    monkeypatch.setattr("gransk.delivery.marks.TOGETHER", 2)
    site = make_site()
    archive = Archive(RefusedError("no"))
    one = marker(site, archive)
    for number in (1, 2):
        first(site, number)
    assert one.run_once(site.database) == 0
    archive.error = None
    first(site, 3)
    assert one.run_once(site.database) == 1
    assert set(archive.marks) == {"id-3"}


def test_of_several_applications_findings_count(make_site):
    site = make_site()
    first(site, 1)
    with site.database.begin() as session:
        study = site.study_key(1)
        version = session.scalars(select(ReportVersion)).one()
        other = Workitem(
            **{
                column.name: getattr(session.get_one(Workitem, version.workitem_id), column.name)
                for column in Workitem.__table__.columns
            }
            | {"id": "o" * 32, "application": "other", "state": WorkState.FAILED}
        )
        session.add(other)
        session.flush()
        assert wanted(session, BlobStore(site.config.blob_folder), study, stands) == {"findings"}


@pytest.mark.system
def test_orthanc_without_labels_has_metadata(make_site, orthanc, tmp_path):
    config = make_config(tmp_path, destinations=[DESTINATION])
    process = orthanc(config)
    site = make_site(config)
    place = process.client.store(one_image())
    place = process.client.find_study("1.2.3.1")
    process.client.set_study_metadata(place, "1025", "another's")
    item = first(site, 1)
    with site.database.begin() as session:
        session.get_one(SeenStudy, site.study_key(1)).orthanc_id = place
    one = marker(site, ArchiveMarks(process.client, marked(config.destinations)[1]))
    assert one.run_once(site.database) == 1
    assert process.client.study_metadata(place)["gransk-marks"] == "findings"
    process.stop()
    sign(site, item)
    one = marker(site, ArchiveMarks(process.client, MARKS))
    assert one.run_once(site.database) == 0
    process.start()
    one = marker(site, ArchiveMarks(process.client, MARKS))
    assert one.run_once(site.database) == 1
    assert process.client.study_metadata(place)["gransk-marks"] == "findings signed"
    withdraw(site, item)
    assert one.run_once(site.database) == 1
    told = process.client.study_metadata(place)
    assert "gransk-marks" not in told
    assert told["1025"] == "another's"
    process.client.delete_study(place)
    restore(site, item)
    assert one.run_once(site.database) == 0
    with site.database.read() as session:
        assert session.get_one(StudyMark, site.study_key(1)).marks == []


def test_what_the_configuration_may_say(tmp_path):
    assert marked((OrthancDestination(name="orthanc", kind="orthanc"),)) is None
    config = make_config(tmp_path, destinations=[DESTINATION])
    template = tmp_path / "site.json"
    template.write_text(json.dumps({"UserMetadata": {"other": 1025}}))
    path = render(config, tmp_path / "o", template)
    assert json.loads(path.read_text())["UserMetadata"] == {"other": 1025, "gransk-marks": 1024}
    for named in ({"other": 1024}, {"gransk-marks": 1030}):
        template.write_text(json.dumps({"UserMetadata": named}))
        with pytest.raises(ConfigurationError, match="1024 are for Gransk's marks"):
            render(config, tmp_path / "o", template)


@pytest.fixture
def labelled(tmp_path):
    """A running Orthanc of Debian 13, as our client asks it."""
    extra = {"UserMetadata": {MARKS.name: MARKS.metadata}}
    binary = orthanc_of("trixie", tmp_path)
    process = OrthancProcess(make_config(tmp_path), tmp_path / "o", extra, binary)
    yield process.start().client
    process.stop()


@pytest.mark.full
@pytest.mark.system
@pytest.mark.timeout(1800)
def test_orthanc_with_labels_shows_them(labelled):
    version = tuple(map(int, labelled.system()["Version"].split(".")))
    assert version >= (1, 12)
    assert labelled.has_labels()
    labelled.store(one_image())
    place = labelled.find_study("1.2.3.1")
    labelled.set_label(place, "teaching")
    before = labelled.last_change()
    archive = ArchiveMarks(labelled, MARKS)
    assert archive.mark(place, {"findings", "urgent"})
    assert sorted(labelled.labels(place)) == ["gransk-findings", "gransk-urgent", "teaching"]
    assert labelled.study_metadata(place)["gransk-marks"] == "findings urgent"
    archive.mark(place, {"findings", "signed"})
    archive.mark(place, {"findings", "signed"})
    assert sorted(labelled.labels(place)) == ["gransk-findings", "gransk-signed", "teaching"]
    archive.mark(place, set())
    assert labelled.labels(place) == ["teaching"]
    assert "gransk-marks" not in labelled.study_metadata(place)
    kinds = {one.kind for one in labelled.changes(before).changes}
    assert kinds <= {"UpdatedMetadata"}
    labelled.delete_study(place)
    assert archive.mark(place, {"findings"}) is False
