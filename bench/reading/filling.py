"""A made-up reading room of many exams, written by the ledger's own rules.

Every exam is made by `gransk.reading.book`, so that its row and tasks are what its entries make.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from gransk.archive.tables import Archive, SeenStudy
from gransk.core.keys import digest
from gransk.core.reasons import Reason
from gransk.core.screening import Breast, FindingType, TechnicalReason, Verdict, View
from gransk.reading.book import Book
from gransk.reading.entries import (
    Arrival,
    Content,
    Entry,
    Judgement,
    Kind,
    Nothing,
    Reading,
    Sealed,
    TaskKind,
)
from gransk.reading.exam import Exam, Qualification, State, TaskState
from gransk.reading.exam_tables import EntryRow, ExamRow, TaskRow
from gransk.reading.ledger import cached
from gransk.reading.opinions import (
    AiOpinion,
    AiSaid,
    DifferenceReason,
    Opinion,
    Suspect,
    Technical,
    seal,
)
from gransk.reading.outcomes import Found, Outcome
from gransk.reading.plan import Plan, PlanReason, PolicyKind
from gransk.reading.policy_tables import OutcomeStatement
from gransk.reading.readers import Listing, list_reader, qualifications
from gransk.results.tables import (
    ExamKnown,
    ExamProgramme,
    FactSource,
    ProgrammeSource,
    Workitem,
    WorkState,
)
from gransk.site import people
from gransk.site.database import Database, utcnow
from gransk.site.tables import Role

UNITS = ("herlev", "odense", "ribe", "viborg")
READERS = 8
"""Of a unit; the last two arbitrate."""
PASSWORD = "a long enough password"
TOGETHER = 2000
ILL = 2
"""Of a hundred women; one of the two is recalled, the other's cancer comes in the interval."""
NORMAL = Opinion(verdict=Verdict.NORMAL)
RECALL = Opinion(
    verdict=Verdict.RECALL,
    suspects=(
        Suspect(breast=Breast.RIGHT, finding_type=FindingType.MASS, suspicion=4, view=View.MLO),
    ),
)
REPEAT = Opinion(
    verdict=Verdict.TECHNICAL,
    technical=Technical(views=((Breast.LEFT, View.CC),), reason=TechnicalReason.BLURRED),
)
OPEN_STATES = (
    State.WAITING, State.FIRST_READ, State.FIRST_READ, State.FIRST_READ, State.SECOND_READ,
    State.SECOND_READ, State.DISCORDANT, State.DISCORDANT, State.ARBITRATION,
    State.TECHNICAL_REPEAT,
)  # fmt: skip
"""Open exams are spread over these evenly."""
ALONE = Plan(
    policy="ai", version=1, kind=PolicyKind.REPLACE_READER, human_reads=1, ai_counts=True,
    reasons=(PlanReason.POLICY,),
)  # fmt: skip
TWO = Plan(
    policy="ai", version=1, kind=PolicyKind.REPLACE_READER, human_reads=2, ai_counts=False,
    reasons=(PlanReason.LATE,),
)  # fmt: skip


