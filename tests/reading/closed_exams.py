"""Exams that were read to the end in a real ledger, many at once, for tests."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from reading_room import NORMAL, RECALL, RECALL_LEFT, START, TECHNICAL, plan, sealed
from reading_room import ai as opinion_of
from sqlalchemy.orm import Session

from gransk.core.keys import digest
from gransk.reading import acts
from gransk.reading.acts import Actor
from gransk.reading.book import Book
from gransk.reading.entries import Arrival, Entry, Kind, TaskKind
from gransk.reading.exam import Exam, State
from gransk.reading.ledger import arrive, exam_of, write
from gransk.reading.opinions import AiSaid, DifferenceReason, Opinion
from gransk.reading.plan import Plan
from gransk.results.tables import ExamKnown, ExamProgramme
from gransk.site.database import Database

SAID: dict[str, Opinion] = {"n": NORMAL, "r": RECALL, "l": RECALL_LEFT, "t": TECHNICAL}
FACTS = {
    "round": ["later", "file"], "age": ["57", "images"], "equipment": ["Maker M1", "images"],
    "treated": ["no", "person"], "implant": ["no", "person"], "declines_ai": ["no", "person"],
}  # fmt: skip

UNSAID: list[str] = []
"""Instead of a fact: nobody said it."""


@dataclass(frozen=True)
class Made:
    """One exam as a test wants it.

    Parameters
    ----------
    number : int
    reads : str
        A letter for each person: normal, recall (right), l (recall, left), technical.
    arbiter : str
        Likewise; empty where nobody decides between them.
    score : float, optional
        Of the AI; None: it has no opinion.
    days : int
        After the first day.
    """

    number: int
    reads: str = "nn"
    arbiter: str = ""
    score: float | None = 3.0
    unit: str = "herlev"
    how: Plan = field(default_factory=plan, hash=False)
    programme: str = "screening"
    facts: dict[str, list[str]] = field(default_factory=dict, hash=False)
    ai: dict[str, Any] = field(default_factory=dict, hash=False)
    late: bool = False
    days: int = 0

    @property
    def key(self) -> str:
        return digest(["study", self.number])[:32]


def close(database: Database, exams: Iterable[Made], first: datetime.datetime = START) -> list[str]:
    """Read exams to the end; their study keys."""
    with database.begin() as session:
        return [_close(session, one, first) for one in exams]


def _close(session: Session, one: Made, first: datetime.datetime) -> str:
    at = first + datetime.timedelta(days=one.days)
    session.add(
        ExamProgramme(study_key=one.key, programme=one.programme, source="machine", conflict="")
    )
    facts = {name: word for name, word in (FACTS | one.facts).items() if word}
    session.add(ExamKnown(study_key=one.key, facts=facts, at=at))
    new = Arrival(unit=one.unit, application="mammo", images="i1", images_at=at, opens_at=at)
    arrive(session, one.key, new, at)
    write(session, one.key, lambda book: _open(book, one, at))
    exam = _read(session, one.key, [SAID[letter] for letter in one.reads])
    if one.late:
        content = sealed(_opinion(one, at))
        write(session, one.key, lambda book: book.add(Entry(Kind.LATE_AI, content, at)) and None)
    if exam.state is State.DISCORDANT and one.arbiter:
        (given,) = exam.open_tasks(TaskKind.ARBITRATION)
        arbiter = Actor(given.account, "arbiter")
        acts.take(session, one.key, arbiter)
        acts.arbitrate(session, one.key, arbiter, SAID[one.arbiter], DifferenceReason.OVERLOOKED)
    return one.key


def _open(book: Book, one: Made, at: datetime.datetime) -> None:
    if one.score is not None and not one.late:
        book.add(Entry(Kind.AI_SEALED, sealed(_opinion(one, at)), at))
    book.open(one.how, at)


def _opinion(one: Made, at: datetime.datetime) -> Any:
    said = AiSaid.RECALL if (one.score or 0) >= 8 else AiSaid.NORMAL
    given = {
        "exam_score": one.score,
        "probability": (one.score or 0) / 20,
        "sealed_at": at,
        "application_version": "1.0",
    }
    return opinion_of(said, **given | one.ai)


def _read(session: Session, key: str, opinions: Sequence[Opinion]) -> Exam:
    for opinion in opinions:
        exam = exam_of(session, key)
        account = exam.open_tasks(TaskKind.FIRST)[0].account
        acts.read(session, key, Actor(account, "radiologist"), opinion, exam.images)
    return exam_of(session, key)
