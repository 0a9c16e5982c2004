"""What is known of a report as it is released, and what a person has sent of the past."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from sqlalchemy import select

from gransk.core.codes import NO_UNITS, Code
from gransk.core.exam_facts import Fact, Place
from gransk.core.findings import Finding, Findings, FrameRef, Measurement, ModelIdentity
from gransk.core.object_kinds import ObjectKind
from gransk.core.study import Instance, Study
from gransk.reading.release import release_report
from gransk.results import edits, origins
from gransk.results.blobs import BlobError, BlobStore
from gransk.results.edits import Person, Seen
from gransk.results.router import Router, route_again
from gransk.results.routing import ReportFacts
from gransk.results.store import (
    NewObject,
    restore_report,
    seal_analysis,
    seal_report,
    withdraw_report,
)
from gransk.results.tables import (
    Delivery,
    DeliveryState,
    ExamKnown,
    Report,
    Track,
    Workitem,
    WorkState,
)
from gransk.site.config_destinations import OrthancDestination, Rule
from gransk.site.config_reading import ReadingSection
from gransk.site.database import Database, utcnow
from gransk.site.events import EventKind
from gransk.site.migrate import upgrade
from gransk.site.tables import Event

SCORE = Code(value="EXAM-SCORE", scheme="99GRANSK", meaning="AI score of the exam, 1 to 10")
MASS = Code(value="129788004", scheme="SCT", meaning="Mammographic breast mass")
ONE, TWO, THREE = "1" * 64, "2" * 64, "3" * 64
ANN = Person(account="ann", name="Ann", role="radiologist")
SEEN = Seen(study_key="s" * 32, application="mammo", analysis_key="a" * 64, report_key=ONE)


def destination(name, *rules, objects=tuple(ObjectKind)):
    when = tuple(Rule.model_validate(rule) for rule in rules)
    return OrthancDestination(name=name, kind="orthanc", when=when, objects=objects)


EVERYTHING = destination("everything")
FOUND = destination("found", {"outcomes": ["findings"]})
HIGH = destination("high", {"score_from": 8}, objects=(ObjectKind.SR,))


def found(score: float | None, marks: int = 1) -> Findings:
    measured = () if score is None else (
        Measurement(name="exam_score", concept=SCORE, unit=NO_UNITS, value=score),
    )  # fmt: skip
    return Findings(
        application="mammo",
        application_version="1",
        models=(ModelIdentity(id="mass", version="1", sha256="d" * 64),),
        study_instance_uid="1.2",
        series_instance_uids=("1.3",),
        frames=(
            FrameRef(
                sop_class_uid="1.2.3", sop_instance_uid="1.2.4", series_instance_uid="1.3"
            ),
        ),
        findings=tuple(
            Finding(tracking_uid=f"1.9.{n}", tracking_id=f"Mark {n}", kind=MASS, site=MASS,
                    probability=0.9)
            for n in range(marks)
        ),
        measurements=measured,
    )  # fmt: skip


class Site:
    """One exam whose reports are sealed and released."""

    reading = ReadingSection()

    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:///{folder}/gransk.db")
        self.blobs = BlobStore(folder / "blobs")
        upgrade(self.database)
        with self.database.begin() as session:
            session.add(Workitem(
                id="i" * 32, study_key="s" * 32, application="mammo", state=WorkState.READY,
                reason=None, detail="", step="", share=1.0, priority=0, incomplete=False,
                fingerprint="f", generation=0, attempt=0, deaths=0, analysis_key=None,
                report_key=None, settings_version=1, created_at=utcnow(), images_at=utcnow(),
                started_at=None, finished_at=None,
            ))  # fmt: skip

    def seal(self, key: str, findings: Findings, analysis: str = "a" * 64) -> None:
        with self.database.begin() as session:
            text = findings.model_dump_json().encode()
            seal_analysis(session, analysis, "mammo", self.blobs.put(text), self.blobs.put(b"p"), 1)
            item = session.get_one(Workitem, "i" * 32)
            made = [
                NewObject(
                    kind, "1.2", f"2.25.{key[0]}{n}", f"2.25.9{n}", self.blobs.put(kind.encode())
                )
                for n, kind in enumerate(("SR", "SC", "CAD"))
            ]
            seal_report(session, item, key, analysis, utcnow(), made)

    def release(self, key: str, *destinations: OrthancDestination) -> bool:
        with self.database.begin() as session:
            return release_report(session, key, "policy", self.router(*destinations))

    def router(self, *destinations: OrthancDestination) -> Router:
        return Router(destinations, self.blobs, self.reading)

    def lines(self, key: str) -> dict[str, list[str]]:
        """Numbers of the objects in the outbox, by destination."""
        with self.database.read() as session:
            query = select(Delivery).where(Delivery.report_key == key)
            lines = session.scalars(query.order_by(Delivery.sop_instance_uid)).all()
        names = sorted({line.destination for line in lines})
        return {
            name: [line.sop_instance_uid[-1] for line in lines if line.destination == name]
            for name in names
        }

    def sent(self, key: str, *names: str) -> None:
        """As if the deliveries of a report had been tried and had arrived."""
        with self.database.begin() as session:
            for line in session.scalars(select(Delivery).where(Delivery.report_key == key)):
                if line.destination in names:
                    line.state, line.tried_at = DeliveryState.SENT, utcnow()

    def events(self, kind: EventKind) -> list[dict[str, object]]:
        with self.database.read() as session:
            return list(session.scalars(select(Event.data).where(Event.kind == kind)))


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.database.close()


def test_a_report_goes_by_what_it_says_and_each_kind_where_it_is_wanted(site):
    site.seal(ONE, found(9.0))
    assert site.release(ONE, EVERYTHING, FOUND, HIGH)
    assert site.lines(ONE) == {
        "everything": ["0", "1", "2"], "found": ["0", "1", "2"], "high": ["0"],
    }  # fmt: skip
    (event,) = site.events(EventKind.REPORT_RELEASED)
    assert event["destinations"] == ["everything", "found", "high"]


@pytest.mark.parametrize(
    ("score", "marks", "names"),
    [
        (9.0, 0, {"high"}),
        (7.0, 1, {"found"}),
        (None, 1, {"found"}),
        (None, 0, set()),
    ],
)
def test_a_score_that_is_kept_back_leads_nowhere(site, score, marks, names):
    site.seal(ONE, found(score, marks))
    site.release(ONE, FOUND, HIGH)
    assert set(site.lines(ONE)) == names


def test_a_finding_that_a_person_rejected_counts_no_more(site):
    site.seal(ONE, found(None))
    with site.database.begin() as session:
        edits.reject(session, SEEN, ANN, "1.9.0", "vessel", "")
    site.release(ONE, EVERYTHING, FOUND)
    assert set(site.lines(ONE)) == {"everything"}


def test_a_rejection_counts_under_the_lesions_own_uid(site):
    site.seal(ONE, found(None))
    with site.database.begin() as session:
        session.add(
            Track(
                analysis_key=SEEN.analysis_key,
                finding_uid="1.9.0",
                lesion_uid="1.8.0",
                study_key=SEEN.study_key,
                at=utcnow(),
            )
        )
        edits.reject(session, SEEN, ANN, "1.8.0", "vessel", "")
    site.release(ONE, EVERYTHING, FOUND)
    assert set(site.lines(ONE)) == {"everything"}


def test_findings_that_cannot_be_read_stop_only_what_asks_for_them(site):
    site.seal(ONE, found(9.0))
    for path in site.blobs.folder.rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    with pytest.raises(BlobError):
        site.release(ONE, EVERYTHING, FOUND)
    assert site.lines(ONE) == {}
    assert site.release(ONE, EVERYTHING)


def image(number: str, modality: str, **header: str) -> Instance:
    dataset = Dataset()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2", f"1.3.{number}"
    dataset.SOPInstanceUID, dataset.SOPClassUID = f"1.4.{number}", "1.2.840.10008.5.1.4.1.1.2"
    dataset.Modality = modality
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    dataset.file_meta.SendingApplicationEntityTitle = "MAMBUS1"
    return Instance(dataset, lambda: dataset)


def test_where_the_images_come_from_is_kept_and_asked(site):
    site.seal(ONE, found(None))
    study = Study.from_instances(
        [
            image("1", "MG", InstitutionName="North", StationName="MG1"),
            image("2", "MG", InstitutionName="North", StationName="MG1"),
            image("3", "US", InstitutionName="South"),
        ]
    )
    with site.database.begin() as session:
        for _ in range(2):
            origins.read_images(session, "s" * 32, study)
        session.add(
            ExamKnown(study_key="s" * 32, facts={Fact.UNIT: ["north", "person"]}, at=utcnow())
        )
    places = {Place("North", "", "MG1", "MAMBUS1"), Place("South", "", "", "MAMBUS1")}
    with site.database.read() as session:
        item, report = session.get_one(Workitem, "i" * 32), session.get_one(Report, ONE)
        facts = site.router(EVERYTHING).facts(session, item, report)
    assert facts == ReportFacts("mammo", None, None, frozenset({"MG", "US"}), places, "north")
    site.release(
        ONE,
        destination("a", {"origins": [{"institution": "north", "aet": "MAMBUS1"}]}),
        destination("b", {"origins": [{"institution": "south", "station": "MG1"}]}),
        destination("c", {"origins": [{"unit": "north"}], "modalities": ["US"]}),
        destination("d", {"origins": [{"unit": "south"}]}),
    )
    assert set(site.lines(ONE)) == {"a", "c"}


def test_a_site_of_one_unit_that_matches_no_images_has_every_exam(site):
    site.seal(ONE, found(None))
    there = [destination(name, {"origins": [{"unit": name}]}) for name in ("north", "south")]
    site.reading = ReadingSection.model_validate({"units": [{"name": "north", "title": "North"}]})
    site.release(ONE, *there)
    assert set(site.lines(ONE)) == {"north"}


def test_what_replaces_a_report_goes_wherever_that_was_tried(site):
    site.seal(ONE, found(9.0))
    site.release(ONE, EVERYTHING, FOUND, HIGH)
    site.sent(ONE, "found", "everything")
    site.seal(TWO, found(2.0, 0), "b" * 64)
    site.release(TWO, EVERYTHING, FOUND, HIGH)
    assert set(site.lines(TWO)) == {"everything", "found"}, "high was never tried"
    site.sent(TWO, "found")
    site.seal(THREE, found(2.0, 0), "c" * 64)
    site.release(THREE, FOUND)
    assert set(site.lines(THREE)) == {"found"}, "everything is not configured any more"


def test_a_destination_that_is_added_later_is_sent_the_past_where_a_person_asks(site):
    site.seal(ONE, found(9.0))
    site.release(ONE, EVERYTHING)
    assert site.release(ONE, EVERYTHING, FOUND, HIGH)
    assert set(site.lines(ONE)) == {"everything"}, "nothing goes by itself"

    def again(*only):
        with site.database.begin() as session:
            return route_again(session, ONE, "ann", site.router(EVERYTHING, FOUND, HIGH), only)

    assert again("high") == {"high": 1}
    assert again() == {"found": 3}
    assert again() == {}
    assert site.lines(ONE) == {
        "everything": ["0", "1", "2"], "found": ["0", "1", "2"], "high": ["0"],
    }  # fmt: skip
    assert [event["destinations"] for event in site.events(EventKind.REPORT_ROUTED)] == [
        ["high"], ["found"],
    ]  # fmt: skip


def test_only_a_report_that_stands_is_sent_again(site):
    def again(key):
        with site.database.begin() as session:
            return route_again(session, key, "ann", site.router(FOUND))

    assert again(ONE) == {}, "it is not there"
    site.seal(ONE, found(9.0))
    assert again(ONE) == {}, "it is not released"
    site.release(ONE, EVERYTHING)
    with site.database.begin() as session:
        withdraw_report(session, ONE, "s" * 32)
    assert again(ONE) == {}, "it is withdrawn"
    with site.database.begin() as session:
        restore_report(session, ONE)
    site.seal(TWO, found(9.0), "b" * 64)
    assert again(ONE) == {}, "it is superseded"
    site.release(TWO, EVERYTHING)
    assert again(TWO) == {"found": 3}