@dataclass
class Filling:
    """One made-up exam, written as the ledger would."""

    number: int
    unit: Mapping[str, Qualification]
    load: Counter[str]
    at: datetime.datetime
    book: Book = field(init=False)

    def __post_init__(self) -> None:
        self.book = Book(f"{self.number:032d}", self.unit, lambda _task, _at: self.load)

    @property
    def exam(self) -> Exam:
        if self.book.exam is None:
            raise KeyError(self.number)
        return self.book.exam

    @property
    def cancer(self) -> bool:
        return self.number % 100 < ILL

    @property
    def score(self) -> int:
        """Of the AI, higher where there is a cancer."""
        spread = self.number * 7919 % 1000 // 100
        return 10 - spread // 4 if self.cancer else 1 + spread

    def add(self, kind: Kind, content: Content, actor: str = "") -> None:
        """An entry, and what follows from it."""
        self.at += datetime.timedelta(minutes=3)
        role = Role.RADIOLOGIST.value if actor else ""
        entry = Entry(kind, content, self.at, role=role)
        self.book.add(entry if not actor else Entry(kind, content, self.at, actor, role))
        self.book.settle(self.at)

    def arrive(self, unit: str) -> None:
        self.add(
            Kind.ARRIVED,
            Arrival(
                unit=unit, application="mammo", images=f"{self.number:064d}", images_at=self.at,
                opens_at=self.at + datetime.timedelta(minutes=1),
            ),
        )  # fmt: skip

    def open(self, plan: Plan) -> None:
        opinion = AiOpinion(
            said=AiSaid.NORMAL, exam_score=self.score, category="high" if self.score > 9 else "low",
            probability=self.score / 50, analysis_key=digest(["analysis", self.number]),
            report_key="b" * 64, models={"mass": "c" * 64}, application="mammo",
            application_version="1.0", policy="ai", policy_version=1, sealed_at=self.at,
        )  # fmt: skip
        self.add(Kind.AI_SEALED, Sealed(opinion=opinion, seal=seal(opinion)))
        self.at += datetime.timedelta(minutes=3)
        self.book.open(plan, self.at)
        self.load.update(self.exam.drawn)

    def read(self, opinion: Opinion) -> None:
        reader = self.exam.open_tasks(TaskKind.FIRST)[0].account
        content = Reading(opinion=opinion, images=self.exam.images, seal=self.exam.seal)
        self.add(Kind.READ, content, reader)

    def take(self) -> str:
        arbiter = self.exam.open_tasks(TaskKind.ARBITRATION)[0].account
        self.add(Kind.TAKEN, Nothing(), arbiter)
        return arbiter

    def reach(self, state: State) -> None:
        """Go on until the exam is in a state."""
        if state is State.WAITING:
            return
        alone = self.number % 2 == 0 and state is not State.SECOND_READ
        self.open(ALONE if alone else TWO)
        if state is State.FIRST_READ:
            return
        if state is State.TECHNICAL_REPEAT:
            for _ in range(1 if alone else 2):
                self.read(REPEAT)
            return
        differs = state in (State.DISCORDANT, State.ARBITRATION) or self.number % 20 == 0
        self.read(RECALL if differs else NORMAL)
        if not alone and state is not State.SECOND_READ:
            self.read(NORMAL)
        if state is State.ARBITRATION or (state is State.DECIDED and differs):
            arbiter = self.take()
            if state is State.DECIDED:
                said = RECALL if self.cancer else NORMAL
                why = Judgement(opinion=said, why=DifferenceReason.OVERLOOKED)
                self.add(Kind.ARBITRATED, why, arbiter)

    def rows(self) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
        """The exam's row, its entries and its tasks."""
        key = self.book.study_key
        entries = [
            {
                "study_key": key, "place": place, "kind": entry.kind.value, "actor": entry.actor,
                "role": entry.role, "at": entry.at, "reason": entry.reason,
                "content": entry.content.model_dump(mode="json"), "salt": digest([key, place])[:32],
            }
            for place, entry in enumerate(self.book.new, 1)
        ]  # fmt: skip
        tasks = [
            {
                "study_key": key, "round": given.round, "kind": given.task.value,
                "account": given.account, "state": given.state.value, "unit": self.exam.unit,
                "arrived_at": self.exam.arrived_at, "given_at": self.at, "looked_at": None,
                "ended_at": None if given.state is TaskState.ASSIGNED else self.at,
            }
            for given in self.exam.tasks
        ]  # fmt: skip
        return {"study_key": key, **cached(self.book)}, entries, tasks


