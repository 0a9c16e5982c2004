"""A site with a reading room: its worklist, readers and policies, on a real database."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reading_room import START, WAITING, plan
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.codes import LEFT, NO_UNITS, PROBABILITY, RIGHT, Code
from gransk.core.findings import (
    Finding,
    Findings,
    FrameRef,
    Measurement,
    ModelIdentity,
    Quality,
    Region,
)
from gransk.core.keys import digest
from gransk.reading import acts
from gransk.reading.acts import Actor
from gransk.reading.ai import Said
from gransk.reading.entering import Place
from gransk.reading.entries import Arrival, Kind, TaskKind
from gransk.reading.exam import Exam
from gransk.reading.exam_tables import EntryRow, ExamRow
from gransk.reading.ledger import arrive, exam_of, write, wrong_rows
from gransk.reading.opening import Opener
from gransk.reading.opinions import AiSaid, Opinion
from gransk.reading.plan import Plan
from gransk.reading.readers import Listing, list_reader
from gransk.results.blobs import BlobStore
from gransk.results.store import NewObject, seal_analysis, seal_report
from gransk.results.tables import Workitem, WorkState
from gransk.site import people
from gransk.site.database import Database
from gransk.site.tables import Role

SIDE = Code(value="272741003", scheme="SCT", meaning="Laterality")
VIEW = Code(value="111031", scheme="DCM", meaning="Image View")
MLO = Code(value="399368009", scheme="SCT", meaning="medio-lateral oblique")
MASS = Code(value="129788004", scheme="SCT", meaning="Mammographic breast mass")
BREAST = Code(value="76752008", scheme="SCT", meaning="Breast")
UNIT = "herlev"
SCORE = Code(value="EXAM-SCORE", scheme="99GRANSK", meaning="AI score of the exam, 1 to 10")


def mark(number: int = 1, right: bool = True) -> Finding:
    return Finding(
        tracking_uid=f"1.2.{number}", tracking_id=f"Mark {number}", kind=MASS, site=BREAST,
        probability=0.9,
        qualities=(
            Quality(name="laterality", concept=SIDE, value=RIGHT if right else LEFT),
            Quality(name="view", concept=VIEW, value=MLO),
        ),
        regions=(
            Region(sop_instance_uid="1.2.3", points=((10, 10), (40, 10), (40, 50), (10, 50))),
        ),
    )  # fmt: skip


def findings(score: float | None = 3.0, *marks: Finding) -> Findings:
    measured = [
        Measurement(name="malignancy_probability", concept=PROBABILITY, unit=NO_UNITS, value=0.2)
    ]
    if score is not None:
        measured.append(Measurement(name="exam_score", concept=SCORE, unit=NO_UNITS, value=score))
    return Findings(
        application="mammo",
        application_version="1",
        models=(ModelIdentity(id="mass", version="1", sha256="d" * 64),),
        study_instance_uid="1.2",
        series_instance_uids=("1.2.1",),
        frames=(FrameRef(
            sop_class_uid="1.2.840.10008.5.1.4.1.1.1.2", sop_instance_uid="1.2.3",
            series_instance_uid="1.2.1",
        ),),
        findings=marks,
        measurements=tuple(measured),
    )  # fmt: skip


@dataclass
class Policies:
    """What the site's policies say, as tests set it."""

    applications: tuple[str, ...] = ("mammo",)
    began: datetime.datetime | None = START - datetime.timedelta(days=1)
    unit: str | None = UNIT
    recall_from: float = 8.0
    version: int = 1
    how: Callable[[Exam], Plan] = field(default=lambda exam: plan())
    asked: int = 0

    def since(self, session: Session) -> datetime.datetime | None:
        return self.began

    def place(self, session: Session, item: Workitem) -> Place | None:
        self.asked += 1
        return None if self.unit is None else Place(self.unit, WAITING)

    def says(self, session: Session, study_key: str, found: Findings) -> Said:
        recalls = (found.measured("exam_score") or 0) >= self.recall_from
        said = AiSaid.RECALL if recalls else AiSaid.NORMAL
        return Said(said, policy="p", version=self.version)

    def plan(self, session: Session, study_key: str, exam: Exam, at: datetime.datetime) -> Plan:
        return self.how(exam)


