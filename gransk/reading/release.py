"""The workflow *release*: an unreleased report becomes visible by the site's policy.

Until then a report is in the result store alone. The policy of this version is
decision support: at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from dbos import DBOS
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.core.reasons import Reason
from gransk.results.starter import Open, Starter
from gransk.results.store import queue_deliveries
from gransk.results.tables import Report, Workitem, WorkState
from gransk.site.config import Config
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.workflows import QueueName, workflow

NAME = "release"
POLICY = "policy:at_once"


Then = Callable[[Session, Workitem, Report], None]
"""What else happens in the transaction that releases a report."""


def register(
    config: Config, database: Database, look: threading.Event, then: Then | None = None
) -> None:
    """Make the workflow known to DBOS; call it before DBOS is launched.

    ``look`` tells the starters that there may be something to start.
    """
    destinations = [destination.name for destination in config.destinations]

    @DBOS.step(name="release_once", retries_allowed=True, interval_seconds=1.0, max_attempts=10)
    def once(report_key: str) -> bool:
        with database.begin() as session:
            released = release_report(session, report_key, POLICY, destinations, then)
        look.set()
        return released

    @workflow(NAME)
    def release(report_key: str) -> bool:
        return once(report_key)


def release_report(
    session: Session,
    report_key: str,
    by: str,
    destinations: Sequence[str],
    then: Then | None = None,
) -> bool:
    """Release a report: its objects enter the outbox in the same transaction.

    ``then`` is called in it too, such as `gransk.reading.followup.Noter`.

    Returns
    -------
    bool
        False where it is withdrawn, superseded or gone; True where it is
        released, now or before.
    """
    report = session.get(Report, report_key, with_for_update=True, populate_existing=True)
    if report is None or report.withdrawn_at is not None:
        return False
    item = session.get(Workitem, report.workitem_id)
    if item is None or item.report_key != report_key:
        return False
    if report.released_at is None:
        report.released_at = utcnow()
        report.released_by = by
        queue_deliveries(session, report_key, destinations)
        data = {"report": report_key, "by": by}
        record(session, SYSTEM, EventKind.REPORT_RELEASED, item.study_key, data)
        if then is not None:
            then(session, item, report)
    return True


def starter(database: Database) -> Starter:
    """Starts a workflow for every report that the policy may release."""
    return Starter(database, QueueName.RELEASE, NAME, open_rows, lost)


def open_rows(session: Session) -> list[Open]:
    """Current reports that are neither released nor withdrawn."""
    query = (
        select(Report.key, Workitem.generation, Workitem.attempt)
        .join(Workitem, Workitem.report_key == Report.key)
        .where(Report.released_at.is_(None), Report.withdrawn_at.is_(None))
        .where(Workitem.state == WorkState.READY)
        .order_by(Report.created_at)
    )
    return [
        Open(f"release-{row.key}-{row.generation}-{row.attempt}", (row.key,))
        for row in session.execute(query)
    ]


def lost(session: Session, row: Open, status: str) -> bool:
    """A workflow ended and left its report unreleased: the row goes to the dead letters.

    Another try at the row finds its analysis sealed and releases it anew.
    """
    if row not in open_rows(session):
        return False
    report = session.get_one(Report, str(row.arguments[0]))
    item = session.get_one(Workitem, report.workitem_id, with_for_update=True)
    item.state, item.reason = WorkState.FAILED, Reason.INTERNAL_ERROR.value
    item.detail = f"release ended as {status}"
    data = {"report": report.key, "detail": item.detail}
    record(session, SYSTEM, EventKind.ANALYSIS_FAILED, item.study_key, data)
    return True
