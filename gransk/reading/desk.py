"""What a person has before them of one exam, and the acts by which it is opened and read.

Pages and calls of readers go through here: it joins the person's roles, the unit's list, the
ledger and `sight`. Nobody learns what an exam came for before opening it, and opening an
arbitration is an entry of the ledger.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from gransk.reading import acts, lists
from gransk.reading.acts import Actor
from gransk.reading.checking import keeps_corrections
from gransk.reading.entries import Judgement, TaskKind
from gransk.reading.exam import Exam, Qualification, Read, State, TaskState, blind
from gransk.reading.exam_tables import ExamRow, TaskRow
from gransk.reading.ledger import exam_of
from gransk.reading.opinions import DifferenceReason, Opinion
from gransk.reading.readers import OVERSEEING, standing
from gransk.reading.refusals import LedgerError, Refusal
from gransk.reading.sight import Sight, marks_shown, sight
from gransk.site.database import utcnow
from gransk.site.tables import Role

READING = (Role.RADIOLOGIST, Role.ARBITER, Role.RESPONSIBLE_RADIOLOGIST)
"""Roles whose reads may count; the first that a person has is the one in the ledger."""
RECENT = datetime.timedelta(hours=12)
"""So long a person finds the own reads again on the own list."""


@dataclass(frozen=True)
class Person:
    """Who sits at the desk."""

    account: str
    roles: tuple[Role, ...]

    @classmethod
    def of(cls, account: str, roles: Iterable[str]) -> Person:
        return cls(account, tuple(Role(role) for role in roles))

    def actor(self, task: TaskKind) -> Actor:
        """The person as who does a task.

        Raises
        ------
        LedgerError
            ``not_qualified`` where no role of the person permits it.
        """
        wanted = (*READING, Role.TRAINEE) if task is TaskKind.TRAINEE else READING
        for role in wanted:
            if role in self.roles:
                return Actor(self.account, role.value)
        raise LedgerError(Refusal.NOT_QUALIFIED)


@dataclass(frozen=True)
class Desk:
    """An exam as a person has it before them.

    Parameters
    ----------
    study_key : str
    exam : Exam
        Whole: what of it may be shown is said by the rest.
    account : str
    sight : Sight
    task : TaskKind, optional
        What the person is to do, once it is opened.
    unopened : bool
        It is on the person's list, and not opened.
    opened_at : datetime, optional
    who : Qualification, optional
    """

    study_key: str
    exam: Exam
    account: str
    sight: Sight
    task: TaskKind | None
    unopened: bool
    opened_at: datetime.datetime | None
    who: Qualification | None

    @property
    def own(self) -> Read | None:
        """The person's own read of the images as they are, shown to nobody before it is made."""
        reads = (*self.exam.counting, *self.exam.trainee_reads)
        mine = (r for r in reads if (r.round, r.account) == (self.exam.round, self.account))
        return next(mine, None)

    @property
    def correctable(self) -> bool:
        """May the person change the own read?

        Only where every exam of the policy is read by two people: where one or two do, that a
        read can be changed would tell how many were planned, and by it the score.
        """
        own = self.own
        return (
            self.exam.state is State.SECOND_READ
            and own in self.exam.counting
            and self.who is not None
            and self.who.reads
            and blind(self.exam, self.who)
            and keeps_corrections(self.exam.plan)
        )

    @property
    def shows_marks(self) -> bool:
        """Are the AI's marks shown to the person?"""
        return self.sight is Sight.ALL or marks_shown(self.exam, self.account)


def desk(session: Session, study_key: str, person: Person) -> Desk:
    """An exam as a person has it.

    Raises
    ------
    LedgerError
        ``no_exam``.
    """
    exam = exam_of(session, study_key)
    oversees = bool(OVERSEEING & set(person.roles))
    asks = standing(session, exam.unit, person.account, oversees)
    task = _assigned(session, study_key, person.account)
    opened = task is not None and task.looked_at is not None
    if task is not None and task.kind == TaskKind.ARBITRATION:
        opened = exam.taker == person.account
    return Desk(
        study_key=study_key,
        exam=exam,
        account=person.account,
        sight=sight(exam, asks, utcnow()),
        task=TaskKind(task.kind) if task is not None and opened else None,
        unopened=task is not None and not opened,
        opened_at=task.looked_at if task is not None and opened else None,
        who=asks.who,
    )


def open_exam(session: Session, study_key: str, person: Person) -> Desk:
    """Open an exam of the own list; what it came for shows here, and not before.

    Raises
    ------
    LedgerError
        ``not_yours``, ``not_qualified``, and for an arbitration what `acts.take` refuses.
    """
    task = acts.look(session, study_key, person.account).task
    actor = person.actor(task)
    if task is TaskKind.ARBITRATION:
        exam = exam_of(session, study_key)
        if exam.taker != person.account:
            acts.take(session, study_key, actor)
    return desk(session, study_key, person)


