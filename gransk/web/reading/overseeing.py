"""Who looks at the board and acts there, and what of an exam the person may see."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import HTTPException
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.reading.acts import Actor
from gransk.reading.exam import Exam
from gransk.reading.exam_tables import ExamRow
from gransk.reading.ledger import exam_of
from gransk.reading.readers import OVERSEEING, standing
from gransk.reading.sight import Sight, sight
from gransk.site.answering import responsible
from gransk.site.config_reading import ReadingSection
from gransk.site.database import utcnow
from gransk.site.tables import Account, Role
from gransk.web.access import Caller


@dataclass(frozen=True)
class Seen:
    """An exam, and what of it a person may see."""

    row: ExamRow
    exam: Exam
    sight: Sight


def seen(session: Session, caller: Caller, study_key: str) -> Seen:
    """An exam as `sight` lets a person see it.

    Raises
    ------
    HTTPException
        404 where there is none.
    """
    row = session.get(ExamRow, study_key)
    if row is None:
        raise HTTPException(404)
    exam = exam_of(session, study_key)
    asks = standing(session, exam.unit, caller.name, oversees(caller))
    return Seen(row, exam, sight(exam, asks, utcnow()))


def wholly(session: Session, caller: Caller, study_key: str) -> Seen:
    """An exam of which a person may see all.

    Raises
    ------
    HTTPException
        404 where there is none; 403 where the person may still be given it.
    """
    found = seen(session, caller, study_key)
    if found.sight is not Sight.ALL:
        raise HTTPException(403, "board_blinded")
    return found


def oversees(caller: Caller) -> bool:
    """Do the person's roles let them see undecided exams?"""
    return caller.account is not None and bool(OVERSEEING & set(caller.account.roles))


def acting(section: ReadingSection, caller: Caller, unit: str) -> Actor | None:
    """Who acts on a unit's exams, and in which role; None where the person may not."""
    account = caller.account
    if account is None:
        return None
    if Role.COORDINATOR in account.roles:
        return Actor(account.name, Role.COORDINATOR)
    if responsible(section, account, unit):
        return Actor(account.name, Role.RESPONSIBLE_RADIOLOGIST)
    return None


def actor_of(section: ReadingSection, caller: Caller, unit: str) -> Actor:
    """The same.

    Raises
    ------
    HTTPException
        403 where the person does not answer for the unit.
    """
    found = acting(section, caller, unit)
    if found is None:
        raise HTTPException(403, "board_not_yours")
    return found


def full_names(session: Session) -> dict[str, str]:
    """What people are called, by account."""
    return {name: full for name, full in session.execute(select(Account.name, Account.full_name))}
