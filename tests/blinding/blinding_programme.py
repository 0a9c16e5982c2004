"""The programme that every run goes through: the same images, people and hours, another AI.

Runs differ in the AI alone (`Ai`): a low score, a high one, no opinion, or one that came late. By
the policy of the unit *north* (triage) a low score spares the second reader; at *south* (shadow)
the AI is shown to nobody. At the hour when the doors are tried:

* exam 1 (north) is open, and one or two people are asked to read it
* exam 2 (north) waits for its opening
* exam 3 (south) is open, and one of two people has read it: recall
* exam 4 (north) has arrived, and the loop that takes it into the reading room has not run yet
* exam 5 (north) is decided, its AI the same in every run, and its results are in the archive

The site tells a RIS decisions, findings and priority, and has rules by which every exam with an
opinion would be urgent.
"""

from __future__ import annotations

import datetime
import io
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from blinding_clock import Clock
from harness_orthanc import OrthancProcess, make_config
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import BasicTextSRStorage, ExplicitVRLittleEndian
from radiographs import radiograph
from reading_room import NORMAL, ai, plan, sealed, suspect
from reading_site import findings, mark
from sqlalchemy import select
from web_objects import Lesions
from web_server import serving
from web_site import Site, open_site

from gransk.archive.followed import is_earlier
from gransk.cli.archive import ArchiveCarrier
from gransk.core.keys import digest
from gransk.core.reasons import Reason
from gransk.core.screening import Verdict
from gransk.delivery import deliver, trying
from gransk.oversight.drift.looking import DriftWatcher
from gransk.reading import acts, entering, release, rooms
from gransk.reading.acts import Actor
from gransk.reading.book import Book
from gransk.reading.entering import Entering
from gransk.reading.entries import Arrival, Entry, Kind, Moved, TaskKind
from gransk.reading.exam import Exam
from gransk.reading.exam_tables import EntryRow, ExamRow
from gransk.reading.ledger import arrive, exam_of, write
from gransk.reading.opening import Opener
from gransk.reading.opinions import AiSaid, Opinion
from gransk.reading.past_keeping import KeptPast
from gransk.reading.plan import PolicyKind
from gransk.reading.policy import Minimum, Room
from gransk.reading.policy_tables import Validation
from gransk.reading.readers import Listing, list_reader
from gransk.reading.report_telling import make_report_teller
from gransk.reading.site_policies import SitePolicies
from gransk.reading.steps import follow
from gransk.reading.telling import Teller
from gransk.reading.urgent import make_raiser
from gransk.reading.validation.report import validate
from gransk.registry import beside
from gransk.registry.beside_tables import BesideRun, RunState
from gransk.results.blobs import BlobStore
from gransk.results.observed import observe
from gransk.results.router import Router
from gransk.results.steps import Step
from gransk.results.store import NewObject, seal_analysis, seal_report
from gransk.results.tables import (
    Delivery,
    ExamKnown,
    ExamProgramme,
    ReportObject,
    Workitem,
    WorkState,
)
from gransk.site import people
from gransk.site.config import Config
from gransk.site.config_destinations import ORTHANC, OrthancDestination, Rule
from gransk.site.config_messages import Subject
from gransk.site.config_monitoring import DriftSection
from gransk.site.config_reading import ReadingSection
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.sessions import start_session
from gransk.site.tables import Role
from gransk.web.wiring import owners

DAY = datetime.datetime(2026, 3, 2, 5, 0, tzinfo=datetime.UTC)
BLINDED = (1, 2, 3, 4)
OPENED = (1, 3)
DECIDED = 5
READERS = {"anna": False, "bo": False, "cara": True, "dan": True, "eva": False}
"""Accounts of both units, and whether each arbitrates; each has every role."""
UNITS = ("north", "south")
SHADOW = "shadow"
SECRET = "grenzebach"
"""Stands in every opinion and result; no blinded answer may hold it."""
NO = ["no", "machine"]
NO_STEP = "2.25.4711"
"""UID of no workitem."""

log = logging.getLogger("gransk")


DESTINATIONS = (
    ORTHANC,
    *(
        OrthancDestination(name=name, kind="orthanc", when=(Rule.model_validate(rule),))
        for name, rule in (
            ("found", {"outcomes": ["findings"]}),
            ("nothing", {"outcomes": ["none"]}),
            ("high", {"score_from": 5}),
            ("low", {"score_to": 5}),
            ("north", {"origins": [{"unit": "north"}]}),
        )
    ),
)
"""Where results go: each rule that the AI's opinion could tell by."""


