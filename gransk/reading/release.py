"""The workflow *release*: an unreleased report becomes visible by the site's policy.

Until then a report is in the result store alone. Reports of exams in the reading room are
released when its ledger says so (`gransk.reading.ledger.reports_at`), all others at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from dbos import DBOS
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from gransk.core.reasons import Reason
from gransk.reading.exam import State
from gransk.reading.exam_tables import ExamRow
from gransk.results.router import Route
from gransk.results.starter import Open, Starter
from gransk.results.store import LEDGER, deliver_anew, locked_report, queue_deliveries
from gransk.results.tables import Report, Workitem, WorkState
from gransk.results.versions import note_version
from gransk.site.database import Database, utcnow
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.workflows import QueueName, workflow

NAME = "release"
POLICY = "policy:at_once"

Covers = Callable[[Session, Workitem], bool]
"""Will the study of a row, which is not in the reading room yet, enter it?"""

Then = Callable[[Session, Workitem, Report], None]
"""What else happens in the transaction that releases a report."""


def in_turn(*hooks: Then) -> Then:
    """Several hooks as one, in this order."""

    def every(session: Session, item: Workitem, report: Report) -> None:
        for hook in hooks:
            hook(session, item, report)

    return every


def register(
    database: Database,
    look: threading.Event,
    route: Route,
    then: Then | None = None,
    covers: Covers | None = None,
) -> None:
    """Make the workflow known to DBOS; call it before DBOS is launched.

    ``look`` tells the starters that there may be something to start.
    """

    @DBOS.step(name="release_once", retries_allowed=True, interval_seconds=1.0, max_attempts=10)
    def once(report_key: str) -> bool:
        with database.begin() as session:
            released = release_report(session, report_key, POLICY, route, then, covers)
        look.set()
        return released

    @workflow(NAME)
    def release(report_key: str) -> bool:
        return once(report_key)


def release_report(
    session: Session,
    report_key: str,
    by: str,
    route: Route,
    then: Then | None = None,
    covers: Covers | None = None,
) -> bool:
    """Release a report: its objects enter the outbox in the same transaction.

    ``route`` says where they go, such as `gransk.results.router.Router`; ``then`` is called in it
    too, such as `gransk.reading.followup.Noter`. In the reading room the ledger says who releases,
    not ``by``. What stands again is sent wherever it was sent before.

    Returns
    -------
    bool
        False where it is withdrawn, superseded, gone or held; True where it is
        released, now or before.
    """
    found = locked_report(session, report_key)
    if found is None:
        return False
    item, report = found
    if report.withdrawn_at is not None or item.report_key != report_key:
        return False
    if report.released_at is None:
        exam = session.get(ExamRow, item.study_key, populate_existing=True)
        if _held(session, item, exam, covers):
            return False
        by = by if exam is None else LEDGER
        report.released_at = utcnow()
        report.released_by = by
        wanted = route(session, item, report)
        deliver_anew(session, report_key)
        queue_deliveries(session, report_key, wanted)
        data = {"report": report_key, "by": by, "destinations": sorted(wanted)}
        record(session, SYSTEM, EventKind.REPORT_RELEASED, item.study_key, data)
        note_version(session, report)
        if then is not None:
            then(session, item, report)
    return True


def _held(session: Session, item: Workitem, exam: ExamRow | None, covers: Covers | None) -> bool:
    """Must the reports of a study stay in the result store?

    A withdrawn exam may open anew, whatever its last plan let go.
    """
    if exam is not None:
        return exam.reports_at is None or exam.state == State.WITHDRAWN
    return covers is not None and covers(session, item)


def starter(database: Database, covers: Covers | None = None) -> Starter:
    """Starts a workflow for every report that may be released."""
    return Starter(
        database,
        QueueName.RELEASE,
        NAME,
        lambda session: open_rows(session, covers),
        lambda session, row, status: lost(session, row, status, covers),
    )


def open_rows(session: Session, covers: Covers | None = None) -> list[Open]:
    """Current reports that are neither released nor withdrawn, and that nothing holds."""
    query = (
        select(Report.key, Workitem, ExamRow)
        .join(Workitem, Workitem.report_key == Report.key)
        .outerjoin(ExamRow, ExamRow.study_key == Workitem.study_key)
        .where(or_(ExamRow.study_key.is_(None), ExamRow.reports_at.is_not(None)))
        .where(Report.released_at.is_(None), Report.withdrawn_at.is_(None))
        .where(Workitem.state == WorkState.READY)
        .order_by(Report.created_at)
    )
    return [
        _open(key, item, exam)
        for key, item, exam in session.execute(query)
        if not _held(session, item, exam, covers)
    ]


def _open(key: str, item: Workitem, exam: ExamRow | None) -> Open:
    """What the ledger releases is another workflow than one that was refused before."""
    room = "" if exam is None else "-room"
    return Open(f"release-{key}-{item.generation}-{item.attempt}{room}", (key,))


def lost(session: Session, row: Open, status: str, covers: Covers | None = None) -> bool:
    """A workflow ended and left its report unreleased: the row goes to the dead letters.

    Another try at the row finds its analysis sealed and releases it anew.
    """
    if row not in open_rows(session, covers):
        return False
    report = session.get_one(Report, str(row.arguments[0]))
    item = session.get_one(Workitem, report.workitem_id, with_for_update=True)
    item.state, item.reason = WorkState.FAILED, Reason.INTERNAL_ERROR.value
    item.detail = f"release ended as {status}"
    data = {"report": report.key, "detail": item.detail}
    record(session, SYSTEM, EventKind.ANALYSIS_FAILED, item.study_key, data)
    return True
