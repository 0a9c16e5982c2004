"""What happens when intake hands a study over: rows of the worklist.

Each handler works in the session of its caller, so that a study is noted as
handed over in the same transaction that makes its rows. Starting the work is
the starter's business: a crash between the two loses nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.tables import SeenStudy
from gransk.core.application import Application
from gransk.core.keys import digest
from gransk.core.reasons import Reason
from gransk.core.study import Study
from gransk.pipeline.workitems import FAILURES, OPEN, fail, refuse, wait
from gransk.results.store import restore_report, withdraw_report
from gransk.results.tables import Report, Workitem, WorkState
from gransk.site.database import utcnow
from gransk.site.events import SYSTEM, EventKind, record

log = logging.getLogger(__name__)

_RETRIED = FAILURES | {Reason.WITHDRAWN}
"""With these a study that comes back is tried again."""


class Handlers:
    """The pipeline's answers to intake.

    Parameters
    ----------
    applications : mapping of str to Application
        By id.
    settings_version : int
        Under which new work is done.
    """

    def __init__(self, applications: Mapping[str, Application], settings_version: int) -> None:
        self.applications = applications
        self.settings_version = settings_version

    def complete(self, headers: Study) -> bool | None:
        """Is the exam complete? None where no application reads it."""
        mine = [app for app in self.applications.values() if _verdict(app, headers) is None]
        return all(_ready(app, headers) for app in mine) if mine else None

    def submit(self, session: Session, seen: SeenStudy, headers: Study, incomplete: bool) -> None:
        """Queue a settled study for every application that reads it.

        The same input again changes nothing; another input is a new
        generation, whose report will supersede the earlier one.
        """
        known = {
            item.application: item
            for item in session.scalars(
                select(Workitem).where(Workitem.study_key == seen.key).with_for_update()
            )
        }
        verdicts = {app.id: _verdict(app, headers) for app in self.applications.values()}
        wanted = {
            name: verdict
            for name, verdict in verdicts.items()
            if verdict != Reason.NO_APPLICATION or name in known
        }
        if not wanted:
            wanted = {"": Reason.NO_APPLICATION}
        elif "" in known:
            session.delete(known.pop(""))
            session.flush()
        for name, verdict in wanted.items():
            item = known.get(name)
            if item is None:
                item = self._new_item(session, seen, name)
            elif item.fingerprint == seen.fingerprint and item.incomplete == incomplete:
                if item.state == WorkState.WITHDRAWN:
                    _return(session, item)
                continue
            else:
                item.generation += 1
                item.attempt = 0
            self._renew(session, item, seen, incomplete, verdict)

    def withdraw(self, session: Session, seen: SeenStudy) -> None:
        """The study was deleted from the archive."""
        for item in _items(session, seen):
            if item.state == WorkState.WITHDRAWN:
                continue
            if item.state in OPEN:
                item.reason = Reason.WITHDRAWN.value
            item.state = WorkState.WITHDRAWN
            item.step, item.share = "", 0.0
            item.finished_at = utcnow()
            if item.report_key:
                withdraw_report(session, item.report_key, item.study_key)
            data = {"application": item.application}
            record(session, SYSTEM, EventKind.ANALYSIS_WITHDRAWN, item.study_key, data)

    def restore(self, session: Session, seen: SeenStudy) -> None:
        """The study was deleted and came back unchanged."""
        for item in _items(session, seen):
            if item.state == WorkState.WITHDRAWN:
                _return(session, item)
            elif item.state == WorkState.READY and item.report_key:
                restore_report(session, item.report_key)

    def _new_item(self, session: Session, seen: SeenStudy, application: str) -> Workitem:
        item = Workitem(
            id=digest([seen.key, application])[:32],
            study_key=seen.key,
            application=application,
            reason=None,
            detail="",
            generation=0,
            attempt=0,
            deaths=0,
            analysis_key=None,
            report_key=None,
            created_at=utcnow(),
        )
        session.add(item)
        return item

    def _renew(
        self,
        session: Session,
        item: Workitem,
        seen: SeenStudy,
        incomplete: bool,
        verdict: Reason | None,
    ) -> None:
        wait(item)
        item.priority = seen.priority
        item.incomplete = incomplete
        item.fingerprint = seen.fingerprint
        item.settings_version = self.settings_version
        item.images_at = seen.changed_at
        session.flush()
        if verdict is None:
            data = {"application": item.application, "generation": item.generation}
            record(session, SYSTEM, EventKind.ANALYSIS_QUEUED, item.study_key, data)
        else:
            (fail if verdict in FAILURES else refuse)(session, item, verdict, "")


def _items(session: Session, seen: SeenStudy) -> list[Workitem]:
    query = select(Workitem).where(Workitem.study_key == seen.key).with_for_update()
    return list(session.scalars(query))


def _return(session: Session, item: Workitem) -> None:
    """A withdrawn row as it was before: its report, its refusal, or its place in the queue.

    Only a row that was in work carries the reason *withdrawn*.
    """
    if item.reason is None and item.report_key is not None:
        restore_report(session, item.report_key)
        item.state, item.share = WorkState.READY, 1.0
        if session.get_one(Report, item.report_key).released_at is None:
            # Its release may have ended while it was withdrawn: another is wanted.
            item.attempt += 1
    elif item.reason is not None and item.reason not in _RETRIED:
        item.state = WorkState.NOT_ANALYSED
    else:
        wait(item)
        item.attempt += 1


def _verdict(application: Application, headers: Study) -> Reason | None:
    """What an application says of a study; its own fault must not stop intake."""
    try:
        return application.accepts(headers)
    except Exception as error:  # noqa: BLE001
        log.error("%s cannot judge a study: %s", application.id, type(error).__name__)
        return Reason.INTERNAL_ERROR


def _ready(application: Application, headers: Study) -> bool:
    try:
        return application.ready(headers)
    except Exception as error:  # noqa: BLE001
        log.error("%s cannot judge a study: %s", application.id, type(error).__name__)
        return False
