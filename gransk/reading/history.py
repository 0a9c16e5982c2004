"""An exam's entries as they stand in the database, each checked against what was noted of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.reading.entries import Entry, Kind
from gransk.reading.exam import Exam, State
from gransk.reading.exam_tables import EntryRow
from gransk.reading.ledger import digest_of
from gransk.reading.machine import BrokenLedgerError, apply
from gransk.reading.opinions import AiOpinion, verify
from gransk.site.tables import Event

SEALED = frozenset({Kind.AI_SEALED, Kind.LATE_AI})
BEGINS = frozenset({Kind.ARRIVED, Kind.IMAGES_CHANGED})
"""Entries with which another round begins."""


@dataclass(frozen=True)
class Written:
    """An entry as the database holds it.

    Parameters
    ----------
    row : EntryRow
    entry : Entry, optional
        None where it cannot be read.
    round : int
        Of the exam, from 1.
    state : State, optional
        To which it led; None where it cannot stand there.
    as_noted : bool
        Whether it is what the event log noted as it was written.
    seal_holds : bool, optional
        Whether the opinion is the one that was sealed; None for entries without a seal.
    """

    row: EntryRow
    entry: Entry | None
    round: int
    state: State | None
    as_noted: bool
    seal_holds: bool | None


@dataclass(frozen=True)
class History:
    """Everything that was written of an exam.

    Parameters
    ----------
    entries : tuple of Written
        In order.
    lost : int
        Entries that the event log noted, and that are not there.
    """

    entries: tuple[Written, ...]
    lost: int

    @property
    def whole(self) -> bool:
        """Is everything as it was written?"""
        return self.lost == 0 and all(
            one.as_noted and one.entry is not None and one.seal_holds is not False
            for one in self.entries
        )

    @property
    def path(self) -> list[State]:
        """The states it went through, each change once."""
        found: list[State] = []
        for one in self.entries:
            if one.state is not None and one.state not in found[-1:]:
                found.append(one.state)
        return found


def history(session: Session, study_key: str) -> History:
    """The entries of an exam, checked; empty where there is none."""
    query = select(EntryRow).where(EntryRow.study_key == study_key).order_by(EntryRow.place)
    kinds = [f"reading_{kind.value}" for kind in Kind]
    events = select(Event.data).where(Event.subject == study_key, Event.kind.in_(kinds))
    noted = {data["entry"]: data["digest"] for data in session.scalars(events)}
    exam: Exam | None = None
    round_ = 0
    found = []
    for row in session.scalars(query):
        as_noted = noted.pop(row.number, None) == digest_of(row)
        entry = _read(row)
        round_ += row.kind in BEGINS
        exam = _after(exam, entry)
        seal = seal_holds(row.content) if row.kind in SEALED else None
        state = None if exam is None else exam.state
        found.append(Written(row, entry, round_, state, as_noted, seal))
    return History(tuple(found), len(noted))


def seal_holds(content: Mapping[str, Any]) -> bool:
    """Is a stored opinion the one that was sealed?"""
    try:
        return verify(str(content["seal"]), AiOpinion.model_validate(content["opinion"]))
    except (KeyError, ValidationError):
        return False


def _read(row: EntryRow) -> Entry | None:
    try:
        return Entry.read(row.kind, row.content, row.at, row.actor, row.role, row.reason)
    except ValueError:
        return None


def _after(exam: Exam | None, entry: Entry | None) -> Exam | None:
    """The exam after an entry; as it was where the entry cannot stand there."""
    if entry is None:
        return exam
    try:
        return apply(exam, entry)
    except BrokenLedgerError:
        return exam
