"""Who reads in which unit: the list that draws and refusals go by."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.errors import InvalidValueError
from gransk.reading.exam import Qualification
from gransk.reading.exam_tables import ReaderRow
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record, take_turn
from gransk.site.tables import Account, Event, Role

OVERSEEING = frozenset(
    {Role.COORDINATOR, Role.RESPONSIBLE_RADIOLOGIST, Role.ADMINISTRATOR, Role.AUDITOR}
)
"""Roles that see undecided exams, where the person can be given none of them."""


@dataclass(frozen=True)
class Listing:
    """What a unit lets a person do.

    Parameters
    ----------
    reads, arbitrates, experienced : bool
    trainee : bool
        Then none of the others.
    active : bool
        Whether the person is given anything now.
    """

    reads: bool = True
    arbitrates: bool = False
    experienced: bool = True
    trainee: bool = False
    active: bool = True

    def __post_init__(self) -> None:
        if self.trainee and (self.reads or self.arbitrates or self.experienced):
            raise InvalidValueError("trainee", self, "a trainee who is nothing else")


def list_reader(
    session: Session, unit: str, account: str, listing: Listing, actor: str
) -> ReaderRow:
    """Put a person on a unit's list, or change what the list says.

    Who could see undecided exams until now is given those alone that come from now on.

    Raises
    ------
    KeyError
        Where nobody has that account.
    """
    person = session.scalar(select(Account).where(Account.name == account))
    if person is None:
        raise KeyError(account)
    take_turn(session)
    row = session.get(ReaderRow, (unit, account), with_for_update=True, populate_existing=True)
    now = utcnow()
    if row is None:
        row = ReaderRow(unit=unit, account=account, blind_since=_blind_since(session, person, now))
        session.add(row)
    elif not row.active and listing.active:
        row.blind_since = max(row.blind_since, _blind_since(session, person, now))
    row.reads, row.arbitrates = listing.reads, listing.arbitrates
    row.experienced, row.trainee = listing.experienced, listing.trainee
    row.active = listing.active
    row.changed_at, row.changed_by = now, actor
    session.flush()
    data = {
        "unit": unit,
        "reads": row.reads,
        "arbitrates": row.arbitrates,
        "experienced": row.experienced,
        "trainee": row.trainee,
        "active": row.active,
    }
    record(session, actor, EventKind.READER_CHANGED, account, data)
    return row


def readers(session: Session, unit: str | None = None) -> Sequence[ReaderRow]:
    """Everybody on a unit's list, or on any, active or not."""
    query = select(ReaderRow).order_by(ReaderRow.unit, ReaderRow.account)
    return session.scalars(query if unit is None else query.where(ReaderRow.unit == unit)).all()


def qualifications(session: Session, unit: str) -> dict[str, Qualification]:
    """Who may be given something in a unit now, by account."""
    query = (
        select(ReaderRow)
        .join(Account, Account.name == ReaderRow.account)
        .where(ReaderRow.unit == unit, ReaderRow.active, Account.active)
        .order_by(ReaderRow.account)
    )
    return {
        row.account: Qualification(
            row.account, row.reads, row.arbitrates, row.experienced, row.trainee, row.blind_since
        )
        for row in session.scalars(query)
    }


def units_of(session: Session, account: str) -> frozenset[str]:
    """Units in which a person may be given something."""
    query = select(ReaderRow.unit).where(ReaderRow.account == account, ReaderRow.active)
    return frozenset(session.scalars(query))


def _blind_since(session: Session, person: Account, now: datetime.datetime) -> datetime.datetime:
    """Since when the person cannot have seen an undecided exam."""
    if OVERSEEING & {Role(role) for role in person.roles}:
        return now
    query = (
        select(Event)
        .where(Event.kind == EventKind.ACCOUNT_CHANGED.value, Event.subject == person.name)
        .order_by(Event.number.desc())
    )
    for event in session.scalars(query):
        if OVERSEEING & set(event.data.get("roles", {}).get("from", ())):
            return event.at
    return person.created_at
