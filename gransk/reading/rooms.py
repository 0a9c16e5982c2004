"""Versions of the room: drafted, approved by the units that they change, in force from a day.

Nothing is edited: another draft is another version, and to undo one is to draft an earlier
document again.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.keys import digest
from gransk.reading.gate import fulfils, validations
from gransk.reading.policy import Room
from gransk.reading.policy_refusals import PolicyError, PolicyRefusal
from gransk.reading.policy_tables import RoomApproval, RoomVersion
from gransk.reading.room_changes import (
    Evidence,
    affected_units,
    counting_units,
    new_limits,
    same,
    simulated,
)
from gransk.site.answering import SHELL, reason_of, responsible
from gransk.site.config_reading import ReadingSection
from gransk.site.database import utcnow
from gransk.site.events import EventKind, record, take_turn
from gransk.site.tables import Account


@dataclass(frozen=True)
class Version:
    """A version as it stands.

    Parameters
    ----------
    row : RoomVersion
    room : Room
    approvals : tuple of RoomApproval
    """

    row: RoomVersion
    room: Room
    approvals: tuple[RoomApproval, ...]

    @property
    def open_units(self) -> tuple[str, ...]:
        """Units that have not approved it."""
        approved = {approval.unit for approval in self.approvals}
        return tuple(unit for unit in self.row.units if unit not in approved)

    @property
    def from_day(self) -> datetime.date | None:
        """From when on it is in force; None while an approval is missing."""
        if self.open_units:
            return None
        return max(self.row.valid_from, *(one.at.date() for one in self.approvals))


def draft(
    session: Session,
    section: ReadingSection,
    room: Room,
    author: str,
    reason: str,
    today: datetime.date,
    evidence: Sequence[Evidence] = (),
    restores: int | None = None,
) -> Version:
    """Keep a new version, to be approved.

    Parameters
    ----------
    session : Session
        Of `Database.begin`.
    section : ReadingSection
    room : Room
    author : str
        Account; with ``shell:`` before the name of who works at the command line.
    reason : str
        Why it is made.
    today : date
        In the site's time zone.
    evidence : sequence of Evidence
        One for each limit that changes, at each unit where it does.
    restores : int, optional
        The version whose document it repeats.

    Raises
    ------
    PolicyError, InvalidValueError
    """
    why = reason_of(reason)
    unknown = room.unknown_units(section.names)
    if unknown or not section.names:
        raise PolicyError(PolicyRefusal.UNKNOWN_UNIT, ", ".join(unknown))
    if room.valid_from < today:
        raise PolicyError(PolicyRefusal.IN_THE_PAST, room.valid_from.isoformat())
    take_turn(session)
    base = newest_approved(session)
    before = None if base is None else base.room
    if same(before, room):
        raise PolicyError(PolicyRefusal.NO_CHANGE)
    _check_evidence(before, room, section, evidence)
    last = session.scalar(select(RoomVersion.version).order_by(RoomVersion.version.desc()).limit(1))
    document = room.document()
    row = RoomVersion(
        version=(last or 0) + 1,
        document=document,
        digest=digest(document),
        valid_from=room.valid_from,
        author=author,
        reason=why,
        base=0 if base is None else base.row.version,
        restores=restores,
        units=affected_units(before, room, section.names),
        evidence=[one.model_dump(mode="json") for one in evidence],
        at=utcnow(),
    )
    session.add(row)
    data = {"version": row.version, "digest": row.digest, "units": row.units}
    record(session, author, EventKind.ROOM_DRAFTED, "room", data)
    return _version(row, ())


def restore(
    session: Session,
    section: ReadingSection,
    version: int,
    valid_from: datetime.date,
    author: str,
    reason: str,
    today: datetime.date,
) -> Version:
    """Draft an earlier version's document again: how a change is undone.

    What was simulated for it then stands as evidence now.

    Raises
    ------
    PolicyError, InvalidValueError
    """
    old = one_version(session, version)
    room = old.room.model_copy(update={"valid_from": valid_from})
    evidence = [
        simulation
        for each in versions(session)
        if each.row.version <= version
        for simulation in map(Evidence.model_validate, each.row.evidence)
    ]
    needed = [one for one in evidence if _needed(one, newest_approved(session), room)]
    return draft(session, section, room, author, reason, today, needed, restores=version)


def approve(
    session: Session, section: ReadingSection, version: int, account: Account
) -> tuple[str, ...]:
    """Approve a version for every unit that an account answers for.

    Returns
    -------
    tuple of str
        The units approved by this act.

    Raises
    ------
    PolicyError
    """
    take_turn(session)
    found = one_version(session, version)
    mine = [unit for unit in found.row.units if responsible(section, account, unit)]
    if not mine:
        raise PolicyError(PolicyRefusal.NOT_RESPONSIBLE, ", ".join(found.row.units))
    if found.row.author.removeprefix(SHELL) == account.name:
        raise PolicyError(PolicyRefusal.OWN_DRAFT)
    wanted = tuple(unit for unit in found.open_units if unit in mine)
    if not wanted:
        raise PolicyError(PolicyRefusal.APPROVED, ", ".join(mine))
    if any(one.row.version > version for one in versions(session)):
        raise PolicyError(PolicyRefusal.NOT_NEWEST)
    base = newest_approved(session)
    if found.row.base != (0 if base is None else base.row.version):
        raise PolicyError(PolicyRefusal.STALE)
    _check_validated(session, found.room, wanted)
    for unit in wanted:
        session.add(RoomApproval(version=version, unit=unit, account=account.name, at=utcnow()))
    data = {"version": version, "digest": found.row.digest, "units": list(wanted)}
    record(session, account.name, EventKind.ROOM_APPROVED, "room", data)
    return wanted


def in_force(session: Session, on: datetime.date) -> Room | None:
    """The site's policies and rules on a day; None before the first."""
    for found in reversed(versions(session)):
        if found.from_day is not None and found.from_day <= on:
            return found.room
    return None


