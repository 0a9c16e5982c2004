"""A programme read under one policy: every exam through the reading room's own ledger.

Plans are made by `gransk.reading.planning.plan`, entries go through `gransk.reading.book.Book`, so
that each is checked by the state machine, and what follows is what it makes follow. Here is only
what people do: look at what they were given, and say normal or recall.
"""

from __future__ import annotations

import datetime
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from bench.programme import sources
from bench.programme.policies import Simulated, room_of
from bench.programme.women import READER_LIMIT, Programme, ai, arbiters
from gransk.core.exam_facts import Round
from gransk.core.keys import digest
from gransk.core.programme import Programme as Offered
from gransk.core.reasons import Reason
from gransk.core.screening import Breast, FindingType, Verdict
from gransk.core.statistics.figure import BoolArray, IntArray
from gransk.reading.ai import refused
from gransk.reading.book import Book
from gransk.reading.entries import (
    Arrival,
    Content,
    Entry,
    Judgement,
    Kind,
    Nothing,
    Opening,
    Reading,
    Sealed,
    Task,
    TaskKind,
)
from gransk.reading.exam import Exam, Given, Qualification, State
from gransk.reading.ledger import Make
from gransk.reading.opinions import (
    AiOpinion,
    AiSaid,
    DifferenceReason,
    Opinion,
    Suspect,
    seal,
)
from gransk.reading.plan import Plan
from gransk.reading.planning import AiSaid as Said
from gransk.reading.planning import Gate, Known, Word, plan, says
from gransk.reading.policy import Room
from gransk.site.events import SYSTEM

START = datetime.datetime(2026, 1, 5, 8, tzinfo=datetime.UTC)
MINUTE, DAY = datetime.timedelta(minutes=1), datetime.timedelta(days=1)
UNIT, APPLICATION = "simulated", "mammo"
MODELS = {"simulated": digest(["bench.programme"])}
RADIOLOGIST = "radiologist"
NAMES = tuple(f"reader-{n}" for n in range(sources.READERS))
SUSPICION = 3


@dataclass(frozen=True)
class Run:
    """What became of every exam under a policy; arrays of shape (women,).

    Parameters
    ----------
    simulated : Simulated
    programme : Programme
    decided, recalled, arbitrated, alone : ndarray of bool
        Decided; as recall; by a third reader; by one person's first opinion.
    readings : ndarray of int
        By people: first reads, looks at what a safety net showed, arbitration.
    first, second, third : ndarray of int
        Number of the reader; -1 where there was none.
    """

    simulated: Simulated
    programme: Programme
    decided: BoolArray = field(repr=False)
    recalled: BoolArray = field(repr=False)
    arbitrated: BoolArray = field(repr=False)
    alone: BoolArray = field(repr=False)
    readings: IntArray = field(repr=False)
    first: IntArray = field(repr=False)
    second: IntArray = field(repr=False)
    third: IntArray = field(repr=False)


class Ledger(Protocol):
    """Where the exams' entries are kept."""

    def arrive(self, key: str, arrival: Arrival, at: datetime.datetime) -> Exam:
        """An exam enters."""

    def write(self, key: str, make: Make) -> Exam:
        """Add entries to an exam, and what follows from them."""


class InMemory:
    """A ledger that keeps the present exam alone, and what the draw asks of the last day."""

    def __init__(self, readers: Mapping[str, Qualification]) -> None:
        self._readers = readers
        self._book = Book("", readers, self._loads)
        self._late: deque[tuple[datetime.datetime, TaskKind, str]] = deque()
        self._counts: dict[TaskKind, Counter[str]] = {task: Counter() for task in TaskKind}

    def arrive(self, key: str, arrival: Arrival, at: datetime.datetime) -> Exam:
        self._book = Book(key, self._readers, self._loads)
        return self._book.add(Entry(Kind.ARRIVED, arrival, at))

    def write(self, key: str, make: Make) -> Exam:
        before = len(self._book.new)
        make(self._book)
        exam = self._book.settle(self._book.new[-1].at)
        for entry in self._book.new[before:]:
            self._note(entry)
        return exam

    def _loads(self, task: TaskKind, at: datetime.datetime) -> Mapping[str, int]:
        while self._late and self._late[0][0] < at - DAY:
            _, old, account = self._late.popleft()
            self._counts[old][account] -= 1
        return self._counts[task]

    def _note(self, entry: Entry) -> None:
        given: list[tuple[TaskKind, str]] = []
        if isinstance(entry.content, Opening):
            given = [(TaskKind.FIRST, account) for account in entry.content.drawn]
        elif isinstance(entry.content, Task) and entry.content.task is not TaskKind.FIRST:
            given = [(entry.content.task, entry.content.account)]
        for task, account in given:
            self._late.append((entry.at, task, account))
            self._counts[task][account] += 1