@dataclass
class Site:
    """People, studies and the loop."""

    database: Database
    blobs: BlobStore
    policies: Policies = field(default_factory=Policies)
    at: datetime.datetime = START
    count: int = 0

    def opener(self) -> Opener:
        return Opener(self.database, self.blobs, self.policies)

    def run(self, minutes: float = 0) -> int:
        self.at += datetime.timedelta(minutes=minutes)
        return self.opener().run_once(self.at)

    def people(self, *names: str, unit: str = UNIT, **values: Any) -> None:
        with self.database.begin() as session:
            for name in names:
                if people.find_account(session, name) is None:
                    account = people.create_account(session, name, name, [Role.RADIOLOGIST])
                    account.created_at = START - datetime.timedelta(days=9)
                    session.flush()
                list_reader(session, unit, name, Listing(**values), "kim")

    def unit(self) -> None:
        self.people("anna", "bo")
        self.people("cara", "dan", arbitrates=True)
        self.people("tove", reads=False, experienced=False, trainee=True)

    def study(self, state: WorkState = WorkState.RUNNING, images: str = "i1") -> str:
        self.count += 1
        key = digest(["study", self.count])[:32]
        with self.database.begin() as session:
            session.add(
                Workitem(
                    id=digest(["item", key])[:32], study_key=key, application="mammo",
                    state=state, reason=None, detail="", step="", share=1.0, priority=0,
                    incomplete=False, fingerprint=images, generation=0, attempt=0, deaths=0,
                    analysis_key=None, report_key=None, settings_version=1, created_at=self.at,
                    images_at=self.at, started_at=None, finished_at=None,
                )
            )  # fmt: skip
        return key

    def item(self, session: Session, key: str) -> Workitem:
        return session.scalars(select(Workitem).where(Workitem.study_key == key)).one()

    def change(self, key: str, **values: Any) -> None:
        with self.database.begin() as session:
            item = self.item(session, key)
            for name, value in values.items():
                setattr(item, name, value)

    def analysed(self, key: str, found: Findings | None = None) -> str:
        """The study's report is sealed; its key."""
        found = found or findings()
        kept = self.blobs.put(found.model_dump_json().encode())
        with self.database.begin() as session:
            item = self.item(session, key)
            analysis = digest(["analysis", key, item.fingerprint, found.model_dump(mode="json")])
            report = digest(["report", analysis])
            seal_analysis(session, analysis, "mammo", kept, kept, 1.0)
            made = NewObject("SR", "1.2.3", f"2.25.{int(report[:12], 16)}", "2.25.9", kept)
            seal_report(session, item, report, analysis, self.at, [made])
            item.state = WorkState.READY
        return report

    def exam(self, key: str) -> Exam:
        with self.database.read() as session:
            return exam_of(session, key)

    def row(self, key: str) -> ExamRow:
        with self.database.read() as session:
            return session.get_one(ExamRow, key)

    def kinds(self, key: str) -> list[Kind]:
        with self.database.read() as session:
            query = select(EntryRow.kind).where(EntryRow.study_key == key)
            return [Kind(kind) for kind in session.scalars(query.order_by(EntryRow.place))]

    def asked(self, key: str, task: TaskKind = TaskKind.FIRST) -> list[str]:
        return [given.account for given in self.exam(key).open_tasks(task)]

    def act(self, what: Callable[..., Any], key: str, name: str, *values: Any) -> Any:
        with self.database.begin() as session:
            return what(session, key, Actor(name, "radiologist"), *values)

    def read(self, key: str, *opinions: Opinion) -> None:
        for opinion in opinions:
            exam = self.exam(key)
            name = exam.open_tasks(TaskKind.FIRST)[0].account
            self.act(acts.read, key, name, opinion, exam.images)

    def opened(self, how: Plan | None = None) -> str:
        """An exam that entered and opened without the worklist."""
        self.count += 1
        key = digest(["exam", self.count])[:32]
        new = Arrival(
            unit=UNIT, application="mammo", images="i1", images_at=self.at, opens_at=self.at
        )
        with self.database.begin() as session:
            arrive(session, key, new, self.at)
            write(session, key, lambda book: _open(book, how or plan(), self.at))
        return key

    def wrong(self) -> list[str]:
        with self.database.read() as session:
            return wrong_rows(session)


def _open(book: Any, how: Plan, at: datetime.datetime) -> None:
    book.open(how, at)