def first_day(session: Session) -> datetime.date | None:
    """Since when the site has policies; None where no version is approved."""
    days = [one.from_day for one in versions(session) if one.from_day is not None]
    return min(days, default=None)


def newest_approved(session: Session) -> Version | None:
    """The last version that every unit has approved, in force or to come."""
    return next((one for one in reversed(versions(session)) if not one.open_units), None)


def one_version(session: Session, version: int) -> Version:
    """A version by its number.

    Raises
    ------
    PolicyError
        Where there is none.
    """
    found = next((one for one in versions(session) if one.row.version == version), None)
    if found is None:
        raise PolicyError(PolicyRefusal.NO_VERSION, str(version))
    return found


def versions(session: Session) -> list[Version]:
    """Every version, the oldest first."""
    approvals: dict[int, list[RoomApproval]] = {}
    for approval in session.scalars(select(RoomApproval).order_by(RoomApproval.number)):
        approvals.setdefault(approval.version, []).append(approval)
    rows = session.scalars(select(RoomVersion).order_by(RoomVersion.version))
    return [_version(row, approvals.get(row.version, ())) for row in rows]


def _version(row: RoomVersion, approvals: Iterable[RoomApproval]) -> Version:
    room = Room.model_validate(row.document).model_copy(update={"version": row.version})
    return Version(row, room, tuple(approvals))


def _check_evidence(
    before: Room | None, after: Room, section: ReadingSection, evidence: Sequence[Evidence]
) -> None:
    shown = {(one.unit, simulated(one)) for one in evidence}
    for unit in section.names:
        for kind, limits in sorted(new_limits(before, after, unit), key=str):
            if (unit, (kind, limits)) not in shown:
                told = ", ".join(f"{name} {value}" for name, value in limits)
                raise PolicyError(PolicyRefusal.NO_SIMULATION, f"{unit}: {kind} {told}")


def _needed(simulation: Evidence, base: Version | None, after: Room) -> bool:
    before = None if base is None else base.room
    return simulated(simulation) in new_limits(before, after, simulation.unit)


def _check_validated(session: Session, room: Room, units: Iterable[str]) -> None:
    for unit in counting_units(room, list(units)):
        minimum = room.minimum[room.application]
        rows = validations(session, unit, room.application)
        if not any(fulfils(row, minimum) for row in rows):
            raise PolicyError(PolicyRefusal.NOT_VALIDATED, unit)
