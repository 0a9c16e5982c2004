"""How a trainee's reads compare with decisions and outcomes, once both may be seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import Session

from gransk.core.screening import Verdict
from gransk.reading.desk import Person, desk
from gransk.reading.entries import Kind, Reading, TaskKind
from gransk.reading.exam import State, TaskState
from gransk.reading.exam_tables import EntryRow, ExamRow, TaskRow
from gransk.reading.opinions import Opinion
from gransk.reading.sight import Sight

PAGE = 25


@dataclass(frozen=True)
class Compared:
    """A trainee's read of a decided exam.

    Parameters
    ----------
    study_key : str
    own : Opinion
        The last of the person's reads of it.
    decision : Verdict
    """

    study_key: str
    own: Opinion
    decision: Verdict

    @property
    def agrees(self) -> bool:
        return self.own.verdict is self.decision


@dataclass(frozen=True)
class Tally:
    """Exams by the trainee's verdict and by the decision."""

    counts: Mapping[tuple[Verdict, Verdict], int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def agreed(self) -> int:
        return sum(count for (own, decision), count in self.counts.items() if own is decision)


def compared(
    session: Session, person: Person, limit: int = PAGE, offset: int = 0
) -> list[Compared]:
    """The trainee's reads of exams that are decided, the latest decision first.

    Each is asked of `sight`: what the trainee has yet to read is left out.
    """
    query = (
        _decided(person.account)
        .order_by(ExamRow.decided_at.desc(), EntryRow.study_key)
        .limit(limit)
        .offset(offset)
    )
    found = []
    for row in session.scalars(query).all():
        at_desk = desk(session, row.study_key, person)
        outcome = at_desk.exam.outcome
        if at_desk.sight is Sight.ALL and outcome is not None:
            own = Reading.model_validate(row.content).opinion
            found.append(Compared(row.study_key, own, outcome.verdict))
    return found


def tally(session: Session, person: Person) -> Tally:
    """All of them, counted."""
    counts: dict[tuple[Verdict, Verdict], int] = {}
    query = _decided(person.account).add_columns(ExamRow.verdict)
    for row, decision in session.execute(query):
        own = Verdict(row.content["opinion"]["verdict"])
        counts[own, Verdict(decision)] = counts.get((own, Verdict(decision)), 0) + 1
    return Tally(counts)


def _decided(account: str) -> Select[EntryRow]:
    """The last trainee's read of each decided exam that is not the trainee's to read again."""
    last = (
        select(func.max(EntryRow.number))
        .where(EntryRow.kind == Kind.TRAINEE_READ, EntryRow.actor == account)
        .group_by(EntryRow.study_key)
    )
    to_read = and_(
        TaskRow.study_key == EntryRow.study_key,
        TaskRow.account == account,
        TaskRow.kind == TaskKind.TRAINEE,
        TaskRow.state == TaskState.ASSIGNED,
    )
    return (
        select(EntryRow)
        .join(ExamRow, ExamRow.study_key == EntryRow.study_key)
        .where(
            EntryRow.number.in_(last),
            ExamRow.state == State.DECIDED,
            ~select(TaskRow.study_key).where(to_read).exists(),
        )
    )
