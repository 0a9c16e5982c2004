"""What pages and REST do with the policies: try, keep, approve, restore, say how one stands."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from fastapi import Request
from sqlalchemy.orm import Session

from gransk.reading import rooms
from gransk.reading.policy import Room
from gransk.reading.policy_refusals import PolicyError, PolicyRefusal
from gransk.reading.rooms import Version
from gransk.web.access import Caller, person_of
from gransk.web.reading.asking import countable, past_of, today
from gransk.web.reading.simulating import Tried, try_changes
from gransk.web.wiring import Wiring, wiring

LONGEST = 100_000
"""Characters of a version as text."""


def try_room(
    request: Request, session: Session, caller: Caller, before: Room | None, room: Room
) -> list[Tried]:
    """Simulate every limit that a room changes, on each unit's own past.

    Raises
    ------
    PolicyError
        ``UNKNOWN_UNIT``.
    """
    known = wiring(request)
    names = known.config.reading.names
    unknown = room.unknown_units(names)
    if unknown or not names:
        raise PolicyError(PolicyRefusal.UNKNOWN_UNIT, ", ".join(unknown))
    past = countable(past_of(request, session, caller))
    return try_changes(before, room, names, past, today(known))


def keep(known: Wiring, caller: Caller, room: Room, reason: str, tried: Sequence[Tried]) -> Version:
    """Keep a room as a version that waits for approval, with what was simulated.

    Raises
    ------
    PolicyError, InvalidValueError
    """
    evidence = [one.evidence for one in tried if one.evidence is not None]
    with known.database.begin() as session:
        return rooms.draft(
            session, known.config.reading, room, caller.name, reason, today(known), evidence
        )


def approve(known: Wiring, caller: Caller, number: int) -> None:
    """Approve a version for the units that a person answers for.

    Raises
    ------
    PolicyError
    """
    with known.database.begin() as session:
        rooms.approve(session, known.config.reading, number, person_of(caller))


def restore(known: Wiring, caller: Caller, number: int, reason: str) -> Version:
    """Draft an earlier version again, valid from today.

    Raises
    ------
    PolicyError, InvalidValueError
    """
    day, section = today(known), known.config.reading
    with known.database.begin() as session:
        return rooms.restore(session, section, number, day, caller.name, reason, day)


def state_of(
    version: Version, every: Sequence[Version], current: Room | None, day: datetime.date
) -> str:
    """Where a version is: in force, to come, waiting for approval, or past."""
    if current is not None and version.row.version == current.version:
        return "current"
    if version.from_day is not None:
        return "coming" if version.from_day > day else "past"
    newest = every[-1].row.version == version.row.version
    approved = max((one.row.version for one in every if not one.open_units), default=0)
    return "open" if newest and version.row.base == approved else "overtaken"
