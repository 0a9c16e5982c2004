"""How the day's double reading goes: what was decided, and how often opinions differed.

Both are told of decided exams alone, which everybody may see: what is open shows in the board's
counts, and is hidden there from who may still be given it.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from sqlalchemy import case, func, not_, select
from sqlalchemy.orm import Session

from gransk.reading.entries import Kind
from gransk.reading.exam import State
from gransk.reading.exam_tables import EntryRow, ExamRow
from gransk.reading.lists import hidden


@dataclass(frozen=True)
class Decided:
    """Exams of a unit that were decided.

    Parameters
    ----------
    unit : str
    total, recalls : int
    """

    unit: str
    total: int
    recalls: int


@dataclass(frozen=True)
class Differed:
    """How often first opinions differed, of exams of a unit that were decided.

    Parameters
    ----------
    unit : str
    with_ai : bool
        Whether the AI's was one of the first opinions.
    decided, arbitrated : int
        Arbitrated by a third reader or at a consensus meeting.
    """

    unit: str
    with_ai: bool
    decided: int
    arbitrated: int


def decided(session: Session, account: str, since: datetime.datetime) -> list[Decided]:
    """What was decided since an instant, by unit, as a person may see it."""
    recalls = func.sum(case((ExamRow.verdict == "recall", 1), else_=0))
    query = (
        select(ExamRow.unit, func.count(), recalls)
        .where(
            ExamRow.state == State.DECIDED,
            ExamRow.decided_at >= since,
            not_(hidden(session, account)),
        )
        .group_by(ExamRow.unit)
        .order_by(ExamRow.unit)
    )
    return [Decided(*row) for row in session.execute(query)]


def differed(session: Session, account: str, since: datetime.datetime) -> list[Differed]:
    """How often opinions differed, by unit, of exams that were decided since an instant."""
    judged = select(EntryRow.study_key).where(
        EntryRow.kind.in_((Kind.ARBITRATED, Kind.CONSENSUS)), EntryRow.at >= since
    )
    with_ai = ExamRow.plan["ai_counts"].as_boolean()
    query = (
        select(
            ExamRow.unit,
            with_ai.label("with_ai"),
            func.count(),
            func.sum(case((ExamRow.study_key.in_(judged), 1), else_=0)),
        )
        .where(
            ExamRow.state == State.DECIDED,
            ExamRow.decided_at >= since,
            not_(hidden(session, account)),
        )
        .group_by(ExamRow.unit, "with_ai")
        .order_by(ExamRow.unit, "with_ai")
    )
    return [Differed(unit, bool(ai), *numbers) for unit, ai, *numbers in session.execute(query)]
