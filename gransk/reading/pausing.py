"""Where a unit's AI is paused, its open exams that one person reads go to two people.

What is to be done is read from the tables: whoever pauses does it at once, and the loop of the
service does what is left, or was planned while the pause was written.
"""

from __future__ import annotations

import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gransk.reading.acts import SUITE, one_human, return_to_humans
from gransk.reading.policy_tables import AiPause
from gransk.reading.refusals import LedgerError, Refusal

REASON = "ai_paused"
"""Why, in the ledger."""

DONE_ALREADY = frozenset({Refusal.WRONG_STATE, Refusal.TWO_ALREADY})
"""Somebody was faster: it was read, or returned."""


def paused_units(session: Session) -> list[str]:
    """Units whose AI is paused."""
    last = select(func.max(AiPause.number)).group_by(AiPause.unit)
    query = select(AiPause.unit).where(AiPause.number.in_(last), AiPause.paused)
    return list(session.scalars(query.order_by(AiPause.unit)))


def to_return(session: Session, _at: datetime.datetime | None = None) -> list[str]:
    """Open exams of paused units that one person reads, or in which the AI counts."""
    return [key for unit in paused_units(session) for key in one_human(session, unit)]


def give_back(session: Session, study_key: str, _at: datetime.datetime | None = None) -> bool:
    """Give one of them to two people; False where that was done meanwhile."""
    try:
        return_to_humans(session, study_key, SUITE, REASON)
    except LedgerError as error:
        if error.code in DONE_ALREADY:
            return False
        raise
    return True
