"""What a person may see of an exam: the one place that decides it.

Every page, call, proxy answer, list, count and log asks `sight`. It goes by person and exam,
not by role: whoever can still be given a read or the arbitration sees "to read" and nothing
else, whatever other roles the person has.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gransk.reading.entries import TaskKind
from gransk.reading.exam import Exam, Qualification, State, blind
from gransk.reading.plan import COUNTING, Plan, PlanReason, PolicyKind

HELD = datetime.timedelta(days=21)
"""So long after the own read nobody is told what became of an exam that one or two people read.

From the own read on, not from the decision: that instant is the same however many are asked. Three
weeks hold the ten working days in which an exam is to be decided, public holidays too.
"""


class Sight(StrEnum):
    """What of an exam a person may see."""

    TO_READ = "to_read"
    """That it is here. No opinion, author, state, order, count or time of anything else."""
    OWN = "own"
    """Beside that the person's own read."""
    ALL = "all"


@dataclass(frozen=True)
class Spell:
    """A time, now past, in which a unit's list let a person be given exams.

    Parameters
    ----------
    since : datetime
        Exams that arrived before could not be given: the person may have seen them.
    until : datetime
        When the list stopped letting the person.
    """

    since: datetime.datetime
    until: datetime.datetime


@dataclass(frozen=True)
class Standing:
    """Who asks, and how the person stands to a unit; made by `gransk.reading.readers.standing`.

    Parameters
    ----------
    account : str
    oversees : bool
        Whether the person's roles let them see undecided exams: coordinator, responsible
        radiologist, administrator, auditor.
    who : Qualification, optional
        What the unit lets the person do; None for somebody who is not on its list now.
    spells : tuple of Spell
        In which it let the person be given exams before.
    """

    account: str
    oversees: bool
    who: Qualification | None = None
    spells: tuple[Spell, ...] = ()


def sight(exam: Exam, asks: Standing, at: datetime.datetime) -> Sight:
    """What a person may see of an exam.

    Parameters
    ----------
    exam : Exam
    asks : Standing
        The person, to the exam's unit.
    at : datetime

    Returns
    -------
    Sight
        Until the decision ``ALL`` only for who has been shown everything by an entry of the
        ledger and is given nothing of the exam any more, and for who oversees and could at no
        time since it arrived be given anything of it. After it for everybody but a trainee who
        has yet to read it, and who read it of late where one or two people do.
    """
    if exam.state is State.DECIDED and exam.holds(asks.account, TaskKind.TRAINEE):
        return Sight.TO_READ
    if asks.account in exam.seen:
        return Sight.ALL
    if exam.state is State.DECIDED:
        told = asks.account not in held_from(exam, at)
    else:
        told = asks.oversees and not _candidate(exam, asks)
    if told:
        return Sight.ALL
    return Sight.OWN if _read_these(exam, asks.account) else Sight.TO_READ


def held_from(exam: Exam, at: datetime.datetime) -> frozenset[str]:
    """Who read an exam so lately that nothing of it is told to them, decided or not.

    Where one or two people read, that an exam is decided once it is read, or is not, tells how
    many were planned, and by it the AI's score; where the AI is one of two, whether it agreed.
    """
    if exam.plan is None or exam.plan.kind not in COUNTING:
        return frozenset()
    return frozenset(read.account for read in exam.reads if at < read.at + HELD)


def _read_these(exam: Exam, account: str) -> bool:
    """Has the person read the images as they are? A read of earlier ones is not shown again."""
    reads = (*exam.reads, *exam.trainee_reads)
    return any((read.round, read.account) == (exam.round, account) for read in reads)


def _candidate(exam: Exam, asks: Standing) -> bool:
    """Can the person be given a read or the arbitration, or could they since the exam arrived?

    Who leaves the unit's list sees no more of what could be given to them until then.
    """
    who = asks.who
    if who is not None and blind(exam, who) and able(who):
        return True
    return any(spell.since <= exam.arrived_at < spell.until for spell in asks.spells)


class Ticks(Protocol):
    """What a unit lets a person do."""

    @property
    def reads(self) -> bool: ...
    @property
    def arbitrates(self) -> bool: ...
    @property
    def trainee(self) -> bool: ...


def able(who: Ticks) -> bool:
    """Can the person be given anything in the unit?"""
    return who.reads or who.arbitrates or who.trainee


def marks_shown(exam: Exam, account: str) -> bool:
    """Does the policy show the AI's marks to the person while reading?"""
    shows = exam.plan is not None and exam.plan.shows_marks and exam.opened_at is not None
    return shows and exam.holds(account, TaskKind.FIRST)


def ai_shown(exam: Exam, account: str, what: Sight) -> bool:
    """Is the AI's sealed opinion shown to the person?

    To who reads where the policy shows marks. To who sees everything where the AI had a part in
    the reading; where it is kept as shadow, or was held back, not even then.

    Parameters
    ----------
    exam : Exam
    account : str
    what : Sight
        Of the person.
    """
    if exam.ai is None or exam.plan is None:
        return False
    return marks_shown(exam, account) or (what is Sight.ALL and _has_part(exam.plan))


def _has_part(plan: Plan) -> bool:
    """Does the AI count, is it shown, or did its score choose how many read?"""
    by_score = {PlanReason.SCORE_LOW, PlanReason.SCORE_HIGH} & set(plan.reasons)
    triaged = plan.kind is PolicyKind.TRIAGE and bool(by_score)
    return plan.ai_counts or plan.shows_marks or plan.shows_ai_after or triaged
