"""What the pages of readers and arbiters share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive import priors
from gransk.archive.tables import SeenStudy
from gransk.reading.desk import Desk, Person, desk
from gransk.reading.refusals import TEXTS, LedgerError, Refusal
from gransk.reading.sight import Sight
from gransk.site.tables import Account
from gransk.web import texts
from gransk.web.access import Caller, allow
from gransk.web.permissions import Permission

Reader = Annotated[Caller, Depends(allow(Permission.READING))]
Onlooker = Annotated[Caller, Depends(allow(Permission.EXAM))]


@dataclass(frozen=True)
class Earlier:
    """An earlier study of the same woman that is here.

    ``verdict`` is what was decided of it, where it was read in the reading room.
    """

    date: str
    study_instance_uid: str
    verdict: str = ""


def person_of(caller: Caller) -> Person:
    """The caller as somebody at the desk; 403 where it is no person."""
    if caller.account is None:
        raise HTTPException(403)
    return Person.of(caller.account.name, caller.account.roles)


def refusal_text(error: LedgerError, language: str) -> str:
    """What a person reads of a refusal."""
    return TEXTS[error.code][language]


def desk_of(session: Session, key: str, person: Person) -> Desk:
    """The exam as the person has it; 404 where it is not in the reading room."""
    try:
        return desk(session, key, person)
    except LedgerError as error:
        if error.code is Refusal.NO_EXAM:
            raise HTTPException(404) from error
        raise


def studies(session: Session, keys: Sequence[str]) -> dict[str, SeenStudy]:
    """Studies by key; those that the archive never showed are left out."""
    found = session.scalars(select(SeenStudy).where(SeenStudy.key.in_(keys)))
    return {study.key: study for study in found}


def earlier(session: Session, found: Desk, person: Person, language: str) -> list[Earlier]:
    """Earlier studies of the woman that are here, latest first.

    Who sees everything of the exam is told what was decided of them; others read for themselves.
    """
    told = found.sight is Sight.ALL
    return [
        Earlier(
            texts.day(one.study_date, language),
            one.study_instance_uid,
            _decided(session, one.study_key, person) if told else "",
        )
        for one in priors.usable(session, found.study_key)
    ]


def _decided(session: Session, key: str, person: Person) -> str:
    try:
        found = desk(session, key, person)
    except LedgerError:
        return ""
    outcome = found.exam.outcome
    return outcome.verdict.value if outcome and found.sight is Sight.ALL else ""


def names(session: Session, accounts: Iterable[str]) -> dict[str, str]:
    """Full names by account; an account that is gone stands for itself."""
    wanted = set(accounts)
    query = select(Account.name, Account.full_name).where(Account.name.in_(wanted))
    known = {name: full for name, full in session.execute(query)}
    return {name: known.get(name, name) for name in wanted}