class Ai(StrEnum):
    """What a run's AI does; everything else is the same."""

    LOW = "low"
    HIGH = "high"
    NONE = "none"
    LATE = "late"


class Mammo(Lesions):
    """The application, as far as pages need it."""

    id = "mammo"


@dataclass
class Programme:
    """One run: a site with its archive, up to the hour when its doors are tried.

    Parameters
    ----------
    config : Config
        Of `configuration`.
    orthanc : OrthancProcess
        Empty and running.
    ai : Ai
    peers : int
        Port at which listed DICOM peers receive.
    log : list of str
        What was logged.
    """

    config: Config
    orthanc: OrthancProcess
    ai: Ai
    peers: int = 0
    log: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=lambda: Clock(DAY))
    site: Site = field(init=False)

    def run(self) -> Programme:
        """Everything that happens before the doors are tried."""
        # The same in each run: forms carry keys that are derived from it.
        secret = self.config.service.nudge_secret_file
        secret.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        secret.write_text("of every run", encoding="utf-8")
        self.site = open_site(self.config)
        self.blobs = BlobStore(self.config.blob_folder)
        self.policies = SitePolicies(self.config, self.blobs, is_earlier)
        self._people()
        self._room()
        for number in (1, 3, 5):
            self._study(number, "08:00")
        self._study(2, "08:20")
        self._hour("08:25")
        for number in (1, 2, 3, 5):
            self._analysed(number, Ai.LOW if number == DECIDED else self.ai)
        self._look()
        self._hour("08:35")
        self._look()
        self.read(3, Opinion(verdict=Verdict.RECALL, suspects=(suspect("L"),), comment=SECRET))
        self.read(DECIDED, NORMAL)
        self._hour("08:40")
        self._come_late()
        self._look()
        self.let_out()
        self._validated()
        self._study(4, "08:42")
        self._analysed(4, self.ai)
        self._hour("08:45")
        self.look_for_drift()
        return self

    def close(self) -> None:
        self.site.close()

    # What the doors are tried with

    @property
    def blinded(self) -> tuple[str, ...]:
        """Who is asked nothing that depends on the AI, and has read nothing: two people."""
        first, second = self.exam(1).drawn
        acted = {second, *self.exam(3).readers, *self.exam(DECIDED).readers}
        names = [first, *(name for name in READERS if name != first)]
        return tuple(name for name in names if name not in acted)[:2]

    def key(self, number: int) -> str:
        return self.site.study_key(number)

    def uid(self, number: int) -> str:
        return f"1.2.826.0.1.{number}"

    def item(self, number: int) -> str:
        return self.site.item_id(self.key(number))

    def exam(self, number: int) -> Exam:
        with self.site.database.read() as session:
            return exam_of(session, self.key(number))

    def images(self, number: int) -> str:
        """Digest of the images that a read names; of an exam that is not here yet any."""
        with self.site.database.read() as session:
            row = session.get(ExamRow, self.key(number))
        return "none" if row is None else row.images

    def step(self, number: int) -> str:
        """Workitem of somebody who is not blinded and was given an exam; another UID where none."""
        query = select(Step.uid).where(
            Step.study_key == self.key(number), Step.account.not_in(self.blinded)
        )
        with self.site.database.begin() as session:
            follow(session, self.clock.at)
            return session.scalars(query.order_by(Step.account)).first() or NO_STEP

    def without_own_steps(self, name: str, said: bytes) -> bytes:
        """An answer in which a person's own workitems are named by their exams: UIDs are random."""
        query = select(Step).where(Step.account == name)
        with self.site.database.read() as session:
            for step in session.scalars(query.order_by(Step.created_at, Step.uid)):
                said = said.replace(step.uid.encode(), f"STEP of {step.study_key}".encode())
        return said

    def person(self, name: str) -> httpx.Client:
        """A browser in which a person has signed in; ``doors`` must be open."""
        with self.site.database.begin() as session:
            account = people.find_account(session, name)
            assert account is not None, name
            signed_in = start_session(session, account, 12)
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.config.service.port}",
            cookies={"gransk_session": signed_in.token},
            headers={"x-csrf-token": signed_in.csrf},
            trust_env=False,
            timeout=60,
        )

    @contextmanager
    def doors(self) -> Iterator[None]:
        """Serve the pages on their real port."""
        with serving(self.site.app, self.config.service.port):
            yield

    def rows(self) -> list[ExamRow]:
        with self.site.database.read() as session:
            return list(session.scalars(select(ExamRow).order_by(ExamRow.study_key)))

    def secrets(self) -> set[str]:
        """Words of which none may stand in an answer to who is blinded."""
        found = {SECRET}
        with self.site.database.read() as session:
            keys = [self.key(number) for number in BLINDED]
            for item in session.scalars(select(Workitem).where(Workitem.study_key.in_(keys))):
                found |= {item.analysis_key or SECRET, item.report_key or SECRET}
            entries = select(EntryRow).where(
                EntryRow.kind == "ai_sealed", EntryRow.study_key.in_(keys)
            )
            found |= {row.content["seal"] for row in session.scalars(entries)}
        return found | {self.result(number).SOPInstanceUID for number in BLINDED}

    def result(self, number: int) -> Dataset:
        """The result object of an exam: a report as the archive would hold it."""
        made = Dataset()
        made.file_meta = FileMetaDataset()
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
        made.SOPInstanceUID = f"{self.uid(number)}.99.1"
        made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
        made.StudyInstanceUID, made.SeriesInstanceUID = self.uid(number), f"{self.uid(number)}.99"
        made.PatientName, made.PatientID = f"Prøve^Åse {number}", f"T{number:04}"
        made.PatientBirthDate, made.PatientSex = "19600101", "F"
        made.StudyDate, made.StudyTime, made.StudyID = "20260302", "080000", "1"
        made.AccessionNumber, made.Modality, made.SpecificCharacterSet = (
            f"A{number}",
            "SR",
            "ISO_IR 192",
        )
        made.SeriesDescription = "Result" if number == DECIDED else f"{SECRET} {self.ai}"
        return made

    # What happens

    def _people(self) -> None:
        self._hour("05:00")
        roles = {name: list(Role) for name in READERS} | {
            "admin": [Role.ADMINISTRATOR],
            "spare": [Role.NURSE],
            "karen": [Role.RESPONSIBLE_RADIOLOGIST],
        }
        with self.site.database.begin() as session:
            for name, held in roles.items():
                people.create_account(session, name, name.title(), held)
            for name, arbitrates in READERS.items():
                for unit in UNITS:
                    list_reader(session, unit, name, Listing(arbitrates=arbitrates), "karen")

    def _room(self) -> None:
        self._hour("06:00")
        section = self.config.reading
        with self.site.database.begin() as session:
            made = rooms.draft(session, section, ROOM, "kim", "as agreed", self.clock.at.date())
            rooms.approve(session, section, made.row.version, people.find_account(session, "karen"))

    def _study(self, number: int, at: str) -> None:
        self._hour(at)
        uid = self.uid(number)
        for image in (1, 2):
            self.site.orthanc.store(_bytes(radiograph(
                number, 16, StudyInstanceUID=uid, SeriesInstanceUID=f"{uid}.1",
                SOPInstanceUID=f"{uid}.1.{image}", AccessionNumber=f"A{number}",
                StudyDate="20260302", StudyTime="080000",
            )))  # fmt: skip
        key = self.site.study(
            number, study_instance_uid=uid, changed_at=self.clock.at, patient_id=f"T{number:04}",
            accession_number=f"A{number}", images=2, modalities=["CR"], pending=False,
            settled_fingerprint="f", orthanc_id=str(self.site.orthanc.find_study(uid)),
        )  # fmt: skip
        self.site.item(
            key, WorkState.RUNNING, application="mammo", images_at=self.clock.at,
            created_at=self.clock.at,
        )  # fmt: skip
        unit = "south" if number == 3 else "north"
        facts = dict.fromkeys(("treated", "implant", "declines_ai"), NO)
        with self.site.database.begin() as session:
            record(session, SYSTEM, EventKind.STUDY_SEEN, key)  # as intake does, before all else
            session.add(
                ExamProgramme(study_key=key, programme="screening", source="machine", conflict="")
            )
            session.add(
                ExamKnown(study_key=key, facts=facts | {"unit": [unit, "images"]}, at=self.clock.at)
            )

    def _analysed(self, number: int, ai: Ai) -> None:
        if ai is Ai.LATE:
            return
        with self.site.database.begin() as session:
            item = session.get_one(Workitem, self.item(number))
            if ai is Ai.NONE:
                item.state, item.reason = WorkState.NOT_ANALYSED, Reason.TIME_LIMIT.value
                item.detail, item.incomplete = SECRET, True
                return
            self._seal(session, item, number, 9.0 if ai is Ai.HIGH else 2.0)

    def _seal(self, session: Any, item: Workitem, number: int, score: float) -> None:
        marks = [mark(1)] if score > 5 else []
        found = findings(score, *marks)
        stored = self.blobs.put(found.model_dump_json().encode())
        made = self.result(number)
        new = NewObject("SR", made.SOPClassUID, made.SOPInstanceUID, made.SeriesInstanceUID,
                        self.blobs.put(_bytes(made)))  # fmt: skip
        analysis = digest(["analysis", number, score])
        seal_analysis(session, analysis, "mammo", stored, stored, 31.4)
        seal_report(
            session, item, digest(["report", number, score]), analysis, self.clock.at, [new]
        )
        observe(session, item.study_key, analysis, "mammo", "r" * 16, {"score": score})
        item.state, item.finished_at, item.share = WorkState.READY, self.clock.at, 1.0
        self._beside(session, item, number, 11.0 - score)

    def _beside(self, session: Any, item: Workitem, number: int, score: float) -> None:
        """A shadow says the opposite."""
        found = findings(score, *([mark(1)] if score > 5 else []))
        stored = self.blobs.put(found.model_dump_json().encode())
        analysis = digest(["beside", number, score])
        seal_analysis(session, analysis, "mammo", stored, stored, 31.4)
        assert beside.add(session, item, SHADOW, {"models": {"masses": "other@2.0.0"}})
        chosen = select(BesideRun).where(BesideRun.study_key == item.study_key)
        row = session.scalars(chosen).one()
        row.own_analysis = analysis
        beside.end(session, row, RunState.READY)

    def _come_late(self) -> None:
        if self.ai is Ai.LATE:
            with self.site.database.begin() as session:
                for number in (1, 3):
                    self._seal(session, session.get_one(Workitem, self.item(number)), number, 9.0)

    def _look(self) -> None:
        """One look of the loop that opens exams."""
        Opener(self.site.database, self.blobs, self.policies).run_once(self.clock.at)

    def read(self, number: int, opinion: Opinion) -> None:
        """The first of those who are asked reads."""
        self.say(number, self.exam(number).open_tasks(TaskKind.FIRST)[0].account, opinion)

    def say(self, number: int, name: str, opinion: Opinion) -> None:
        """A person reads."""
        images = self.exam(number).images
        with self.site.database.begin() as session:
            actor = Actor(name, "radiologist")
            acts.read(session, self.key(number), actor, opinion, images)

    def give(self, number: int, task: TaskKind, giver: str, taker: str) -> None:
        """A coordinator gives what one person has to another."""
        moved = Moved(task=task, giver=giver, taker=taker)
        with self.site.database.begin() as session:
            acts.reassign(session, self.key(number), Actor("karen", "coordinator"), moved, "ill")

    def safety_net(self, number: int, *names: str) -> None:
        """Another exam of *south* is open: two people read it, and are shown the AI afterwards."""
        self._study(number, "08:46")
        self._analysed(number, self.ai)
        key, at, high = self.key(number), self.clock.at, self.ai is Ai.HIGH
        said = ai(AiSaid.RECALL if high else AiSaid.NORMAL, exam_score=9.0 if high else 2.0)
        new = Arrival(unit="south", application="mammo", images="i", images_at=at, opens_at=at)

        def opens(book: Book) -> None:
            book.add(Entry(Kind.AI_SEALED, sealed(said), at))
            book.open(plan(PolicyKind.SAFETY_NET), at)

        with self.site.database.begin() as session:
            arrive(session, key, new, at)
            write(session, key, opens)
        asked = [one.account for one in self.exam(number).open_tasks(TaskKind.FIRST)]
        others = [name for name in asked if name not in names]
        for giver, taker in zip(others, [n for n in names if n not in asked], strict=True):
            self.give(number, TaskKind.FIRST, giver, taker)

    def let_out(self) -> None:
        """Release what may be, and announce what was decided."""
        self.release()
        Teller(self.site.database, self.config.messages.names(Subject.DECISIONS)).run_once()

    def look_for_drift(self) -> None:
        """One look of the loop that looks for drift."""
        past = KeptPast(owners(), self.config.zone)
        DriftWatcher(
            self.site.database, DriftSection(), self.config.zone, Entering(self.policies).keys,
            lambda session, day: past(session, day).closed,
        ).run_once()  # fmt: skip

    def _validated(self) -> None:
        """A local validation was signed at the unit: of no exam, so that it lets no AI count."""
        report = validate((), "north", "mammo 1 mass", Minimum(exams=10, cancers=1), 10)
        said = report.model_dump(mode="json")
        with self.site.database.begin() as session:
            session.add(
                Validation(
                    unit="north", application="mammo", models={"mass": ["1", "d" * 64]}, exams=0,
                    cancers=0, report=said, digest=digest(said), signed_by="karen",
                    signed_at=self.clock.at,
                )
            )  # fmt: skip

    def release(self) -> None:
        """What the worker does: release what may be, tell of it, and deliver it."""
        covers = partial(entering.covers_now, self.policies)
        installed = {"mammo": Mammo()}
        then = release.in_turn(
            make_raiser(self.config, self.blobs, installed),
            make_report_teller(self.config, self.blobs, installed),
        )
        with self.site.database.read() as session:
            rows = release.open_rows(session, covers)
        for row in rows:
            with self.site.database.begin() as session:
                release.release_report(
                    session,
                    str(row.arguments[0]),
                    "policy",
                    Router(DESTINATIONS, self.blobs, ReadingSection()),
                    then,
                    covers,
                )
        self.deliver()

    def deliver(self) -> None:
        """Send what the outbox holds."""
        with self.site.database.read() as session:
            lines = deliver.open_rows(session)
        archive = ArchiveCarrier(self.site.orthanc)
        for line in lines:
            sent = deliver.send_once(
                self.site.database, self.blobs,
                {one.name: archive for one in DESTINATIONS}, *line.arguments,
            )  # fmt: skip
            assert sent[0] is trying.Result.SENT, sent

    def delivered(self) -> list[tuple[str, str]]:
        """Series whose results were let out, and where to: of the outbox, whatever its state."""
        with self.site.database.read() as session:
            query = (
                select(ReportObject.series_instance_uid, Delivery.destination)
                .join(Delivery, Delivery.sop_instance_uid == ReportObject.sop_instance_uid)
                .order_by(ReportObject.series_instance_uid, Delivery.destination)
            )
            return [(row.series_instance_uid, row.destination) for row in session.execute(query)]

    def _hour(self, at: str) -> None:
        hours, minutes = at.split(":")
        self.clock.at = self.clock.at.replace(hour=int(hours), minute=int(minutes))