def unit() -> dict[str, Qualification]:
    """The unit's list: everybody reads, some are experienced, some arbitrate."""
    return {
        name: Qualification(
            account=name,
            reads=True,
            arbitrates=n % 2 == 0 and n < 2 * sources.ARBITERS,
            experienced=n >= sources.READERS - sources.EXPERIENCED,
            trainee=False,
            blind_since=START - DAY,
        )
        for n, name in enumerate(NAMES)
    }


def run(programme: Programme, simulated: Simulated, ledger: Ledger | None = None) -> Run:
    """Read a programme under a policy, exam by exam.

    Parameters
    ----------
    programme : Programme
    simulated : Simulated
    ledger : Ledger, optional
        In memory where absent.
    """
    kept, room = ledger or InMemory(unit()), room_of(simulated.policy)
    exams = [
        _Reading(programme, simulated, room, kept, n).read() for n in range(programme.women)
    ]  # fmt: skip
    return _told(programme, simulated, exams)


def arrives(n: int) -> datetime.datetime:
    """When the images of an exam are there."""
    return START + (n // sources.EXAMS_A_DAY) * DAY + (n % sources.EXAMS_A_DAY) * MINUTE


@dataclass
class _Reading:
    """One exam, from its images to its decision."""

    programme: Programme
    simulated: Simulated
    room: Room
    ledger: Ledger
    n: int

    @property
    def key(self) -> str:
        return f"exam-{self.programme.seed}-{self.n}"

    def read(self) -> Exam:
        at = arrives(self.n)
        opens = at + datetime.timedelta(minutes=self.simulated.policy.waiting_minutes)
        arrival = Arrival(
            unit=UNIT, application=APPLICATION, images=self.key, images_at=at, opens_at=opens
        )
        self.ledger.arrive(self.key, arrival, at)
        said, opinion = self._ai(at)
        self._add(Kind.AI_SEALED, Sealed(opinion=opinion, seal=seal(opinion)), SYSTEM, at)
        planned = plan(self.room, self._known(), said, Gate(), opens)
        exam = self.ledger.write(self.key, lambda book: _open(book, planned, opens))
        while (given := _next(exam)) is not None:
            exam = self._do(exam, given, opens)
        return exam

    def _known(self) -> Known:
        no = Word(False)
        return Known(
            programme=Offered.SCREENING,
            unit=UNIT,
            round=Round.FIRST if self.programme.first[self.n] else Round.LATER,
            treated=no,
            implant=no,
            declines_ai=no,
        )

    def _ai(self, at: datetime.datetime) -> tuple[Said, AiOpinion]:
        """The AI's opinion as it is planned by, and as it is sealed."""
        if self.programme.inadequate[self.n]:
            reason = Reason.IMAGE_QUALITY
            return Said(at, refused=reason), refused(APPLICATION, reason, at)
        high = bool(self.programme.ai[self.n] >= ai(self.simulated.high).limit)
        score = int(self.programme.score[self.n])
        said = Said(
            sealed_at=at, models=tuple(MODELS.items()), score=score,
            category="high" if high else "low",
        )  # fmt: skip
        verdict = says(self.simulated.policy, said)
        opinion = AiOpinion(
            said=AiSaid.RECALL if verdict == "recall" else AiSaid.NORMAL,
            exam_score=score,
            category=said.category,
            marks=(self._suspect(None),) if verdict == "recall" else (),
            analysis_key=self.key,
            models=MODELS,
            application=APPLICATION,
            policy=self.simulated.policy.name,
            policy_version=self.room.version,
            sealed_at=at,
        )
        return said, opinion

    # What people do

    def _do(self, exam: Exam, given: Given, at: datetime.datetime) -> Exam:
        account = given.account
        if given.task is TaskKind.FIRST:
            shown = exam.plan is not None and exam.plan.shows_marks
            reading = self._reading(exam, self._looks(account, shown))
            return self._add(Kind.READ, reading, account, at)
        if given.task is TaskKind.SAFETY:
            if self._looks(account, shown=True):
                return self._add(Kind.SAFETY_CHANGED, self._reading(exam, True), account, at)
            return self._add(Kind.SAFETY_KEPT, Nothing(), account, at)
        self._add(Kind.TAKEN, Nothing(), account, at)
        number = NAMES.index(account)
        sees = self.programme.arbiters[self.n, number]
        opinion = self._opinion(bool(sees >= arbiters()[number].limit))
        judgement = Judgement(opinion=opinion, why=DifferenceReason.OTHER)
        return self._add(Kind.ARBITRATED, judgement, account, at)

    def _looks(self, account: str, shown: bool) -> bool:
        """Does a reader find something to recall for?"""
        follows = shown and self.simulated.follow
        seen = self.programme.with_marks if follows else self.programme.readers
        return bool(seen[self.n, NAMES.index(account)] >= READER_LIMIT)

    def _add(self, kind: Kind, content: Content, account: str, at: datetime.datetime) -> Exam:
        role = "" if account == SYSTEM else RADIOLOGIST
        entry = Entry(kind, content, at, account, role)
        return self.ledger.write(self.key, lambda book: _put(book, entry))

    def _reading(self, exam: Exam, recall: bool) -> Reading:
        return Reading(opinion=self._opinion(recall), images=exam.images, seal=exam.seal)

    def _opinion(self, recall: bool) -> Opinion:
        if not recall:
            return Opinion(verdict=Verdict.NORMAL)
        return Opinion(verdict=Verdict.RECALL, suspects=(self._suspect(SUSPICION),))

    def _suspect(self, suspicion: int | None) -> Suspect:
        side = Breast.LEFT if self.programme.left[self.n] else Breast.RIGHT
        return Suspect(breast=side, finding_type=FindingType.MASS, suspicion=suspicion)


def _open(book: Book, planned: Plan, at: datetime.datetime) -> None:
    book.open(planned, at)


def _put(book: Book, entry: Entry) -> None:
    book.add(entry)


def _next(exam: Exam) -> Given | None:
    """What the exam waits for a person to do."""
    kinds = (TaskKind.FIRST, TaskKind.SAFETY, TaskKind.ARBITRATION)
    return next((given for kind in kinds for given in exam.open_tasks(kind)), None)


def _told(programme: Programme, simulated: Simulated, exams: list[Exam]) -> Run:
    def of(values: list[bool]) -> BoolArray:
        return np.array(values, dtype=bool)

    def numbers(values: list[int]) -> IntArray:
        return np.array(values, dtype=np.int64)

    def reader(exam: Exam, place: int) -> int:
        reads = exam.counting
        return NAMES.index(reads[place].account) if place < len(reads) else -1

    third = [NAMES.index(exam.taker) if exam.taker else -1 for exam in exams]
    looked_again = [len(exam.counting) if exam.shown_after else 0 for exam in exams]
    return Run(
        simulated=simulated,
        programme=programme,
        decided=of([exam.state is State.DECIDED for exam in exams]),
        recalled=of([exam.outcome is not None and exam.outcome.verdict is Verdict.RECALL
                     for exam in exams]),
        arbitrated=of([exam.conclusion is not None for exam in exams]),
        alone=of([exam.plan is not None and exam.plan.human_reads == 1 for exam in exams]),
        readings=numbers([len(exam.counting) + again + (exam.conclusion is not None)
                          for exam, again in zip(exams, looked_again, strict=True)]),
        first=numbers([reader(exam, 0) for exam in exams]),
        second=numbers([reader(exam, 1) for exam in exams]),
        third=numbers(third),
    )  # fmt: skip
