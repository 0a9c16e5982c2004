"""What people do in the reading room, each an entry of an exam's ledger."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from gransk.reading.book import Book
from gransk.reading.entries import (
    Content,
    Entry,
    Judgement,
    Kind,
    Moved,
    Nothing,
    Planned,
    Reading,
    TaskKind,
)
from gransk.reading.exam import Exam, State, TaskState
from gransk.reading.exam_tables import ExamRow, TaskRow
from gransk.reading.ledger import write
from gransk.reading.opinions import DifferenceReason, Opinion
from gransk.reading.plan import Arbitration, Plan, PlanReason, PolicyKind
from gransk.reading.readers import standing
from gransk.reading.refusals import LedgerError, Refusal
from gransk.reading.sight import Sight, sight
from gransk.site.database import utcnow
from gransk.site.events import SYSTEM


@dataclass(frozen=True)
class Actor:
    """Who acts, and in which role."""

    account: str
    role: str


SUITE = Actor(SYSTEM, "")


class Looked(NamedTuple):
    """What a person is to do with an exam of the own list, and the digest of its images."""

    task: TaskKind
    images: str


def look(session: Session, study_key: str, account: str) -> Looked:
    """A person opens an exam of the own list.

    The list does not say what it is for; here it shows. An arbitration is opened by `take`.

    Raises
    ------
    LedgerError
        ``not_yours``.
    """
    query = select(TaskRow).where(
        TaskRow.study_key == study_key,
        TaskRow.account == account,
        TaskRow.state == TaskState.ASSIGNED,
    )
    tasks = session.scalars(query.with_for_update()).all()
    if not tasks:
        raise LedgerError(Refusal.NOT_YOURS)
    for task in tasks:
        task.looked_at = task.looked_at or utcnow()
    return Looked(TaskKind(tasks[0].kind), session.get_one(ExamRow, study_key).images)


def read(
    session: Session,
    study_key: str,
    actor: Actor,
    opinion: Opinion,
    images: str,
    *,
    seconds: float | None = None,
    via: str = "",
) -> None:
    """A reader or trainee records an opinion of an exam of the own list.

    Nothing is returned: what it led to is no reader's to know.

    Parameters
    ----------
    images : str
        Digest of the images that the person read, of `look`.
    seconds : float, optional
        From opening to recording.
    via : str
        Machine through which it came.

    Raises
    ------
    LedgerError
        ``not_yours``, ``other_images``, ``not_qualified`` and others of `checking.check`.
    """

    def make(book: Book) -> None:
        exam = _exam(book)
        trainee = exam.holds(actor.account, TaskKind.TRAINEE)
        kind = Kind.TRAINEE_READ if trainee else Kind.READ
        content = Reading(opinion=opinion, images=images, seal=exam.seal, seconds=seconds, via=via)
        _add(book, actor, kind, content)

    write(session, study_key, make)


def correct(session: Session, study_key: str, actor: Actor, opinion: Opinion, images: str) -> None:
    """A reader corrects the own read while the first opinions are not complete."""
    _reading(session, study_key, actor, Kind.CORRECTED, opinion, images)


def keep(session: Session, study_key: str, actor: Actor) -> None:
    """A reader keeps to normal after the AI's opinion was shown (safety net)."""
    write(session, study_key, lambda book: _add(book, actor, Kind.SAFETY_KEPT, Nothing()))


def change(session: Session, study_key: str, actor: Actor, opinion: Opinion, images: str) -> None:
    """A reader changes to recall after the AI's opinion was shown (safety net)."""
    _reading(session, study_key, actor, Kind.SAFETY_CHANGED, opinion, images)


def take(session: Session, study_key: str, actor: Actor) -> Exam:
    """An arbiter opens the arbitration, and sees everything from then on."""
    return write(session, study_key, lambda book: _add(book, actor, Kind.TAKEN, Nothing()))


def arbitrate(
    session: Session, study_key: str, actor: Actor, opinion: Opinion, why: DifferenceReason
) -> Exam:
    """The third reader decides."""
    content = Judgement(opinion=opinion, why=why)
    return write(session, study_key, lambda book: _add(book, actor, Kind.ARBITRATED, content))


