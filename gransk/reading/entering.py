"""Which studies enter the reading room, and which are about to."""

from __future__ import annotations

import datetime
import time
from collections.abc import Collection
from typing import NamedTuple, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.findings import Findings
from gransk.reading.ai import Said
from gransk.reading.exam import Exam
from gransk.reading.exam_tables import ExamRow
from gransk.reading.plan import Plan
from gransk.results.tables import Report, Workitem, WorkState
from gransk.site.database import utcnow

ENTERS = datetime.timedelta(days=14)
"""An exam whose last image is older enters no more."""
OUTSIDE_SECONDS = 600.0
"""How long an exam that no rule covers is not asked about again."""


class Place(NamedTuple):
    """Where an exam is read, and how long after its last image it opens."""

    unit: str
    waiting: datetime.timedelta


class Site(Protocol):
    """What the site's policies say of exams; each is asked within a transaction."""

    applications: Collection[str]
    """Ids of those whose studies may be read in the reading room."""

    def since(self, session: Session) -> datetime.datetime | None:
        """Exams whose last image is older were there before the reading room; None without one."""

    def place(self, session: Session, item: Workitem) -> Place | None:
        """Where an exam is read; None where it stays outside, as an earlier study does."""

    def says(self, session: Session, study_key: str, findings: Findings) -> Said:
        """What the AI says of an exam by the policy that covers it now."""

    def plan(self, session: Session, study_key: str, exam: Exam, at: datetime.datetime) -> Plan:
        """How an exam is read; its sealed opinion, if any, is ``exam.ai``."""


def covers(site: Site, session: Session, item: Workitem, at: datetime.datetime) -> bool:
    """Will an exam enter the reading room, so that its reports are held until then?"""
    since = site.since(session)
    return (
        since is not None
        and item.application in site.applications
        and item.images_at >= max(since, at - ENTERS)
        and site.place(session, item) is not None
    )


def covers_now(site: Site, session: Session, item: Workitem) -> bool:
    """The same at this instant, as *release* asks for it."""
    return covers(site, session, item, utcnow())


class Entering:
    """Exams that will enter the reading room and have not yet: pages hide them before they do.

    Parameters
    ----------
    site : Site
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self._outside: dict[tuple[str, int], float] = {}

    def keys(self, session: Session) -> frozenset[str]:
        """Their study keys."""
        now = utcnow()
        found = []
        for item in new_rows(session, self.site, now):
            row = (item.id, item.generation)
            if time.monotonic() - self._outside.get(row, -OUTSIDE_SECONDS) < OUTSIDE_SECONDS:
                continue
            if covers(self.site, session, item, now):
                found.append(item.study_key)
            else:
                self._outside[row] = time.monotonic()
        return frozenset(found)


def new_rows(session: Session, site: Site, at: datetime.datetime) -> list[Workitem]:
    """Rows of the worklist that are new enough to enter, and neither entered nor released."""
    since = site.since(session)
    if since is None:
        return []
    query = (
        select(Workitem)
        .outerjoin(ExamRow, ExamRow.study_key == Workitem.study_key)
        .outerjoin(Report, Report.key == Workitem.report_key)
        .where(
            Workitem.application.in_(site.applications),
            Workitem.state != WorkState.WITHDRAWN,
            Workitem.images_at >= max(since, at - ENTERS),
            ExamRow.study_key.is_(None),
            Report.released_at.is_(None),
        )
        .order_by(Workitem.images_at)
    )
    return list(session.scalars(query))
