"""Marks of studies in our archive: labels and metadata that say what a released report says.

They follow the released versions of reports: set after release, changed as reports are, taken
away where all are withdrawn. What is to be set is made anew from the tables each time, so that an
archive that was down, or lost a study and got it again, is marked as soon as it can be.
"""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Callable, Collection
from typing import Protocol

from sqlalchemy import JSON, ColumnElement, Select, String, cast, func, or_, select, union_all
from sqlalchemy.orm import Mapped, Session, mapped_column

from gransk.core.errors import GranskError
from gransk.delivery.destination import UnavailableError
from gransk.results.blobs import BlobStore
from gransk.results.report_content import report_content
from gransk.results.tables import Delivery, Report, Workitem
from gransk.results.urgency import Level, Urgency
from gransk.results.versions import SIGNED, WITHDRAWN, ReportStatus, ReportVersion, versions_of
from gransk.site.database import Base, Database, UtcDateTime
from gransk.site.events import SYSTEM, EventKind, record

log = logging.getLogger(__name__)

TOGETHER = 100
REST_SECONDS = 600.0
FINDINGS, NONE, SIGNED_MARK, INCOMPLETE = "findings", "none", "signed", "incomplete"
URGENT = {Level.HIGH: ("urgent",), Level.STAT: ("urgent", "stat")}

Place = Callable[[Session, str], str | None]
"""Where a study is in the archive; None where it is not."""

Stands = Callable[[], ColumnElement[bool]]
"""Is a row of `Urgency` to be shown still? A condition, such as `gransk.reading.urgent.stands`."""


class StudyMark(Base):
    """What marks of a study the archive has."""

    __tablename__ = "study_mark"

    study_key: Mapped[str] = mapped_column(String(32), primary_key=True)
    marks: Mapped[list[str]] = mapped_column(JSON)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    """Of the last change that they tell."""


class MarkedArchive(Protocol):
    """Our archive, as far as studies can be marked in it."""

    def mark(self, place: str, marks: Collection[str]) -> bool:
        """Give a study these marks of ours and no other; False where it is not there.

        Raises
        ------
        UnavailableError
            Where the archive does not answer now.
        RefusedError
            Where it will not.
        """


class Marker:
    """Brings marks in step with the released reports.

    Parameters
    ----------
    blobs : BlobStore
    archive : MarkedArchive
    place : callable
    destination : str
        Name of the archive as a destination of results.
    stands : callable
    """

    def __init__(
        self,
        blobs: BlobStore,
        archive: MarkedArchive,
        place: Place,
        destination: str,
        stands: Stands,
    ) -> None:
        self._stands = stands
        self._destination = destination
        self._blobs = blobs
        self._archive = archive
        self._place = place
        self._refused: dict[str, float] = {}
        """Until when a study rests that the archive refused to mark, or that cannot be read."""

    def run_once(self, database: Database) -> int:
        """Mark what changed since; how many studies. What fails is tried by the next look."""
        done = 0
        for study_key, at in self._due(database).items():
            try:
                done += self._mark(database, study_key, at)
            except UnavailableError as error:
                log.warning("marks wait: %s", error)
                break
            except GranskError as error:
                log.error("study %s is not marked: %s", study_key, error)
                self._refused[study_key] = time.monotonic() + REST_SECONDS
        return done

    def _due(self, database: Database) -> dict[str, datetime.datetime]:
        """Studies to mark now, with the change that the marks are to tell: none that rests."""
        now = time.monotonic()
        self._refused = {key: until for key, until in self._refused.items() if now < until}
        found: dict[str, datetime.datetime] = {}
        with database.read() as session:
            for look in (_read_since(self._stands), _changed(self._destination)):
                rows = session.execute(look.limit(TOGETHER + len(self._refused)))
                due = [(key, at) for key, at in rows if key not in self._refused]
                found |= dict(due[:TOGETHER])
        return found

    def _mark(self, database: Database, study_key: str, at: datetime.datetime) -> bool:
        with database.read() as session:
            marks = sorted(wanted(session, self._blobs, study_key, self._stands))
            place = self._place(session, study_key)
            known = session.get(StudyMark, study_key)
            had = [] if known is None else known.marks
        there = place is not None and self._archive.mark(place, marks)
        with database.begin() as session:
            row = session.get(StudyMark, study_key)
            if row is None:
                row = StudyMark(study_key=study_key)
                session.add(row)
            row.marks, row.at = (marks if there else []), at
            if there and marks != had:
                record(session, SYSTEM, EventKind.STUDY_MARKED, study_key, {"marks": marks})
        return there


def wanted(session: Session, blobs: BlobStore, study_key: str, stands: Stands) -> set[str]:
    """Marks that the released reports of a study ask for.

    Raises
    ------
    BlobError
        Where findings cannot be read.
    """
    marks: set[str] = set()
    items = session.scalars(select(Workitem).where(Workitem.study_key == study_key)).all()
    for item in items:
        versions = versions_of(session, item.id)
        if not versions or versions[-1].status in WITHDRAWN:
            continue
        report = session.get_one(Report, versions[-1].report_key)
        content = report_content(session, blobs, item, report)
        marks.add(FINDINGS if content.findings.standing else NONE)
        if ReportStatus(versions[-1].status) in SIGNED:
            marks.add(SIGNED_MARK)
        if report.incomplete:
            marks.add(INCOMPLETE)
    if FINDINGS in marks:
        marks.discard(NONE)
    urgency = session.scalar(select(Urgency).where(Urgency.study_key == study_key, stands()))
    if marks and urgency is not None:
        marks.update(URGENT[Level(urgency.level)])
    return marks


def _changed(destination: str) -> Select[str, datetime.datetime]:
    """Studies whose last change the marks do not tell yet, the oldest change first.

    Objects that are sent again are a change too: the archive may have lost the study meanwhile.
    """
    versions = select(Workitem.study_key, ReportVersion.at.label("at")).join(
        ReportVersion, ReportVersion.workitem_id == Workitem.id
    )
    sent = (
        select(Workitem.study_key, Delivery.sent_at.label("at"))
        .join(Report, Report.workitem_id == Workitem.id)
        .join(Delivery, Delivery.report_key == Report.key)
        .where(Delivery.destination == destination, Delivery.sent_at.is_not(None))
    )
    changes = union_all(versions, sent).subquery()
    last = func.max(changes.c.at, type_=UtcDateTime)
    return (
        select(changes.c.study_key, last)
        .outerjoin(StudyMark, StudyMark.study_key == changes.c.study_key)
        .group_by(changes.c.study_key, StudyMark.at)
        .having(or_(StudyMark.at.is_(None), StudyMark.at < last))
        .order_by(last)
    )


def _read_since(stands: Stands) -> Select[str, datetime.datetime]:
    """Studies that are marked as urgent and are so no more."""
    urgent = select(Urgency.study_key).where(stands())
    return (
        select(StudyMark.study_key, StudyMark.at)
        .where(cast(StudyMark.marks, String).contains(f'"{URGENT[Level.HIGH][0]}"'))
        .where(StudyMark.study_key.not_in(urgent))
        .order_by(StudyMark.at)
    )
