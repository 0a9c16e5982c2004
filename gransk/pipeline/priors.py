"""Earlier studies as the pipeline sees them: who waits for whose analysis."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session, aliased

from gransk.archive import priors
from gransk.archive.priors import PriorStudyRef
from gransk.archive.tables import Archive, Prior, PriorSearch, PriorState, SeenStudy
from gransk.core.followup import NotCompared
from gransk.core.reasons import Reason
from gransk.pipeline.priority import set_priority
from gransk.pipeline.workitems import OPEN, report_again
from gransk.results.tables import Workitem, WorkState
from gransk.site.database import utcnow
from gransk.site.events import SYSTEM, EventKind

UNATTENDED = datetime.timedelta(seconds=30)
"""A service that says nothing for so long is taken as down."""

STEP = "priors"
"""The step of a row that waits for earlier studies."""


@dataclass(frozen=True)
class AnalysedPrior:
    """An earlier study whose analysis is sealed."""

    study: PriorStudyRef
    analysis_key: str


def held(session: Session) -> set[str]:
    """Ids of the waiting rows that wait for earlier studies: found, fetched and analysed first.

    None is held beyond its deadline, nor while there is no service that looks for them.
    """
    attended = session.scalar(select(func.max(Archive.attended_at)))
    if attended is not None and attended < utcnow() - UNATTENDED:
        return set()
    mine = (
        select(Workitem.id)
        .select_from(PriorSearch)
        .join(Workitem, Workitem.study_key == PriorSearch.study_key)
        .where(Workitem.state == WorkState.WAITING)
    )
    searching, coming = priors.awaiting(mine)
    other = aliased(Workitem)
    unanalysed = (
        mine.where(PriorSearch.deadline > utcnow())
        .join(Prior, Prior.study_key == PriorSearch.study_key)
        .join(SeenStudy, SeenStudy.key == Prior.prior_key)
        .join(
            other,
            and_(other.study_key == Prior.prior_key, other.application == Workitem.application),
        )
        .where(Prior.state == PriorState.HERE, SeenStudy.deleted_at.is_(None))
        .where(other.state.in_(OPEN))
    )
    return {one for query in (searching, coming, unanalysed) for one in session.scalars(query)}


def analysed(session: Session, study_key: str, application: str) -> list[AnalysedPrior]:
    """Earlier studies that are here and whose findings are sealed, latest first."""
    found = []
    for ref in priors.usable(session, study_key):
        item = _item(session, ref.study_key, application)
        if item is not None and item.analysis_key is not None and _stands(item):
            found.append(AnalysedPrior(ref, item.analysis_key))
    return found


def comparable(session: Session, study_key: str, application: str) -> list[AnalysedPrior]:
    """Those that are `analysed`, and those whose images were removed after they were.

    Of the latter a comparison may be kept; where none is, their images are not to be had.
    """
    found = analysed(session, study_key, application)
    for ref in priors.removed(session, study_key):
        item = _item(session, ref.study_key, application)
        if item is not None and item.analysis_key is not None:
            found.append(AnalysedPrior(ref, item.analysis_key))
    return sorted(found, key=lambda one: one.study.study_date, reverse=True)


def not_compared(session: Session, study_key: str, application: str) -> list[NotCompared]:
    """Every earlier study that `comparable` leaves out, and why; latest first."""
    comparables = comparable(session, study_key, application)
    ready = {one.study.study_key for one in comparables}
    told = [
        one
        for one in priors.not_compared(session, study_key)
        if one.reason is not Reason.PRIOR_GONE
        or one.study_date not in {other.study.study_date for other in comparables}
    ]
    for ref in priors.usable(session, study_key):
        if ref.study_key in ready:
            continue
        item = _item(session, ref.study_key, application)
        late = item is not None and item.state in OPEN
        told.append(
            NotCompared(
                study_date=ref.study_date,
                reason=Reason.PRIOR_LATE if late else Reason.PRIOR_NOT_ANALYSED,
                detail=(item.reason or "") if item is not None and not late else "",
            )
        )
    return sorted(
        told, key=lambda one: one.study_date.isoformat() if one.study_date else "", reverse=True
    )


def in_work(session: Session, study_keys: Iterable[str]) -> bool:
    """Is any of the studies analysed, or reported, now or soon?"""
    query = select(Workitem.id).where(
        Workitem.study_key.in_(list(study_keys)), Workitem.state.in_(OPEN)
    )
    return session.scalars(query.limit(1)).first() is not None


def changed(session: Session, study_key: str, added: Iterable[str], gone: bool) -> None:
    """The earlier studies of one are others than before: a new report where that matters.

    Parameters
    ----------
    session : Session
    study_key : str
    added : iterable of str
        Keys of earlier studies that are usable now. One that is not analysed yet makes the
        report when it is.
    gone : bool
        One is not usable any more.
    """
    keys = set(added)
    query = select(Workitem).where(Workitem.study_key == study_key)
    for item in session.scalars(query).all():
        others = [_item(session, key, item.application) for key in keys]
        for other in others:
            _hurry(session, other, item)
        ready = any(other is not None and other.analysis_key is not None for other in others)
        reported = item.report_key is not None or item.state == WorkState.RUNNING
        if reported and (ready or gone):
            report_again(session, item.id, SYSTEM, EventKind.PRIOR_ARRIVED)


def shown_wrong(session: Session) -> dict[str, str]:
    """Rows whose step tells wrongly that they wait for earlier studies, or do not tell it."""
    query = select(Workitem.id).where(Workitem.state == WorkState.WAITING, Workitem.step == STEP)
    now, shown = held(session), set(session.scalars(query))
    return dict.fromkeys(now - shown, STEP) | dict.fromkeys(shown - now, "")


def show_waiting(session: Session) -> None:
    """Write into the rows which of them wait for earlier studies."""
    for item, step in shown_wrong(session).items():
        row = session.get(Workitem, item, with_for_update=True, populate_existing=True)
        if row is not None and row.state == WorkState.WAITING:
            row.step = step


def _item(session: Session, study_key: str, application: str) -> Workitem | None:
    query = select(Workitem).where(
        Workitem.study_key == study_key, Workitem.application == application
    )
    return session.scalars(query).first()


def _hurry(session: Session, other: Workitem | None, item: Workitem) -> None:
    """What a study waits for goes no later than the study would."""
    waits = other is not None and WorkState.WAITING == item.state == other.state
    if other is not None and waits and other.priority < item.priority:
        seen = session.get_one(SeenStudy, other.study_key)
        set_priority(session, seen, item.priority, SYSTEM)


def _stands(item: Workitem) -> bool:
    """Are the row's sealed findings those of its images as they are now?"""
    return item.state == WorkState.READY or (item.state in OPEN and item.report_key is not None)
