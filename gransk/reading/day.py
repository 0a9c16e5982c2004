"""How the day's double reading goes: what was decided, and how often opinions differed.

Both are told of decided exams alone, which everybody may see: what is open shows in the board's
counts, and is hidden there from who may still be given it.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from sqlalchemy import case, func, not_, select
from sqlalchemy.orm import Session

from gransk.core.screening import Verdict
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
    with_ai : bool
        Whether the AI's was one of the first opinions.
    total, arbitrated : int
        Arbitrated by a third reader or at a consensus meeting: first opinions differed.
    today, recalls_today : int
        Of these, since the second instant.
    """

    unit: str
    with_ai: bool
    total: int
    arbitrated: int
    today: int
    recalls_today: int


def decided(
    session: Session, account: str, since: datetime.datetime, today: datetime.datetime
) -> list[Decided]:
    """What was decided since an instant, by unit, as a person may see it."""
    judged = select(EntryRow.study_key).where(
        EntryRow.kind.in_((Kind.ARBITRATED, Kind.CONSENSUS)), EntryRow.at >= since
    )
    with_ai = ExamRow.plan["ai_counts"].as_boolean()
    is_today = ExamRow.decided_at >= today
    recalled = is_today & (ExamRow.verdict == Verdict.RECALL)
    query = (
        select(
            ExamRow.unit,
            with_ai.label("with_ai"),
            func.count(),
            *(
                func.sum(case((condition, 1), else_=0))
                for condition in (ExamRow.study_key.in_(judged), is_today, recalled)
            ),
        )
        .where(
            ExamRow.state == State.DECIDED,
            ExamRow.decided_at >= since,
            not_(hidden(session, account)),
        )
        .group_by(ExamRow.unit, "with_ai")
        .order_by(ExamRow.unit, "with_ai")
    )
    return [Decided(unit, bool(ai), *numbers) for unit, ai, *numbers in session.execute(query)]
