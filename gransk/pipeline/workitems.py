"""What may happen to a row of the worklist: its states and who may change them.

Every change names the generation and attempt that it belongs to. Where the row
has moved on, because images came late, the study was deleted or somebody asked
for another try, nothing is changed and the caller stops.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from gransk.core.reasons import Reason
from gransk.results.store import withdraw_report
from gransk.results.tables import Workitem, WorkState
from gransk.site.database import utcnow
from gransk.site.events import SYSTEM, EventKind, record
from gransk.site.settings import latest_number

FAILURES = frozenset(
    {Reason.MEMORY_LIMIT, Reason.TIME_LIMIT, Reason.WORKER_LOST, Reason.INTERNAL_ERROR}
)
"""Reasons that a person may answer by another try; the others are refusals."""

OPEN = (WorkState.WAITING, WorkState.RUNNING)


@dataclass(frozen=True)
class Work:
    """One try at one input of one row: what a workflow is about."""

    item: str
    generation: int
    attempt: int

    @property
    def workflow_id(self) -> str:
        return f"{self.item}-{self.generation}-{self.attempt}"

    @classmethod
    def of(cls, item: Workitem) -> Work:
        return cls(item.id, item.generation, item.attempt)


def locked(session: Session, work: Work) -> Workitem | None:
    """The row, locked, or None where this work is no longer wanted."""
    item = session.get(Workitem, work.item, with_for_update=True, populate_existing=True)
    if item is None or Work.of(item) != work or item.state not in OPEN:
        return None
    return item


def start(session: Session, work: Work, max_deaths: int) -> Workitem | None:
    """Say that the work runs; None where it shall not.

    One death is counted beforehand, and taken back by `clear_deaths` when the
    dangerous part has ended. An input with ``max_deaths`` of them is set aside.
    """
    item = locked(session, work)
    if item is None:
        return None
    if item.deaths >= max_deaths:
        fail(session, item, Reason.WORKER_LOST, f"{item.deaths} deaths")
        return None
    if item.state != WorkState.RUNNING:
        item.started_at = utcnow()
        record(session, SYSTEM, EventKind.ANALYSIS_STARTED, item.study_key, _named(item))
    item.state = WorkState.RUNNING
    item.step, item.share = "start", 0.0
    item.deaths += 1
    return item


def progress(session: Session, work: Work, step: str, share: float) -> bool:
    """Show how far the work is; False where it is no longer wanted."""
    changed = session.execute(
        update(Workitem)
        .where(Workitem.id == work.item)
        .where(Workitem.generation == work.generation, Workitem.attempt == work.attempt)
        .where(Workitem.state.in_(OPEN))
        .values(step=step[:64], share=min(max(share, 0.0), 1.0))
        .returning(Workitem.id)
    )
    return changed.first() is not None


def clear_deaths(session: Session, work: Work) -> None:
    """The dangerous part ended, and the process told how."""
    item = locked(session, work)
    if item is not None:
        item.deaths = 0


def ready(session: Session, item: Workitem) -> None:
    """The report is sealed."""
    item.state = WorkState.READY
    item.reason, item.detail = None, ""
    item.step, item.share, item.deaths = "", 1.0, 0
    item.finished_at = utcnow()


def refuse(session: Session, item: Workitem, reason: Reason, detail: str) -> None:
    """The input is not analysed, for a reason of the closed list.

    A report of fewer images, made before others came late, is taken back: with them the
    study is not what it told.
    """
    if item.report_key is not None:
        withdraw_report(session, item.report_key, item.study_key)
    _end(item, WorkState.NOT_ANALYSED, reason, detail)
    data = {**_named(item), "reason": reason.value}
    record(session, SYSTEM, EventKind.ANALYSIS_REFUSED, item.study_key, data)


def fail(session: Session, item: Workitem, reason: Reason, detail: str) -> None:
    """The work goes to the dead letters, where a person sees it."""
    _end(item, WorkState.FAILED, reason, detail)
    kind = (
        EventKind.ANALYSIS_SET_ASIDE if reason == Reason.WORKER_LOST else EventKind.ANALYSIS_FAILED
    )
    data = {**_named(item), "reason": reason.value, "detail": detail[:500]}
    record(session, SYSTEM, kind, item.study_key, data)


def rerun(session: Session, item_id: str, actor: str) -> bool:
    """Try a row again that is failed or not analysed; False where it is neither.

    It is analysed under the settings that are in force now: who asks may have changed them.
    """
    item = session.get(Workitem, item_id, with_for_update=True)
    if item is None or not item.application:
        return False
    if item.state not in (WorkState.FAILED, WorkState.NOT_ANALYSED):
        return False
    wait(item)
    item.attempt += 1
    item.settings_version = latest_number(session) or item.settings_version
    record(session, actor, EventKind.ANALYSIS_RETRIED, item.study_key, _named(item))
    return True


def report_again(session: Session, item_id: str, actor: str, why: EventKind) -> bool:
    """Make a new report of a row's kept findings; False where it has none yet.

    A row that is open already will take in what is new when it runs; one that runs now is
    started anew, so that nothing that came meanwhile is missed.
    """
    item = session.get(Workitem, item_id, with_for_update=True)
    if item is None or item.state not in (WorkState.READY, WorkState.RUNNING):
        return False
    wait(item)
    item.attempt += 1
    record(session, actor, why, item.study_key, _named(item))
    return True


def tell_again(session: Session, study_key: str, application: str, why: EventKind) -> None:
    """Make a new report of a study's kept findings, as the suite itself asks."""
    query = select(Workitem.id).where(
        Workitem.study_key == study_key, Workitem.application == application
    )
    for item in session.scalars(query).all():
        report_again(session, item, SYSTEM, why)


def wait(item: Workitem) -> None:
    """Put a row back among the waiting."""
    item.state = WorkState.WAITING
    item.reason, item.detail = None, ""
    item.step, item.share, item.deaths = "", 0.0, 0
    item.started_at = item.finished_at = None


def _end(item: Workitem, state: WorkState, reason: Reason, detail: str) -> None:
    item.state, item.reason, item.detail = state, reason.value, detail[:2000]
    item.step, item.share = "", 0.0
    item.finished_at = utcnow()


def _named(item: Workitem) -> dict[str, str | int]:
    return {
        "application": item.application,
        "generation": item.generation,
        "attempt": item.attempt,
    }
