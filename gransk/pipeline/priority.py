"""A person's word on which study goes first."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.tables import SeenStudy
from gransk.results.tables import Workitem, WorkState
from gransk.site.events import EventKind, record


def set_priority(session: Session, study: SeenStudy, priority: int, actor: str) -> bool:
    """Give a study that is not yet in work another place in the queue.

    The queue keeps the place that a workflow was given when it was put there. So a
    waiting row gets another attempt: its new workflow takes the new place, and the old
    one, when its turn comes, finds that it is no longer wanted.

    Parameters
    ----------
    session : Session
        A transaction that writes.
    study : SeenStudy
    priority : int
        Higher goes first; see `gransk.archive.studies`.
    actor : str
        Account name.

    Returns
    -------
    bool
        False where nothing of the study waits, or it has this priority already.
    """
    rows = select(Workitem).where(
        Workitem.study_key == study.key, Workitem.state == WorkState.WAITING
    )
    waiting = session.scalars(rows.with_for_update()).all()
    if study.deleted_at is not None or not (waiting or study.pending):
        return False
    before = waiting[0].priority if waiting else study.priority
    if before == priority:
        return False
    study.priority = priority
    for item in waiting:
        item.priority = priority
        item.attempt += 1
    data = {"from": before, "to": priority}
    record(session, actor, EventKind.PRIORITY_CHANGED, study.key, data)
    return True