def read(
    session: Session, study_key: str, person: Person, opinion: Opinion, images: str, via: str = ""
) -> None:
    """Record the person's opinion; the same once more is answered in the same way.

    Raises
    ------
    LedgerError
        ``other_images`` too where the images changed after the person had opened the exam, so
        that it is on the list no more, or again.
    """
    exam = exam_of(session, study_key)
    task = _assigned(session, study_key, person.account)
    if task is None:
        if _said(exam, person.account, images) == opinion:
            return
        if images != exam.images and _had(session, study_key, person.account):
            raise LedgerError(Refusal.OTHER_IMAGES)
        raise LedgerError(Refusal.NOT_YOURS)
    trainee = exam.holds(person.account, TaskKind.TRAINEE)
    actor = person.actor(TaskKind.TRAINEE if trainee else TaskKind.FIRST)
    seconds = None if task.looked_at is None else (utcnow() - task.looked_at).total_seconds()
    acts.read(session, study_key, actor, opinion, images, seconds=seconds, via=via)


def correct(
    session: Session, study_key: str, person: Person, opinion: Opinion, images: str
) -> None:
    """Change the own read while that tells nothing of others; see `Desk.correctable`.

    Raises
    ------
    LedgerError
        ``wrong_state`` where it cannot be changed any more.
    """
    found = desk(session, study_key, person)
    actor = person.actor(TaskKind.FIRST)
    if found.own is not None and not found.correctable:
        raise LedgerError(Refusal.WRONG_STATE)
    acts.correct(session, study_key, actor, opinion, images)


def decide(
    session: Session,
    study_key: str,
    person: Person,
    opinion: Opinion,
    why: DifferenceReason,
    met: Sequence[str] | None = None,
    images: str = "",
) -> None:
    """Decide where opinions differ; the same once more is answered in the same way.

    Parameters
    ----------
    session : Session
    study_key : str
    person : Person
        Who opened the arbitration.
    opinion : Opinion
    why : DifferenceReason
    met : sequence of str, optional
        Accounts at a consensus meeting, beside the person; None where there was none.
    images : str
        Digest of the images that the person saw; empty where that is not known.

    Raises
    ------
    LedgerError
        ``other_images`` where images changed after the person had opened the arbitration.
    """
    actor = person.actor(TaskKind.ARBITRATION)
    exam = exam_of(session, study_key)
    if exam.taker != person.account:
        if images and images != exam.images and _had(session, study_key, person.account):
            raise LedgerError(Refusal.OTHER_IMAGES)
        raise LedgerError(Refusal.NOT_YOURS)
    together = () if met is None else tuple(dict.fromkeys((person.account, *met)))
    if exam.conclusion == Judgement(opinion=opinion, why=why, participants=together):
        return
    if met is None:
        acts.arbitrate(session, study_key, actor, opinion, why)
    else:
        acts.agree(session, study_key, actor, opinion, why, together)


def following(session: Session, account: str, after: str = "") -> str | None:
    """The exam of the own list that comes after one in the list's order; else the first.

    It is the same one only where the person is asked again, as the safety net does.
    """
    urgent = lists.urgent_of_mine(session, account)
    rest = urgent[urgent.index(after) + 1 :] if after in urgent else urgent
    if rest:
        return rest[0]
    mine = (
        select(TaskRow.study_key)
        .where(TaskRow.account == account, TaskRow.state == TaskState.ASSIGNED)
        .order_by(TaskRow.arrived_at, TaskRow.study_key)
    )
    arrived = session.scalar(select(ExamRow.arrived_at).where(ExamRow.study_key == after))
    if arrived is not None:
        later = or_(
            TaskRow.arrived_at > arrived,
            and_(TaskRow.arrived_at == arrived, TaskRow.study_key > after),
        )
        found = session.scalar(mine.where(later).limit(1))
        if found is not None:
            return found
    return session.scalar(mine.limit(1))


def opened(session: Session, account: str, keys: Iterable[str]) -> dict[str, TaskKind]:
    """What the person has opened of some exams of the own list, and what it came for."""
    query = select(TaskRow).where(
        TaskRow.account == account,
        TaskRow.state == TaskState.ASSIGNED,
        TaskRow.looked_at.is_not(None),
        TaskRow.study_key.in_(list(keys)),
    )
    return {row.study_key: TaskKind(row.kind) for row in session.scalars(query)}


def recent(session: Session, account: str, limit: int = 10) -> list[tuple[str, datetime.datetime]]:
    """Exams that the person read of late and when, the last first."""
    query = (
        select(TaskRow.study_key, TaskRow.ended_at)
        .where(
            TaskRow.account == account,
            TaskRow.state == TaskState.DONE,
            TaskRow.ended_at >= utcnow() - RECENT,
        )
        .order_by(TaskRow.ended_at.desc(), TaskRow.study_key)
        .limit(limit)
    )
    return [(key, at) for key, at in session.execute(query) if at is not None]


def _assigned(session: Session, study_key: str, account: str) -> TaskRow | None:
    query = select(TaskRow).where(
        TaskRow.study_key == study_key,
        TaskRow.account == account,
        TaskRow.state == TaskState.ASSIGNED,
    )
    return session.scalars(query).first()


def _had(session: Session, study_key: str, account: str) -> bool:
    """Had the person opened the exam before?"""
    query = select(TaskRow.study_key).where(
        TaskRow.study_key == study_key,
        TaskRow.account == account,
        TaskRow.looked_at.is_not(None),
    )
    return session.scalars(query.limit(1)).first() is not None


def _said(exam: Exam, account: str, images: str) -> Opinion | None:
    """What the person said of these images."""
    if images != exam.images:
        return None
    reads = (*exam.counting, *exam.trainee_reads)
    mine = (r.opinion for r in reads if (r.round, r.account) == (exam.round, account))
    return next(mine, None)
