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
from gransk.reading.sight import Spell, Standing, able
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record, take_turn
from gransk.site.tables import Account, Event, Role

OVERSEEING = frozenset(
    {Role.COORDINATOR, Role.RESPONSIBLE_RADIOLOGIST, Role.ADMINISTRATOR, Role.AUDITOR}
)
"""Roles that see undecided exams, where the person could be given none of them."""
FIRST = datetime.datetime.min.replace(tzinfo=datetime.UTC)
"""Before every exam."""


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

    @property
    def able(self) -> bool:
        """Can the person be given anything?"""
        return self.active and able(self)


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
    elif listing.able and not (row.active and able(row)):
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
        "blind_since": row.blind_since.isoformat(),
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


def standing(session: Session, unit: str, account: str, oversees: bool) -> Standing:
    """How a person stands to a unit: what its list says, and said before.

    Parameters
    ----------
    oversees : bool
        Whether a role of the person is one of `OVERSEEING`.
    """
    who = qualifications(session, unit).get(account)
    # Of who does not oversee the spells make no difference.
    before = spells(session, account).get(unit, ()) if oversees else ()
    return Standing(account, oversees, who, before)


def spells(session: Session, account: str) -> dict[str, tuple[Spell, ...]]:
    """When units let a person be given exams and do not any more, by unit, from the event log."""
    query = select(Event).where(
        Event.kind == EventKind.READER_CHANGED.value, Event.subject == account
    )
    found: dict[str, tuple[Spell, ...]] = {}
    begun: dict[str, datetime.datetime] = {}
    for event in session.scalars(query.order_by(Event.number)):
        unit = event.data["unit"]
        if event.data["active"] and any(
            event.data[name] for name in ("reads", "arbitrates", "trainee")
        ):
            # Events of earlier versions do not say since when: then nothing was seen before.
            said = event.data.get("blind_since", "")
            begun.setdefault(unit, datetime.datetime.fromisoformat(said) if said else FIRST)
        elif unit in begun:
            found[unit] = (*found.get(unit, ()), Spell(begun.pop(unit), event.at))
    return found


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