def agree(
    session: Session,
    study_key: str,
    actor: Actor,
    opinion: Opinion,
    why: DifferenceReason,
    participants: Sequence[str],
) -> Exam:
    """A consensus meeting decides; ``actor`` leads it and is one of the participants."""
    content = Judgement(opinion=opinion, why=why, participants=tuple(participants))
    return write(session, study_key, lambda book: _add(book, actor, Kind.CONSENSUS, content))


def reassign(
    session: Session,
    study_key: str,
    actor: Actor,
    moved: Moved,
    reason: str,
    version: int | None = None,
) -> Exam:
    """A coordinator gives a task to somebody else, or takes it back.

    Raises
    ------
    LedgerError
        ``blinded`` where the coordinator may still be given the exam; else of `checking.check`.
    """

    def make(book: Book) -> None:
        _add(book, actor, Kind.REASSIGNED, moved, reason)

    return write(session, study_key, _oversee(session, actor, make), version)


def return_to_humans(
    session: Session, study_key: str, actor: Actor, reason: str, version: int | None = None
) -> Exam:
    """Two people read the exam, and the AI does not count; by a person, or as a unit is paused."""

    def make(book: Book) -> None:
        plan = humans(_exam(book).plan)
        _add(book, actor, Kind.RETURNED_TO_HUMANS, Planned(plan=plan), reason)

    return write(session, study_key, _oversee(session, actor, make), version)


def withdraw(
    session: Session, study_key: str, actor: Actor, reason: str, version: int | None = None
) -> Exam:
    """An undecided exam leaves the reading room."""

    def make(book: Book) -> None:
        _add(book, actor, Kind.WITHDRAWN, Nothing(), reason)

    return write(session, study_key, _oversee(session, actor, make), version)


def one_human(session: Session, unit: str) -> list[str]:
    """Open exams of a unit that one person reads, to be returned where its AI is paused."""
    one = ExamRow.plan["human_reads"].as_integer() == 1
    counts = ExamRow.plan["ai_counts"].as_boolean().is_(True)
    query = select(ExamRow.study_key).where(
        ExamRow.unit == unit,
        ExamRow.state.in_((State.FIRST_READ, State.SECOND_READ)),
        or_(one, counts),
    )
    return list(session.scalars(query.order_by(ExamRow.arrived_at)))


def humans(plan: Plan | None) -> Plan:
    """The plan with two people in it, and no AI that counts or is shown."""
    if plan is None:
        return Plan(
            policy="",
            version=0,
            kind=PolicyKind.DOUBLE_READING,
            human_reads=2,
            ai_counts=False,
            reasons=(PlanReason.RETURNED,),
        )
    return Plan.model_validate(
        plan.model_dump()
        | {
            "human_reads": 2,
            "ai_counts": False,
            "shows_marks": False,
            "shows_ai_after": False,
            "reasons": (*plan.reasons, PlanReason.RETURNED),
        }
    )


def meets(plan: Plan | None) -> bool:
    """Does a consensus meeting decide where opinions differ?"""
    return plan is not None and plan.arbitration is Arbitration.CONSENSUS


def _reading(
    session: Session, study_key: str, actor: Actor, kind: Kind, opinion: Opinion, images: str
) -> None:
    def make(book: Book) -> None:
        content = Reading(opinion=opinion, images=images, seal=_exam(book).seal)
        _add(book, actor, kind, content)

    write(session, study_key, make)


def _oversee(
    session: Session, actor: Actor, make: Callable[[Book], None]
) -> Callable[[Book], None]:
    """Only who may see everything of an exam changes how it is read."""

    def checked(book: Book) -> None:
        exam = _exam(book)
        if actor != SUITE:
            who = standing(session, exam.unit, actor.account, oversees=True)
            if sight(exam, who, utcnow()) is not Sight.ALL:
                raise LedgerError(Refusal.BLINDED)
        make(book)

    return checked


def _add(
    book: Book,
    actor: Actor,
    kind: Kind,
    content: Content,
    reason: str = "",
    at: datetime.datetime | None = None,
) -> None:
    book.add(Entry(kind, content, at or utcnow(), actor.account, actor.role, reason.strip()))


def _exam(book: Book) -> Exam:
    if book.exam is None:
        raise LedgerError(Refusal.NO_EXAM)
    return book.exam
