"""What a caller may see of studies: every page, call and answer asks it here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import HTTPException
from sqlalchemy import ColumnElement, SQLColumnExpression, exists, or_
from sqlalchemy.orm import Session, aliased

from gransk.reading import seeing
from gransk.reading.exam_tables import ExamRow
from gransk.reading.seeing import Looker, hidden
from gransk.web.access import Caller
from gransk.web.wiring import Wiring

BLINDED = "blinded"
"""Text of a refusal; the same whatever there is to be seen."""

MACHINE = Looker("", oversees=True, units=frozenset())
"""A machine with a token is given what a listed DICOM peer gets: it is nobody who reads."""


def looker_of(known: Wiring, session: Session, caller: Caller) -> Looker:
    """Who a caller is to the reading room."""
    if caller.account is None:
        return MACHINE
    return seeing.looker(session, caller.name, caller.account.roles, known.entering)


def sees_all(known: Wiring, session: Session, caller: Caller, key: str) -> bool:
    """May everything of a study be shown to the caller?"""
    return seeing.sees_all(session, looker_of(known, session, caller), key)


def hides_from(
    known: Wiring, session: Session, caller: Caller
) -> Callable[[SQLColumnExpression[str]], ColumnElement[bool]]:
    """Says of a list's row, by its study key, whether the caller may not see it."""
    return partial(hidden, looker_of(known, session, caller))


def holds_back(
    known: Wiring, session: Session
) -> Callable[[SQLColumnExpression[Any]], ColumnElement[bool]]:
    """Says of a list's row, by its study key, whether machines are told nothing of it.

    That is of exams in the reading room, and of those about to enter it, until their reports may
    leave the result store: until then the archive tells nothing of them either.
    """
    soon = sorted(known.entering.keys(session))

    def held(key: SQLColumnExpression[Any]) -> ColumnElement[bool]:
        exam = aliased(ExamRow)
        found = exists().where(exam.study_key == key, exam.reports_at.is_(None))
        return or_(found, key.in_(soon)) if soon else found

    return held


def check_sight(known: Wiring, session: Session, caller: Caller, key: str) -> None:
    """Refuse who may not see everything of a study, before anything of it is looked at.

    Raises
    ------
    HTTPException
        403, the same whatever there is.
    """
    if not sees_all(known, session, caller, key):
        raise HTTPException(403, BLINDED)