def exams(
    units: Mapping[str, Mapping[str, Qualification]], opened: int, decided: int
) -> Iterator[Filling]:
    """Open exams of the last 14 days, and decided ones of the last 28."""
    now = utcnow()
    loads: dict[str, Counter[str]] = {unit: Counter() for unit in units}
    for number in range(opened + decided):
        unit = UNITS[number % len(UNITS)]
        days = 14 if number < opened else 28
        share = number / opened if number < opened else (number - opened) / decided
        at = now - datetime.timedelta(days=days * share, hours=2)
        made = Filling(number, units[unit], loads[unit], at)
        made.arrive(unit)
        made.reach(OPEN_STATES[number // len(UNITS) % 10] if number < opened else State.DECIDED)
        yield made


def fill(database: Database, opened: int, decided: int) -> None:
    """People, and the exams that they read."""
    with database.begin() as session:
        _people(session)
        units = {unit: qualifications(session, unit) for unit in UNITS}
    coming = exams(units, opened, decided)
    while made := list(islice(coming, TOGETHER)):
        rows = [one.rows() for one in made]
        with database.begin() as session:
            session.execute(insert(SeenStudy), [_study(one) for one in made])
            session.execute(insert(Workitem), [_item(one) for one in made])
            session.execute(insert(ExamRow), [exam for exam, _, _ in rows])
            session.execute(insert(EntryRow), [entry for _, found, _ in rows for entry in found])
            session.execute(insert(TaskRow), [task for _, _, found in rows for task in found])
            session.execute(insert(ExamProgramme), [_programme(one) for one in made])
            session.execute(insert(ExamKnown), [_facts(one) for one in made])
            ended = [one for one in made if one.exam.state is State.DECIDED]
            if ended:
                session.execute(insert(OutcomeStatement), [_outcome(one) for one in ended])


def _people(session: Session) -> None:
    session.add(Archive(name="orthanc", identity="one", cursor=0, swept_at=None))
    start = utcnow() - datetime.timedelta(days=90)
    given = {
        "admin": Role.ADMINISTRATOR, "kim": Role.COORDINATOR, "ole": Role.COORDINATOR,
        "karen": Role.RESPONSIBLE_RADIOLOGIST,
    }  # fmt: skip
    for name, role in given.items():
        people.create_account(session, name, name.title(), [role], password=PASSWORD)
    for unit in UNITS:
        for number in range(READERS):
            name = f"{unit}{number}"
            password = PASSWORD if number == 0 else None
            account = people.create_account(
                session, name, name.title(), [Role.RADIOLOGIST], password=password
            )
            account.created_at = start
            session.flush()
            arbitrates = number >= READERS - 2
            list_reader(session, unit, name, Listing(arbitrates=arbitrates), "admin")
    # Ole reads where he coordinates: given nothing yet, and what is open is hidden from him.
    list_reader(session, UNITS[0], "ole", Listing(active=False), "admin")


def _study(made: Filling) -> dict[str, Any]:
    number, at = made.number, made.exam.arrived_at
    return {
        "key": made.book.study_key, "archive": "orthanc", "orthanc_id": f"id-{number}",
        "study_instance_uid": f"1.2.3.{number}", "issuer_of_patient_id": "",
        "patient_name": f"Family{number * 7919 % 10007}^Given", "patient_id": f"ID{number}",
        "patient_birth_date": "19611224", "patient_sex": "F", "study_date": "20260105",
        "study_time": "101500", "description": "Screening", "accession_number": f"A{number}",
        "modalities": ["MG"], "images": 4, "fingerprint": made.exam.images,
        "settled_fingerprint": made.exam.images, "priority": 0, "first_seen_at": at,
        "changed_at": at, "deleted_at": None, "pending": False,
    }  # fmt: skip


def _item(made: Filling) -> dict[str, Any]:
    refused = made.number % 25 == 0
    key, at = made.book.study_key, made.exam.arrived_at
    return {
        "id": key, "study_key": key, "application": "mammo",
        "state": WorkState.NOT_ANALYSED if refused else WorkState.READY,
        "reason": Reason.IMAGE_QUALITY.value if refused else None, "detail": "", "step": "",
        "share": 1.0, "priority": 0, "incomplete": False, "fingerprint": made.exam.images,
        "generation": 0, "attempt": 0, "deaths": 0, "analysis_key": None, "report_key": None,
        "settings_version": 1, "created_at": at, "images_at": at, "started_at": None,
        "finished_at": None,
    }  # fmt: skip


def _programme(made: Filling) -> dict[str, Any]:
    return {
        "study_key": made.book.study_key, "programme": "screening", "conflict": "",
        "source": ProgrammeSource.MACHINE, "said_by": "ris", "said_at": made.exam.arrived_at,
    }  # fmt: skip


def _facts(made: Filling) -> dict[str, Any]:
    number = made.number
    said = {
        "round": "first" if number % 9 == 0 else "later", "age": str(50 + number % 20),
        "equipment": f"Maker M{number % 3}", "treated": "no", "implant": "no",
        "declines_ai": "no",
    }  # fmt: skip
    facts = {fact: [value, FactSource.FILE.value] for fact, value in said.items()}
    return {"study_key": made.book.study_key, "facts": facts, "at": made.exam.arrived_at}


def _outcome(made: Filling) -> dict[str, Any]:
    recalled = made.exam.outcome is not None and made.exam.outcome.verdict is Verdict.RECALL
    found = Outcome(cancer=False, follow_up_months=24)
    if made.cancer:
        when = Found.SCREENING if recalled else Found.INTERVAL
        size = 5 + made.number % 30
        found = Outcome(cancer=True, found=when, invasive=True, size_mm=size, node_positive=False)
    return {
        "accession_number": f"A{made.number}", "study_instance_uid": "", "cancer": made.cancer,
        "content": found.model_dump(mode="json"), "source": FactSource.FILE, "actor": "kim",
        "at": utcnow(),
    }  # fmt: skip
