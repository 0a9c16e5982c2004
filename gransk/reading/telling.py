"""Decisions of the ledger go out: each is announced once, to whoever the site names."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from pydantic import ValidationError
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from gransk.reading.entries import Decision, Kind
from gransk.reading.exam_tables import EntryRow
from gransk.reading.opinions import Technical
from gransk.results import decisions
from gransk.results.message_tables import Announcement, AnnouncementKind
from gransk.site.database import Database

log = logging.getLogger(__name__)


class Teller:
    """Announces decisions; those of a time without destinations too, for who asks later.

    Parameters
    ----------
    database : Database
    destinations : collection of str
        Names of ``messages.destinations`` that are told decisions.
    """

    def __init__(self, database: Database, destinations: Collection[str]) -> None:
        self.database = database
        self.destinations = tuple(destinations)

    def run_once(self) -> int:
        """Announce what was decided; returns how many decisions."""
        with self.database.read() as session:
            numbers = list(session.scalars(_unannounced()))
        done = 0
        for number in numbers:
            try:
                with self.database.begin() as session:
                    done += self._announce(session, number)
            except ValidationError as error:
                # One decision must not hold up the others.
                log.error("decision %d is not announced: %s", number, type(error).__name__)
        return done

    def _announce(self, session: Session, number: int) -> bool:
        row = session.get_one(EntryRow, number, with_for_update=True)
        known = select(Announcement.number).where(
            Announcement.study_key == row.study_key, Announcement.kind == AnnouncementKind.DECISION
        )
        if session.scalar(known.where(Announcement.entry == number)) is not None:
            return False
        made = decision_of(row, corrected=session.scalar(known.limit(1)) is not None)
        decisions.announce(session, made, self.destinations)
        return True


def decision_of(row: EntryRow, corrected: bool) -> decisions.Decision:
    """A decision's entry as others are told it."""
    decided = Decision.model_validate(row.content)
    marks = {
        (suspect.breast, suspect.view, suspect.finding_type): decisions.Mark(
            breast=suspect.breast,
            view=suspect.view,
            finding_type=suspect.finding_type,
            suspicion=suspect.suspicion,
        )
        for suspect in sorted(decided.suspects, key=lambda one: one.suspicion or 0)
    }
    return decisions.Decision(
        study_key=row.study_key,
        number=row.number,
        outcome=decided.verdict,
        marks=tuple(marks.values()),
        repeat=_repeat(decided.technical),
        corrected=corrected,
        decided_at=row.at,
    )


def _repeat(asked: Sequence[Technical]) -> decisions.Repeat | None:
    """Every view that anybody wants again, once; the reason is the first one's."""
    if not asked:
        return None
    views = dict.fromkeys(view for one in asked for view in one.views)
    return decisions.Repeat(views=tuple(views), reason=asked[0].reason)


def _unannounced() -> Select[int]:
    return (
        select(EntryRow.number)
        .outerjoin(Announcement, Announcement.entry == EntryRow.number)
        .where(EntryRow.kind == Kind.DECIDED, Announcement.number.is_(None))
        .order_by(EntryRow.number)
    )
