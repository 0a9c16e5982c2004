"""Exams, opinions and people to test the reading room with."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gransk.core.screening import (
    Breast,
    FindingType,
    TechnicalReason,
    Verdict,
    View,
)
from gransk.reading.book import Book
from gransk.reading.entries import (
    Arrival,
    Content,
    Entry,
    Images,
    Judgement,
    Kind,
    Moved,
    Nothing,
    Planned,
    Reading,
    Sealed,
    TaskKind,
)
from gransk.reading.exam import Exam, Qualification, State
from gransk.reading.opinions import (
    AiOpinion,
    AiSaid,
    DifferenceReason,
    Opinion,
    Place,
    Suspect,
    Technical,
    seal,
)
from gransk.reading.plan import Plan, PlanReason, PolicyKind
from gransk.reading.refusals import LedgerError, Refusal
from gransk.reading.sight import Sight, Standing, sight
from gransk.site.events import SYSTEM

START = datetime.datetime(2026, 3, 2, 8, 0, tzinfo=datetime.UTC)
WAITING = datetime.timedelta(minutes=30)
IMAGES = "images-1"


def suspect(breast: str = "R", **values: Any) -> Suspect:
    return Suspect(
        **{"breast": breast, "finding_type": FindingType.MASS, "suspicion": 4, "view": "MLO"}
        | values
    )


def place(column: float, row: float = 100.0, image: str = "1.2.3", radius: float = 20) -> Place:
    return Place(sop_instance_uid=image, centre_px=(column, row), radius_px=radius)


NORMAL = Opinion(verdict=Verdict.NORMAL)
RECALL = Opinion(verdict=Verdict.RECALL, suspects=(suspect("R"),))
RECALL_LEFT = Opinion(verdict=Verdict.RECALL, suspects=(suspect("L"),))
TECHNICAL = Opinion(
    verdict=Verdict.TECHNICAL,
    technical=Technical(views=((Breast.LEFT, View.CC),), reason=TechnicalReason.BLURRED),
)


def ai(said: AiSaid = AiSaid.NORMAL, **values: Any) -> AiOpinion:
    return AiOpinion(
        **{
            "said": said,
            "exam_score": 3.0,
            "probability": 0.1,
            "marks": (suspect("R", suspicion=None),) if said is AiSaid.RECALL else (),
            "analysis_key": "a" * 64,
            "report_key": "b" * 64,
            "models": {"mass": "c" * 64},
            "application": "mammo",
            "policy": "p",
            "policy_version": 1,
            "sealed_at": START,
        }
        | values
    )


def no_ai(reason: str = "time_limit") -> AiOpinion:
    return AiOpinion(said=AiSaid.NO_OPINION, reason=reason, application="mammo", sealed_at=START)


def sealed(opinion: AiOpinion) -> Sealed:
    return Sealed(opinion=opinion, seal=seal(opinion))


def plan(kind: PolicyKind = PolicyKind.DOUBLE_READING, **values: Any) -> Plan:
    """A plan as its kind has it."""
    usual: dict[PolicyKind, dict[str, Any]] = {
        PolicyKind.REPLACE_READER: {"human_reads": 1, "ai_counts": True},
        PolicyKind.TRIAGE: {"human_reads": 1, "ai_counts": False},
        PolicyKind.SAFETY_NET: {"shows_ai_after": True},
        PolicyKind.DECISION_SUPPORT: {"shows_marks": True},
    }
    return Plan(
        **{
            "policy": "p", "version": 1, "kind": kind, "human_reads": 2, "ai_counts": False,
            "reasons": (PlanReason.POLICY,),
        }
        | usual.get(kind, {})
        | values
    )  # fmt: skip


def person(account: str, **values: Any) -> Qualification:
    return Qualification(
        **{
            "account": account, "reads": True, "arbitrates": False, "experienced": True,
            "trainee": False, "blind_since": START - datetime.timedelta(days=9),
        }
        | values
    )  # fmt: skip


def trainee(account: str) -> Qualification:
    return person(account, reads=False, experienced=False, trainee=True)


UNIT = {
    who.account: who
    for who in (
        person("anna"), person("bo"), person("cara", arbitrates=True),
        person("dan", arbitrates=True), trainee("tove"),
    )
}  # fmt: skip


@dataclass
class Room:
    """One exam in a room without a database."""

    readers: dict[str, Qualification] = field(default_factory=lambda: dict(UNIT))
    key: str = "study"
    at: datetime.datetime = START
    book: Book = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.book = Book(self.key, self.readers, lambda _task, _at: {})
        self.book.add(Entry(Kind.ARRIVED, arrival(), self.at))

    @property
    def exam(self) -> Exam:
        assert self.book.exam is not None
        return self.book.exam

    @property
    def state(self) -> State:
        return self.exam.state

    @property
    def kinds(self) -> list[Kind]:
        return [entry.kind for entry in self.book.new]

    def add(
        self, kind: Kind, content: Content | None = None, actor: str = "", reason: str = ""
    ) -> Exam:
        """An entry, and what follows from it."""
        self.at += datetime.timedelta(minutes=1)
        entry = Entry(kind, content or Nothing(), self.at, reason=reason)
        if actor:
            entry = replace(entry, actor=actor, role="radiologist")
        self.book.add(entry)
        return self.book.settle(self.at)

    def open(self, how: Plan, opinion: AiOpinion | None = None) -> Exam:
        if opinion is not None:
            self.add(Kind.AI_SEALED, sealed(opinion))
        self.at = max(self.at, self.exam.opens_at)
        self.book.open(how, self.at)
        return self.book.settle(self.at)

    def asked(self, task: TaskKind = TaskKind.FIRST) -> list[str]:
        return [given.account for given in self.exam.open_tasks(task)]

    def reading(self, opinion: Opinion, **values: Any) -> Reading:
        return Reading(
            **{"opinion": opinion, "images": self.exam.images, "seal": self.exam.seal} | values
        )

    def read(self, *opinions: Opinion) -> Exam:
        """Who is asked reads, one after the other."""
        for opinion in opinions:
            self.add(Kind.READ, self.reading(opinion), self.asked()[0])
        return self.exam

    def take(self) -> str:
        (arbiter,) = self.asked(TaskKind.ARBITRATION)
        self.add(Kind.TAKEN, actor=arbiter)
        return arbiter

    def arbitrate(self, opinion: Opinion) -> Exam:
        arbiter = self.take()
        return self.add(Kind.ARBITRATED, judgement(opinion), arbiter)


def opened(how: Plan | None = None, opinion: AiOpinion | None = None) -> Room:
    room = Room()
    room.open(how or plan(), opinion)
    return room


def see(
    room: Room,
    name: str,
    oversees: bool = False,
    after: datetime.timedelta = datetime.timedelta(0),
) -> Sight:
    """What a person may see of the room's exam, some time after its last entry."""
    return sight(room.exam, Standing(name, oversees, room.readers.get(name)), room.at + after)


def refused(
    room: Room, kind: Kind, content: Content, actor: str, code: Refusal, reason: str = "because"
) -> None:
    """The entry cannot be made, and the exam stays as it was."""
    before = room.exam
    entry = Entry(kind, content, room.at, actor, "" if actor == SYSTEM else "r", reason)
    with pytest.raises(LedgerError) as error:
        room.book.add(entry)
    assert error.value.code is code
    assert room.exam is before


def judgement(opinion: Opinion, *participants: str) -> Judgement:
    return Judgement(opinion=opinion, why=DifferenceReason.OVERLOOKED, participants=participants)


def arrival(**values: Any) -> Arrival:
    return Arrival(
        **{
            "unit": "herlev", "application": "mammo", "images": IMAGES, "images_at": START,
            "opens_at": START + WAITING,
        }
        | values
    )  # fmt: skip


def images(name: str, at: datetime.datetime = START) -> Images:
    return Images(images=name, images_at=at, opens_at=at + WAITING)


def moved(task: TaskKind, giver: str = "", taker: str = "") -> Moved:
    return Moved(task=task, giver=giver, taker=taker)


def two() -> Planned:
    return Planned(plan=plan(reasons=(PlanReason.RETURNED,)))