def configuration(folder: Path, ports: tuple[int, int, int]) -> Config:
    """A site of two units; every run has the same addresses."""
    viewer = folder / "viewer"
    viewer.mkdir(parents=True)
    (viewer / "index.html").write_text(
        '<html><head><script src="/app-config.js"></script><script defer src="/a.js"></script>'
    )
    (viewer / "a.js").write_text("1")
    os.utime(viewer / "a.js", (DAY.timestamp(), DAY.timestamp()))  # the viewer's own file
    return make_config(
        folder,
        orthanc={"url": f"http://127.0.0.1:{ports[0]}", "dicom_port": ports[1]},
        service={"port": ports[2], "viewer_folder": str(viewer)},
        reading={"units": [{"name": name, "title": name.title()} for name in UNITS]},
        priority={"rules": [
            {"name": f"score-{level}", "level": level, "da": f"Score {level}",
             "en": f"Score {level}", "application": "mammo", "when": {"exam_score_from": score}}
            for level, score in (("high", 1), ("stat", 6))
        ]},
        messages={"destinations": [
            {"name": "ris", "kind": "hl7", "host": "127.0.0.1", "port": 9,
             "tells": ["decisions", "findings", "priority"]},
        ]},
        time_zone="UTC",
    )  # fmt: skip


def _bytes(made: Dataset) -> bytes:
    file = io.BytesIO()
    dcmwrite(file, made, enforce_file_format=True)
    return file.getvalue()


ROOM = Room.model_validate(
    {
        "valid_from": DAY.date(),
        "policies": [
            {"name": "triage", "kind": "triage", "double_from": 6, "waiting_minutes": 30},
            {"name": "shadow", "kind": "shadow", "waiting_minutes": 30},
        ],
        "rules": [
            {"when": {"programmes": ["screening"], "units": ["north"]}, "policy": "triage",
             "study": {"kind": "simulation", "reference": "Blind tests", "until": "2099-01-01"}},
            {"when": {"programmes": ["screening"], "units": ["south"]}, "policy": "shadow"},
        ],
        "minimum": {"mammo": {"exams": 10, "cancers": 1}},
    }
)  # fmt: skip
